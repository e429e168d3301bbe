"""What a check found, as data; `display` renders it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

SCORES = {"right": 1.0, "unstable": 0.5}
"""The share of the points for a status; what is not listed gets none."""


@dataclass(frozen=True)
class Verdict:
    """What a check found.

    Attributes
    ----------
    status : str
        "not started", "error", "wrong", "unstable" or "right".
    exercise : str
        The exercise's ID, "3.1".
    message : str
        The verdict and its explanation as plain text: `headline`, `explanation` and `look`.
    mistake : str or None
        The declared wrong answer that was recognised; two joined by " + " where both were made.
    probe : tuple or None
        The arguments of the smallest input that shows it.
    score : float
        1 for a right answer, 0.5 for an unstable one, otherwise 0.
    headline : str
        The verdict in one sentence.
    explanation : str
        The cause, where one was found.
    look : str
        One thing to look at next.
    rows : tuple of (label, text)
        What is shown side by side: "input", "yours", "expected", or the line that raised.
    notes : tuple of str
        Warnings quoted, what was put back, what was printed.
    remark : str
        What is worth knowing beyond a right answer.
    """

    status: str
    exercise: str
    message: str
    mistake: str | None = None
    probe: tuple[Any, ...] | None = None
    score: float = 0.0
    headline: str = ""
    explanation: str = ""
    look: str = ""
    rows: tuple[tuple[str, str], ...] = ()
    notes: tuple[str, ...] = ()
    remark: str = ""

    def __repr__(self) -> str:
        """Return the plain form; while nbgrader grades, the points alone."""
        if os.environ.get("NBGRADER_EXECUTION"):
            return repr(self.score)
        from helpers.exercises import display

        return display.verdict_text(self)

    def _repr_html_(self) -> str | None:
        """Return the rich form; none while nbgrader grades."""
        if os.environ.get("NBGRADER_EXECUTION"):
            return None
        from helpers.exercises import display

        return display.verdict_html(self)
