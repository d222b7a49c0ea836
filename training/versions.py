"""Which code a run was made with."""

from __future__ import annotations

import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path


def code_version() -> str:
    """Return ``version+commit`` of this code, with ``.changed`` where files differ from it.

    Outside a git checkout, or before its first commit, the version alone.
    """
    try:
        release = version("actionstream")
    except PackageNotFoundError:
        release = "0"
    commit = _git("rev-parse", "--short=12", "HEAD")
    if not commit:
        return release
    changed = ".changed" if _git("status", "--porcelain", "--untracked-files=no") else ""
    return f"{release}+{commit}{changed}"


def _git(*arguments: str) -> str:
    folder = Path(__file__).resolve().parent
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *arguments],
            capture_output=True,
            text=True,
            timeout=10,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
