"""The website: built strictly, its links whole, read in a browser from first page to last."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urldefrag, urlsplit

import pytest

from tests.axe import findings
from tests.course import PATHS, code_cells, exercise_id, is_folded, read
from tests.website import COMPLETE, SCREENSHOTS, Page, settle
from tools.notebooks import governed_by_a_prediction

pytest.importorskip("sphinx", reason="the book's requirements are not installed")

pytestmark = [pytest.mark.slow, COMPLETE]


# -- links --------------------------------------------------------------------------------------


def test_every_internal_link_leads_somewhere(book: Path, pages: dict[Path, Page]) -> None:
    broken = []
    for path, page in pages.items():
        for link in page.links | page.loaded:
            address, anchor = urldefrag(link)
            parts = urlsplit(address)
            if parts.scheme or parts.netloc:
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            target = target / "index.html" if target.is_dir() else target
            # What stands after the playground's # is a state, no place on it.
            known = pages.get(target) if target.name != "playground.html" else None
            if not target.is_file() or (anchor and known and unquote(anchor) not in known.ids):
                broken.append(f"{path.relative_to(book)}: {link}")
    assert broken == []


def test_nothing_is_loaded_from_elsewhere(book: Path, pages: dict[Path, Page]) -> None:
    foreign = {
        f"{path.relative_to(book)}: {source}"
        for path, page in pages.items()
        for source in page.loaded
        if urlsplit(source).netloc or urlsplit(source).scheme not in ("", "data")
    }
    assert sorted(foreign) == []
    for path in book.rglob("*.css"):
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"(?:url\(|@import)\s*[\"']?(?:https?:)?//", text), path.name


def test_every_notebook_and_every_public_function_has_its_place(
    pages: dict[Path, Page], book: Path
) -> None:
    for path in PATHS:
        assert book / "notebooks" / f"{path.stem}.html" in pages
    from helpers import gradients, kernels

    for module in (kernels, gradients):
        page = pages[book / "reference" / f"{module.__name__.rpartition('.')[2]}.html"]
        public = [
            name
            for name, thing in vars(module).items()
            if not name.startswith("_") and getattr(thing, "__module__", "") == module.__name__
        ]
        assert {f"{module.__name__}.{name}" for name in public} <= page.ids


def test_every_notebook_can_be_opened_elsewhere_and_its_errors_reported(
    pages: dict[Path, Page], book: Path
) -> None:
    for path in PATHS:
        links = pages[book / "notebooks" / f"{path.stem}.html"].links
        binder = "https://mybinder.org/v2/gh/someone/softmax/main?urlpath=lab/tree/notebooks/"
        assert binder + path.name in links
        colab = "https://colab.research.google.com/github/someone/softmax/blob/main/notebooks/"
        assert colab + path.name in links
        assert any(
            link.startswith("https://github.com/someone/softmax/issues/new") for link in links
        )


# -- what is hidden until asked for -------------------------------------------------------------


@pytest.fixture(scope="module")
def cells(book: Path) -> dict[Path, list[Any]]:
    """Return the code cells of every notebook's page."""
    soup = pytest.importorskip("bs4").BeautifulSoup
    return {
        path: soup((book / "notebooks" / f"{path.stem}.html").read_text("utf-8"), "html.parser")
        .find("article")
        .select("div.cell")
        for path in PATHS
    }


def words(element: Any) -> str:
    """Return the text of a part of a page, spaces made even."""
    return " ".join(element.get_text().split())


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_what_answers_a_prediction_is_shown_when_asked_for(
    path: Path, cells: dict[Path, list[Any]]
) -> None:
    answering = {
        cell.id
        for _, governed in governed_by_a_prediction(read(path).cells)
        for cell in governed
        if cell.outputs and not exercise_id(cell, "check")
    }
    assert answering or path.stem == "00_start_here"
    assert len(code_cells(path)) == len(cells[path])
    for cell, shown in zip(code_cells(path), cells[path], strict=True):
        outputs = shown.select(".cell_output")
        folds = shown.select("details.below-input")
        if exercise_id(cell, "check"):
            assert outputs == [], f"{cell.id}: the verdict on nothing is left out"
        elif cell.id in answering:
            (fold,) = folds
            assert words(fold.select_one("p.collapsed")) == "Show what comes"
            assert fold.select(".cell_output") == outputs != []
        else:
            assert folds == [], cell.id
            assert bool(outputs) == bool(cell.outputs), cell.id


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_folded_cells_say_what_they_hold(path: Path, cells: dict[Path, list[Any]]) -> None:
    for cell, shown in zip(code_cells(path), cells[path], strict=True):
        folds = shown.select("details.above-input")
        if is_folded(cell):
            (fold,) = folds
            comment = cell.source.partition("\n")[0].removeprefix("# ")
            assert words(fold.select_one("p.collapsed")) == " ".join(comment.split())
            assert fold.select(".cell_input")
        else:
            assert folds == [], cell.id


# -- a browser ----------------------------------------------------------------------------------


@pytest.mark.browser
def test_the_course_is_read_from_the_first_page_to_the_last(reader: Any, address: str) -> None:
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    seen = []
    while True:
        settle(reader)
        name = reader.url.removeprefix(f"{address}/")
        assert name not in seen, "the pages go round in circles"
        seen.append(name)
        assert reader.locator("article h1").first.is_visible()
        formulas, set_ = reader.locator(".math").count(), reader.locator("mjx-container").count()
        assert formulas <= set_, f"{name}: {formulas} formulas, {set_} of them set"
        assert reader.locator("mjx-merror, [data-mjx-error]").count() == 0, f"{name}: bad formula"
        empty = "images => images.filter(i => i.complete && !i.naturalWidth).map(i => i.src)"
        assert reader.locator("img").evaluate_all(empty) == []
        wider = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        assert reader.evaluate(wider) <= 0, f"{name} is wider than the window"
        if name.startswith("notebooks/03"):
            reader.screenshot(path=str(SCREENSHOTS / "book-notebook.png"), full_page=True)
        following = reader.locator("a.right-next")
        if not following.count():
            break
        if name == "exercises/index.html":  # a page for each: tests of their own read them
            reader.goto(f"{address}/mistakes.html")
        else:
            following.click()
    course = [f"notebooks/{path.stem}.html" for path in PATHS]
    assert seen[0] == "index.html"
    assert seen[1 : len(course) + 1] == course
    assert {"teaching.html", "glossary.html", "reference/kernels.html"} <= set(seen)
    assert {"playground.html", "exercises/index.html", "mistakes.html"} <= set(seen)
    assert seen[-1] == "bibliography.html"


@pytest.mark.browser
def test_a_search_finds_the_notebook_and_the_function(reader: Any, address: str) -> None:
    reader.keyboard.press("Control+k")
    reader.locator("input[name=q]:visible").fill("logsumexp")
    reader.keyboard.press("Enter")
    reader.wait_for_url("**/search.html?q=logsumexp**")
    reader.wait_for_selector("#search-results li a")
    reader.wait_for_function("document.querySelector('.search-summary')?.textContent.match(/\\d/)")
    found = reader.locator("#search-results li a").evaluate_all("links => links.map(a => a.href)")
    assert any("reference/kernels.html" in link for link in found)
    assert any("notebooks/04_log_sum_exp.html" in link for link in found)
    reader.locator("#search-results li a").first.click()
    reader.wait_for_selector("article h1")


@pytest.mark.browser
def test_light_and_dark_are_a_press_away(reader: Any, address: str) -> None:
    reader.goto(f"{address}/notebooks/{PATHS[1].stem}.html")
    settle(reader)
    background = "getComputedStyle(document.body).backgroundColor"
    colours = {}
    for theme in ("light", "dark"):
        reader.locator(".theme-switch-container:visible button").first.click()
        reader.get_by_role("button", name=theme.capitalize(), exact=True).click()
        assert reader.evaluate("document.documentElement.dataset.theme") == theme
        colours[theme] = reader.evaluate(background)
        assert findings(reader, "article")[0] == []
        reader.locator("figure img").first.scroll_into_view_if_needed()
        reader.screenshot(path=str(SCREENSHOTS / f"book-{theme}.png"))
    assert colours["light"] != colours["dark"]


@pytest.mark.browser
def test_a_figure_moves_and_the_playground_is_a_link_away(reader: Any, address: str) -> None:
    reader.goto(f"{address}/notebooks/09_gaps_and_top_k.html")
    settle(reader)
    box = reader.locator('.moving-figure[data-figure="slider-cuts"]')
    reader.locator("details", has=box).locator("summary").click()  # it answers a prediction
    for name in ("τ", "mass"):
        words = box.get_by_role("img").get_attribute("aria-label")
        box.get_by_role("slider", name=name).press("Home")
        assert box.get_by_role("img").get_attribute("aria-label") != words
    box.screenshot(path=str(SCREENSHOTS / "book-moving.png"))
    # The link may stand in what answers a prediction.
    reader.evaluate("document.querySelectorAll('details').forEach(fold => { fold.open = true; })")
    reader.get_by_role("link", name="the playground", exact=True).click()
    assert reader.locator("#cut").input_value() == "top-p"
    reader.get_by_role("link", name="The course").click()
    assert reader.locator("article h1").first.is_visible()
    weight = (
        "performance.getEntriesByType('resource').filter(r => r.name.includes('moving')).length"
    )
    assert reader.evaluate(weight) == 0, "pages without a figure load nothing for it"
