"""Which definition is judged: whether the cell that last wrote it failed before it came that far.

IPython tells of every cell that was run. A cell that ends in a SyntaxError, or in an exception
above the definition, leaves the definition before it in place, and that one is what a check gets.
"""

from __future__ import annotations

import ast
import re
import sys
from collections import deque
from dataclasses import dataclass
from typing import Any

KEPT_CELLS = 300


@dataclass(frozen=True)
class _Cell:
    """A cell that was run: its source, and the exception and the line that ended it."""

    source: str
    error: str = ""
    line: int = 0  # 0: nothing of it was run


_cells: deque[_Cell] = deque(maxlen=KEPT_CELLS)
_followed: set[int] = set()


def follow() -> None:
    """Take down every cell from here on, where IPython runs them; once for each shell."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    if shell is None or id(shell) in _followed:
        return
    _followed.add(id(shell))
    shell.events.register("post_run_cell", lambda result: _take_down(shell, result))


def _take_down(shell: Any, result: Any) -> None:
    source = str(getattr(result.info, "raw_cell", "") or "")
    error = result.error_before_exec or result.error_in_exec
    if error is None:
        _cells.append(_Cell(source))
        return
    line = 0 if result.error_before_exec else _line_in_cell(shell, error)
    _cells.append(_Cell(source, type(error).__name__, line))


def _line_in_cell(shell: Any, error: BaseException) -> int:
    """Return the cell's own line at which an exception left it, or 0."""
    traceback = error.__traceback__
    while traceback is not None:
        frame = traceback.tb_frame
        if frame.f_code.co_name == "<module>" and frame.f_globals is shell.user_ns:
            return traceback.tb_lineno
        traceback = traceback.tb_next
    return 0


def outdated(name: str) -> str:
    """Say that an earlier definition of `name` is judged, where that is so; else "".

    Parameters
    ----------
    name : str
        The function, or the value, that is being checked.
    """
    if not name.isidentifier():
        return ""
    writes = re.compile(
        rf"^\s*(?:async\s+def|def)\s+{name}\b|^\s*{name}\s*(?::[^=\n]+)?=(?!=)", re.M
    )
    for cell in reversed(_cells):
        if writes.search(cell.source) is None:
            continue
        if not cell.error or cell.line > _end(cell.source, name):
            return ""
        return (
            f"The cell that defines `{name}` last ended in {cell.error}, so this verdict is about "
            "the definition before it. Mend that cell and run it, then this one."
        )
    return ""


def _end(source: str, name: str) -> int:
    """Return the last line of what defines `name`; a very late one where it cannot be read."""
    try:
        tree = ast.parse("\n".join(_plain(line) for line in source.splitlines()))
    except SyntaxError:
        return sys.maxsize
    ends = [node.end_lineno or 0 for node in tree.body if name in _defined_by(node)]
    return max(ends, default=sys.maxsize)


def _plain(line: str) -> str:
    """Return a line of a cell without IPython's own notation."""
    return "" if line.lstrip().startswith(("%", "!", "?")) else line


def _defined_by(node: ast.stmt) -> set[str]:
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        return {node.name}
    targets = node.targets if isinstance(node, ast.Assign) else []
    targets = [node.target] if isinstance(node, ast.AnnAssign) else targets
    return {target.id for target in targets if isinstance(target, ast.Name)}
