"""A run's configuration as YAML: read, written and documented."""

from __future__ import annotations

import difflib
import inspect
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from pathlib import Path
from typing import Any, get_type_hints

import yaml
from pydantic import TypeAdapter, ValidationError

from contracts.errors import ConfigError
from contracts.yaml_file import read_yaml
from inference.models.frame_encoder import SIZES
from training.config import TrainConfig

_ADAPTER = TypeAdapter(TrainConfig)


class _Loader(yaml.SafeLoader):  # pylint: disable=too-many-ancestors  # PyYAML has as many
    """YAML whose numbers may be written ``1e-3``, which version 1.1 takes for text."""


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"[-+]?[0-9]+(\.[0-9]*)?[eE][-+]?[0-9]+$"),
    list("-+0123456789"),
)


def read_config(file: Path, base: TrainConfig | None = None) -> TrainConfig:
    """Read the configuration of a run.

    Args:
        file: YAML; keys as in docs/training.md.
        base: What holds where the file says nothing; the defaults without, and then the file must
            say ``net.classes``.

    Returns:
        The checked configuration.

    Raises:
        ConfigError: No such file, no YAML, an unknown key (named with the nearest known one), or a
            value that is not accepted (named with what is).
    """
    return config_from_dict(read_yaml(file, _Loader), base, origin=str(file))


def config_from_dict(
    tree: Mapping[str, Any], base: TrainConfig | None = None, *, origin: str = "configuration"
) -> TrainConfig:
    """Check a configuration given as JSON values.

    Args:
        tree: Nested keys and values.
        base: What holds where the tree says nothing.
        origin: Where the tree comes from, for messages.

    Returns:
        The configuration.

    Raises:
        ConfigError: An unknown key or a value that is not accepted.
    """
    tree = _with_size_spelt_out(tree, origin)
    whole = _laid_over(config_to_dict(base), tree) if base else tree
    try:
        # As JSON, so that the strict types take a list for a tuple and a text for a path.
        return _ADAPTER.validate_json(json.dumps(whole, default=str))
    except ValidationError as exc:
        raise ConfigError(_explain(exc, origin)) from exc


def config_to_dict(config: TrainConfig) -> dict[str, Any]:
    """Return a configuration as JSON values."""
    tree: dict[str, Any] = _ADAPTER.dump_python(config, mode="json")
    return tree


def config_to_yaml(config: TrainConfig) -> str:
    """Return a configuration as YAML that `read_config` reads back."""
    return yaml.safe_dump(config_to_dict(config), sort_keys=False, allow_unicode=True)


def known_keys(section: Any = TrainConfig, above: str = "") -> dict[str, tuple[str, Any]]:
    """List every key.

    Args:
        section: Where to start.
        above: Dotted key of that section with a dot behind it.

    Returns:
        Dotted key to its description and its default; None where it has none or is a section.
    """
    keys: dict[str, tuple[str, Any]] = {}
    hints, help_texts = get_type_hints(section), _attribute_help(section)
    for item in fields(section):
        key, nested = f"{above}{item.name}", hints[item.name]
        if is_dataclass(nested):
            keys[key] = (help_texts.get(item.name, ""), None)
            keys |= known_keys(nested, f"{key}.")
        else:
            keys[key] = (help_texts.get(item.name, ""), _default(item))
    return keys


def config_page() -> str:
    """The reference of every key, as Markdown."""
    lines = [
        "# Configuration of a training run",
        "",
        "A YAML file holds the keys that differ from the recipe; unknown keys are errors.",
        "`config.yaml` in a run's folder holds all of them as the run took them.",
        "Written by `python -m training.config_file > docs/training.md`.",
        "",
        "| key | what it is | default |",
        "|---|---|---|",
    ]
    for key, (text, default) in known_keys().items():
        shown = "" if default is None else f"`{json.dumps(default)}`"
        lines.append(f"| `{key}` | {text} | {shown} |")
    return "\n".join(lines) + "\n"


def _default(item: Field[Any]) -> Any:
    if item.default_factory is not MISSING:
        return item.default_factory()
    # Where pydantic keeps its own field in place of the default, that one knows it.
    default = getattr(item.default, "default", item.default)
    return None if default is MISSING else default


def _attribute_help(section: Any) -> dict[str, str]:
    """Read the ``Attributes:`` of a docstring: the one place where a key is described."""
    _, _, listed = (inspect.getdoc(section) or "").partition("Attributes:\n")
    joined = re.sub(r"\n {8,}", " ", listed)
    return dict(re.findall(r"^ {4}(\w+): (.+)$", joined, re.MULTILINE))


def _with_size_spelt_out(tree: Mapping[str, Any], origin: str) -> Mapping[str, Any]:
    """Put the fields of a size in the place of its name: ``net: base``."""
    name = tree.get("net")
    if not isinstance(name, str):
        return tree
    if name not in SIZES:
        raise ConfigError(
            f"`net` ({origin}) is wrong: `{name}` is no size. Known: {', '.join(SIZES)}."
        )
    return {**tree, "net": dict(SIZES[name])}


def _laid_over(base: Mapping[str, Any], top: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in top.items():
        below = merged.get(key)
        both = isinstance(below, dict) and isinstance(value, dict)
        merged[key] = _laid_over(below or {}, value) if both else value
    return merged


def _explain(error: ValidationError, origin: str) -> str:
    """Turn the deepest problem into one line that names the key and what would be accepted."""
    problem = min(error.errors(), key=lambda item: -len(item["loc"]))
    loc = [str(part) for part in problem["loc"]]
    key = ".".join(loc)
    if problem["type"] == "unexpected_keyword_argument":
        near = difflib.get_close_matches(key, list(known_keys()), n=1, cutoff=0.5)
        hint = f"Did you mean `{near[0]}`? " if near else ""
        return f"Unknown key `{key}` ({origin}). {hint}Known: {', '.join(_siblings(loc))}."
    return f"`{key}` ({origin}) is wrong: {problem['msg']}."


def _siblings(loc: list[str]) -> Iterator[str]:
    above = ".".join(loc[:-1])
    return (key for key in known_keys() if key.rpartition(".")[0] == above)


if __name__ == "__main__":
    print(config_page(), end="")
