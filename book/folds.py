"""What is hidden until asked for: a prediction's answer, cells of checks and of plotting code.

In the notebooks' copies, comments mark the text that tells a prediction's answer; on the page it
stands in one fold with the output above it.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from typing import Any

import nbformat
from docutils import nodes
from myst_nb.sphinx_ import HideCodeCellNode

from tools.notebooks import PREDICT, governed_by_a_prediction

ANSWER = ("Show what comes", "Hide what comes")
BEGIN, END = "<!-- what comes -->", "<!-- end of what comes -->"

# Where a text stops telling the answer: a heading, a saying in bold, the next prediction.
_NEXT = re.compile(r'#{1,6} |\*\*["“]|(?s:.*)' + re.escape(PREDICT))


# -- in the notebooks' copies ---------------------------------------------------------------------


def mark(notebook: nbformat.NotebookNode) -> None:
    """Hide a prediction's outputs, and mark the text below them that tells the answer, in place."""
    answering = set()
    for _, governed in governed_by_a_prediction(notebook.cells):
        for cell in governed:
            if cell.outputs:
                cell.metadata["tags"] = [*cell.metadata.get("tags", []), "hide-output"]
                answering.add(cell.id)
    told = False  # whether an answer stands above, of a prediction that still governs
    for cell in notebook.cells:
        if cell.cell_type == "code":
            told = told or cell.id in answering
        elif told:
            answer, rest = parted(cell.source)
            if answer:
                cell.source = f"{BEGIN}\n\n{answer}\n\n{END}\n\n{rest}".strip()
            told = not rest


def parted(source: str) -> tuple[str, str]:
    r"""Return what a text below an answer says about it, and what it goes on with.

    Examples
    --------
    >>> parted("It is 0.\n\n## The next section\n\nText.")
    ('It is 0.', '## The next section\n\nText.')
    >>> parted("It is 0.")
    ('It is 0.', '')
    """
    paragraphs = list(_paragraphs(source))
    for number, paragraph in enumerate(paragraphs):
        if _NEXT.match(paragraph):
            return "\n\n".join(paragraphs[:number]), "\n\n".join(paragraphs[number:])
    return source, ""


def _paragraphs(source: str) -> Iterator[str]:
    """Yield the parts between blank lines; a listing is one, whatever is in it."""
    lines: list[str] = []
    fence = ""
    for line in source.splitlines():
        marks = re.match(r"```|~~~|\$\$", line)
        if marks and not fence and line.count(marks[0]) == 1:
            fence = marks[0]
        elif fence and fence in line:
            fence = ""
        if line.strip() or fence:
            lines.append(line)
        elif lines:
            yield "\n".join(lines)
            lines = []
    if lines:
        yield "\n".join(lines)


# -- on the page ----------------------------------------------------------------------------------


def gather(app: object, doctree: nodes.document, docname: str) -> None:
    """Move the marked texts into the fold above them."""
    for begin in [node for node in doctree.findall(nodes.Node) if _says(node, BEGIN)]:
        siblings = begin.parent.children
        position = siblings.index(begin)
        folds = [
            fold
            for sibling in siblings[:position]
            for fold in sibling.findall(HideCodeCellNode)
            if "below-input" in fold["classes"]
        ]
        end = next(n for n, node in enumerate(siblings) if n > position and _says(node, END))
        text = siblings[position : end + 1]
        for node in text:
            begin.parent.remove(node)
        folds[-1].append(nodes.container("", *text[1:-1], classes=["told"]))


def _says(node: nodes.Node, comment: str) -> bool:
    return isinstance(node, nodes.comment | nodes.raw) and comment in node.astext()


def visit(translator: Any, node: Any) -> None:
    """Begin a fold."""
    show, hide = prompts(node)
    classes = " ".join(node["classes"])
    translator.body.append(
        f'<details class="admonition hide {classes}">\n<summary>\n'
        f'<p class="collapsed admonition-title">{html.escape(show)}</p>\n'
        f'<p class="expanded admonition-title">{html.escape(hide)}</p>\n</summary>\n'
    )


def depart(translator: Any, node: Any) -> None:
    """End a fold."""
    translator.body.append("</details>\n")


def prompts(node: Any) -> tuple[str, str]:
    """Return what a fold says when it is closed, and when it is open.

    A folded cell says itself what it is, in the comment of its first line.
    """
    if "above-input" not in node["classes"]:
        return ANSWER
    first = node.astext().lstrip().partition("\n")[0]
    comment = first.removeprefix("#").strip() if first.startswith("#") else "Code"
    return comment, comment
