"""Draw the printed page from its source, the website's page: ``python tools/page.py``.

``book/one_page.md`` is the only source. Drawn are its headings, tables and code, on the two sides
of one sheet of A4: ``notebooks/softmax_page.pdf`` to print, and a picture of each side in
``book/images`` to show.
"""

from __future__ import annotations

import hashlib
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import matplotlib
import matplotlib.pyplot as plt
from matplotlib.backends.backend_pdf import PdfPages

if __name__ == "__main__":  # run as a file, from anywhere
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from helpers import figures
from tools.notebooks import ROOT

SOURCE = ROOT / "book" / "one_page.md"
PDF = ROOT / "notebooks" / "softmax_page.pdf"
PNGS = tuple(ROOT / "book" / "images" / f"softmax_page{side}.png" for side in ("", "_2"))
TURN = "<!-- second side -->"

A4 = (8.27, 11.69)  # inches
FOOT = "Softmax and its stable computation · CC BY 4.0 · all code here is executed by its tests"
CODE = {"family": "DejaVu Sans Mono"}
WRONG = {"color": "#A33F00"}
SIZE = 6.6  # points
LINE = 1.1  # of a row, in lines
# By the number of a table's columns: where they begin, as shares of the width, and how they look.
# A table of two columns (names) is drawn with two of its rows in a line.
PLACES: dict[int, tuple[float, ...]] = {
    2: (0.0, 0.14, 0.48, 0.68),
    3: (0.0, 0.17, 0.64),
    4: (0.0, 0.28, 0.45, 0.64),
}
STYLES: dict[int, tuple[dict[str, Any], ...]] = {
    2: (CODE, {}, CODE, {}),
    3: ({"weight": "bold"}, CODE, WRONG),
    4: ({"weight": "bold"}, {}, {}, {}),
}


# -- the source ---------------------------------------------------------------------------------


@dataclass
class Section:
    """A heading of the page with what stands below it.

    Attributes
    ----------
    heading : str
    head : list of str
        The names of the table's columns.
    rows : list of list of str
        The table's cells, in Markdown.
    code : str
        The Python below the table.
    """

    heading: str
    head: list[str] = field(default_factory=list)
    rows: list[list[str]] = field(default_factory=list)
    code: str = ""


def sections(text: str) -> list[Section]:
    """Return the sections of a page, in order."""
    found = []
    for part in re.split(r"^## +", text, flags=re.MULTILINE)[1:]:
        heading, _, body = part.partition("\n")
        section = Section(heading.strip())
        table = [cells(line) for line in body.splitlines() if line.startswith("|")]
        if table:
            section.head, _, *section.rows = table
        if code := re.search(r"^```python\n(.*?)^```", body, re.DOTALL | re.MULTILINE):
            section.code = code[1]
        found.append(section)
    return found


def cells(line: str) -> list[str]:
    """Return the cells of a table's row; a bar after a backslash belongs to a cell."""
    parts = re.split(r"(?<!\\)\|", line.strip().strip("|"))
    return [part.strip().replace(r"\|", "|") for part in parts]


def code_in(cell: str) -> list[str]:
    """Return what stands between backquotes."""
    return re.findall(r"`(.+?)`", cell)


def fingerprint(text: str) -> str:
    """Return a short name of the source; what is drawn from it carries it."""
    return f"source {hashlib.sha256(text.encode()).hexdigest()[:16]}"


# -- the drawing --------------------------------------------------------------------------------


Text = tuple[float, str, dict[str, Any]]  # its place from left to right, itself, its style


def lines(section: Section) -> Iterator[list[Text]]:
    """Yield the rows to draw, each as its texts."""
    rows = [[cell.replace("`", "") for cell in row] for row in section.rows]
    columns = len(section.head)
    if columns == 2:
        half = (len(rows) + 1) // 2
        right = [*rows[half:], ["", ""]]
        rows = [first + second for first, second in zip(rows[:half], right, strict=False)]
    for row in rows:
        yield list(zip(PLACES[columns], row, STYLES[columns], strict=True))
    for line in section.code.splitlines():
        yield [(0.0, line, CODE)]


def head(section: Section) -> list[Text]:
    """Return what stands on the band above a section: its heading, and what is not plain."""
    texts: list[Text] = [(0.0, section.heading, {"weight": "bold"})]
    columns = len(section.head)
    if columns > 2:
        named = list(zip(PLACES[columns], section.head, strict=True))
        texts += [(place, name, {}) for place, name in named[5 - columns :]]
    return texts


def height(section: Section) -> float:
    """Return how much room a section takes, in the unit of `LINE`."""
    return 0.2 + LINE * len(list(lines(section))) + 1.5


def draw(page: Sequence[Section], title: str, room: float) -> Any:
    """Return one side as a matplotlib figure of the size A4; what is left of `room` stays blank."""
    figures.use_house_style()
    fig, ax = plt.subplots(figsize=A4)
    ax.text(0, -2.2, title, fontsize=16, weight="bold", va="center")
    at = 0.0
    spare = Section("Your own: what went wrong, and the input that shows it")
    rows = int((room - sum(map(height, page)) - height(spare)) / LINE)
    blank = [spare] if rows > 0 else []
    for section in [*page, *blank]:
        blue = figures.COLOURS[0]
        ax.plot([-0.008, 1.008], [at, at], color=blue, linewidth=11, solid_capstyle="butt")
        for place, text, style in head(section):
            ax.text(place, at, text, fontsize=7.5, color="white", va="center", **style)
        at += 0.2
        for row in [[]] * rows if section is spare else lines(section):
            at += LINE
            for place, text, style in row:
                ax.text(place, at, text, fontsize=SIZE, va="center", **style)
            ax.plot([0, 1], [at + LINE / 2] * 2, color="#dddddd", linewidth=0.4)
        at += 1.5
    ax.text(0, room - 0.2, FOOT, fontsize=6, va="center")
    ax.set(xlim=(-0.03, 1.03), ylim=(room + 0.6, -3.6))
    ax.axis("off")
    return fig


def sides(text: str) -> list[Any]:
    """Return the two sides of a page as figures, to the same scale."""
    title = text.partition("\n")[0].removeprefix("# ")
    parts = [sections(part) for part in text.split(TURN)]
    room = max(sum(map(height, part)) for part in parts)
    titles = [title, f"{title}: part two"]
    return [draw(part, name, room) for part, name in zip(parts, titles, strict=True)]


def main() -> int:
    """Write the PDF and the pictures."""
    text = SOURCE.read_text(encoding="utf-8")
    mark = fingerprint(text)
    title = text.partition("\n")[0].removeprefix("# ")
    drawn = sides(text)
    about = {"Title": title, "Keywords": mark, "CreationDate": None}
    with (
        matplotlib.rc_context({"pdf.fonttype": 42}),  # text that can be searched and copied
        PdfPages(PDF, metadata=about) as pdf,
    ):
        for fig in drawn:
            pdf.savefig(fig)
    for path, fig in zip(PNGS, drawn, strict=True):
        about = {"Title": title, "Comment": mark}
        fig.savefig(path, dpi=150, metadata=about, pil_kwargs={"optimize": True})
        plt.close(fig)
    for path in (PDF, *PNGS):
        print(f"{path.relative_to(ROOT)}: {path.stat().st_size // 1024} KiB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
