"""What the website takes from the rest of the course: notebooks, MathJax, tables made of both."""

import importlib.util
import re
from pathlib import Path

import exercise_pages
import folds
import landing
import live
import nbformat
from plans import PLANS, Plan

from tools import minutes
from tools.notebooks import read, text_of

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
    """Put the notebooks, and a page for each exercise, where Sphinx can see them."""
    folder = HERE / "notebooks"
    folder.mkdir(exist_ok=True)
    for stale in {path.name for path in folder.glob("*.ipynb")} - {p.name for p in NOTEBOOKS}:
        (folder / stale).unlink()
    for path in NOTEBOOKS:
        notebook = read(path)
        for_the_website(notebook)
        put(text_of(notebook).encode("utf-8"), folder / path.name)
    pages = exercise_pages.bring(HERE / "exercises", NOTEBOOKS)
    (HERE / "exercises").mkdir(exist_ok=True)
    for stale in set((HERE / "exercises").glob("*.md")) - pages.keys():
        stale.unlink()
    for path, source in pages.items():
        put(source.encode("utf-8"), path)
    landing.PICTURES.mkdir(exist_ok=True)
    for path, content in landing.bring_pictures(NOTEBOOKS).items():
        put(content, path)
    put((COURSE / "softmax_page.pdf").read_bytes(), folder / "softmax_page.pdf")


def for_the_website(notebook: nbformat.NotebookNode) -> None:
    """Change a notebook, in place, into what the website shows.

    What answers a prediction is hidden until asked for, and exercises belong to the section they
    stand in. The outputs of check cells are left out: they say that nothing was answered yet. A
    line leads to the exercise's page instead.
    """
    folds.mark(notebook)
    level = 1
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell.source = live.link_playground(re.sub(*SOURCE_LINK, cell.source))
            cell.source, level = below_its_section(cell.source, level)
        elif cell.id.startswith("check-"):
            cell.outputs = []
        elif cell.id.startswith("slider-"):
            live.mark_moving(cell)
    notebook.cells = [new for cell in notebook.cells for new in (cell, *below(cell))]


def below(cell: nbformat.NotebookNode) -> list[nbformat.NotebookNode]:
    """Return the cells that the website adds below one: below a check, a link."""
    line = exercise_pages.link_below(cell.id)
    made = nbformat.v4.new_markdown_cell(line or "", id=f"{cell.id}-page")
    return [made] if line else []


def below_its_section(source: str, level: int) -> tuple[str, int]:
    r"""Put an exercise's heading one level below its section's, whose level comes in and goes out.

    Examples
    --------
    >>> below_its_section("### The order of the terms\n\n### Exercise 4.4 · Log-softmax", 2)
    ('### The order of the terms\n\n#### Exercise 4.4 · Log-softmax', 3)
    """
    lines = source.split("\n")
    listing = False
    for number, line in enumerate(lines):
        listing ^= line.startswith(("```", "~~~"))
        heading = None if listing else re.match(r"(#+) (Exercise )?", line)
        if heading and heading[2]:
            lines[number] = "#" * (level + 1) + line.lstrip("#")
        elif heading:
            level = len(heading[1])
    return "\n".join(lines), level


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


def keep_formulas(
    app: object, what: str, name: str, thing: object, options: object, lines: list[str]
) -> None:
    """Keep a docstring's formulas what they are.

    An indented one becomes a listing, a line a formula, and the bars of |x| are no
    reStructuredText substitutions.
    """
    if what == "module":
        for number in reversed(range(len(lines) - 2)):
            line, blank, below = lines[number : number + 3]
            if line and not line.startswith(" ") and not blank and below.startswith("    "):
                lines[number + 1 : number + 1] = ["", "::"]
    for number, line in enumerate(lines):
        listing = line.lstrip().startswith((">>>", "...")) or (
            what == "module" and line.startswith("    ")
        )
        if not listing:
            parts = line.split("`")
            parts[::2] = [part.replace("|", r"\|") for part in parts[::2]]
            lines[number] = "`".join(parts)


# -- tables of exercises and sources --------------------------------------------------------------


def exercises() -> str:
    """Return the table of the exercises, as declared."""
    from helpers.exercises import course

    rows = [
        "| Exercise | Task | Minutes | Wrong answers named |",
        "|---|---|--:|--:|",
    ]
    for name, exercise in course.exercises().items():
        link = f"[{name}](exercises/{name}.md)"
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


def planned_minutes(plan: Plan) -> float:
    """Return the minutes that a lesson's sections and exercises take together."""
    from helpers.exercises import course

    total = 0.0
    for number, names, exercises_done in plan.steps:
        known = minutes.sections(notebook_of(number))
        total += sum(known[name][1] for name in names)
        total += sum(course.exercises()[name].minutes for name in exercises_done)
    return total


def ways() -> str:
    """Return the ways through the course for people who are short of time."""
    return minutes.ways(minutes.lessons(), "notebooks/")


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
                known = minutes.sections(path)
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
