"""The models in use: one engine for each, opened with its first stream, closed with its last."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from contracts.errors import BundleError
from inference.bundle import Bundle
from inference.engine import Engine
from inference.runtime import ActionModel


@dataclass(frozen=True, slots=True)
class Models:
    """The models that a stream may choose.

    Attributes:
        default: Name of the one that looks at every stream that chooses none.
        open: Loads one by name, or by the path of its folder; raises ``BundleError``.
        available: Bundles that can be chosen.
    """

    default: str
    open: Callable[[str], ActionModel]
    available: Callable[[], Sequence[Bundle]]


def single_model(model: ActionModel) -> Models:
    """A choice of one."""
    name = model.bundle.name

    def refuse(wanted: str) -> ActionModel:
        raise BundleError(f"No model {wanted!r}.", f"There is only {name}.")

    return Models(name, refuse, lambda: [model.bundle])


class EnginePool:
    """Running engines by model. Thread-safe."""

    def __init__(
        self, default: Engine, models: Models, make: Callable[[ActionModel], Engine]
    ) -> None:
        """Take over the default engine, which stays open however many streams use it.

        Args:
            default: Scores every stream that chooses no model.
            models: What can be chosen.
            make: Makes the engine of a model; it is started here.
        """
        self.models = models
        self._default = default
        self._make = make
        self._engines: dict[str, Engine] = {}
        self._users: Counter[str] = Counter()
        self._lock = threading.Lock()

    def start(self) -> None:
        """Start the default engine."""
        self._default.start()

    def stop(self) -> None:
        """Stop every engine."""
        with self._lock:
            engines = [self._default, *self._engines.values()]
            self._engines.clear()
            self._users.clear()
        for engine in engines:
            engine.stop()

    def take(self, name: str | None) -> Engine:
        """The engine of a model, for one more stream; opened if nobody uses it yet.

        Args:
            name: Of a model, as `Models.open` reads it; ``None`` means the default.

        Raises:
            BundleError: There is no such model, or it cannot be run.
        """
        with self._lock:
            if self._is_default(name) or name is None:
                return self._default
            if name not in self._engines:
                engine = self._engines[name] = self._make(self.models.open(name))
                engine.start()
            self._users[name] += 1
            return self._engines[name]

    def give_back(self, name: str | None) -> None:
        """One stream less; an engine without any is closed, and its model let go.

        Args:
            name: As it was given to `take`.
        """
        with self._lock:
            if self._is_default(name) or name is None or name not in self._engines:
                return
            self._users[name] -= 1
            if self._users[name] > 0:
                return
            engine = self._engines.pop(name)
            del self._users[name]
        engine.stop()

    @property
    def failure(self) -> BaseException | None:
        """Why one of the engines stopped by itself, if one did."""
        return next((one.failure for one in self._open() if one.failure is not None), None)

    def in_use(self) -> list[Bundle]:
        """Bundles that are open, the default first."""
        return [engine.model.bundle for engine in self._open()]

    def _open(self) -> list[Engine]:
        # Without the lock: it is held while a model loads, and the event loop asks here.
        return [self._default, *list(self._engines.values())]

    def _is_default(self, name: str | None) -> bool:
        return name in (None, self.models.default, self._default.model.bundle.name)
