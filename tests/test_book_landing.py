"""The first page: what the course is, in pictures and few bytes, and soon on the screen."""

from __future__ import annotations

import gzip
import re
from pathlib import Path
from typing import Any

import pytest

from tests.axe import findings
from tests.course import PATHS, ROOT
from tests.website import COMPLETE, SCREENSHOTS, Page, settle
from tools import minutes
from tools.ways import AFTERWARDS, PARTS, WAYS

pytest.importorskip("sphinx", reason="the book's requirements are not installed")
soup = pytest.importorskip("bs4").BeautifulSoup

pytestmark = [pytest.mark.slow, COMPLETE]

MOST = 300_000
"""Bytes of the first page."""


@pytest.fixture(scope="session")
def landing(book: Path) -> Any:
    """Return the first page's article."""
    return soup((book / "index.html").read_text("utf-8"), "html.parser").find("article")


def test_it_has_a_card_for_each_notebook(landing: Any, book: Path) -> None:
    cards = landing.select(".course-card-of-notebook")
    assert [card.find("a")["href"] for card in cards] == [
        f"notebooks/{path.stem}.html" for path in PATHS
    ]
    for card, lesson in zip(cards, minutes.lessons(), strict=True):
        text = card.get_text()
        assert f"{lesson.reading} min" in text and f"({lesson.exercises} min)" in text
        assert f"Afterwards you can {AFTERWARDS[lesson.number]}." in text
        picture = card.find("img")
        assert picture["alt"] == ""  # the title beside it says what it is
        assert (book / picture["src"]).stat().st_size < 12_000


def test_it_shows_both_parts_and_the_ways_through_them(landing: Any) -> None:
    lists = landing.select("ul.course-cards")
    assert [cards.find_previous_sibling("h3").get_text() for cards in lists] == list(PARTS)
    for cards, (first, last) in zip(lists, PARTS.values(), strict=True):
        numbers = {int(path.stem[:2]) for path in PATHS if first <= int(path.stem[:2]) <= last}
        assert {int(card.find("a").get_text()[:2]) for card in cards.select("li")} == numbers
    text = " ".join(landing.get_text().split())
    for way in WAYS:
        assert f"{way.title}, about " in text and f"Afterwards you can {way.goal}." in text


def test_it_shows_a_verdict_and_the_map_with_their_words(landing: Any) -> None:
    (verdict,) = landing.select(".course-card")
    said = " ".join(verdict.get_text(" ").split())
    readme = (ROOT / "README.md").read_text("utf-8")
    words = re.search(r"!\[(.*)\]\(book/images/verdict\.png\)", readme)
    assert words is not None
    for quoted in re.findall(r'"([^"]+)"', words[1]):
        assert quoted in said
    (course_map,) = landing.select(".course-picture img")
    assert "map" in course_map["src"] and len(course_map["alt"].split()) > 20
    assert course_map["width"] and course_map["height"]


def test_it_leads_on(landing: Any) -> None:
    links = {link["href"] for link in landing.select("a[href]")}
    assert {"one_page.html", "teaching.html", "mistakes.html", "exercises/index.html"} <= links
    assert any(link.endswith("softmax_page.pdf") for link in links)
    (install,) = landing.select("div.highlight-sh pre")
    lines = install.get_text().strip().splitlines()
    assert len(lines) == 2
    assert lines[0].startswith("git clone https://github.com/someone/softmax ")
    assert lines[1] == "make lab"


def test_its_formulas_need_no_script(landing: Any, pages: dict[Path, Page], book: Path) -> None:
    assert not re.search(r"[$\\]", landing.get_text())
    assert not [source for source in pages[book / "index.html"].loaded if "mathjax" in source]


def test_it_is_light(landing: Any, book: Path) -> None:
    """The page with its pictures, and separately all that a browser loads, as it is sent."""
    own = (book / "index.html").stat().st_size
    own += sum((book / image["src"]).stat().st_size for image in landing.select("img"))
    assert own < MOST


@pytest.mark.browser
def test_all_that_it_loads_is_light_as_it_is_sent(reader: Any, address: str) -> None:
    """Servers compress text; pictures are sent as they are."""
    sent: dict[str, int] = {}

    def note(answer: Any) -> None:
        body = answer.body()
        packed = len(gzip.compress(body, 6))
        sent[answer.url] = min(packed, len(body))

    context = reader.context.browser.new_context(viewport={"width": 1366, "height": 900})
    page = context.new_page()
    answers: list[Any] = []
    page.on("response", lambda answer: answers.append(answer))
    page.goto(f"{address}/index.html", wait_until="networkidle")
    page.evaluate("window.scrollTo(0, document.body.scrollHeight)")
    page.wait_for_load_state("networkidle")
    for answer in answers:
        note(answer)
    context.close()
    assert sum(sent.values()) < MOST, sorted(sent.items(), key=lambda item: -item[1])


@pytest.mark.browser
def test_it_reads_in_both_themes_and_on_a_phone(reader: Any, address: str) -> None:
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    for width in (1366, 390):
        reader.set_viewport_size({"width": width, "height": 900})
        for theme in ("light", "dark"):
            reader.emulate_media(color_scheme=theme)
            reader.goto(f"{address}/index.html")
            settle(reader)
            assert findings(reader, "article")[0] == []
            reader.screenshot(
                path=str(SCREENSHOTS / f"landing-{theme}-{width}.png"), full_page=True
            )
