"""What a learner is shown besides verdicts: hints, solutions, progress, a sentence."""

from __future__ import annotations

from dataclasses import dataclass

from helpers.checker.layout import Block, Code, Folded, Paragraph, Shown, Table, Title


class Message(Shown):
    """A sentence to the learner, where there is nothing else to show."""

    def __init__(self, title: str, body: str) -> None:
        self.title = title
        self.body = body

    def blocks(self) -> list[Block]:
        """Return the title and the sentence."""
        return [Title(self.title), Paragraph(self.body)]


@dataclass(repr=False)
class Hint(Shown):
    """One hint of an exercise."""

    exercise: str
    number: int
    available: int
    hint: str

    colour = "#3b82c4"

    def blocks(self) -> list[Block]:
        """Return the hint, and how many are left."""
        left = self.available - self.number
        more = {
            0: f'That was the last hint; solution("{self.exercise}") shows the solution.',
            1: "One more hint is left.",
        }.get(left, f"{left} more hints are left.")
        title = Title(f"Hint {self.number} of {self.available}", f"exercise {self.exercise}")
        return [title, Paragraph(self.hint), Paragraph(more)]


@dataclass(repr=False)
class Solution(Shown):
    """The reference solution of an exercise, and why it works."""

    exercise: str
    source: str
    reasoning: str

    colour = "#3b82c4"

    def blocks(self) -> list[Block]:
        """Return the source and the reasoning."""
        return [
            Title("Solution", f"exercise {self.exercise}"),
            Code(self.source),
            Paragraph(self.reasoning, "Why"),
        ]


@dataclass(frozen=True)
class Standing:
    """One exercise as progress shows it."""

    exercise: str
    name: str
    state: str
    attempts: int
    minutes: int


@dataclass(repr=False)
class Progress(Shown):
    """Every notebook and its exercises: what is done, tried or open."""

    notebooks: list[tuple[str, list[Standing]]]
    remark: str = ""

    colour = "#3b82c4"

    def blocks(self) -> list[Block]:
        """Return a total, and a folded table for each notebook."""
        everything = [s for _, standings in self.notebooks for s in standings]
        done = sum(s.state == "done" for s in everything)
        blocks: list[Block] = [
            Title("Your progress", f"{done} of {len(everything)} exercises done")
        ]
        if self.remark:
            blocks.append(Paragraph(self.remark))
        return blocks + [_notebook(title, standings) for title, standings in self.notebooks]


def _notebook(title: str, standings: list[Standing]) -> Folded:
    done = sum(s.state == "done" for s in standings)
    tried = sum(s.state == "tried" for s in standings)
    left = sum(s.minutes for s in standings if s.state != "done")
    counts = f"{done} of {len(standings)} done"
    counts += f", {tried} tried" if tried else ""
    counts += f", about {left} minutes left" if left else ""
    rows = tuple(
        (s.exercise, s.name, s.state, str(s.attempts) if s.attempts else "–") for s in standings
    )
    table = Table(("exercise", "name", "state", "attempts"), rows)
    return Folded(f"{title}: {counts}", (table,))
