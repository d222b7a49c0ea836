"""The dependency direction of the design holds, and the base install stays free of torch."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
ALLOWED = {
    "contracts": set[str](),
    "streaming": {"contracts"},
    "inference": {"contracts"},
    "dashboard": {"contracts"},
    "training": {"contracts", "inference", "streaming"},
    "stack": {"contracts", "streaming", "inference", "dashboard", "training"},
}


def _imports(file: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            yield node.module.partition(".")[0]


@pytest.mark.parametrize("package", ALLOWED)
def test_package_imports_only_what_the_design_allows(package: str) -> None:
    allowed = ALLOWED[package] | {package}
    wrong = {
        f"{file.relative_to(ROOT)} imports {name}"
        for file in (ROOT / package).rglob("*.py")
        for name in _imports(file)
        if name in ALLOWED and name not in allowed
    }
    assert not wrong


@pytest.mark.parametrize(
    ("module", "forbidden"),
    [
        ("dashboard.app", ["torch", "av", "onnxruntime"]),
        ("stack.cli", ["torch"]),
        ("inference.worker", ["torch", "dash"]),
        ("training.figures", ["torch"]),
    ],
)
def test_module_loads_without(module: str, forbidden: list[str]) -> None:
    code = f"import sys, {module}; print([m for m in {forbidden} if m in sys.modules])"
    loaded = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=True,
        timeout=60,
    )
    assert loaded.stdout.strip() == "[]"
