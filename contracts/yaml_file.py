"""Files of keys and values."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from contracts.errors import ConfigError


def read_yaml(file: Path, loader: type[yaml.SafeLoader] = yaml.SafeLoader) -> dict[str, Any]:
    """Read a YAML file of keys and values.

    Args:
        file: The file; an empty one has no keys.
        loader: PyYAML's safe loader, or one made from it.

    Returns:
        Its tree.

    Raises:
        ConfigError: It cannot be read, is no YAML, or holds something else.
    """
    try:
        tree = yaml.load(file.read_text(encoding="utf-8"), loader)
    except OSError as exc:
        raise ConfigError(f"Cannot read {file}: {exc.strerror}.") from exc
    except (yaml.YAMLError, UnicodeDecodeError) as exc:
        raise ConfigError(f"{file} is not valid YAML: {' '.join(str(exc).split())}") from exc
    if tree is None:
        return {}
    if not isinstance(tree, dict):
        raise ConfigError(f"{file} must hold keys and values, not a {type(tree).__name__}.")
    return tree
