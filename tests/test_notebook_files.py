"""What every stored notebook must look like, read from its file without running it."""

from __future__ import annotations

import ast
import inspect
import re
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import nbformat
import pytest

from tests.course import (
    CLAIMS,
    NOTEBOOKS,
    PATHS,
    code_cells,
    exercise_id,
    markdown_cells,
    python_of,
    read,
    tags,
)
from tools.minutes import COMPUTED
from tools.notebooks import normalise, text_of

pytestmark = pytest.mark.skipif(not PATHS, reason="no notebook yet")
every_notebook = pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)

PROSE_WORDS = 150
LEARNERS_MODULES = {"kernels", "gradients"}


def output_texts(output: Any) -> Iterator[str]:
    """Yield every text of an output that a reader sees and nbval compares."""
    yield output.get("text", "")
    for kind, data in output.get("data", {}).items():
        if isinstance(data, str) and not kind.startswith("image/png"):
            yield re.sub(r"data:image/png;base64,[A-Za-z0-9+/=]+", "", data)


def registry() -> dict[str, Any]:
    """Return the declared exercises by id."""
    from helpers.exercises import course

    return course.exercises()


@every_notebook
def test_is_valid_and_in_canonical_form(path: Path) -> None:
    notebook = read(path)
    nbformat.validate(notebook)
    normalise(notebook)
    assert text_of(notebook) == path.read_text(encoding="utf-8"), (
        "not as tools/notebooks.py stores it: run `make notebooks`"
    )


@every_notebook
def test_cell_ids_are_unique(path: Path) -> None:
    counts = Counter(cell.id for cell in read(path).cells)
    assert [name for name, count in counts.items() if count > 1] == []


@every_notebook
def test_every_code_cell_was_executed_in_order(path: Path) -> None:
    counts = [cell.execution_count for cell in code_cells(path)]
    assert counts == list(range(1, len(counts) + 1))
    assert all(cell.source.strip() for cell in code_cells(path)), "an empty code cell"


@every_notebook
def test_no_output_holds_an_error_that_is_not_announced_or_stderr(path: Path) -> None:
    for cell in code_cells(path):
        for output in cell.outputs:
            announced = "raises-exception" in tags(cell)
            assert output.output_type != "error" or announced, f"{cell.id}: an error"
            assert output.get("name") != "stderr", f"{cell.id}: stderr"


TELLTALES = {
    "an absolute path": r"(?<![\w.:/<])/(?:home|root|tmp|usr|var|opt|work|Users|private|mnt)/\w"
    r"|\b[A-Z]:\\\w",
    "an address in memory": r"\b0x[0-9a-fA-F]{6,}\b",
    "a date": r"\b20\d\d-[01]\d-[0-3]\d\b|\b[0-2]\d:[0-5]\d:[0-5]\d\b",
    "a timing": r"\b\d+(?:\.\d+)?\s*(?:ns|µs|μs|us|ms|seconds|secs?)\b|\bWall time|\bper loop\b",
}


@every_notebook
@pytest.mark.parametrize("what", TELLTALES)
def test_no_output_differs_between_two_runs(path: Path, what: str) -> None:
    found = [
        f"{cell.id}: {match[0]!r}"
        for cell in code_cells(path)
        for output in cell.outputs
        for text in output_texts(output)
        if (match := re.search(TELLTALES[what], text))
    ]
    assert found == [], what


@pytest.mark.parametrize(
    ("what", "text"),
    [
        ("an absolute path", "UserWarning in /tmp/ipykernel_1/2.py"),
        ("an absolute path", r"C:\Users\me"),
        ("an address in memory", "<object at 0x7f3a2c1b4d90>"),
        ("a date", "on 2026-01-31"),
        ("a timing", "took 3.2 ms"),
    ],
)
def test_telltales_are_seen(what: str, text: str) -> None:
    assert re.search(TELLTALES[what], text)


@every_notebook
def test_text_cells_are_short(path: Path) -> None:
    for cell in markdown_cells(path):
        prose = COMPUTED.sub(" ", cell.source)  # tables that are computed
        prose = re.sub(r"\$\$.*?\$\$|\$.*?\$", " ", prose, flags=re.DOTALL)
        words = len(re.findall(r"\w[\w'’.-]*", prose))  # the bars of a table are none
        assert words <= PROSE_WORDS, f"{cell.id}: {words} words"


@every_notebook
def test_headings_are_in_order(path: Path) -> None:
    text = "\n".join(cell.source for cell in markdown_cells(path))
    text = re.sub(r"^(```|~~~).*?^\1", "", text, flags=re.DOTALL | re.MULTILINE)
    headings = re.findall(r"^(#{1,6}) +(\S.*)$", text, flags=re.MULTILINE)
    levels = [len(marks) for marks, _ in headings]
    assert levels[:1] == [1], "the first heading is the title"
    assert levels.count(1) == 1, "one title"
    for (before, _), (after, title) in pairwise(headings):
        assert len(after) <= len(before) + 1, f"{title!r} skips a level"


# -- figures ------------------------------------------------------------------------------------


@every_notebook
def test_every_figure_has_its_own_alt_text(path: Path) -> None:
    alts = []
    for cell in code_cells(path):
        for output in cell.outputs:
            data = output.get("data", {})
            plain_image = "image/png" in data and "text/html" not in data
            assert not plain_image, f"{cell.id}: a figure without alt text"
            for tag in re.findall(r"<img\b[^>]*>", data.get("text/html", "")):
                alt = re.search(r'\balt="([^"]*)"', tag)
                assert alt, f"{cell.id}: an image without alt text"
                assert len(alt[1].split()) >= 5, f"{cell.id}: alt text {alt[1]!r} says too little"
                assert not re.search(r"\.(png|svg|jpe?g)\b", alt[1]), f"{cell.id}: a file name"
                alts.append(alt[1])
    for cell in markdown_cells(path):
        alts += re.findall(r"!\[([^\]]*)\]\(", cell.source)
    assert all(alt.strip() for alt in alts)
    assert [alt for alt, count in Counter(alts).items() if count > 1] == []


# -- claims -------------------------------------------------------------------------------------


def claims(cell: Any) -> list[str]:
    """Return the ids of the claims that the cell's tags name."""
    return [tag.removeprefix("claim-") for tag in tags(cell) if tag.startswith("claim-")]


@every_notebook
def test_claim_tags_name_known_claims_on_cells_of_their_own(path: Path) -> None:
    for cell in read(path).cells:
        for claim in claims(cell):
            assert claim in CLAIMS, f"{cell.id}: no claim is called {claim}"
            assert cell.cell_type == "code", f"{cell.id}: {claim} on a text cell"
            assert exercise_id(cell, "(?:ex|check)") is None, f"{cell.id}: {claim} on an exercise"


@every_notebook
def test_each_claim_is_asserted_in_the_section_that_makes_it(path: Path) -> None:
    """The experiment may be open and its assert folded: both carry the claim then."""
    made, held = set(), set()
    for section, cell in in_sections(read(path).cells):
        if claims(cell):
            tree = ast.parse(python_of(cell))
            statements = [node for node in ast.walk(tree) if isinstance(node, ast.Assert)]
            assert not any(isinstance(node.test, ast.Constant) for node in statements), cell.id
            made |= {(section, claim) for claim in claims(cell)}
            held |= {(section, claim) for claim in claims(cell) if statements}
    assert sorted(made - held) == [], "a claim without an assert"


def in_sections(cells: list[Any]) -> Iterator[tuple[str, Any]]:
    """Yield each cell with the heading of the section (``##``) that it stands in."""
    section = ""
    for cell in cells:
        if cell.cell_type == "markdown":
            headings = re.findall(r"^## +(.+)$", cell.source, re.MULTILINE)
            section = headings[-1] if headings else section
        yield section, cell


@pytest.mark.skipif(len(PATHS) < NOTEBOOKS, reason="the course is not complete yet")
def test_every_claim_has_a_cell() -> None:
    seen = {claim for path in PATHS for cell in code_cells(path) for claim in claims(cell)}
    assert sorted(CLAIMS - seen) == []


def test_each_claim_stands_in_one_notebook() -> None:
    """What one notebook has shown another links."""
    where: dict[str, set[str]] = {}
    for path in PATHS:
        for cell in code_cells(path):
            for claim in claims(cell):
                where.setdefault(claim, set()).add(path.stem)
    assert {claim: stems for claim, stems in where.items() if len(stems) > 1} == {}


# -- exercises ----------------------------------------------------------------------------------


def stub_names(path: Path) -> set[str]:
    """Return the names that the notebook's stubs define in the learner's namespace."""
    names = set()
    for cell in code_cells(path):
        if exercise_id(cell, "ex"):
            for node in ast.parse(python_of(cell)).body:
                if isinstance(node, ast.FunctionDef):
                    names.add(node.name)
                elif isinstance(node, ast.Assign):
                    names |= {target.id for target in node.targets if isinstance(target, ast.Name)}
    return names


@every_notebook
def test_no_cell_uses_a_name_that_belongs_to_the_learner(path: Path) -> None:
    learners = stub_names(path)
    for cell in code_cells(path):
        if exercise_id(cell, "(?:ex|check)"):
            continue
        tree = ast.parse(python_of(cell))
        used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
        used |= {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
        assert sorted(used & learners) == [], f"{cell.id}: the name is the learner's"


@every_notebook
def test_kernels_are_called_by_their_module(path: Path) -> None:
    for cell in code_cells(path):
        for node in ast.walk(ast.parse(python_of(cell))):
            if isinstance(node, ast.ImportFrom):
                module = (node.module or "").rpartition(".")[2]
                assert module not in LEARNERS_MODULES, f"{cell.id}: import the module, not names"


@every_notebook
def test_each_exercise_has_its_stub_and_its_check(path: Path) -> None:
    number = str(int(path.stem[:2]))
    declared = sorted(name for name in registry() if name.split(".")[0] == number)
    cells = code_cells(path)
    stubs = [name for cell in cells if (name := exercise_id(cell, "ex"))]
    checks = [name for cell in cells if (name := exercise_id(cell, "check"))]
    assert sorted(stubs) == declared
    assert stubs == checks, "stubs and checks come in the same order"


@every_notebook
def test_stub_and_check_say_what_the_declaration_says(path: Path) -> None:
    for cell in code_cells(path):
        if name := exercise_id(cell, "check"):
            supplied = answer_name(name)
            assert cell.source.strip() == f'check("{name}", {supplied})', cell.id
        if name := exercise_id(cell, "ex"):
            exercise = registry()[name]
            body = ast.parse(cell.source).body
            assert len(body) == 1, f"{cell.id}: one definition"
            stub = body[0]
            if exercise.value:
                assert isinstance(stub, ast.Assign), cell.id
                assert ast.unparse(stub) == f"{answer_name(name)} = ...", cell.id
                continue
            assert isinstance(stub, ast.FunctionDef), cell.id
            assert stub.name == exercise.name, cell.id
            assert ast.unparse(stub.args) == parameters(exercise), cell.id
            assert inspect.cleandoc(ast.get_docstring(stub) or "") == exercise.statement, cell.id
            assert [ast.unparse(node) for node in stub.body[1:]] in (["..."], []), cell.id


def answer_name(name: str) -> str:
    """Return what the check cell passes: the function's name, or ``answer_2_1`` for a value."""
    exercise = registry()[name]
    return f"answer_{name.replace('.', '_')}" if exercise.value else exercise.name


def parameters(exercise: Any) -> str:
    """Return the reference's parameters as written, without types."""
    definition = ast.parse(exercise.source).body[0]
    assert isinstance(definition, ast.FunctionDef)
    for argument in ast.walk(definition.args):
        if isinstance(argument, ast.arg):
            argument.annotation = None
    return ast.unparse(definition.args)


# -- links --------------------------------------------------------------------------------------


@every_notebook
def test_links_inside_the_course_lead_somewhere(path: Path) -> None:
    for cell in markdown_cells(path):
        for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", cell.source):
            if re.match(r"[a-z]+:", target):
                continue
            known = (path.parent / target).exists() or (
                len(PATHS) < NOTEBOOKS and re.fullmatch(r"\d\d_\w+\.ipynb", target)
            )
            assert known, f"{cell.id}: {target} does not exist"


@every_notebook
def test_the_way_back_and_on_stands_first_and_last(path: Path) -> None:
    place = PATHS.index(path)
    following = PATHS[place + 1] if place + 1 < len(PATHS) else PATHS[0]
    neighbours = {other.name for other in (*PATHS[max(place - 1, 0) : place], following)}
    texts = markdown_cells(path)
    for cell in (texts[0], texts[-1]):
        assert neighbours <= set(re.findall(r"\]\((\d\d_\w+\.ipynb)\)", cell.source)), cell.id
