"""The self-check of notebook 00 names what is missing, and how to mend it."""

from __future__ import annotations

import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

from helpers import environment
from helpers.environment import Problem, Report


def test_is_ready_where_the_tests_run() -> None:
    report = environment.report()
    assert report.ready, report
    assert {"Python", "numpy", "scikit-learn", "torch"} <= set(report.looked_at)
    assert repr(report).startswith("✓ Ready")


def test_a_good_report_holds_nothing_that_differs_between_machines() -> None:
    report = environment.report()
    for text in (repr(report), report._repr_html_()):
        assert not any(character.isdigit() for character in text)
        assert "/" not in text.replace("</", "<")


def test_reads_the_ranges_of_the_requirements() -> None:
    packages = environment.needed_packages()
    assert packages["numpy"] == "2.1"
    assert "jupyterlab" in packages
    assert environment.needed_packages(Path("missing.txt")) == {}


def test_a_missing_package_is_named_with_the_line_that_installs_it() -> None:
    problem = environment.package_problem("no-such-package", "1.0")
    assert problem is not None
    assert "no-such-package is not installed" in problem.what
    assert sys.executable in problem.mend
    assert "requirements.txt" in problem.mend


def test_an_old_package_is_named_with_what_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metadata, "version", lambda name: "1.26.4")
    problem = environment.package_problem("numpy", "2.1")
    assert problem is not None
    assert "numpy is 1.26.4; the course needs 2.1" in problem.what


@pytest.mark.parametrize(
    ("installed", "oldest"), [("2.13.0+cpu", "2.6"), ("2.1", "2.1"), ("3.0.0rc1", "2.9")]
)
def test_a_new_enough_package_is_fine(
    installed: str, oldest: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(metadata, "version", lambda name: installed)
    assert environment.package_problem("numpy", oldest) is None


def test_a_broken_package_is_named_with_its_error() -> None:
    def broken(name: str) -> object:
        raise OSError(f"{name}: cannot open shared object file")

    problem = environment.package_problem("numpy", "2.1", load=broken)
    assert problem is not None
    assert "importing it fails: OSError" in problem.what
    assert "--force-reinstall numpy" in problem.mend


def test_an_old_python_is_named() -> None:
    assert environment.python_problem((3, 11)) is None
    assert environment.python_problem((3, 13)) is None
    problem = environment.python_problem((3, 9))
    assert problem is not None
    assert "3.11" in problem.what
    assert "3.9" in problem.what


def test_a_place_that_cannot_be_written_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("SOFTMAX_COURSE_STATE", str(tmp_path / "file" / "folder"))
    problem = environment.record_problem()
    assert problem is not None
    assert "progress cannot be kept" in problem.what


def test_a_bad_report_says_what_and_how_in_both_forms() -> None:
    report = Report(("Python",), (Problem("scipy is not installed.", "pip install 'a<b'"),))
    assert not report.ready
    assert "1 thing to mend" in repr(report)
    assert "- scipy is not installed.\n  pip install 'a<b'" in repr(report)
    assert "<code>pip install &#x27;a&lt;b&#x27;</code>" in report._repr_html_()
    assert "2 things" in Report((), report.problems * 2).headline


def test_importing_the_check_needs_the_standard_library_only() -> None:
    code = (
        "import sys; before = set(sys.modules); from helpers import environment;"
        "new = {name.partition('.')[0] for name in set(sys.modules) - before};"
        "print(sorted(new - set(sys.stdlib_module_names) - {'helpers'}))"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "[]"
