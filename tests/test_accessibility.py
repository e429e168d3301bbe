"""What axe-core finds in each notebook as a page, and in everything that the checks display.

The pages are nbconvert's, which carry JupyterLab's own themes; formulas are left as TeX, since
MathJax would come from the network. `tests/test_browser.py` asks axe-core inside JupyterLab too.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import numpy as np
import pytest
from nbconvert import HTMLExporter

from helpers import check, hint, progress, solution
from helpers.exercises import course
from tests.axe import THEIRS, findings
from tests.course import PATHS, ROOT, read

sync_api = pytest.importorskip("playwright.sync_api")

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
SCREENSHOTS = ROOT / "build" / "screenshots"
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking"]

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium: apt-get install chromium"),
]
light_and_dark = pytest.mark.parametrize("theme", ["light", "dark"])


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with sync_api.sync_playwright() as playwright:
        yield playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)


@pytest.fixture
def page(browser: Any) -> Iterator[Any]:
    """Return a page that loads nothing but what it is given."""
    new = browser.new_page(viewport={"width": 1280, "height": 900})
    own = ("file:", "data:")
    new.route("**/*", lambda r: r.continue_() if r.request.url.startswith(own) else r.abort())
    yield new
    new.close()


def show(page: Any, notebook: nbformat.NotebookNode, theme: str, folder: Path) -> None:
    """Open a notebook as the page that nbconvert makes of it."""
    path = folder / "page.html"
    html, _ = HTMLExporter(theme=theme).from_notebook_node(
        notebook, {"metadata": {"name": "Softmax"}}
    )
    path.write_text(html, encoding="utf-8")
    page.goto(path.as_uri())


# -- notebooks ----------------------------------------------------------------------------------


@pytest.mark.skipif(not PATHS, reason="no notebook yet")
@light_and_dark
@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_a_notebook_as_a_page(path: Path, theme: str, page: Any, tmp_path: Path) -> None:
    show(page, read(path), theme, tmp_path)
    assert page.locator("h1").count() == 1
    ours, _ = findings(page, only_contrast=theme == "dark")
    assert ours == []


# -- what the checks display --------------------------------------------------------------------


def stable(x: Any) -> Any:
    e = np.exp(x - np.max(x, axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def unshifted(x: Any) -> Any:
    return np.exp(x) / np.exp(x).sum(axis=-1, keepdims=True)


def wrong_axis(x: Any) -> Any:
    print("shape", np.shape(x))  # so that something is noticed beside the verdict
    e = np.exp(x - np.max(x, axis=0, keepdims=True))
    return e / e.sum(axis=0, keepdims=True)


def failing(x: Any) -> Any:
    raise ValueError("no idea")


@pytest.fixture
def displays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Return one of each kind of thing that a learner is shown, for a new learner."""
    monkeypatch.setenv("SOFTMAX_COURSE_STATE", str(tmp_path / "state"))
    monkeypatch.setattr(course.records, "_memory", None)
    shown: dict[str, Any] = {"try it first": solution("3.1")}
    for status, answer in {
        "not started": ...,
        "error": failing,
        "wrong": wrong_axis,
        "unstable": unshifted,
        "right": stable,
    }.items():
        shown[status] = check("3.1", answer)
        assert shown[status].status == status
    hints = [hint("3.1") for _ in range(9)]
    return shown | {
        "first hint": hints[0],
        "last hint": hints[-1],
        "solution": solution("3.1"),
        "progress": progress(),
    }


def as_notebook(displays: dict[str, Any]) -> nbformat.NotebookNode:
    """Return a notebook that holds the displays as outputs, under a heading each."""
    v4 = nbformat.v4
    cells = [v4.new_markdown_cell("# Displays")]
    for name, shown in displays.items():
        data = {"text/html": shown._repr_html_(), "text/plain": repr(shown)}
        output = v4.new_output("execute_result", data, execution_count=1)
        code = v4.new_code_cell("check", execution_count=1, outputs=[output])
        cells += [v4.new_markdown_cell(f"## {name}"), code]
    return v4.new_notebook(cells=cells)


@light_and_dark
def test_what_the_checks_display(
    theme: str, page: Any, tmp_path: Path, displays: dict[str, Any]
) -> None:
    show(page, as_notebook(displays), theme, tmp_path)
    assert page.locator(".course-card").count() == len(displays)
    page.evaluate("document.querySelectorAll('details').forEach(folded => { folded.open = true })")
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SCREENSHOTS / f"displays-{theme}.png", full_page=True)
    ours, _ = findings(page)
    assert ours == []


# -- the checker itself -------------------------------------------------------------------------


def test_what_is_ours_is_found(page: Any) -> None:
    page.set_content(
        "<html lang='en'><title>Bad</title><main><h1>Bad</h1><h3>skips a level</h3>"
        "<img src='data:,'><p style='color:#ccc; background:#fff'>pale</p></main>"
    )
    ours, _ = findings(page)
    rules = {line.split()[1].rstrip(":") for line in ours}
    assert {"image-alt", "color-contrast", "heading-order"} <= rules
    assert findings(page, "h1")[0] == []


@pytest.mark.skipif(not PATHS, reason="no notebook yet")
def test_each_exception_is_still_needed(page: Any, tmp_path: Path) -> None:
    met = set()
    for path in PATHS[:2]:
        show(page, read(path), "light", tmp_path)
        met |= findings(page)[1]
    assert met == set(THEIRS)
