"""The exercises' pages and the gallery: every mistake run through the checker, found by symptom."""

from __future__ import annotations

import functools
import html
import json
import linecache
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from helpers.checker import layout
from helpers.checker.judging import judge
from helpers.exercises import course
from tests.axe import findings
from tests.website import COMPLETE, built, settle

pytest.importorskip("sphinx", reason="the book's requirements are not installed")
soup = pytest.importorskip("bs4").BeautifulSoup

pytestmark = [pytest.mark.slow, COMPLETE]

EXERCISES = course.exercises()
MISTAKES = [(name, mistake.name) for name, e in EXERCISES.items() for mistake in e.mistakes]


@pytest.fixture(scope="session")
def shown(book: Path) -> dict[tuple[str, str], dict[str, Any]]:
    """Return what the build kept of every mistake, by exercise and name."""
    kept = sorted((book.parent / "build" / "verdicts").glob("*.json"))
    exercises = [json.loads(path.read_text("utf-8"))["shown"] for path in kept]
    every = [one for part in exercises for ones in part.values() for one in ones]
    return {(one["exercise"], one["name"]): one for one in every}


@pytest.fixture(scope="session")
def gallery(book: Path) -> Any:
    """Return the gallery's page."""
    return soup((book / "mistakes.html").read_text("utf-8"), "html.parser").find("article")


@functools.cache
def page(book: Path, name: str) -> Any:
    """Return the article of an exercise's page."""
    text = (book / "exercises" / f"{name}.html").read_text("utf-8")
    return soup(text, "html.parser").find("article")


def words(text: str) -> str:
    """Return a text with even spaces."""
    return " ".join(text.split())


# -- what is shown is what is run ---------------------------------------------------------------


def test_every_mistake_is_run_and_told_by_its_own_name(
    shown: dict[tuple[str, str], dict[str, Any]],
) -> None:
    assert sorted(shown) == sorted(MISTAKES)
    other = [key for key, one in shown.items() if one["recognised"] != one["name"]]
    assert other == []
    assert {one["status"] for one in shown.values()} <= {"wrong", "unstable", "error"}


def test_a_mistake_is_shown_as_a_learner_would_have_written_it(
    shown: dict[tuple[str, str], dict[str, Any]],
) -> None:
    for (name, mistake), one in shown.items():
        exercise = EXERCISES[name]
        assert re.search(
            rf"^(def ({exercise.name}|{mistake})\(|{exercise.name} = )", one["code"], re.M
        )
        assert ".mistake(" not in one["code"]
        assert "<function" not in one["code"] and "<lambda" not in one["code"]


@pytest.mark.parametrize("name", ["1.2", "3.1", "6.2"])
def test_the_card_is_the_verdict_that_a_learner_gets(
    name: str, book: Path, shown: dict[tuple[str, str], dict[str, Any]]
) -> None:
    cards = {card["id"]: card for card in page(book, name).select(".course-mistake > div")}
    for mistake in EXERCISES[name].mistakes:
        namespace: dict[str, Any] = {"np": np}
        code = shown[name, mistake.name]["code"]
        cell = f"<cell of {mistake.name}>"  # the checker quotes the line that raised
        linecache.cache[cell] = (len(code), None, code.splitlines(keepends=True), cell)
        exec("import math", namespace)
        exec(compile(code, cell, "exec"), namespace)
        answer = namespace.get(EXERCISES[name].name) or namespace[mistake.name]
        verdict = judge(EXERCISES[name], answer)
        card = cards[f"says-{mistake.name}"]
        said = soup(layout.html(verdict.blocks(), verdict.colour), "html.parser").get_text()
        told = words(card.select_one(".course-card").get_text())
        assert re.sub(r"line \d+", "line", told) == re.sub(r"line \d+", "line", words(said))
        assert words(card.select_one(".highlight").get_text()) == words(code)


def test_every_exercise_has_a_page_with_task_hints_and_cards(book: Path) -> None:
    for name, exercise in EXERCISES.items():
        article = page(book, name)
        text = article.get_text()
        assert words(exercise.stub) in words(text)
        summaries = [words(part.get_text()) for part in article.select("summary")]
        count = len(exercise.hint_texts)
        assert [f"Hint {n} of {count}" for n in range(1, count + 1)] == summaries[:count]
        assert all("open" not in fold.attrs for fold in article.select("details"))
        assert len(article.select(".course-mistake")) == len(exercise.mistakes)
        assert "Show the solution" in summaries
        assert words(exercise.source) in words(text)


def test_every_notebook_leads_to_its_exercises_and_back(book: Path) -> None:
    for name in EXERCISES:
        article = page(book, name)
        back = article.select_one('a[href*="notebooks/"]')
        if back is None:  # its notebook is still to come
            continue
        notebook = back["href"].partition("#")[0].rpartition("/")[2]
        text = (book / "notebooks" / notebook).read_text("utf-8")
        assert f'href="../exercises/{name}.html"' in text, name


# -- solutions left out -------------------------------------------------------------------------


def test_a_switch_leaves_solutions_out() -> None:
    site = built(SOFTMAX_COURSE_SOLUTIONS="off")
    for name, exercise in EXERCISES.items():
        text = page(site, name).get_text()
        assert "Show the solution" not in text
        assert words(html.unescape(exercise.reasoning_text))[:60] not in words(text)
        body = exercise.source.partition('"""')[2].rpartition('"""')[2].strip()
        if len(body.splitlines()) > 3:  # a single line may be a mistake's too
            assert words(body) not in words(text), name


# -- the gallery --------------------------------------------------------------------------------


def test_the_gallery_holds_every_mistake_once_under_what_it_shows(
    gallery: Any, shown: dict[tuple[str, str], dict[str, Any]]
) -> None:
    items = gallery.select(".course-symptom li")
    assert sorted(item["id"] for item in items) == sorted(f"{e}-{m}" for e, m in MISTAKES)
    sections = {section["id"]: section for section in gallery.select(".course-symptom")}
    for (exercise, name), one in shown.items():
        assert one["symptoms"], f"{exercise} {name} shows nothing"
        for symptom in one["symptoms"]:  # without scripts, each symptom's list is complete
            here = sections[symptom].select(f'li[id="{exercise}-{name}"]')
            link = sections[symptom].select(f'.course-also a[href="#{exercise}-{name}"]')
            assert len(here) + len(link) == 1, (exercise, name, symptom)


@pytest.mark.parametrize(
    ("exercise", "mistake", "symptoms"),
    [
        ("3.1", "no_shift", {"nan", "large"}),
        ("3.1", "shift_only_above", {"sums"}),
        ("3.1", "epsilon_in_the_denominator", {"sums"}),
        ("1.1", "columns_sum_to_one", {"axis", "sums"}),
        ("4.6", "log_n_not_subtracted", {"ln-n"}),
    ],
)
def test_symptoms_are_what_one_sees(
    exercise: str,
    mistake: str,
    symptoms: set[str],
    shown: dict[tuple[str, str], dict[str, Any]],
) -> None:
    assert symptoms <= set(shown[exercise, mistake]["symptoms"])


def test_nan_is_said_where_nan_comes_out_and_nowhere_else(
    shown: dict[tuple[str, str], dict[str, Any]],
) -> None:
    """Hold the symptom against the values themselves, in one exercise, without the checker."""
    exercise = EXERCISES["3.1"]
    for mistake in exercise.mistakes:
        seen = False
        for probe in exercise.probes:
            arguments = [np.array(a) for a in probe.arguments]
            with np.errstate(all="ignore"):
                try:
                    mine = np.asarray(mistake.functions[0](*arguments), dtype=float)
                except Exception:
                    continue
                due = exercise.reference(*[np.array(a) for a in probe.arguments])
            if mine.shape == np.shape(due):
                seen = seen or bool((np.isnan(mine) & ~np.isnan(due)).any())
        assert ("nan" in shown["3.1", mistake.name]["symptoms"]) == seen, mistake.name


# -- in a browser -------------------------------------------------------------------------------


@pytest.mark.browser
def test_the_gallery_is_filtered_by_symptom_words_and_notebook(
    reader: Any, address: str, shown: dict[tuple[str, str], dict[str, Any]]
) -> None:
    reader.goto(f"{address}/mistakes.html")
    settle(reader)
    total = len(shown)
    status = reader.locator("#shown")
    assert status.inner_text() == f"{total} of {total} mistakes are shown."
    assert status.get_attribute("role") == "status"

    def visible() -> set[str]:
        found = reader.locator(".course-symptom li:visible")
        return set(found.evaluate_all("items => items.map(item => item.id)"))

    def told(count: int) -> None:
        noun = "mistake is" if count == 1 else "mistakes are"
        expected = f"{count} of {total} {noun} shown."
        reader.wait_for_function(
            "text => document.getElementById('shown').textContent === text", arg=expected
        )

    reader.get_by_role("checkbox", name=re.compile(r"NaN \(")).first.focus()
    reader.keyboard.press("Space")
    nan = {f"{e}-{m}" for (e, m), one in shown.items() if "nan" in one["symptoms"]}
    told(len(nan))
    assert visible() == nan
    assert reader.locator(".course-also:visible").count() == 0
    reader.get_by_label("Notebook").select_option("3")
    told(len([name for name in nan if name.startswith("3.")]))
    reader.get_by_label("Words").fill("no shift")
    reader.wait_for_function(
        "document.querySelectorAll('.course-symptom li:not([hidden])').length < 20"
    )
    assert "3.1-no_shift" in visible()
    reader.get_by_role("button", name="Show all").click()
    told(total)
    assert findings(reader, "article")[0] == []


@pytest.mark.browser
def test_a_link_to_a_mistake_opens_its_card(reader: Any, address: str) -> None:
    reader.goto(f"{address}/mistakes.html")
    reader.locator('.course-symptom li[id="3.1-no_shift"] a').click()
    reader.wait_for_url("**/exercises/3.1.html#says-no_shift")
    card = reader.locator("#says-no_shift")
    card.wait_for(state="visible")
    assert "Nothing is subtracted" in card.inner_text()
    assert reader.locator(".course-mistake[open]").count() == 1
    for theme in ("light", "dark"):
        reader.emulate_media(color_scheme=theme)
        reader.evaluate(
            "document.querySelectorAll('details').forEach(fold => { fold.open = true })"
        )
        assert findings(reader, "article")[0] == []


@pytest.mark.browser
def test_the_gallery_reads_without_scripts(reader: Any, address: str) -> None:
    context = reader.context.browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{address}/mistakes.html")
    assert page.locator(".course-symptom li:visible").count() == len(MISTAKES)
    assert page.locator("#filter").is_hidden()
    assert page.locator(".course-symptoms").is_visible()
    context.close()
