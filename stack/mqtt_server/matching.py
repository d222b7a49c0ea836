"""Topic filters: which are valid, and which topics they match (MQTT 5, 4.7)."""

from __future__ import annotations

MAX_LEVELS = 64


def is_valid_filter(name: str) -> bool:
    """Whether a filter may be subscribed to: wildcards fill whole levels, ``#`` ends it."""
    levels = name.split("/")
    if not name or len(levels) > MAX_LEVELS:
        return False
    for index, level in enumerate(levels):
        if "#" in level and (level != "#" or index != len(levels) - 1):
            return False
        if "+" in level and level != "+":
            return False
    return True


def matches(name: str, topic: str) -> bool:
    """Whether a valid filter matches a topic.

    Args:
        name: Topic filter.
        topic: Topic without wildcards; one that begins with ``$`` is only matched by name (4.7.2).
    """
    if name == topic:
        return True
    if topic.startswith("$") and name[:1] in ("+", "#"):
        return False
    wanted, levels = name.split("/"), topic.split("/")
    if wanted[-1] == "#":
        # `a/#` matches `a` too (4.7.1.2).
        wanted = wanted[:-1]
        levels = levels[: len(wanted)]
    if len(wanted) != len(levels):
        return False
    return all(want in ("+", level) for want, level in zip(wanted, levels, strict=True))
