"""The runtime that suits a bundle."""

from __future__ import annotations

from inference.bundle import Bundle
from inference.runtime import ActionModel, ClipRuntime, Runtime
from inference.stateful import StatefulRuntime


def load_model(bundle: Bundle, threads: int = 1) -> ActionModel:
    """Load a bundle into the runtime for its graphs.

    Args:
        bundle: A verified bundle.
        threads: Threads for one operation; one is best when many streams share the cores.

    Returns:
        The model, ready to score.

    Raises:
        BundleError: ONNX Runtime refuses a graph, or a graph does not fit ``bundle.json``.
    """
    if "step" in bundle.graphs:
        return StatefulRuntime(bundle, threads)
    if "clip" in bundle.graphs:
        return ClipRuntime(bundle, threads)
    return Runtime(bundle, threads)
