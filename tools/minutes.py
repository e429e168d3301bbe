"""Compute how long each notebook takes, and put it where readers look for it.

``python tools/minutes.py`` prints a table.  ``--write`` puts the minutes into each notebook's
title block, and the syllabus into README.md and into notebook 00; ``--write 03`` only the minutes
of that notebook.

The time to read and run is an estimate for an unhurried reader, from what the notebook holds: its
words, formulas, predictions, experiments with their lines, and figures.  The time for the
exercises is the sum of what their declarations say.
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

from tools.notebooks import FOLDED, NOTEBOOKS, PREDICT, ROOT, find, read, text_of

README = ROOT / "README.md"
START = "00_start_here.ipynb"

# Fitted to the minutes that readers new to the course needed for an earlier edition of notebooks
# 01 to 10, less those of its exercises: 40 to 74 minutes for 2500 to 3900 words each. The estimate
# is within 12 minutes of every one, and 5 off on average. Ten notebooks do not determine six
# numbers, so each starts from a guess (140 words a minute, 24 seconds a formula or a cell, …) and
# was moved as far as the ten ask for.
WORDS_A_MINUTE = 130  # technical prose, read once and understood
SECONDS_A_FORMULA = 20  # a displayed one
SECONDS_A_PREDICTION = 45  # to commit to an answer
SECONDS_AN_EXPERIMENT = 20  # an open cell: to run it and look at what comes out
SECONDS_A_LINE = 3  # of an open cell, read before it runs
SECONDS_A_FIGURE = 40  # to look at what a folded cell shows; its checks cost nobody time
# What a folded cell with something to see begins with.
SHOWING = ("# Figure", "# Slider", "# Table")
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
        if cell["cell_type"] == "markdown":
            seconds += seconds_of_text(cell["source"])
        elif not re.match(r"(ex|check)-\d", cell.get("id", "")):
            seconds += seconds_of_code(cell)
    return seconds / 60


def seconds_of_text(source: str) -> float:
    """Return the estimated seconds to read a text cell, and to make the prediction it asks for."""
    source = SYLLABUS.sub(" ", source)
    formulas = len(re.findall(r"\$\$.+?\$\$", source, re.DOTALL))
    prose = re.sub(r"\$\$.+?\$\$|<[^>]*>|\]\([^)]*\)", " ", source, flags=re.DOTALL)
    words = len(re.findall(r"\w[\w'’.-]*", prose))
    return (
        60 / WORDS_A_MINUTE * words
        + SECONDS_A_FORMULA * formulas
        + SECONDS_A_PREDICTION * (PREDICT in source)
    )


def seconds_of_code(cell: dict[str, Any]) -> float:
    """Return the estimated seconds to read an open cell and run it, or to look at a figure."""
    if FOLDED in cell.get("metadata", {}).get("tags", []):
        return SECONDS_A_FIGURE if cell["source"].startswith(SHOWING) else 0
    lines = sum(bool(line.strip()) for line in cell["source"].splitlines())
    return SECONDS_AN_EXPERIMENT + SECONDS_A_LINE * lines


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


def write(course: Sequence[Lesson], only: Sequence[Path] = ()) -> list[Path]:
    """Put minutes and syllabus where they belong; return the files that changed.

    Parameters
    ----------
    course : sequence of Lesson
        Every notebook.
    only : sequence of Path
        The notebooks to write; by default all of them, and README.md.
    """
    changed = []
    for entry in course:
        if only and entry.path not in only:
            continue
        notebook = read(entry.path)
        sources = expected_cells(course, entry.path)
        if sources == [cell.source for cell in notebook.cells]:
            continue
        for cell, source in zip(notebook.cells, sources, strict=True):
            cell.source = source
        entry.path.write_text(text_of(notebook), encoding="utf-8", newline="\n")
        changed.append(entry.path)
    readme = expected_readme(course)
    if not only and readme != README.read_text(encoding="utf-8"):
        README.write_text(readme, encoding="utf-8", newline="\n")
        changed.append(README)
    return changed


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--write", action="store_true", help="into the notebooks and README.md")
    parser.add_argument("notebooks", nargs="*", help="write only these: paths, names or numbers")
    options = parser.parse_args(arguments)
    course = lessons()
    for entry in course:
        print(f"{entry.path.stem:28} {entry.reading:4} {entry.exercises:4}")
    print(f"{'minutes':28} {sum(e.reading for e in course):4} {sum(e.exercises for e in course):4}")
    if options.write:
        for path in write(course, find(options.notebooks) if options.notebooks else ()):
            print(f"written: {path.name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
