"""Compute how long each notebook takes, and put it where readers look for it.

``python tools/minutes.py`` prints a table.  ``--write`` puts the minutes into each notebook's
title block, and the syllabus and the ways for people who are short of time (`tools.ways`) into
README.md and into notebook 00; ``--write 03`` only the minutes of that notebook.

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
from tools.ways import AFTERWARDS, PARTS, WAYS, Step, Way

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
COMPUTED = re.compile(r"<!-- (syllabus|ways) -->(.*?)<!-- /\1 -->", re.DOTALL)


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
    def number(self) -> int:
        """The notebook's number."""
        return int(self.path.name[:2])

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
    source = COMPUTED.sub(" ", source)
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


def sections(path: Path) -> dict[str, tuple[str, float]]:
    """Return each section's title and minutes to read and run, by the id of its first cell."""
    found: dict[str, tuple[str, list[Any]]] = {}
    for cell in read(path).cells:
        heading = re.match(r"#{1,2} +(.+)", cell.source) if cell.cell_type == "markdown" else None
        if heading:
            found[cell.id] = (heading[1].strip(), [])
        found[next(reversed(found))][1].append(cell)
    return {name: (title, reading_minutes(cells)) for name, (title, cells) in found.items()}


# -- what is put where readers look --------------------------------------------------------------


def syllabus(course: Sequence[Lesson], folder: str = "") -> str:
    """Return both parts of the course as Markdown tables, each with its hours.

    Parameters
    ----------
    course : sequence of Lesson
        Their rows.
    folder : str
        What stands before each link.
    """
    blocks = []
    for part, (first, last) in PARTS.items():
        lessons_of_part = [entry for entry in course if first <= entry.number <= last]
        if lessons_of_part:
            blocks += [f"### {part}", table(lessons_of_part, folder), total(lessons_of_part)]
    return "\n\n".join(blocks)


def table(course: Sequence[Lesson], folder: str = "") -> str:
    """Return notebooks, what one can do after each, and their minutes."""
    rows = [
        ["Notebook", "Afterwards you can", "read and run", "exercises"],
        ["---", "---", "---:", "---:"],
    ]
    for entry in course:
        link = f"[{entry.title}]({folder}{entry.path.name})"
        minutes = [f"{entry.reading} min", f"{entry.exercises} min"]
        rows.append([link, AFTERWARDS[entry.number], *minutes])
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def total(course: Sequence[Lesson]) -> str:
    """Return one sentence on these notebooks' hours."""
    reading = sum(entry.reading for entry in course) / 60
    exercises = sum(entry.exercises for entry in course) / 60
    return (
        f"Together about {reading:.0f} hours to read and run, "
        f"and {exercises:.0f} for the exercises."
    )


def step_minutes(step: Step, entry: Lesson) -> int:
    """Return the minutes of a step on a way, exercises included."""
    from helpers.exercises import course

    if not step.sections:
        return entry.reading + entry.exercises
    known = sections(entry.path)
    reading = sum(known[name][1] for name in step.sections)
    return rounded(reading + sum(course.exercises()[name].minutes for name in step.exercises))


def ways(course: Sequence[Lesson], folder: str = "") -> str:
    """Return the ways through the course in Markdown; a link's `folder` as in `syllabus`."""
    entries = {entry.number: entry for entry in course}
    known = [way for way in WAYS if {s.number for day in way.days for s in day} <= entries.keys()]
    return "\n\n".join(one_way(way, entries, folder) for way in known)


def one_way(way: Way, entries: dict[int, Lesson], folder: str) -> str:
    """Return one way: its sum, its goal, and its steps."""
    lines, total = [], 0
    for day in way.days:
        taken = [step_minutes(step, entries[step.number]) for step in day]
        total += sum(taken)
        steps = [
            one_step(step, entries[step.number], minutes, folder)
            for step, minutes in zip(day, taken, strict=True)
        ]
        if len(way.days) == 1:
            lines += [f"- {step}" for step in steps]
        else:
            lines.append(f"- {hours(sum(taken))}, exercises included: {', '.join(steps)}")
    return f"**{way.title}**, about {hours(total)}. Afterwards you can {way.goal}.\n\n" + "\n".join(
        lines
    )


def one_step(step: Step, entry: Lesson, minutes: int, folder: str) -> str:
    """Return a notebook with its minutes on a way, and which parts of it are meant."""
    text = f"[{entry.title}]({folder}{entry.path.name}) ({minutes} min)"
    if step.sections:
        known = sections(entry.path)
        text += ": " + ", ".join(f"*{known[name][0]}*" for name in step.sections)
    if step.exercises:
        noun = "exercise" if len(step.exercises) == 1 else "exercises"
        text += f"; {noun} {', '.join(step.exercises)}"
    return text


def hours(minutes: int) -> str:
    """Return a length of time as people say it, in fives.

    Examples
    --------
    >>> hours(639), hours(44)
    ('10 h 40 min', '45 min')
    """
    whole, rest = divmod(rounded(minutes), 60)
    return f"{whole} h {rest} min" if whole else f"{rest} min"


def with_computed(text: str, course: Sequence[Lesson], folder: str = "") -> str:
    """Return a Markdown text with what is computed between its marks."""
    contents = {"syllabus": syllabus, "ways": ways}

    def filled(found: re.Match[str]) -> str:
        content = contents[found[1]](course, folder)
        return f"<!-- {found[1]} -->\n\n{content}\n\n<!-- /{found[1]} -->"

    return COMPUTED.sub(filled, text)


def in_step(entry: Lesson) -> bool | None:
    """Tell whether a notebook states its minutes as computed; None where it states none."""
    stated = TIME.search(read(entry.path).cells[0].source)
    return None if stated is None else stated[0] == entry.time


def expected_readme(course: Sequence[Lesson]) -> str:
    """Return README.md as it has to be."""
    return with_computed(README.read_text(encoding="utf-8"), course, "notebooks/")


def expected_cells(course: Sequence[Lesson], path: Path) -> list[str]:
    """Return the sources of a notebook's cells as they have to be."""
    (entry,) = (entry for entry in course if entry.path == path)
    sources = [cell.source for cell in read(path).cells]
    sources[0] = TIME.sub(lambda _: entry.time, sources[0])
    if path.name == START:
        sources = [with_computed(source, course) for source in sources]
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
