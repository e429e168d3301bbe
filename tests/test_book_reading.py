"""The website is read without scrolling sideways, without spoilers, and without weight."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.course import PATHS, read
from tests.website import COMPLETE, Page, settle
from tools.notebooks import PREDICT, governed_by_a_prediction

pytest.importorskip("sphinx", reason="the book's requirements are not installed")
soup = pytest.importorskip("bs4").BeautifulSoup

pytestmark = [pytest.mark.slow, COMPLETE]


def words(text: str) -> str:
    """Return a text with even spaces, and with the quotation marks of a keyboard."""
    straight = str.maketrans({"’": "'", "‘": "'", "“": '"', "”": '"', "…": "..."})
    return " ".join(text.translate(straight).split())


def plain_opening(markdown: str) -> str:
    """Return the first words of a text as a page shows them, up to any mark-up."""
    return words(re.split(r"[$*`\[\]<\\]|\n\n", markdown, maxsplit=1)[0])


def told_below_predictions(path: Path) -> Iterator[str]:
    """Yield the first paragraph of each text cell that follows outputs which a Predict governs."""
    cells = read(path).cells
    governed = {c.id for _, cells_of in governed_by_a_prediction(cells) for c in cells_of}
    answered = False
    for cell in cells:
        if cell.cell_type == "code":
            answered = answered or (cell.id in governed and bool(cell.outputs))
        elif answered:
            heading = re.search(r"^#{1,6} ", cell.source, re.MULTILINE)
            first = cell.source.partition("\n\n")[0]
            if not re.match(r'#{1,6} |\*\*["“]', first) and PREDICT not in first:
                yield cell.source
            answered = heading is None and PREDICT not in cell.source


# -- predictions --------------------------------------------------------------------------------


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_text_that_tells_a_predictions_answer_stands_in_its_fold(
    path: Path,
    book: Path,
) -> None:
    page = soup((book / "notebooks" / f"{path.stem}.html").read_text("utf-8"), "html.parser")
    article = page.find("article")
    folded = [words(part.get_text()) for part in article.select("details .told")]
    for part in article.select("details"):
        part.extract()
    shown = words(article.get_text())
    told = [opening for text in told_below_predictions(path) if (opening := plain_opening(text))]
    assert told or path.stem == "00_start_here"
    for opening in told:
        assert any(opening in text for text in folded), opening
        assert len(opening) < 40 or opening not in shown, opening


def test_every_prediction_is_still_asked(book: Path) -> None:
    for path in PATHS:
        page = soup((book / "notebooks" / f"{path.stem}.html").read_text("utf-8"), "html.parser")
        for part in page.select("article details"):
            part.extract()
        asked = sum(cell.source.count(PREDICT) for cell in read(path).cells)
        assert len(re.findall(r"\bPredict\b", page.find("article").get_text())) >= asked


# -- headings and formulas ----------------------------------------------------------------------


def test_an_exercise_stands_one_level_below_its_section(book: Path) -> None:
    seen = 0
    for path in PATHS:
        page = soup((book / "notebooks" / f"{path.stem}.html").read_text("utf-8"), "html.parser")
        level = 1
        for heading in page.find("article").find_all(re.compile(r"^h[1-6]$")):
            depth = int(heading.name[1])
            if heading.get_text().startswith("Exercise "):
                assert depth == level + 1, heading.get_text()
                seen += 1
            else:
                level = depth
    assert seen > len(PATHS)


def test_the_kernels_formulas_are_code_a_line_each(book: Path) -> None:
    from helpers import kernels

    page = soup((book / "reference" / "kernels.html").read_text("utf-8"), "html.parser")
    shown = [line.strip() for pre in page.select("pre") for line in pre.get_text().splitlines()]
    formulas = [li.strip() for li in (kernels.__doc__ or "").splitlines() if li.startswith("    ")]
    assert len(formulas) > 2
    assert [formula for formula in formulas if formula not in shown] == []


# -- room for code ------------------------------------------------------------------------------

# Of each listing and output: by how many pixels it, or a box around it, is wider than what shows.
SCROLLING = """() => {
  document.querySelectorAll("details").forEach(fold => { fold.open = true; });
  return [...document.querySelectorAll("article pre")].map(pre => {
    let most = 0;
    for (let box = pre; box && box.tagName !== "ARTICLE"; box = box.parentElement) {
      if (box.clientWidth) most = Math.max(most, box.scrollWidth - box.clientWidth);
    }
    return [most, pre.textContent.trim().slice(0, 60)];
  });
}"""
WIDER = "document.documentElement.scrollWidth - document.documentElement.clientWidth"


def read_pages(pages: dict[Path, Page], book: Path) -> list[str]:
    """Return the addresses of the pages that people read: no listings of modules."""
    names = [path.relative_to(book).as_posix() for path in pages]
    return [n for n in names if not n.startswith("_modules") and n != "search.html"]


@pytest.mark.browser
def test_no_code_scrolls_sideways_and_on_a_phone_only_in_its_own_box(
    reader: Any,
    address: str,
    pages: dict[Path, Page],
    book: Path,
) -> None:
    measured = 0
    for name in read_pages(pages, book):
        reader.goto(f"{address}/{name}", wait_until="domcontentloaded")
        for width in (1366, 1920):
            reader.set_viewport_size({"width": width, "height": 900})
            found = reader.evaluate(SCROLLING)
            measured += len(found)
            assert [code for pixels, code in found if pixels > 1] == [], (name, width)
        reader.set_viewport_size({"width": 390, "height": 844})
        assert reader.evaluate(WIDER) <= 0, f"{name} is wider than the phone"
    assert measured > 40 * len(PATHS)


# -- copying ------------------------------------------------------------------------------------


@pytest.mark.browser
def test_code_is_copied_by_mouse_and_by_keyboard(reader: Any, address: str) -> None:
    reader.goto(f"{address}/notebooks/03_max_shift.html")
    settle(reader)
    assert reader.locator(".cell_output .course-copy").count() == 0
    cell = reader.locator(".cell_input:visible").nth(1)
    cell.hover()
    cell.get_by_role("button", name="Copy").click()
    assert cell.get_by_role("button").inner_text() == "Copied"
    assert reader.get_by_role("status").filter(has_text="Code copied.").count() == 1
    shown = cell.locator("pre").inner_text().rstrip("\n")
    assert reader.evaluate("navigator.clipboard.readText()") == shown
    other = reader.locator(".cell_input:visible").nth(2)
    other.get_by_role("button", name="Copy").focus()
    reader.keyboard.press("Enter")
    other.get_by_role("button", name="Copied").wait_for()
    assert reader.evaluate("navigator.clipboard.readText()").startswith(
        other.locator("pre").inner_text().splitlines()[0]
    )


# -- search -------------------------------------------------------------------------------------


@pytest.mark.browser
def test_search_results_quote_prose(reader: Any, address: str) -> None:
    for query in ("progress", "temperature"):
        reader.goto(f"{address}/search.html?q={query}")
        reader.wait_for_function(
            "document.querySelector('.search-summary')?.textContent.match(/\\d/)"
        )
        reader.wait_for_selector("#search-results p.context")
        reader.wait_for_load_state("networkidle")
        quoted = reader.locator("#search-results p.context").all_inner_texts()
        assert quoted
        for text in quoted:
            assert not re.search(r"import |print\(|>>>|minutes left|Show what comes", text), text


# -- weight -------------------------------------------------------------------------------------


def test_icons_are_drawn_without_a_script_or_a_font_of_icons(
    pages: dict[Path, Page],
    book: Path,
) -> None:
    drawn = (book / "_static" / "course.css").read_text("utf-8")
    elsewhere = {"fa-solid", "fa-lg", "fa-fw"}  # ways to show an icon, not icons
    for path, page in pages.items():
        assert not [source for source in page.loaded if "fontawesome" in source], path.name
        if path.parent == book:
            html = soup(path.read_text("utf-8"), "html.parser")
            for icon in html.select("article i[class*=fa-], .bd-sidebar i[class*=fa-]"):
                names = {name for name in icon["class"] if name.startswith("fa-")} - elsewhere
                assert all(f".{name}" in drawn for name in names), names


def test_the_index_of_words_is_loaded_by_the_search_page_alone(
    pages: dict[Path, Page],
) -> None:
    loading = {p.name for p, page in pages.items() if any("searchindex" in s for s in page.loaded)}
    assert loading == {"search.html"}


def test_a_notebooks_page_is_light_beside_its_figures(book: Path) -> None:
    for path in PATHS:
        text = (book / "notebooks" / f"{path.stem}.html").read_text("utf-8")
        without = re.sub(r"data:image/png;base64,[A-Za-z0-9+/=]+", "", text)
        assert len(without.encode()) < 1_500_000, path.name
