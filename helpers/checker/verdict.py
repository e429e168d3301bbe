"""What a check found: its parts as data, and how they are shown."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import Any

from helpers.checker.layout import (
    Block,
    Folded,
    OnRequest,
    Paragraph,
    Shown,
    Title,
    Values,
    capitalised,
    html,
    text,
)

SCORES = {"right": 1.0, "unstable": 0.5}
"""The share of the points for a status; what is not listed gets none."""


LIBRARY_CALL = "library call"
"""The mistake of a right answer that leaves the exercise itself to a library."""


SIGNS = {
    "right": ("✓", "#2e9d57"),
    "unstable": ("≈", "#c98a00"),
    "wrong": ("✗", "#d5483f"),
    "error": ("!", "#d5483f"),
    "not started": ("○", "#8a8a8a"),
}
"""For each status a sign and the colour of the bar beside it; the word itself is always written."""


_ASKS = re.compile(r"[;,]? ?(?:or ask )?hint\([^)]*\)(?: helps)?\.")
"""What points to hints, where they stand in the card themselves."""


@dataclass(frozen=True, repr=False)
class Verdict(Shown):
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
    hints : tuple of str
        The exercise's hints, for a card whose answer needs them.
    onward : str
        Where a right answer leads: how many are done, and which is next.
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
    hints: tuple[str, ...] = ()
    onward: str = ""

    @property
    def colour(self) -> str:  # type: ignore[override]
        """The colour of the bar beside it."""
        return SIGNS.get(self.status, ("", Shown.colour))[1]

    def blocks(self) -> list[Block]:
        """Return what is shown: the verdict, the mistake's name and cause, the smallest input."""
        sign, _ = SIGNS.get(self.status, ("", ""))
        headline = (self.headline or self.message).removeprefix(f"{self.status.capitalize()}: ")
        cause, remedy = self.explanation, ""
        if self.mistake and self.hints:
            cause, remedy = _parted(self.explanation)
        said = [cause, capitalised(headline)] if self.mistake else [capitalised(headline), cause]
        word = self.status.capitalize()
        if self.mistake == LIBRARY_CALL:  # its headline is the verdict's word
            word, said = self.headline, [cause]
        elif self.mistake:
            word += f": {self.mistake.replace('_', ' ')}"
        blocks: list[Block] = [Title(f"{sign} {word}".strip(), f"exercise {self.exercise}")]
        blocks += [Paragraph(sentence) for sentence in said if sentence]
        if self.look and not self.hints:
            blocks.append(Paragraph(self.look, "Next"))
        side_by_side = tuple(row for row in self.rows if row[0] in ("yours", "expected"))
        above = tuple(row for row in self.rows if row not in side_by_side)
        blocks += [Values(pairs) for pairs in (above, side_by_side) if pairs]
        if self.hints:
            blocks.append(self._help(remedy))
        if self.remark:
            blocks.append(Paragraph(self.remark, "Worth knowing"))
        if self.onward:
            blocks.append(Paragraph(self.onward))
        if self.notes:
            things = "1 thing" if len(self.notes) == 1 else f"{len(self.notes)} things"
            notes = tuple(Paragraph(note) for note in self.notes)
            blocks.append(Folded(f"Also noticed: {things}", notes))
        return blocks

    def _help(self, remedy: str) -> OnRequest:
        """Return the remedy and then the exercise's hints, one inside the other."""
        first = " ".join(part for part in (remedy, _ASKS.sub(".", self.look).strip(" .")) if part)
        first = first if not first or first[-1] in ".?!:`" else f"{first}."
        inner: tuple[Block, ...] = (
            Paragraph(f"`solution({self.exercise!r})` shows the solution."),
        )
        for hint in reversed([said for said in (first, *self.hints) if said]):
            inner = (Paragraph(hint), OnRequest("Another hint", inner, ""))
        return OnRequest("Hint", inner, f"Next: hint({self.exercise!r})")

    def __repr__(self) -> str:
        """Return the plain form; while nbgrader grades, the points alone."""
        if os.environ.get("NBGRADER_EXECUTION"):
            return repr(self.score)
        return text(self.blocks())

    def _repr_html_(self) -> str | None:
        """Return the rich form; nbgrader keeps it for the feedback, and reads the plain one."""
        return html(self.blocks(), self.colour)


def _parted(explanation: str) -> tuple[str, str]:
    """Part "what was done: what to do" into what is said at once and what waits to be asked for."""
    head, mark, rest = explanation.partition(": ")
    if not mark or ". " in head or head.count("`") % 2 or head.count("(") != head.count(")"):
        head, mark, rest = explanation.partition(". ")
        return (f"{head}.", rest) if mark else (explanation, "")
    return f"{head}.", capitalised(rest)
