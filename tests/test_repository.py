"""The files around the course agree with each other."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from benchmarks.summary import three_numbers
from tests.course import PATHS, read

ROOT = Path(__file__).resolve().parent.parent
REQUIREMENTS = [
    "requirements.txt",
    "requirements-test.txt",
    "requirements-book.txt",
    "requirements-hub.txt",
]
SUPPORTED = ("3.11", "3.12", "3.13")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def lines(name: str) -> list[str]:
    """Return the lines of a requirements file that say something."""
    text = (ROOT / name).read_text(encoding="utf-8")
    return [line for line in text.splitlines() if line.strip() and not line.startswith("#")]


def requirements(name: str) -> list[Requirement]:
    """Return the packages that a requirements file names."""
    return [Requirement(line) for line in lines(name) if not line.startswith("-")]


def pins(python: str, system: str) -> dict[str, str]:
    """Return the versions that the constraints file gives on that Python and system."""
    environment: dict[str, str] = {
        **{name: str(value) for name, value in default_environment().items()},
        "python_version": python,
        "python_full_version": f"{python}.5",
        "sys_platform": {"Linux": "linux", "Darwin": "darwin", "Windows": "win32"}[system],
        "platform_system": system,
        "os_name": "nt" if system == "Windows" else "posix",
    }
    found: dict[str, str] = {}
    for requirement in requirements("constraints.txt"):
        if requirement.marker is None or requirement.marker.evaluate(environment):
            name = canonicalize_name(requirement.name)
            assert name not in found, f"{name} is pinned twice for {python} on {system}"
            (specifier,) = requirement.specifier
            assert specifier.operator == "==", requirement
            found[name] = specifier.version
    return found


# -- dependencies -------------------------------------------------------------------------------


@pytest.mark.parametrize("python", SUPPORTED)
@pytest.mark.parametrize("system", ["Linux", "Darwin", "Windows"])
def test_every_requirement_is_pinned_inside_its_range(python: str, system: str) -> None:
    pinned = pins(python, system)
    for name in REQUIREMENTS:
        for requirement in requirements(name):
            version = pinned.get(canonicalize_name(requirement.name))
            assert version, f"{requirement.name} has no pin: run `make lock`"
            assert requirement.specifier.contains(version), f"{requirement} is pinned at {version}"


@pytest.mark.parametrize("name", [*REQUIREMENTS, "constraints.txt", "environment.yml"])
def test_no_file_names_an_index_or_a_place_on_one_machine(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    assert not re.search(r"https?:|file:|--(extra-)?index|--find-links|\+cpu|\s/\w", text)


def test_requirements_are_ranges_and_named_once() -> None:
    names = [canonicalize_name(r.name) for file in REQUIREMENTS for r in requirements(file)]
    assert len(names) == len(set(names))
    for file in REQUIREMENTS:
        for requirement in requirements(file):
            operators = {specifier.operator for specifier in requirement.specifier}
            assert ">=" in operators, f"{requirement} needs an oldest version"
            assert "==" not in operators, f"{requirement}: exact versions stand in constraints.txt"


def test_torch_stays_below_the_release_that_was_tried() -> None:
    (torch,) = (r for r in requirements("requirements.txt") if r.name == "torch")
    assert torch.specifier.contains("2.13.0")
    assert not torch.specifier.contains("2.14.0")


def test_the_package_asks_for_the_same_ranges_as_requirements_txt() -> None:
    learners = {r.name: r.specifier for r in requirements("requirements.txt")}
    for line in PROJECT["dependencies"]:
        requirement = Requirement(line)
        assert learners.get(requirement.name) == requirement.specifier, requirement
    assert "-e ." in lines("requirements.txt")


def test_the_conda_environment_is_the_pip_environment() -> None:
    environment = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))
    python, pip, through_pip = environment["dependencies"]
    assert python == f"python {PROJECT['requires-python']},<3.14"
    assert pip == "pip"
    assert through_pip == {"pip": ["-r requirements.txt", "-c constraints.txt"]}
    assert environment["channels"] == ["conda-forge"]


def test_what_is_installed_here_is_what_is_pinned() -> None:
    from importlib.metadata import PackageNotFoundError, version

    pinned = pins(f"{sys.version_info[0]}.{sys.version_info[1]}", "Linux")
    differs = {}
    for requirement in requirements("requirements.txt"):
        name = canonicalize_name(requirement.name)
        try:
            here = version(name).partition("+")[0]
        except PackageNotFoundError:
            here = "missing"
        if here != pinned[name]:
            differs[name] = (here, pinned[name])
    if differs:
        pytest.skip(f"another environment than the pinned one: {differs}")


# -- commands, workflows, papers ----------------------------------------------------------------


def test_binder_installs_what_learners_do() -> None:
    assert lines("binder/requirements.txt") == ["-r ../requirements.txt", "-c ../constraints.txt"]
    (python,) = lines("binder/runtime.txt")
    assert python.removeprefix("python-") in SUPPORTED


@pytest.mark.many
@pytest.mark.skipif(sys.platform == "win32", reason="Binder runs Linux")
def test_binder_shows_no_answer_before_its_cell_is_run(tmp_path: Path) -> None:
    """What Binder runs after installing, run on a copy."""
    shutil.copytree(ROOT / "binder", tmp_path / "binder")
    (tmp_path / "notebooks").mkdir()
    shutil.copy(PATHS[0], tmp_path / "notebooks")
    folder = str(Path(sys.executable).parent)
    environment = {**os.environ, "PATH": f"{folder}{os.pathsep}{os.environ['PATH']}"}
    subprocess.run([tmp_path / "binder/postBuild"], cwd=tmp_path, env=environment, check=True)
    copy = read(tmp_path / "notebooks" / PATHS[0].name)
    assert [cell.source for cell in copy.cells] == [cell.source for cell in read(PATHS[0]).cells]
    assert not any(cell.get("outputs") or cell.get("execution_count") for cell in copy.cells)


def test_the_form_for_errors_is_sane() -> None:
    form = yaml.safe_load((ROOT / ".github/ISSUE_TEMPLATE/error.yml").read_text(encoding="utf-8"))
    assert {"name", "description", "body"} <= set(form)
    ids = [field["id"] for field in form["body"]]
    assert len(set(ids)) == len(ids)
    assert all(field["attributes"]["label"] for field in form["body"])


def test_the_supported_pythons_agree() -> None:
    classifiers = re.findall(r"Python :: (\d\.\d+)", "\n".join(PROJECT["classifiers"]))
    assert tuple(classifiers) == SUPPORTED
    assert PROJECT["requires-python"] == f">={SUPPORTED[0]}"
    jobs = yaml.safe_load((ROOT / ".github/workflows/tests.yml").read_text())["jobs"]
    assert tuple(jobs["systems"]["strategy"]["matrix"]["python"]) == SUPPORTED


@pytest.mark.parametrize("path", sorted((ROOT / ".github/workflows").glob("*.yml")), ids=str)
def test_each_workflow_is_sane(path: Path) -> None:
    workflow = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert {"name", True, "permissions", "jobs"} <= set(workflow), "YAML reads `on` as true"
    for job in workflow["jobs"].values():
        assert "runs-on" in job
        assert "timeout-minutes" in job
        for step in job["steps"]:
            assert ("uses" in step) != ("run" in step)
            if "uses" in step:
                assert re.fullmatch(r"[\w.-]+/[\w./-]+@v\d[\w.]*", step["uses"])
        text = "\n".join(step.get("run", "") for step in job["steps"])
        for target in re.findall(r"^\s*make ([a-z-]+)", text, flags=re.MULTILINE):
            assert target in make_targets()


def make_targets() -> set[str]:
    """Return the targets that the Makefile documents."""
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    return set(re.findall(r"^([a-z-]+):.*##", text, flags=re.MULTILINE))


def test_the_commands_that_people_are_told_exist() -> None:
    for name in ["README.md", "CONTRIBUTING.md"]:
        text = (ROOT / name).read_text(encoding="utf-8")
        told = set(re.findall(r"(?:^|`)make ([a-z-]+)", text, flags=re.MULTILINE))
        assert told, f"{name} tells no command"
        assert sorted(told - make_targets()) == []
    assert {"lab", "reset", "test", "test-all", "quick", "notebooks"} <= make_targets()


def test_ci_runs_what_the_readme_tells() -> None:
    text = (ROOT / ".ci/run").read_text(encoding="utf-8")
    assert "set -euo pipefail" in text
    assert re.search(r"^make test test-all\b", text, flags=re.MULTILINE)


@pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")
@pytest.mark.parametrize(
    ("python", "said"),
    [("", "none was found"), ("{folder}/old", "is not"), ("{folder}/missing", "is not")],
)
def test_a_missing_or_old_python_gets_one_clear_line(
    tmp_path: Path, python: str, said: str
) -> None:
    old = tmp_path / "old"
    old.write_text("#!/bin/sh\nexit 1\n")
    old.chmod(0o755)
    shutil.copy(ROOT / "Makefile", tmp_path)
    for name in ["requirements.txt", "constraints.txt", "pyproject.toml"]:
        (tmp_path / name).touch()
    run = subprocess.run(
        ["make", "--silent", "lab", f"PYTHON={python.format(folder=tmp_path)}"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    ours = [line for line in run.stderr.splitlines() if "make" not in line]
    assert run.returncode != 0
    assert len([line for line in ours if "needs Python 3.11 or newer" in line]) == 1
    assert said in run.stderr
    assert not (tmp_path / ".venv").exists()


@pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")
@pytest.mark.skipif(sys.platform == "win32", reason="the hub's accounts are those of Linux")
@pytest.mark.parametrize("target", ["hub", "hub-accounts"])
def test_what_the_hub_cannot_do_is_told_before_anything_is_installed(
    tmp_path: Path, target: str
) -> None:
    tmp_path.chmod(0o700)  # closed to learners, and root is told so; who is not root is told that
    shutil.copy(ROOT / "Makefile", tmp_path)
    shutil.copytree(ROOT / "deploy", tmp_path / "deploy", ignore=shutil.ignore_patterns("node_*"))
    (tmp_path / "notebooks").mkdir()
    run = subprocess.run(
        ["make", "--silent", target, f"PYTHON={sys.executable}"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode != 0
    told = "cannot read" if os.geteuid() == 0 else "only root can"
    assert [line for line in run.stderr.splitlines() if told in line]
    assert not (tmp_path / ".venv").exists()


def test_the_citation_and_the_package_agree() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["cff-version"] == "1.2.0"
    assert {"message", "title", "authors", "version", "license"} <= set(citation)
    assert str(citation["version"]) == PROJECT["version"]
    assert citation["license"] == [PROJECT["license"], "CC-BY-4.0"]


def test_links_between_the_papers_lead_somewhere() -> None:
    for paper in sorted(ROOT.glob("*.md")):
        for target in re.findall(r"\]\(([^)#\s]+)", paper.read_text(encoding="utf-8")):
            on_the_host = target == "../../issues/new/choose"  # beside the repository's own pages
            if not (on_the_host or re.match(r"[a-z]+:", target)):
                assert (paper.parent / target).exists(), f"{paper.name}: {target} does not exist"


# -- what README.md says ------------------------------------------------------------------------


def test_the_readme_counts_as_the_course_does() -> None:
    from helpers.exercises import course
    from tests.answer_bank import RIGHT, WRONG
    from tests.course import code_cells, tags
    from tests.test_answer_bank import cases  # reads the whole bank in

    claims = {tag for path in PATHS for cell in code_cells(path) for tag in tags(cell)}
    counts = {
        r"Its (\d+) exercises": len(course.exercises()),
        r"more than (\d+) wrong answers by name": sum(
            len(e.mistakes) for e in course.exercises().values()
        ),
        r"more than (\d+) right answers": len(cases(RIGHT)),
        r"more than (\d+) wrong ones": len(cases(WRONG)),
        r"as (\d+) claims": sum(tag.startswith("claim-") for tag in claims),
    }
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    for pattern, count in counts.items():
        (stated,) = (int(number) for number in re.findall(pattern, text))
        assert stated == count or ("more" in pattern and 0.8 * count < stated < count), pattern


def test_the_readme_shows_the_newest_measurements() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    shown = re.search(r"<!-- measured -->(.*)<!-- /measured -->", text, re.DOTALL)
    assert shown is not None
    tables = (ROOT / "benchmarks" / "results" / "tables.md").read_text(encoding="utf-8")
    assert shown[1].strip() == three_numbers(tables), "run `make bench`"


TABLES = """\
Measured on 2026-01-31 (x86_64, 2 cores, Linux; Python 3.11.7).

| format | implementation | softmax | cross_entropy |
|---|---|---:|---:|
| float32 | **ours, NumPy** | 3 | 2.5 |
| float32 | SciPy | 50 | 7e+06 |
| float32 | torch | 50 | 9e+06 |
| float32 | JAX | 50 | 9e+06 |

| logits | dtype | softmax | cross_entropy |
|---|---|---:|---:|
| 4096×4096 | float32 | 0.43 | 0.31 |

One row of ten logits takes this many microseconds: softmax 11, log_softmax 12.
"""


def test_the_readmes_numbers_are_those_of_the_tables() -> None:
    told = re.findall(r"\*\*(.+?)\*\*", three_numbers(TABLES))
    assert told == ["2.5 ulp", "0.43", "11 µs"]
    assert "7e+06 to 9e+06" in three_numbers(TABLES)
    assert three_numbers(TABLES).endswith("Measured on 2026-01-31 (x86_64, 2 cores, Linux).")
    with pytest.raises(LookupError, match=r"no cell softmax in a row \| 4096×4096"):
        three_numbers(TABLES.replace("| 4096×4096", "| 8×8"))
