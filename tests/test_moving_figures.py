"""Figures that move without a kernel: what they draw and say is what the notebooks' sliders do."""

from __future__ import annotations

import importlib.util
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pytest

from tests.axe import findings
from tests.course import PATHS, ROOT, code_cells, read
from tests.website import CHROMIUM, SCREENSHOTS, watched

STATIC = ROOT / "book" / "_static"

SLIDERS = {
    cell.id: (path, cell)
    for path in PATHS
    for cell in code_cells(path)
    if "figures.slider(" in cell.source
}
# Cells that a slider's own rests on, in this order, after the set-up.
RESTS_ON = {
    "slider-limits": ["fig-limits-show"],
    "slider-constants": ["constants-run", "fig-constants"],
    "slider-smooth": ["fig-smooth"],
    "slider-smoothing": ["smoothing-conventions", "smoothing-floor"],
    "slider-heatmap": ["fig-heatmap"],
    "slider-cuts": ["order-counts"],
}
needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")


@pytest.fixture(scope="module")
def live() -> Any:
    """Return the website's module that wraps the stills."""
    spec = importlib.util.spec_from_file_location("live", ROOT / "book" / "live.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def still(name: str) -> str:
    """Return the HTML that a slider's cell stores."""
    (output,) = SLIDERS[name][1].outputs
    return str(output.data.get("text/html", ""))


def test_every_slider_moves_on_the_website() -> None:
    drawn = re.findall(r'^    "(slider-[\w-]+)": ', (STATIC / "moving.js").read_text("utf-8"), re.M)
    assert sorted(drawn) == sorted(SLIDERS)
    assert all(name.startswith("slider-") for name in SLIDERS), "the build knows them by that"


@pytest.mark.parametrize("name", SLIDERS)
def test_a_slider_stores_a_still(name: str) -> None:
    assert re.fullmatch(
        r'<figure .*<img alt="[^"]{20,}" src="data:image/png;base64,.*', still(name)
    )


@pytest.mark.parametrize("name", SLIDERS)
def test_the_build_takes_the_controls_from_the_cell(name: str, live: Any) -> None:
    cell = SLIDERS[name][1]
    for control, (low, high, step, initial) in live.controls(cell.source).items():
        assert low <= initial <= high
        assert 0 < step < high - low
        assert control in re.findall(r"(\w+)=\(", cell.source)


# -- the same numbers, the same words -------------------------------------------------------------


def python_draw(name: str) -> Callable[..., tuple[Any, str]]:
    """Return what the notebook's slider calls."""
    path, cell = SLIDERS[name]
    by_id = {cell.id: cell.source for cell in code_cells(path)}
    caught: list[Any] = []
    space: dict[str, Any] = {"__name__": "notebook"}
    for part in ["setup", *RESTS_ON.get(name, [])]:
        exec(by_id[part], space)
    space["figures"] = type("Figures", (), {**vars(space["figures"])})
    space["figures"].slider = staticmethod(lambda draw, **_: caught.append(draw))
    exec(cell.source, space)
    return caught[0]  # type: ignore[no-any-return]


def drawn_by(fig: Any) -> list[float]:
    """Return the numbers that a matplotlib figure shows: bars, curves, dots, squares."""
    ax = fig.axes[0]
    if ax.images:
        return [float(v) for v in np.ravel(ax.images[0].get_array())]
    if ax.collections and not ax.containers:  # dots on a line
        return [float(x) for x, _ in ax.collections[0].get_offsets()]
    bars = [bar.get_height() for group in ax.containers for bar in group]
    return [float(v) for v in [*bars, *(v for line in ax.lines for v in line.get_ydata())]]


def numbers_in(text: str) -> list[float]:
    """Return the numbers of a sentence, however it writes them."""
    words = text.replace("−", "-").replace(".,", ",").replace(".]", "]").replace(". ", " ")
    found = re.findall(r"(?<![\w.])-?(?:\d+\.?\d*(?:e[+-]?\d+)?|inf|nan)\b", words)
    return [float(number) for number in found]


@needs_chromium
@pytest.mark.browser
@pytest.mark.parametrize("name", SLIDERS)
def test_it_draws_and_says_what_the_notebook_does(name: str, live: Any, chromium: Any) -> None:
    cell = SLIDERS[name][1]
    controls = live.controls(cell.source)
    rng = np.random.default_rng(8)
    wanted = [{name: c[end] for name, c in controls.items()} for end in (3, 0, 1)]
    for _ in range(9):
        drawn = {}
        for control, (low, high, step, _) in controls.items():
            places = rng.integers(round((high - low) / step) + 1)
            drawn[control] = round(low + int(places) * step, 6)
        wanted.append(drawn)
    page = chromium.new_page()
    page.add_script_tag(path=str(STATIC / "moving.js"))
    got = page.evaluate(
        """([name, wanted, given]) => wanted.map((values) => {
            const { numbers, words } = MovingFigures.FIGURES[name](values, given);
            return { numbers, words };
        })""",
        [name, wanted, live.given(name)],
    )
    page.close()
    draw = python_draw(name)
    for values, moved in zip(wanted, got, strict=True):
        fig, words = draw(**values)
        assert numbers_in(moved["words"]) == pytest.approx(
            numbers_in(words), abs=1e-12, nan_ok=True
        ), values
        letters = re.compile(r"[^a-z]+")
        assert letters.sub(" ", moved["words"].lower()) == letters.sub(" ", words.lower()), values
        if name != "slider-limits":  # its bars are the formats', and what moves is said in words
            expected = pytest.approx(drawn_by(fig), rel=1e-12, abs=1e-13, nan_ok=True)
            assert moved["numbers"] == expected, values
        plt.close(fig)


# -- on a page ------------------------------------------------------------------------------------


@pytest.fixture
def page_of_figures(tmp_path: Path, live: Any) -> Path:
    """Write a page with every slider's still, wrapped as the website does it."""
    parts = []
    for path in PATHS:
        for cell in read(path).cells:
            if cell.id in SLIDERS:
                live.mark_moving(cell)
                parts.append(
                    f"<section><h2>{cell.id}</h2>{cell.outputs[0].data['text/html']}</section>"
                )
    for name in ("moving.js", "moving.css"):
        shutil.copy(STATIC / name, tmp_path)
    target = tmp_path / "figures.html"
    target.write_text(
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Figures</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<link rel="icon" href="data:,"><link rel="stylesheet" href="moving.css">'
        '<script src="moving.js" defer></script></head>'
        f"<body><main><h1>Figures</h1>{''.join(parts)}</main></body></html>",
        encoding="utf-8",
    )
    return target


@pytest.fixture
def shown(chromium: Any, page_of_figures: Path, request: pytest.FixtureRequest) -> Iterator[Any]:
    settings = {"viewport": {"width": 1366, "height": 900}, **getattr(request, "param", {})}
    with watched(
        chromium, page_of_figures.as_uri(), page_of_figures.parent.as_uri(), **settings
    ) as page:
        yield page


def figure(page: Any, name: str) -> Any:
    return page.locator(f'[data-figure="{name}"]')


@needs_chromium
@pytest.mark.browser
@pytest.mark.parametrize(
    "shown", [{"viewport": {"width": w, "height": 900}} for w in (1366, 390)], indirect=True
)
def test_every_figure_moves_by_keyboard_and_its_words_follow(shown: Any) -> None:
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    for name in SLIDERS:
        box = figure(shown, name)
        sliders = box.get_by_role("slider")
        assert sliders.count() == box.locator("label").count() >= 1
        for number in range(sliders.count()):
            slider, words = sliders.nth(number), box.get_by_role("img").get_attribute("aria-label")
            before, picture = slider.input_value(), box.locator("svg").inner_html()
            slider.focus()
            for _ in range(4):
                shown.keyboard.press("PageUp")
            assert slider.input_value() != before
            assert box.locator("svg").inner_html() != picture, name
            said = box.get_by_role("img").get_attribute("aria-label")
            assert said != words, name
            shown.wait_for_timeout(300)
            assert box.get_by_role("status").inner_text() == said
    wider = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    assert shown.evaluate(wider) <= 0
    assert findings(shown)[0] == []
    width = shown.viewport_size["width"]
    shown.screenshot(path=str(SCREENSHOTS / f"moving-{width}.png"), full_page=True)


@needs_chromium
@pytest.mark.browser
@pytest.mark.parametrize(
    "shown",
    [{"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}],
    indirect=True,
)
def test_a_figure_moves_by_touch(shown: Any) -> None:
    box = figure(shown, "slider-temperature")
    slider = box.get_by_role("slider")
    size = slider.bounding_box()
    slider.tap(position={"x": size["width"] - 2, "y": size["height"] / 2})
    assert float(slider.input_value()) > 19
    assert "temperature" in box.get_by_role("img").get_attribute("aria-label")


@needs_chromium
@pytest.mark.browser
@pytest.mark.parametrize("shown", [{"java_script_enabled": False}], indirect=True)
def test_without_scripts_the_still_stands(shown: Any) -> None:
    assert shown.locator(".moving-figure img").count() == len(SLIDERS)
    assert shown.locator("input").count() == 0
