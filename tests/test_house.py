"""The engine of the checks stands apart: no kernel, no declaration, nothing of what they teach."""

from __future__ import annotations

import ast
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
ENGINE = sorted((ROOT / "helpers" / "checker").glob("*.py"))
LONGEST = 500

every_module = pytest.mark.parametrize("path", ENGINE, ids=lambda path: path.stem)


def imports(path: Path) -> set[str]:
    """Return the modules of the course that a file imports, wherever in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {node.module or ""} | {f"{node.module}.{a.name}" for a in node.names}
    return {name for name in found if name.startswith("helpers")}


@every_module
def test_imports_nothing_but_itself(path: Path) -> None:
    assert all(name.startswith("helpers.checker") for name in imports(path))


@every_module
def test_is_short_enough_to_be_read(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= LONGEST


@every_module
def test_knows_nothing_of_softmax(path: Path) -> None:
    words = path.read_text(encoding="utf-8").lower()
    assert not [word for word in ("softmax", "logit", "temperature") if word in words]


def test_no_import_goes_round() -> None:
    names = {f"helpers.checker.{path.stem}": path for path in ENGINE}
    graph = {name: imports(path) & names.keys() for name, path in names.items()}
    assert list(TopologicalSorter(graph).static_order())  # raises CycleError on a circle


def test_the_kernels_come_without_the_exercises() -> None:
    code = "import sys; from helpers import kernels; print(*sys.modules)"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    loaded = {name for name in out.stdout.split() if name.startswith("helpers")}
    assert "helpers.kernels" in loaded, out.stderr
    assert not [name for name in loaded if "checker" in name or "exercises" in name]
