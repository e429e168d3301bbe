"""Compute how long each notebook takes, and put it where readers look for it.

``python tools/minutes.py`` prints a table.  ``--write`` puts the minutes into each notebook's
title block, and the syllabus into README.md and into notebook 00.

The time to read and run is an estimate from what the notebook holds: its words, formulas, cells
and lines of code.  The time for the exercises is the sum of what their declarations say.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

if __name__ == "__main__":  # run as a file, from anywhere
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tools.notebooks import NOTEBOOKS, ROOT, read, text_of

README = ROOT / "README.md"
START = "00_start_here.ipynb"

WORDS_A_MINUTE = 180  # technical prose, read once and understood
SECONDS_A_FORMULA = 15  # a displayed one
SECONDS_A_CELL = 15  # to predict, to run it, to look at what comes out
SECONDS_A_LINE = 3  # of code
STEP = 5  # what the estimate is rounded to

TIME = re.compile(r"\*\*Time:\*\* [^*]*?\.(?= |\\n|\"|$)")
SYLLABUS = re.compile(r"<!-- syllabus -->(.*?)<!-- /syllabus -->", re.DOTALL)


@dataclass(frozen=True)
class Lesson:
    """What the syllabus says about a notebook.

    Attributes
    ----------
    path : Path
        The notebook.
    title, question : str
        As its title block states them, the question with a capital.
    reading, exercises : int
        Minutes to read and run it, and for its exercises on top.
    """

    path: Path
    title: str
    question: str
    reading: int
    exercises: int

    @property
    def time(self) -> str:
        """The sentence of the title block."""
        noun = "exercise" if self.path.name == START else "exercises"
        return (
            f"**Time:** about {self.reading} minutes to read and run, "
            f"{self.exercises} for the {noun}."
        )


def reading_minutes(cells: Sequence[dict[str, Any]]) -> float:
    """Return the estimated minutes to read and run these cells, exercises left out."""
    seconds = 0.0
    for cell in cells:
        source = cell["source"]
        if cell["cell_type"] == "markdown":
            source = SYLLABUS.sub(" ", source)
            seconds += SECONDS_A_FORMULA * len(re.findall(r"\$\$.+?\$\$", source, re.DOTALL))
            prose = re.sub(r"\$\$.+?\$\$|<[^>]*>|\]\([^)]*\)", " ", source, flags=re.DOTALL)
            seconds += 60 / WORDS_A_MINUTE * len(re.findall(r"\w[\w'’.-]*", prose))
        elif not re.match(r"(ex|check)-\d", cell.get("id", "")):
            lines = sum(bool(line.strip()) for line in source.splitlines())
            seconds += SECONDS_A_CELL + SECONDS_A_LINE * lines
    return seconds / 60


def rounded(minutes: float) -> int:
    """Return the minutes as readers are told them."""
    return max(STEP, STEP * round(minutes / STEP))


def exercise_minutes(number: int) -> int:
    """Return the sum of the declared minutes of a notebook's exercises."""
    from helpers.exercises import course

    return sum(
        exercise.minutes
        for identifier, exercise in course.exercises().items()
        if int(identifier.partition(".")[0]) == number
    )


def lesson(path: Path) -> Lesson:
    """Return what the syllabus says about the notebook."""
    cells = read(path).cells
    block = cells[0]["source"]
    title = re.search(r"^# +(.+)$", block, re.MULTILINE)
    question = re.search(r"\*\*The question:\*\* +(.+)$", block, re.MULTILINE)
    if title is None or question is None:
        raise ValueError(f"{path.name}: the first cell needs a title and a question")
    return Lesson(
        path,
        title[1].strip(),
        question[1].strip()[:1].upper() + question[1].strip()[1:],
        rounded(reading_minutes(cells)),
        exercise_minutes(int(path.name[:2])),
    )


def lessons(folder: Path = NOTEBOOKS) -> list[Lesson]:
    """Return every notebook of the course, in order."""
    return [lesson(path) for path in sorted(folder.glob("[0-9][0-9]_*.ipynb"))]


def table(course: Sequence[Lesson], folder: str = "", *, questions: bool) -> str:
    """Return the syllabus as a Markdown table.

    Parameters
    ----------
    course : sequence of Lesson
        Its rows.
    folder : str
        What stands before each link.
    questions : bool
        Whether each notebook's question has a column.
    """
    head = ["Notebook", *(["It answers"] if questions else []), "read and run", "exercises"]
    rows = [head, ["---", *(["---"] if questions else []), "---:", "---:"]]
    for entry in course:
        question = [entry.question] if questions else []
        link = f"[{entry.title}]({folder}{entry.path.name})"
        rows.append([link, *question, f"{entry.reading} min", f"{entry.exercises} min"])
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def total(course: Sequence[Lesson]) -> str:
    """Return one sentence on the whole course."""
    reading = sum(entry.reading for entry in course) / 60
    exercises = sum(entry.exercises for entry in course) / 60
    return (
        f"Together about {reading:.0f} hours to read and run, "
        f"and {exercises:.0f} for the exercises."
    )


def with_syllabus(text: str, syllabus: str) -> str:
    """Return a Markdown text with the syllabus between its two marks."""
    filled = f"<!-- syllabus -->\n\n{syllabus}\n\n<!-- /syllabus -->"
    return SYLLABUS.sub(lambda _: filled, text)


def in_step(entry: Lesson) -> bool | None:
    """Tell whether a notebook states its minutes as computed; None where it states none."""
    stated = TIME.search(read(entry.path).cells[0].source)
    return None if stated is None else stated[0] == entry.time


def expected_readme(course: Sequence[Lesson]) -> str:
    """Return README.md as it has to be."""
    syllabus = f"{table(course, 'notebooks/', questions=True)}\n\n{total(course)}"
    return with_syllabus(README.read_text(encoding="utf-8"), syllabus)


def expected_cells(course: Sequence[Lesson], path: Path) -> list[str]:
    """Return the sources of a notebook's cells as they have to be."""
    (entry,) = (entry for entry in course if entry.path == path)
    sources = [cell.source for cell in read(path).cells]
    sources[0] = TIME.sub(lambda _: entry.time, sources[0])
    if path.name == START:
        syllabus = table(course, questions=False)
        sources = [with_syllabus(source, syllabus) for source in sources]
    return sources


def write(course: Sequence[Lesson]) -> list[Path]:
    """Put minutes and syllabus where they belong; return the files that changed."""
    changed = []
    for entry in course:
        notebook = read(entry.path)
        sources = expected_cells(course, entry.path)
        if sources == [cell.source for cell in notebook.cells]:
            continue
        for cell, source in zip(notebook.cells, sources, strict=True):
            cell.source = source
        entry.path.write_text(text_of(notebook), encoding="utf-8", newline="\n")
        changed.append(entry.path)
    readme = expected_readme(course)
    if readme != README.read_text(encoding="utf-8"):
        README.write_text(readme, encoding="utf-8", newline="\n")
        changed.append(README)
    return changed


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--write", action="store_true", help="into the notebooks and README.md")
    options = parser.parse_args(arguments)
    course = lessons()
    for entry in course:
        print(f"{entry.path.stem:28} {entry.reading:4} {entry.exercises:4}")
    print(f"{'minutes':28} {sum(e.reading for e in course):4} {sum(e.exercises for e in course):4}")
    if options.write:
        for path in write(course):
            print(f"written: {path.name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
