"""The template of all that is shown: a list of blocks, as HTML and as plain text.

The HTML is made of plain tags and a few inline styles, which JupyterLab's sanitiser keeps. It says
everything in words and sets no text or background colour, so it reads well in light and dark
themes and aloud.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

WIDTH = 88


@dataclass(frozen=True)
class Title:
    """What this is about: its first words are strong."""

    strong: str
    rest: str = ""


@dataclass(frozen=True)
class Paragraph:
    """A paragraph; `label` leads it in. What stands in backticks is code."""

    body: str
    label: str = ""


@dataclass(frozen=True)
class Code:
    """Python code."""

    source: str


@dataclass(frozen=True)
class Values:
    """Values side by side, each under its label."""

    pairs: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Table:
    """A table; its first column names the rows."""

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Folded:
    """Blocks that unfold under a summary; `instead` is what plain text says, where they wait."""

    summary: str
    blocks: tuple[Block, ...]
    instead: str = ""


Block = Title | Paragraph | Code | Values | Table | Folded


BAR = "border-left: 4px solid {colour}; padding: 2px 0 2px 14px; margin: 4px 0;"


LEFT = "text-align: left; vertical-align: top;"


PRE = "margin: 0; white-space: pre-wrap;"


CODE = "margin: 0 0 1em 0;"


def html(blocks: Sequence[Block], colour: str = "#8a8a8a") -> str:
    """Return blocks as HTML beside a bar of that colour."""
    inner = "\n".join(_block_html(block) for block in blocks)
    return f'<div class="course-card" style="{BAR.format(colour=colour)}">\n{inner}\n</div>'


def text(blocks: Sequence[Block]) -> str:
    """Return blocks as plain text."""
    return "\n".join(_block_text(block) for block in blocks)


def _block_html(block: Block) -> str:
    match block:
        case Title(strong, rest):
            return (
                f"<p><strong>{escape(strong)}</strong>{_inline(f' · {rest}' if rest else '')}</p>"
            )
        case Paragraph(body, label):
            lead = f"<strong>{escape(label)}:</strong> " if label else ""
            return f"<p>{lead}{_inline(body)}</p>"
        case Code(source):
            return f'<pre style="{CODE}">{highlighted(source)}</pre>'
        case Values(pairs):
            head = "".join(f'<th style="{LEFT}">{escape(label)}</th>' for label, _ in pairs)
            cells = "".join(
                f'<td style="{LEFT}"><pre style="{PRE}">{escape(value)}</pre></td>'
                for _, value in pairs
            )
            return f"<table><thead><tr>{head}</tr></thead><tbody><tr>{cells}</tr></tbody></table>"
        case Table(header, rows):
            head = "".join(f'<th style="{LEFT}">{escape(name)}</th>' for name in header)
            body = "".join(f"<tr>{_row_html(row)}</tr>" for row in rows)
            return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
        case Folded(summary, blocks):
            inner = "".join(_block_html(part) for part in blocks)
            return f"<details><summary>{_inline(summary)}</summary>{inner}</details>"


def _row_html(row: tuple[str, ...]) -> str:
    first = f'<th scope="row" style="{LEFT}">{_inline(row[0])}</th>'
    return first + "".join(f'<td style="{LEFT}">{_inline(cell)}</td>' for cell in row[1:])


def _inline(words: str) -> str:
    """Escape `words`; ``code`` between backticks becomes a tag."""
    return re.sub(r"`([^`\n]+)`", r"<code>\1</code>", escape(words))


def highlighted(source: str) -> str:
    """Return Python code with bold keywords and slanted comments: no colour that a theme hides."""
    from pygments import highlight  # type: ignore[import-untyped]
    from pygments.formatters import HtmlFormatter  # type: ignore[import-untyped]
    from pygments.lexers import PythonLexer  # type: ignore[import-untyped]

    formatter = HtmlFormatter(style="bw", noclasses=True, nowrap=True)
    return str(highlight(source, PythonLexer(), formatter)).rstrip("\n")


def _block_text(block: Block) -> str:
    match block:
        case Title(strong, rest):
            return f"{strong} · {rest}" if rest else strong
        case Paragraph(body, label):
            return _wrapped(f"{label}: {body}" if label else body)
        case Code(source):
            return textwrap.indent(source.rstrip("\n"), "    ")
        case Values(pairs):
            width = max(8, *(len(label) for label, _ in pairs)) + 2
            return "\n".join(_labelled(label, value, width) for label, value in pairs)
        case Table(header, rows):
            return _table_text((header, *rows))
        case Folded(instead=instead) if instead:
            return _wrapped(instead)
        case Folded(summary, blocks):
            return "\n".join([_wrapped(summary), textwrap.indent(text(blocks), "  ")])


def _wrapped(words: str) -> str:
    lines = (
        textwrap.fill(line, WIDTH, break_long_words=False, break_on_hyphens=False)
        for line in words.split("\n")
    )
    return "\n".join(lines)


def _labelled(label: str, value: str, width: int) -> str:
    return f"  {label:<{width}}" + value.replace("\n", "\n" + " " * (width + 2))


def _table_text(rows: Sequence[tuple[str, ...]]) -> str:
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    padded = (
        "  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True))
        for row in rows
    )
    return "\n".join(line.rstrip() for line in padded)


class Shown:
    """Something that displays itself: as HTML in a notebook, as text elsewhere."""

    colour = "#8a8a8a"

    def blocks(self) -> list[Block]:
        """Return what is shown."""
        raise NotImplementedError

    def __repr__(self) -> str:
        return text(self.blocks())

    def _repr_html_(self) -> str | None:
        return html(self.blocks(), self.colour)


def capitalised(text: str) -> str:
    """Return a text with a capital at the start, unless it starts with a symbol or with code."""
    if re.match(r"(a|[a-z]{2,})(?![\w.(\[=])", text) is None:
        return text
    return text[0].upper() + text[1:]
