"""The pages of the exercises, and the gallery of all mistakes: made from the declarations."""

from __future__ import annotations

import html
import inspect
import os
import re
from collections.abc import Iterator
from pathlib import Path

import verdicts
from docutils import nodes
from docutils.parsers.rst import Directive
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer
from symptoms import SYMPTOMS
from verdicts import Shown

from helpers.checker.declaration import Exercise
from helpers.checker.verdict import SIGNS
from helpers.exercises import course
from tools.notebooks import read

SOLUTIONS = os.environ.get("SOFTMAX_COURSE_SOLUTIONS", "").lower() not in (
    "off",
    "0",
    "no",
    "false",
)
"""Whether the website shows solutions; the same switch closes `solution` to learners."""


# -- what the notebooks say of the exercises ----------------------------------------------------


def tasks(notebooks: list[Path]) -> dict[str, tuple[str, str, Path]]:
    """Return the title of every exercise, the text of its task, and its notebook."""
    found = {}
    for path in notebooks:
        for cell in read(path).cells:
            heading = re.search(r"^#+ Exercise (\d+\.\d+) · (.+)$", cell.source, re.MULTILINE)
            if cell.cell_type == "markdown" and heading:
                text = cell.source[heading.end() :].strip()
                found[heading[1]] = heading[2].strip(), text, path
    return found


def bring(folder: Path, notebooks: list[Path]) -> dict[Path, str]:
    """Return the sources of the exercises' pages, by their files."""
    known = tasks(notebooks)
    pages = {}
    for name, exercise in course.exercises().items():
        title, text, notebook = known.get(name, (f"`{exercise.name}`", "", None))
        pages[folder / f"{name}.md"] = page(exercise, title, text, notebook)
    pages[folder / "index.md"] = index(known)
    return pages


def page(exercise: Exercise, title: str, text: str, notebook: Path | None) -> str:
    """Return the source of an exercise's page."""
    minutes = "1 minute" if exercise.minutes == 1 else f"{exercise.minutes} minutes"
    lead = f"About {minutes}."
    if notebook is not None:
        anchor = f"Exercise-{exercise.id}-·-{title}".replace(" ", "-")
        lead = f"From [{_title(notebook)}](../notebooks/{notebook.name}#{anchor}). {lead}"
        text = re.sub(r"\]\((\d\d_\w+\.ipynb)", r"](../notebooks/\1", text)
        text = re.sub(r"\]\(#", f"](../notebooks/{notebook.name}#", text)
        text = re.sub(r"\]\(\.\./helpers/(\w+)\.py\)", r"](../reference/\1.md)", text)
    parts = [
        f"# {exercise.id} · {title}",
        lead,
        text,
        f"```python\n{exercise.stub}\n```",
        f"## Hints\n\n```{{hints}} {exercise.id}\n```",
    ]
    if SOLUTIONS:
        parts.append(f"## Solution\n\n```{{solution}} {exercise.id}\n```")
    count = len(exercise.mistakes)
    parts.append(
        f"## What the checker says to …\n\n"
        f"{count} wrong answers that the check knows by name. When this page was made, each was "
        "run through it. Open one to see its code, the verdict as you would meet it, and the "
        "smallest input that shows it. Who wants to be surprised leaves them shut.\n\n"
        f"```{{verdicts}} {exercise.id}\n```"
    )
    return "\n\n".join(part for part in parts if part) + "\n"


def index(known: dict[str, tuple[str, str, Path]]) -> str:
    """Return the source of the page that leads to all exercises."""
    exercises = course.exercises()
    count = sum(len(exercise.mistakes) for exercise in exercises.values())
    also = "its solution, and " if SOLUTIONS else ""
    parts = [
        "# Exercises",
        f"{len(exercises)} exercises. Each page has the task, hints that unfold one by one, {also}"
        f"what the checker says to its wrong answers: {count} in all, which it knows by name. "
        "They are checked for you when you [run the course](../index.md). Looking for what went "
        "wrong in code of your own? The [gallery](../mistakes.md) has all of them by symptom.",
    ]
    rows: dict[str, list[str]] = {}
    for name, exercise in exercises.items():
        title, _, notebook = known.get(name, (f"`{exercise.name}`", "", None))
        heading = _title(notebook) if notebook else exercise.module.replace("_", " ").capitalize()
        cells = (
            f"[{name} · {title}]({name}.md)",
            f"`{exercise.name}`",
            str(exercise.minutes),
            str(len(exercise.mistakes)),
        )
        rows.setdefault(heading, []).append(f"| {' | '.join(cells)} |")
    head = "| Exercise | You write | Minutes | Wrong answers named |\n|---|---|--:|--:|"
    parts += [f"## {heading}\n\n{head}\n" + "\n".join(lines) for heading, lines in rows.items()]
    parts.append("```{toctree}\n:hidden:\n\n" + "\n".join(exercises) + "\n```")
    return "\n\n".join(parts) + "\n"


def link_below(cell_id: str) -> str | None:
    """Return the line that leads from an exercise's check to its page, or None."""
    match = re.fullmatch(r"check-(\d+)-(\d+)", cell_id)
    exercise = course.exercises().get(f"{match[1]}.{match[2]}") if match else None
    if exercise is None:
        return None
    also = ", the solution," if SOLUTIONS else ""
    return (
        f"[Hints{also} and what the checker says to {len(exercise.mistakes)} wrong answers]"
        f"(../exercises/{exercise.id}.md)"
    )


def _title(notebook: Path) -> str:
    return str(read(notebook).cells[0].source.splitlines()[0].removeprefix("# "))


# -- as HTML ------------------------------------------------------------------------------------


class Part(Directive):
    """A part of a page, made from the declaration of the exercise that it names."""

    required_arguments = 1
    has_content = False

    def run(self) -> list[nodes.Node]:
        """Return the part as HTML."""
        exercise = course.exercises()[self.arguments[0]]
        environment = self.state.document.settings.env
        environment.note_dependency(inspect.getfile(exercise.reference))
        return [nodes.raw("", self.shown(exercise), format="html")]

    def shown(self, exercise: Exercise) -> str:
        """Return the part as HTML."""
        raise NotImplementedError


class Hints(Part):
    """An exercise's hints, folded one by one."""

    def shown(self, exercise: Exercise) -> str:
        """Return a fold for each hint."""
        count = len(exercise.hint_texts)
        return "\n".join(
            f'<details class="course-fold"><summary>Hint {number} of {count}</summary>'
            f"<p>{inline(text)}</p></details>"
            for number, text in enumerate(exercise.hint_texts, 1)
        )


class Solution(Part):
    """An exercise's solution and why it works, folded."""

    def shown(self, exercise: Exercise) -> str:
        """Return one fold; nothing where solutions are switched off."""
        if not SOLUTIONS:
            return ""
        return (
            '<details class="course-fold"><summary>Show the solution</summary>'
            f"{code(exercise.source)}"
            f"<p><strong>Why:</strong> {inline(exercise.reasoning_text)}</p></details>"
        )


class Verdicts(Part):
    """What the checker says to an exercise's mistakes."""

    def shown(self, exercise: Exercise) -> str:
        """Return a card for each."""
        return "\n".join(map(card, verdicts.everything()[exercise.id]))


class Gallery(Directive):
    """All mistakes of the course, by what one sees."""

    def run(self) -> list[nodes.Node]:
        """Return the filter, and a list for each symptom."""
        environment = self.state.document.settings.env
        for exercise in course.exercises().values():
            environment.note_dependency(inspect.getfile(exercise.reference))
        return [nodes.raw("", gallery(list(verdicts.all_shown())), format="html")]


def code(source: str) -> str:
    """Return a listing in the website's colours."""
    return (
        '<div class="highlight-python notranslate">'
        f"{highlight(source, PythonLexer(), HtmlFormatter(wrapcode=False))}</div>"
    )


def inline(text: str) -> str:
    """Return a text with `code` as code."""
    return re.sub(r"`([^`\n]+)`", r"<code>\1</code>", html.escape(text, quote=False))


def spoken(name: str) -> str:
    """Return a mistake's name as it is said."""
    return name.replace("_", " ")


def anchor(name: str) -> str:
    """Return the name of a mistake's place on its exercise's page."""
    return f"says-{name}"


def card(shown: Shown) -> str:
    """Return the card of a mistake."""
    sign, _ = SIGNS[shown.status]
    seen = ", ".join(
        f'<a href="../mistakes.html#{key}">{html.escape(SYMPTOMS[key][0])}</a>'
        for key in shown.symptoms
    )
    return (
        f'<details class="course-fold course-mistake"><summary>{spoken(shown.name)} '
        f'<span class="course-status">{sign} {shown.status}</span></summary>'
        f'<div id="{anchor(shown.name)}">'
        f"<p>Somebody writes</p>{code(shown.code)}<p>and the checker says</p>{shown.verdict}"
        f'<p class="course-seen">What one sees: {seen}.</p></div></details>'
    )


# -- the gallery --------------------------------------------------------------------------------


def gallery(everything: list[Shown]) -> str:
    """Return all mistakes, each once, under the first symptom it shows; the others point to it."""
    shown_as = {key: [one for one in everything if key in one.symptoms] for key in SYMPTOMS}
    parts = [_filter(shown_as, everything), _contents(shown_as)]
    for key, (name, words) in SYMPTOMS.items():
        if not shown_as[key]:
            continue
        first = [one for one in shown_as[key] if one.symptoms[0] == key]
        also = [one for one in shown_as[key] if one.symptoms[0] != key]
        items = "\n".join(map(_item, first))
        links = ", ".join(
            f'<a href="#{_place(one)}">{spoken(one.name)} ({one.exercise})</a>' for one in also
        )
        below = f'<p class="course-also">Listed above, and seen here too: {links}.</p>'
        parts.append(
            f'<section id="{key}" class="course-symptom"><h2>{html.escape(name)}</h2>'
            f"<p>{html.escape(words)}</p><ul>{items}</ul>{below if also else ''}</section>"
        )
    parts.append('<script defer src="_static/gallery.js"></script>')
    return "\n".join(parts)


def _place(shown: Shown) -> str:
    return f"{shown.exercise}-{shown.name}"


def _item(shown: Shown) -> str:
    return (
        f'<li id="{_place(shown)}" data-seen="{" ".join(shown.symptoms)}" '
        f'data-notebook="{shown.exercise.partition(".")[0]}">'
        f'<a href="exercises/{shown.exercise}.html#{anchor(shown.name)}">{spoken(shown.name)}</a> '
        f"({shown.exercise} <code>{course.exercises()[shown.exercise].name}</code>, "
        f"{shown.status}): {inline(shown.gist)}</li>"
    )


def _filter(shown_as: dict[str, list[Shown]], everything: list[Shown]) -> str:
    """Return the form that the gallery's script brings to life; hidden until then."""
    boxes = "\n".join(
        f'<label><input type="checkbox" name="seen" value="{key}"> '
        f"{html.escape(SYMPTOMS[key][0])} ({len(found)})</label>"
        for key, found in shown_as.items()
        if found
    )
    options = "\n".join(
        f'<option value="{number}">{number.zfill(2)}</option>' for number in _notebooks(everything)
    )
    return f"""<form class="course-filter" id="filter" hidden>
<fieldset><legend>What do you see?</legend>
{boxes}
</fieldset>
<p><label>Words: <input type="search" name="words" autocomplete="off"></label>
<label>Notebook: <select name="notebook"><option value="">all</option>
{options}</select></label>
<button type="reset" class="btn btn-sm btn-outline-primary">Show all</button></p>
<p role="status" id="shown">{len(everything)} of {len(everything)} mistakes are shown.</p>
</form>"""


def _notebooks(everything: list[Shown]) -> Iterator[str]:
    yield from dict.fromkeys(shown.exercise.partition(".")[0] for shown in everything)


def _contents(shown_as: dict[str, list[Shown]]) -> str:
    """Return the list of symptoms, for who reads without scripts."""
    items = "\n".join(
        f'<li><a href="#{key}">{html.escape(SYMPTOMS[key][0])}</a> ({len(found)})</li>'
        for key, found in shown_as.items()
        if found
    )
    return f'<nav class="course-symptoms" aria-label="Symptoms"><ul>{items}</ul></nav>'


DIRECTIVES: dict[str, type[Directive]] = {
    "hints": Hints,
    "solution": Solution,
    "verdicts": Verdicts,
    "gallery": Gallery,
}
