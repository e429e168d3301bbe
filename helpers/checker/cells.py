"""Which cell of the notebook defined an answer last, and whether that cell failed.

Where there is an IPython shell, it tells of each cell that was run. A cell with a SyntaxError, or
one that stopped before its definition, leaves an earlier definition of the same name in place;
what is judged then is not what the learner sees.
"""

from __future__ import annotations

import inspect
import re
import sys
from typing import Any

_DEFINITION = re.compile(r"^(?:def\s+(\w+)\s*\(|(\w+)\s*(?::[^=\n]*)?=(?!=))", re.MULTILINE)


class Cells:
    """The newest cell that defines each name, and how it ended."""

    def __init__(self) -> None:
        self._newest: dict[str, tuple[str, str | None]] = {}
        ipython = sys.modules.get("IPython")
        shell = ipython.get_ipython() if ipython is not None else None
        if shell is not None:
            shell.events.register("post_run_cell", self.note)

    def note(self, result: Any) -> None:
        """Take down a cell that was run, and the name of the exception that ended it."""
        source = getattr(result.info, "raw_cell", None) or ""
        error = result.error_before_exec or result.error_in_exec
        ended = type(error).__name__ if error is not None else None
        for match in _DEFINITION.finditer(source):
            self._newest[match[1] or match[2]] = source, ended

    def earlier_definition(self, name: str, answer: Any) -> str:
        """Say that an answer is older than the newest cell that defines it; empty if it is not."""
        source, error = self._newest.get(name, ("", None))
        if error is None or _stands_in(answer, source):
            return ""
        return (
            f"The cell that defines `{name}` last ended in {error}, so an earlier definition was "
            "judged here, not the one you see. Mend that cell, run it, and check again."
        )


def _stands_in(answer: Any, source: str) -> bool:
    """Whether a function's source is part of a cell's: then that cell did define it."""
    try:
        return inspect.getsource(answer).strip() in source
    except (OSError, TypeError):
        return False
