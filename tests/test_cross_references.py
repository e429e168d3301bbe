"""What the course says about itself leads somewhere: "notebook 08", "exercise 6.3", links."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

from tests.course import FOLDER, PATHS, ROOT, markdown_cells, read
from tools import minutes

NUMBERS = {path.stem[:2] for path in PATHS}
TITLES = {lesson.path.name: lesson.title for lesson in minutes.lessons()}
PAPERS = sorted([*ROOT.glob("*.md"), *(ROOT / "book").glob("*.md")])
# What people read of the rest: docstrings, comments, statements, hints, sentences of verdicts.
PYTHON = sorted(
    path for name in ("helpers", "book", "tools") for path in (ROOT / name).rglob("*.py")
)


def texts() -> Iterator[tuple[str, Path, str]]:
    """Yield every text of the course: where it stands, in words and as a file, and the text."""
    for path in PATHS:
        for cell in read(path).cells:
            yield f"{path.name}, {cell.id}", path, cell.source
    for path in (*PAPERS, *PYTHON):
        yield str(path.relative_to(ROOT)), path, path.read_text(encoding="utf-8")


# -- numbers ------------------------------------------------------------------------------------

A_NOTEBOOK = r"\[?\d\d\b\]?"
NOTEBOOKS = re.compile(rf"\b[Nn]otebooks? +{A_NOTEBOOK}(?:(?:,| and| or| to|–) *{A_NOTEBOOK})*")
IN_A_HEADING = re.compile(r"^#+ .*\((\d\d(?:(?:, |–)\d\d)*)\)$", re.MULTILINE)
AN_EXERCISE = r"\d{1,2}\.\d{1,2}"
EXERCISES = re.compile(
    rf"(?:\b[Ee]xercises?|\byour|\bas in) +({AN_EXERCISE}(?:(?:,| and| or| to) +{AN_EXERCISE})*)"
    rf"|\b({AN_EXERCISE})'s\b"
)


def notebooks_named(text: str) -> Iterator[str]:
    """Yield the two digits of each notebook that a text names."""
    for found in NOTEBOOKS.finditer(re.sub(r"\]\([^)\s]*\)", "]", text)):
        yield from re.findall(r"\d\d", found[0])
    for found in IN_A_HEADING.finditer(text):
        yield from re.findall(r"\d\d", found[1])


def exercises_named(text: str) -> Iterator[str]:
    """Yield the number of each exercise that a text names."""
    for found in EXERCISES.finditer(text):
        yield from re.findall(AN_EXERCISE, found[0])


def test_numbers_are_read_as_they_are_written() -> None:
    said = (
        "Notebooks [04](04_log_sum_exp.ipynb) and [05](05_x.ipynb), notebook 12. notebooks 02 to 05"
    )
    assert list(notebooks_named(said)) == ["04", "05", "12", "02", "05"]
    assert list(notebooks_named("## Forward (01–04)\n\n(11, 12)")) == ["01", "04"]
    assert list(notebooks_named("a notebook 800 pixels wide")) == []
    said = "exercises 6.1 and 6.3, your 3.4, 18.2's matrix, exercise 5.2."
    assert list(exercises_named(said)) == ["6.1", "6.3", "3.4", "18.2", "5.2"]
    assert list(exercises_named("a mass of 0.9, and 6.3 of them")) == []


def test_every_notebook_that_is_named_exists() -> None:
    wrong = [
        f"{where}: notebook {number}"
        for where, _, text in texts()
        for number in notebooks_named(text)
        if number not in NUMBERS
    ]
    assert wrong == []


def test_every_exercise_that_is_named_exists() -> None:
    from helpers.exercises import course

    known = course.exercises()
    wrong = [
        f"{where}: exercise {name}"
        for where, _, text in texts()
        for name in exercises_named(text)
        if name not in known
    ]
    assert wrong == []


# -- links --------------------------------------------------------------------------------------

LINK = re.compile(r"(?<!!)\[((?:[^\[\]]|\[[^\[\]]*\])*)\]\(([^()\s]+(?:\([^()\s]*\)[^()\s]*)*)\)")


def links() -> Iterator[tuple[str, str, Path, str]]:
    """Yield each link inside the course: where it stands, its words, its file and its fragment."""
    for where, path, text in texts():
        if path.suffix == ".py":
            continue
        for words, target in LINK.findall(text):
            if re.match(r"[a-z]+:", target):
                continue
            address, _, fragment = target.partition("#")
            if path.parent.name == "book" and address.startswith("notebooks/"):
                file = ROOT / address  # brought there when the website is made
            else:
                file = path.parent / address if address else path
            yield f"{where}: {target}", words, file.resolve(), unquote(fragment)


def headings(path: Path) -> set[str]:
    """Return the names that a file's headings have where it is read.

    That is JupyterLab and the website, and for README and its neighbours a repository's page,
    which writes them in small letters and without punctuation.
    """
    if path.suffix == ".ipynb":
        text = "\n\n".join(cell.source for cell in markdown_cells(path))
    else:
        text = path.read_text(encoding="utf-8")
    titles = [title.strip() for title in re.findall(r"^#+ +(.+)$", text, re.MULTILINE)]
    if path.parent == ROOT:
        titles = [re.sub(r"[^\w\- ]", "", title.lower()) for title in titles]
    return {title.replace(" ", "-") for title in titles}


def test_every_fragment_is_a_heading() -> None:
    """Of the playground, what stands after its # is a state and no place."""
    wrong = [
        where
        for where, _, file, fragment in links()
        if fragment and file.suffix in (".ipynb", ".md") and fragment not in headings(file)
    ]
    assert wrong == []


def test_the_words_of_a_link_say_the_notebook_it_leads_to() -> None:
    wrong = []
    for where, words, file, _ in links():
        if file.parent == FOLDER and file.name in TITLES:
            titled = re.fullmatch(r"(?:← )?(\d\d · .+?)(?: →)?", words)
            numbered = re.fullmatch(r"(?:[Nn]otebook )?(\d\d)", words)
            if titled and titled[1] != TITLES[file.name]:
                wrong.append(f"{where}: {titled[1]!r} is {TITLES[file.name]!r}")
            if numbered and numbered[1] != file.name[:2]:
                wrong.append(f"{where}: {words!r}")
    assert wrong == []


def test_links_are_seen_with_their_words() -> None:
    seen = LINK.findall(
        "see [a [b] c](x.ipynb#It's-(so)) and ![no](y.png), [Which axis?](#Which-axis?)"
    )
    assert seen == [("a [b] c", "x.ipynb#It's-(so)"), ("Which axis?", "#Which-axis?")]
