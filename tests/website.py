"""The website built once for all tests about it, served on this machine, and read in a browser."""

from __future__ import annotations

import contextlib
import functools
import http.server
import os
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from tests.course import NOTEBOOKS, PATHS, ROOT

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "chrome"))), None)
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking"]
SCREENSHOTS = ROOT / "build" / "screenshots"
# As the workflow that publishes it finds it.
REPOSITORY = {"GITHUB_REPOSITORY": "someone/softmax", "GITHUB_REF_NAME": "main"}

COMPLETE = pytest.mark.skipif(len(PATHS) < NOTEBOOKS, reason="the course is not complete yet")


@functools.cache
def _room() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="book-", ignore_cleanup_errors=True)


@functools.cache
def built(**environment: str) -> Path:
    """Build the website as `make book` does, from a copy; a warning is an error.

    With other settings it is built again as an author does: only what they change.
    """
    folder = Path(_room().name)
    site = folder / "-".join(["site", *environment.values()])
    if environment:
        shutil.copytree(built(), site)
    else:
        built_before = shutil.ignore_patterns(
            "notebooks", "exercises", "mathjax", "pictures", "__pycache__"
        )
        shutil.copytree(ROOT / "book", folder / "book", ignore=built_before)
        shutil.copytree(ROOT / "notebooks", folder / "notebooks")
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-b", "html"]
    run = subprocess.run(
        [*command, "book", site.name],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), **REPOSITORY, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    return site


class Page(HTMLParser):
    """What a page links to, loads, and can be linked at."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.links: set[str] = set()
        self.loaded: set[str] = set()
        self.ids: set[str] = set()
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        known = {name: value or "" for name, value in attributes}
        self.ids |= {known[name] for name in ("id", "name") if name in known}
        if tag == "a" and "href" in known:
            self.links.add(known["href"])
        elif tag == "link" and known.get("rel") in ("stylesheet", "preload", "icon", "preconnect"):
            self.loaded.add(known["href"])
        elif tag in ("script", "img", "iframe", "source") and "src" in known:
            self.loaded.add(known["src"])


@functools.cache
def pages_of(site: Path) -> dict[Path, Page]:
    """Return every page of the website."""
    found = [path for path in sorted(site.rglob("*.html")) if site / "_static" not in path.parents]
    return {path: Page(path) for path in found}


@pytest.fixture(scope="session")
def book() -> Path:
    """Return the folder of the built website."""
    return built()


@pytest.fixture(scope="session")
def pages(book: Path) -> dict[Path, Page]:
    """Return every page of the website."""
    return pages_of(book)


# -- a browser ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def address(book: Path) -> Iterator[str]:
    """Serve the website on a free port of this machine."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, format: str, *arguments: Any) -> None:
            pass

    handler = functools.partial(Quiet, directory=str(book))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    """Start one browser for the tests of a file."""
    if CHROMIUM is None:
        pytest.skip("Chromium is not installed")
    pytest.importorskip("playwright", reason="the tests' requirements are not installed")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@contextlib.contextmanager
def watched(browser: Any, url: str, home: str, **settings: Any) -> Iterator[Any]:
    """Open a page; afterwards, hold that it asked for nothing outside `home` and did not fail."""
    asked: list[str] = []
    failed: list[str] = []
    context = browser.new_context(**settings)
    page = context.new_page()
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda line: failed.append(line.text) if line.type == "error" else None)
    page.on("pageerror", lambda error: failed.append(str(error)))
    page.on("response", lambda answer: failed.append(answer.url) if answer.status >= 400 else None)
    page.goto(url)
    yield page
    context.close()
    assert sorted({url for url in asked if not url.startswith((home, "data:"))}) == []
    assert failed == []


@pytest.fixture
def reader(address: str) -> Iterator[Any]:
    """Return a page of the website in a browser, watched."""
    if CHROMIUM is None:
        pytest.skip("Chromium is not installed")
    from playwright.sync_api import sync_playwright

    settings = {
        "viewport": {"width": 1280, "height": 900},
        "permissions": ["clipboard-read", "clipboard-write"],
    }
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        with watched(browser, f"{address}/index.html", address, **settings) as page:
            yield page
        browser.close()


def settle(page: Any) -> None:
    """Wait until the formulas of the page are set."""
    page.wait_for_load_state("load")
    if page.locator(".math").count():
        page.evaluate("() => MathJax.startup.promise")
