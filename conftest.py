"""What every test needs before anything is imported: one thread, a progress store of its own.

And how the tests are dealt out to processes.
"""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from typing import Any

import pytest
from hypothesis import settings
from xdist.scheduler import LoadFileScheduling

from tools.notebooks import KERNEL_ENVIRONMENT

os.environ.update(KERNEL_ENVIRONMENT)

# Each process of the tests, and the kernels that it starts, meets the course as a new learner.
_learner = tempfile.mkdtemp(prefix="softmax-course-tests-")
os.environ["SOFTMAX_COURSE_STATE"] = os.path.join(_learner, "state")
os.environ["IPYTHONDIR"] = os.path.join(_learner, "ipython")
atexit.register(shutil.rmtree, _learner, ignore_errors=True)

settings.register_profile("course", derandomize=True, deadline=None, database=None)
settings.load_profile("course")


# -- processes ----------------------------------------------------------------------------------

# Minutes each, so they are begun first: none of them is left alone at the end.
LONG = (
    "tests/test_book",
    "tests/test_browser.py",
    "tests/test_hub.py",
    "tests/test_grading.py",
    "tests/test_notebooks_solved.py",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Bring the long files to the front, and give them time; else the order stays."""
    items.sort(key=lambda item: not item.nodeid.startswith(LONG))
    for item in items:
        if item.nodeid.startswith(LONG) and not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(1800))  # building the website, on busy cores


class WholeFiles(LoadFileScheduling):  # type: ignore[misc]
    """A file each, so that notebooks stay whole; what reads the built website is one file."""

    def _split_scope(self, nodeid: str) -> str:
        name = super()._split_scope(nodeid)
        return "the website" if name.startswith("tests/test_book") else name


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Let one process build the website, for minutes, and all that read it wait for no other."""
    return WholeFiles(config, log) if config.getoption("dist") == "loadfile" else None
