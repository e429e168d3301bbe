"""What a check found: its parts as data, and how they are shown."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

from helpers.checker.layout import (
    Block,
    Folded,
    Paragraph,
    Shown,
    Title,
    Values,
    capitalised,
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
        All of it as plain text: `before`, `headline`, `explanation`, `remedy` and `look`.
    mistake : str or None
        The declared wrong answer that was recognised; two joined by " + " where both were made.
    probe : tuple or None
        The arguments of the smallest input that shows it.
    score : float
        1 for a right answer, 0.5 for an unstable one, otherwise 0.
    headline : str
        The verdict in one sentence.
    explanation : str
        The cause, where one was found: of a recognised mistake, what it is.
    look : str
        One thing to look at next.
    rows : tuple of (label, text)
        What is shown side by side: "input", "yours", "expected", or the line that raised.
    notes : tuple of str
        Warnings quoted, what was put back, what was printed.
    remark : str
        What is worth knowing beyond a right answer.
    remedy : str
        What to do about a recognised mistake: shown on request.
    before : str
        What has to be known first: that an earlier definition was judged.
    standing : str
        Where the learner is, after a right answer: "3 of 5 in this notebook; next: 3.4."
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
    remedy: str = ""
    before: str = ""
    standing: str = ""

    @property
    def colour(self) -> str:  # type: ignore[override]
        """The colour of the bar beside it."""
        return SIGNS.get(self.status, ("", Shown.colour))[1]

    def blocks(self) -> list[Block]:
        """Return what is shown."""
        sign, _ = SIGNS.get(self.status, ("", ""))
        about = f"exercise {self.exercise}"
        library = self.mistake == LIBRARY_CALL  # its headline is the verdict's word
        if self.mistake and not library:
            about += f" · {self.mistake.replace('_', ' ')}"
        word = self.headline if library else self.status.capitalize()
        blocks: list[Block] = [Title(f"{sign} {word}".strip(), about)]
        headline = (self.headline or self.message).removeprefix(f"{self.status.capitalize()}: ")
        sentences = [self.before, "" if library else capitalised(headline), self.explanation]
        if self.mistake:  # what it is comes before where it shows
            sentences = [self.before, self.explanation, sentences[1]]
        blocks += [Paragraph(sentence) for sentence in sentences if sentence]
        side_by_side = tuple(row for row in self.rows if row[0] in ("yours", "expected"))
        above = tuple(row for row in self.rows if row not in side_by_side)
        if self.look and not self.remedy:
            blocks.append(Paragraph(self.look, "Next"))
        blocks += [Values(pairs) for pairs in (above, side_by_side) if pairs]
        if self.remedy:  # after the input: who looks at that first may not need it
            ask = f'hint("{self.exercise}")'
            more = Paragraph(f"`{ask}` helps on.")
            blocks.append(Folded("Hint", (Paragraph(self.remedy), more), f"Next: {ask}"))
        if self.remark:
            blocks.append(Paragraph(self.remark, "Worth knowing"))
        if self.standing:
            blocks.append(Paragraph(self.standing))
        if self.notes:
            things = "1 thing" if len(self.notes) == 1 else f"{len(self.notes)} things"
            notes = tuple(Paragraph(note) for note in self.notes)
            blocks.append(Folded(f"Also noticed: {things}", notes))
        return blocks

    def __repr__(self) -> str:
        """Return the plain form; while nbgrader grades, the points alone, which it reads.

        Its feedback shows the rich form, which stays.
        """
        if os.environ.get("NBGRADER_EXECUTION"):
            return repr(self.score)
        return text(self.blocks())
