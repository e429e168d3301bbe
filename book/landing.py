"""What the first page shows of the course: its verdict, its map, a card for each notebook."""

from __future__ import annotations

import base64
import html
import inspect
import io
import os
import re
from collections.abc import Iterator
from pathlib import Path

import nbformat
import verdicts
from docutils import nodes
from docutils.parsers.rst import Directive
from PIL import Image

from helpers.exercises import course
from tools import minutes
from tools.notebooks import governed_by_a_prediction, read
from tools.ways import AFTERWARDS, PARTS

HERE = Path(__file__).resolve().parent
PICTURES = HERE / "_static" / "pictures"
CARD, MAP = 320, 1100  # pixels of width

EXAMPLE = "3.1", "no_shift"  # the mistake whose verdict is shown first

FIGURE = re.compile(
    r'<img alt="(?P<alt>[^"]*)" src="data:image/png;base64,(?P<png>[A-Za-z0-9+/=]+)"'
)

# -- pictures -------------------------------------------------------------------------------------


def bring_pictures(notebooks: list[Path]) -> dict[Path, bytes]:
    """Return the first page's pictures by their files: small ones, of the notebooks' figures."""
    pictures = {}
    for path in notebooks:
        figure = first_figure(path)
        if figure is not None:
            pictures[PICTURES / f"{path.stem}.webp"] = small(io.BytesIO(figure), CARD)
    drawn = the_map(notebooks[0])
    if drawn is not None:
        pictures[PICTURES / "map.webp"] = small(io.BytesIO(drawn[1]), MAP)
    return pictures


def small(source: Path | io.BytesIO, width: int) -> bytes:
    """Return a picture no wider than this, as WebP."""
    picture = Image.open(source).convert("RGB")
    if picture.width > width:
        picture = picture.resize(
            (width, round(picture.height * width / picture.width)), Image.Resampling.LANCZOS
        )
    buffer = io.BytesIO()
    picture.save(buffer, "WEBP", quality=66, method=6)
    return buffer.getvalue()


def figures(cell: nbformat.NotebookNode) -> Iterator[tuple[str, bytes]]:
    """Yield alternative text and picture of the figures that a cell shows."""
    for output in cell.get("outputs", []):
        text = output.get("data", {}).get("text/html", "")
        for found in FIGURE.finditer("".join(text)):
            yield html.unescape(found["alt"]), base64.b64decode(found["png"])


def first_figure(path: Path) -> bytes | None:
    """Return a notebook's first figure, one that answers no prediction where there is one."""
    cells = read(path).cells
    answering = {cell.id for _, governed in governed_by_a_prediction(cells) for cell in governed}
    ordered = sorted(cells, key=lambda cell: cell.id in answering)
    return next((png for cell in ordered for _, png in figures(cell)), None)


def the_map(start: Path) -> tuple[str, bytes] | None:
    """Return the map of the course that the first notebook draws, with its words."""
    cells = (cell for cell in read(start).cells if cell.id == "fig-map")
    return next((figure for cell in cells for figure in figures(cell)), None)


# -- the page -------------------------------------------------------------------------------------


class Landing(Directive):
    """A part of the first page."""

    required_arguments = 1
    has_content = False

    def run(self) -> list[nodes.Node]:
        """Return the part as HTML."""
        parts = {"verdict": verdict, "map": course_map, "cards": cards, "install": install}
        environment = self.state.document.settings.env
        for lesson in minutes.lessons():
            environment.note_dependency(str(lesson.path))
        environment.note_dependency(inspect.getfile(course.exercises()[EXAMPLE[0]].reference))
        return [nodes.raw("", parts[self.arguments[0]](), format="html")]


def verdict() -> str:
    """Return what the checker says to one wrong answer."""
    exercise, name = EXAMPLE
    shown = next(one for one in verdicts.everything()[exercise] if one.name == name)
    return f"<p>To a softmax that subtracts nothing from its logits it says:</p>{shown.verdict}"


def course_map() -> str:
    """Return the map of the course."""
    drawn = the_map(minutes.lessons()[0].path)
    return picture("map.webp", drawn[0]) if drawn else ""


def picture(name: str, alt: str) -> str:
    """Return a picture with its size, so that nothing moves when it comes."""
    width, height = Image.open(PICTURES / name).size
    return (
        f'<figure class="course-picture"><img src="_static/pictures/{name}" '
        f'alt="{html.escape(alt)}" width="{width}" height="{height}" loading="lazy"></figure>'
    )


def cards() -> str:
    """Return the two parts of the course, a card for each notebook."""
    whole = minutes.lessons()
    parts = []
    for name, (first, last) in PARTS.items():
        items = "".join(card(entry) for entry in whole if first <= entry.number <= last)
        if items:
            parts.append(f'<h3>{name}</h3><ul class="course-cards">{items}</ul>')
    return "".join(parts)


def card(lesson: minutes.Lesson) -> str:
    """Return a notebook's card: picture, question, what one can do afterwards, minutes."""
    count = sum(int(name.partition(".")[0]) == lesson.number for name in course.exercises())
    noun = "exercise" if count == 1 else "exercises"
    name = f"{lesson.path.stem}.webp"
    image = ""
    if (PICTURES / name).exists():
        width, height = Image.open(PICTURES / name).size
        image = (
            f'<img src="_static/pictures/{name}" alt="" width="{width}" height="{height}" '
            'loading="lazy">'
        )
    return (
        f'<li class="course-card-of-notebook"><span class="course-thumb">{image}</span>'
        f'<a href="notebooks/{lesson.path.stem}.html">{plain(lesson.title)}</a>'
        f"<p>{plain(lesson.question)}</p>"
        f"<p>Afterwards you can {AFTERWARDS[lesson.number]}.</p>"
        f"<p class='course-time'>{lesson.reading} min, {count} {noun} "
        f"({lesson.exercises} min)</p></li>"
    )


def plain(text: str) -> str:
    """Return a text whose short formulas need no script.

    Examples
    --------
    >>> plain("Softmax needs $e^x$.")
    'Softmax needs <i>e</i><sup><i>x</i></sup>.'
    >>> plain("As plain $p - q$?")
    'As plain <i>p</i> − <i>q</i>?'
    """

    def formula(found: re.Match[str]) -> str:
        text = re.sub(r"[A-Za-z]+", r"<i>\g<0></i>", found[1].replace("-", "−"))
        return re.sub(r"\^(<i>\w+</i>|\w)", r"<sup>\1</sup>", text)

    return re.sub(r"\$([^$\\]+)\$", formula, html.escape(text, quote=False))


def install() -> str:
    """Return the two lines that install and open the course."""
    repository = os.environ.get("GITHUB_REPOSITORY", "OWNER/REPOSITORY")
    lines = (
        f"git clone https://github.com/{repository} softmax-course && cd softmax-course\nmake lab"
    )
    return (
        '<div class="highlight-sh notranslate"><div class="highlight"><pre>'
        f"{html.escape(lines)}\n</pre></div></div>"
    )
