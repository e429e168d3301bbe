"""What the website takes from the rest of the course: notebooks, MathJax, tables made of both."""

import html
import importlib.util
import re
from pathlib import Path
from typing import Any

import live
import nbformat
from plans import PLANS, Plan

from tools import minutes
from tools.notebooks import governed_by_a_prediction, read, text_of

HERE = Path(__file__).resolve().parent
COURSE = HERE.parent / "notebooks"
NOTEBOOKS = sorted(COURSE.glob("[0-9][0-9]_*.ipynb"))


# Links to the source of `helpers` lead to its reference, which shows it.
SOURCE_LINK = r"\]\(\.\./helpers/(\w+)\.py\)", r"](../reference/\1.md)"

# -- files --------------------------------------------------------------------------------------


def put(content: bytes, target: Path) -> None:
    """Write a file, unless the same is there: what did not change is not built again."""
    if not target.exists() or target.read_bytes() != content:
        target.write_bytes(content)


def bring_notebooks() -> None:
    """Copy the notebooks beside the pages, where Sphinx can see them."""
    folder = HERE / "notebooks"
    folder.mkdir(exist_ok=True)
    for stale in {path.name for path in folder.glob("*.ipynb")} - {p.name for p in NOTEBOOKS}:
        (folder / stale).unlink()
    for path in NOTEBOOKS:
        notebook = read(path)
        for_the_website(notebook)
        put(text_of(notebook).encode("utf-8"), folder / path.name)
    put((COURSE / "softmax_page.pdf").read_bytes(), folder / "softmax_page.pdf")


def for_the_website(notebook: nbformat.NotebookNode) -> None:
    """Change a notebook, in place, into what the website shows.

    What answers a prediction is hidden until asked for. The outputs of check cells are left out:
    they say that nothing was answered yet.
    """
    for _, governed in governed_by_a_prediction(notebook.cells):
        for cell in governed:
            if cell.outputs:
                cell.metadata["tags"] = [*cell.metadata.get("tags", []), "hide-output"]
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell.source = live.link_playground(re.sub(*SOURCE_LINK, cell.source))
        elif cell.id.startswith("check-"):
            cell.outputs = []
        elif cell.id.startswith("slider-"):
            live.mark_moving(cell)


def bring_mathjax() -> None:
    """Copy the part of MathJax that the pages use, out of the package that brings it."""
    package = importlib.util.find_spec("sphinx-mathjax-offline")
    if package is None or package.origin is None:
        raise ModuleNotFoundError("MathJax is missing: pip install -r requirements-book.txt")
    mathjax = Path(package.origin).parent / "static" / "mathjax"
    fonts = Path("output/chtml/fonts/woff-v2")
    (HERE / "_static/mathjax" / fonts).mkdir(parents=True, exist_ok=True)
    for path in [mathjax / "tex-chtml.js", *sorted((mathjax / fonts).glob("*.woff"))]:
        put(path.read_bytes(), HERE / "_static/mathjax" / path.relative_to(mathjax))


# -- tables -------------------------------------------------------------------------------------


def texts(notebook: Path) -> list[str]:
    """Return the notebook's text cells."""
    cells = nbformat.read(notebook, as_version=4).cells
    return [cell.source for cell in cells if cell.cell_type == "markdown"]


def heading_anchor(title: str) -> str:
    """Return the name that JupyterLab gives a heading, which the notebooks' links use."""
    return title.strip().replace(" ", "-")


def syllabus() -> str:
    """Return the table of the notebooks: the question each answers, and its minutes."""
    rows = ["| Notebook | Its question | Minutes |", "|---|---|--:|"]
    for lesson in minutes.lessons():
        link = f"[{lesson.title}](notebooks/{lesson.path.name})"
        cells = (link, lesson.question, str(lesson.reading))
        rows.append(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |")
    return "\n".join(rows)


def escape_bars(
    app: object, what: str, name: str, thing: object, options: object, lines: list[str]
) -> None:
    """Keep the bars of |x| in a docstring from being read as reStructuredText's substitutions."""
    for number, line in enumerate(lines):
        if not line.lstrip().startswith((">>>", "...")):
            parts = line.split("`")
            parts[::2] = [part.replace("|", r"\|") for part in parts[::2]]
            lines[number] = "`".join(parts)


# -- what is hidden until asked for ---------------------------------------------------------------

ANSWER = ("Show what comes", "Hide what comes")


def visit_fold(translator: Any, node: Any) -> None:
    """Begin a fold: a prediction's answer, or a cell of checks or of plotting code."""
    show, hide = prompts(node)
    classes = " ".join(node["classes"])
    translator.body.append(
        f'<details class="admonition hide {classes}">\n<summary>\n'
        f'<p class="collapsed admonition-title">{html.escape(show)}</p>\n'
        f'<p class="expanded admonition-title">{html.escape(hide)}</p>\n</summary>\n'
    )


def depart_fold(translator: Any, node: Any) -> None:
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


# -- tables of exercises and sources --------------------------------------------------------------


def exercises() -> str:
    """Return the table of the exercises, as declared."""
    from helpers.exercises import course

    rows = [
        "| Exercise | Task | Minutes | Wrong answers named |",
        "|---|---|--:|--:|",
    ]
    for name, exercise in course.exercises().items():
        notebook = next((p for p in NOTEBOOKS if int(p.stem[:2]) == int(name.split(".")[0])), None)
        link = f"[{name}](notebooks/{notebook.name})" if notebook else name
        task = f"`{exercise.name}`"
        rows.append(f"| {link} | {task} | {exercise.minutes} | {len(exercise.mistakes)} |")
    return "\n".join(rows)


def mistakes() -> str:
    """Return the three mistakes that each exercise's declaration puts first, by notebook."""
    from helpers.exercises import course

    parts = []
    for path in NOTEBOOKS:
        number = int(path.stem[:2])
        lines = []
        for name, exercise in course.exercises().items():
            if int(name.split(".")[0]) == number:
                lines.append(f"**{name}** `{exercise.name}`\n")
                lines += [
                    f"- *{mistake.name.replace('_', ' ')}*: {in_markdown(mistake.sentence)}"
                    for mistake in exercise.mistakes[:3]
                ]
                lines.append("")
        title = texts(path)[0].splitlines()[0].removeprefix("# ")
        parts.append(f":::{{dropdown}} {title}\n" + "\n".join(lines) + "\n:::")
    return "\n\n".join(parts)


def in_markdown(sentence: str) -> str:
    """Return a sentence with what Markdown would read as its own written so that it does not."""
    parts = sentence.split("`")
    parts[::2] = [re.sub(r"([\\*_<>$|\[\]])", r"\\\1", part) for part in parts[::2]]
    text = "`".join(parts)
    return text[:1].upper() + text[1:]


# -- plans --------------------------------------------------------------------------------------


def sections(notebook: Path) -> dict[str, tuple[str, float]]:
    """Return each section's title and minutes to read and run, by the id of its first cell."""
    found: dict[str, tuple[str, list[Any]]] = {}
    for cell in nbformat.read(notebook, as_version=4).cells:
        heading = re.match(r"#{1,2} +(.+)", cell.source) if cell.cell_type == "markdown" else None
        if heading:
            found[cell.id] = (heading[1].strip(), [])
        last = found[next(reversed(found))]
        last[1].append(cell)
    return {name: (title, minutes.reading_minutes(cells)) for name, (title, cells) in found.items()}


def planned_minutes(plan: Plan) -> float:
    """Return the minutes that a lesson's sections and exercises take together."""
    from helpers.exercises import course

    total = 0.0
    for number, names, exercises_done in plan.steps:
        known = sections(notebook_of(number))
        total += sum(known[name][1] for name in names)
        total += sum(course.exercises()[name].minutes for name in exercises_done)
    return total


def notebook_of(number: int) -> Path:
    """Return the notebook of that number."""
    return next(path for path in NOTEBOOKS if int(path.stem[:2]) == number)


def plans() -> str:
    """Return the lessons, the 45 minutes first, with their sections and exercises."""
    parts = []
    for length in (45, 90):
        parts.append(f"### {length} minutes")
        for plan in PLANS:
            if plan.minutes != length:
                continue
            lines = [
                f"**{plan.title}** (about {planned_minutes(plan):.0f} minutes). "
                f"Afterwards people can {plan.goal}.\n"
            ]
            for number, names, exercises_done in plan.steps:
                path = notebook_of(number)
                known = sections(path)
                titles = "; ".join(f"*{known[name][0]}*" for name in names)
                done = f". Exercises: {', '.join(exercises_done)}" if exercises_done else ""
                lines.append(f"- [{path.stem[:2]}](notebooks/{path.name}): {titles}{done}.")
            parts.append("\n".join(lines))
    return "\n\n".join(parts)


def bibliography() -> str:
    """Return every work and thread that a notebook links, under its notebook."""
    parts = []
    for path in NOTEBOOKS:
        opening, *_ = texts(path)
        title = opening.splitlines()[0].removeprefix("# ")
        cell = next((text for text in texts(path) if text.startswith("## Sources")), "")
        entries = [line for line in cell.splitlines() if line.startswith("- ")]
        if entries:
            parts.append(f"## {title}\n\n" + "\n".join(entries))
    return "\n\n".join(parts)
