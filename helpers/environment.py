"""Is everything there that the course needs? What is missing, and how to mend it.

Notebook 00 asks this first, so nothing beside the standard library is imported here until
`report` looks for it.
"""

from __future__ import annotations

import importlib
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from importlib import metadata
from pathlib import Path

__all__ = ["Problem", "Report", "report"]

OLDEST_PYTHON = (3, 11)
ROOT = Path(__file__).resolve().parent.parent
IMPORTED_AS = {"scikit-learn": "sklearn"}


@dataclass(frozen=True)
class Problem:
    """Something that is not as the course needs it.

    Attributes
    ----------
    what : str
        What is wrong, in one sentence.
    mend : str
        What to do about it; a command where one does it.
    """

    what: str
    mend: str


@dataclass(frozen=True)
class Report:
    """The outcome of a look at the environment; displays itself in a notebook.

    Attributes
    ----------
    looked_at : tuple of str
        The names of what was looked at.
    problems : tuple of Problem
        What was found; empty where everything is fine.
    """

    looked_at: tuple[str, ...]
    problems: tuple[Problem, ...]

    @property
    def ready(self) -> bool:
        """Whether nothing is missing."""
        return not self.problems

    @property
    def headline(self) -> str:
        """One sentence on the whole."""
        if self.ready:
            return f"Everything is here: {', '.join(self.looked_at)}."
        things = "1 thing" if len(self.problems) == 1 else f"{len(self.problems)} things"
        return f"{things} to mend, then restart the kernel (Kernel menu) and run this cell again."

    def __repr__(self) -> str:
        lines = [f"{'✓ Ready' if self.ready else '✗ Not ready'} · {self.headline}"]
        for problem in self.problems:
            lines += [f"- {problem.what}", f"  {problem.mend}"]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        sign = "✓ Ready" if self.ready else "✗ Not ready"
        items = "".join(
            f"<li>{escape(problem.what)}<br><code>{escape(problem.mend)}</code></li>"
            for problem in self.problems
        )
        listed = f"<ul>{items}</ul>" if items else ""
        return f"<p><strong>{sign}</strong> · {escape(self.headline)}</p>{listed}"


def report() -> Report:
    """Look at Python, at every package of requirements.txt and at the learner's record.

    Returns
    -------
    Report
        Never raises: what cannot be looked at is a problem of its own.
    """
    packages = needed_packages()
    found = [python_problem(sys.version_info[:2])]
    found += [package_problem(name, oldest) for name, oldest in packages.items()]
    found += [requirements_problem(packages), record_problem()]
    return Report(
        ("Python", *packages, "a place to keep your progress"),
        tuple(problem for problem in found if problem is not None),
    )


def needed_packages(requirements: Path = ROOT / "requirements.txt") -> dict[str, str]:
    """Return the packages of a requirements file, with the oldest release that will do."""
    try:
        text = requirements.read_text(encoding="utf-8")
    except OSError:
        return {}
    return dict(re.findall(r"^([A-Za-z][\w.-]*)>=([\d.]+)", text, flags=re.MULTILINE))


def python_problem(running: Sequence[int]) -> Problem | None:
    """Return what is wrong with this Python, if anything."""
    if tuple(running) >= OLDEST_PYTHON:
        return None
    return Problem(
        f"The course needs Python {numbered(OLDEST_PYTHON)} or newer; "
        f"this notebook runs on {numbered(running)}.",
        "Install a newer Python and start the course with it, as README.md says.",
    )


def package_problem(
    name: str, oldest: str, load: Callable[[str], object] = importlib.import_module
) -> Problem | None:
    """Return what is wrong with an installed package, if anything.

    Parameters
    ----------
    name, oldest : str
        As requirements.txt names them.
    load : callable
        What imports it.
    """
    try:
        installed = metadata.version(name)
    except metadata.PackageNotFoundError:
        return Problem(f"{name} is not installed.", install_line())
    if numbers(installed) < numbers(oldest):
        return Problem(f"{name} is {installed}; the course needs {oldest}.", install_line())
    try:
        load(IMPORTED_AS.get(name, name.replace("-", "_")))
    except Exception as error:  # a broken library can raise anything
        return Problem(
            f"{name} is installed, but importing it fails: {type(error).__name__}: {error}",
            install_line("--force-reinstall", name),
        )
    return None


def requirements_problem(packages: dict[str, str]) -> Problem | None:
    """Return a problem where the list of packages could not be read."""
    if packages:
        return None
    return Problem(
        "requirements.txt was not found beside the helpers, so the packages were not looked at.",
        "Run `pip install -e .` in the course's folder, not from a copy of helpers elsewhere.",
    )


def record_problem() -> Problem | None:
    """Return a problem where the learner's progress cannot be kept."""
    try:
        from helpers.exercises import course

        folder = course.records.folder()
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / "can-be-written"
        probe.touch()
        probe.unlink()
    except ImportError:
        return None  # the missing package is told already
    except OSError as error:
        return Problem(
            f"Your progress cannot be kept: {error.strerror or type(error).__name__}.",
            "Set SOFTMAX_COURSE_STATE to a folder that you can write to, and start again.",
        )
    return None


def install_line(*more: str) -> str:
    """Return the command that installs what the course needs into this very Python."""
    words = [
        sys.executable,
        "-m",
        "pip",
        "install",
        *(more or ("-r", str(ROOT / "requirements.txt"))),
    ]
    words += ["-c", str(ROOT / "constraints.txt")]
    return subprocess.list2cmdline(words) if sys.platform == "win32" else shlex.join(words)


def numbers(version: str) -> tuple[int, ...]:
    """Return the leading numbers of a version: "2.13.0+cpu" is (2, 13, 0)."""
    release = re.match(r"\d+(?:\.\d+)*", version)
    return tuple(int(part) for part in release[0].split(".")) if release else ()


def numbered(version: Sequence[int]) -> str:
    """Return a version as it is written."""
    return ".".join(str(part) for part in version)
