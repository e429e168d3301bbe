"""Open the course in JupyterLab, on the learner's own copies of the notebooks in ``work/``.

``python tools/lab.py`` looks whether the environment is complete, brings the copies and starts
JupyterLab.  A notebook is copied once, without its outputs, so that nothing gives a prediction's
answer away before its cell is run.  A copy is never overwritten: when the course has a newer
edition, that is put beside it under another name.  ``--copy`` only brings the copies, ``--reset
03`` brings a pristine copy of one notebook and keeps the old one.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
import json
import os
import platform
import secrets
import shutil
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
PAGES = ("softmax_page.pdf", "playground.html")  # which notebooks link to
EDITIONS = ".editions.json"  # in work/: which edition of each notebook the learner has
NEEDED = ("helpers", "ipywidgets", "jupyterlab", "matplotlib", "numpy", "scipy", "sklearn", "torch")
OLDEST = (3, 11)


def missing_packages() -> list[str]:
    """Return the names of needed packages that this Python cannot find."""
    return [name for name in NEEDED if importlib.util.find_spec(name) is None]


# -- the learner's copies ---------------------------------------------------------------------


def source_of(cell: Mapping[str, Any]) -> str:
    """Return a cell's source, which a file may hold as lines."""
    source = cell.get("source", "")
    return (source if isinstance(source, str) else "".join(source)).rstrip()


def edition(path: Path) -> str:
    """Return a short name of the notebook's sources; outputs and metadata make no new edition."""
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    sources = json.dumps([(cell["cell_type"], source_of(cell)) for cell in cells])
    return f"sources-{hashlib.sha256(sources.encode()).hexdigest()[:16]}"


def is_of_edition(copy: Path, course: Path) -> bool:
    """Tell whether a copy of unknown edition holds every cell of the course's notebook.

    The answers to exercises, and cells that the learner added, do not count.  A learner who has
    changed a cell of the text or an experiment counts as having another edition.
    """

    def sources(path: Path) -> Counter[tuple[str, str]]:
        return Counter(
            (cell["cell_type"], source_of(cell))
            for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]
            if not str(cell.get("id", "")).startswith("ex-")
        )

    try:
        return sources(course) <= sources(copy)
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return False  # no notebook any more


def pristine(path: Path) -> str:
    """Return a notebook's text as a learner gets it: without outputs and execution counts.

    JupyterLab writes the kernel's language, with Python's version, into a notebook that it opens.
    Where it stands there already, a notebook that was only read closes without a question.
    """
    notebook = json.loads(path.read_text(encoding="utf-8"))
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            cell.update(execution_count=None, outputs=[])
    notebook["metadata"]["language_info"]["version"] = platform.python_version()
    return json.dumps(notebook, ensure_ascii=False, indent=1, sort_keys=True) + "\n"


def read_editions(work: Path) -> dict[str, str]:
    """Return which editions were brought to ``work``.

    A damaged record counts as none, and so does what earlier versions recorded: a name of the
    file's bytes, outputs included.
    """
    try:
        record = json.loads((work / EDITIONS).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    if not isinstance(record, dict):
        return {}
    return {name: known for name, known in record.items() if "-" in str(known)}


def write_editions(work: Path, record: Mapping[str, str]) -> None:
    """Store the record in one step, so that an interruption leaves the old one."""
    new = work / f"{EDITIONS}.new"
    new.write_text(json.dumps(record, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    new.replace(work / EDITIONS)


def has_edition(copy: Path, course: Path, recorded: str | None) -> bool:
    """Tell whether a copy is of the course's edition, by the record where there is one."""
    return is_of_edition(copy, course) if recorded is None else recorded == edition(course)


def free_name(path: Path, word: str) -> Path:
    """Return the first of ``name.word-1.ipynb``, ``name.word-2.ipynb``, … that is not taken."""
    number = 1
    while (name := path.with_name(f"{path.stem}.{word}-{number}{path.suffix}")).exists():
        number += 1
    return name


def put(source: Path, target: Path) -> None:
    """Bring a notebook whole or not at all, and never onto a file that is there."""
    part = target.with_name(f".{target.name}.part")
    part.write_text(pristine(source), encoding="utf-8", newline="\n")
    if target.exists():
        part.unlink()
        raise FileExistsError(f"{target} is there already; nothing was changed")
    part.rename(target)


def bring_copies(course: Path, work: Path) -> list[str]:
    """Copy each notebook of the course to ``work`` once; put newer editions beside the copies.

    Parameters
    ----------
    course : Path
        The folder with the course's notebooks, only read.
    work : Path
        The learner's folder; made if it is not there.  No notebook in it is ever changed.

    Returns
    -------
    list of str
        What the learner should know, a line for each newer edition.
    """
    work.mkdir(parents=True, exist_ok=True)
    record = read_editions(work)
    news = []
    for source in sorted(course.glob("[0-9][0-9]_*.ipynb")):
        target = work / source.name
        if not target.exists():
            put(source, target)
        elif not has_edition(target, source, record.get(source.name)):
            beside = free_name(target, "new-edition")
            put(source, beside)
            news.append(
                f"{source.name} has a newer edition: it lies beside yours as {beside.name}; "
                f"yours is untouched."
            )
        record[source.name] = edition(source)
    for page in PAGES:
        bring_page(course / page, work / page, record)
    write_editions(work, record)
    return news


def bring_page(source: Path, target: Path, record: dict[str, str]) -> None:
    """Bring a page beside the notebooks, newer editions too; one that was changed stays."""

    def name(path: Path) -> str:
        return f"bytes-{hashlib.sha256(path.read_bytes()).hexdigest()[:16]}"

    if source.exists() and (not target.exists() or name(target) == record.get(source.name)):
        shutil.copyfile(source, target)
        record[source.name] = name(source)


def find_notebook(course: Path, number: str) -> Path:
    """Return the course's notebook of that number (``3``, ``03``) or name."""
    stem = Path(number).name.removesuffix(".ipynb")
    stem = stem.zfill(2) if stem.isdigit() else stem
    matches = [path for path in sorted(course.glob("[0-9][0-9]_*.ipynb")) if path.stem == stem]
    matches += sorted(course.glob(f"{stem}_*.ipynb")) if stem.isdigit() else []
    if not matches:
        known = ", ".join(path.stem for path in sorted(course.glob("[0-9][0-9]_*.ipynb")))
        raise SystemExit(f"there is no notebook {number!r}; there are: {known}")
    return matches[0]


def reset(course: Path, work: Path, number: str) -> str:
    """Bring a pristine copy of one notebook and keep the learner's under another name.

    Returns
    -------
    str
        One line that says where both are.
    """
    source = find_notebook(course, number)
    target = work / source.name
    said = f"{target.name} is fresh again."
    if target.exists():
        kept = free_name(target, "kept")
        target.rename(kept)
        said += f" Your old one is kept as {kept.name}."
    work.mkdir(parents=True, exist_ok=True)
    put(source, target)
    write_editions(work, {**read_editions(work), source.name: edition(source)})
    return said


# -- JupyterLab -------------------------------------------------------------------------------


def has_screen(environment: Mapping[str, str] = os.environ, system: str = sys.platform) -> bool:
    """Tell whether a browser can be opened here."""
    if system in ("win32", "darwin"):
        return "SSH_CONNECTION" not in environment
    return bool(environment.get("DISPLAY") or environment.get("WAYLAND_DISPLAY"))


def free_port(first: int = 8888) -> int:
    """Return the first port from ``first`` on that nobody listens on; loopback only."""
    for port in [*range(first, first + 50), 0]:
        with socket.socket() as probe:
            if sys.platform != "win32":
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise SystemExit("no free port on this machine")


def lab_command(work: Path, start: str, port: int, *, screen: bool) -> list[str]:
    """Return the command that starts JupyterLab: loopback only; the token is in the environment."""
    command = [
        sys.executable,
        "-m",
        "jupyterlab",
        "--ServerApp.ip=127.0.0.1",
        f"--ServerApp.port={port}",
        "--ServerApp.port_retries=0",
        f"--ServerApp.root_dir={work}",
        f"--LabApp.default_url=/lab/tree/{start}",
        # Nothing is asked of the network: no news, no updates, no list of extensions.
        f"--LabApp.app_settings_dir={ROOT / 'tools' / 'jupyterlab'}",
        "--LabApp.extension_manager=readonly",
        "--log-level=WARN",
        "-y",  # Ctrl-C ends it without asking
    ]
    if not screen:
        command.append("--no-browser")
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        command.append("--allow-root")
    return command


def open_lab(course: Path, work: Path) -> int:
    """Start JupyterLab on the learner's copies, at the first, and wait until it is closed."""
    start = min(path.name for path in course.glob("[0-9][0-9]_*.ipynb"))
    port, token, screen = free_port(), secrets.token_hex(24), has_screen()
    print(f"\nThe course: http://127.0.0.1:{port}/lab/tree/{start}?token={token}")
    print("Opening it in your browser." if screen else "Open that address in a browser.", end=" ")
    print("Ctrl-C here ends JupyterLab; what you saved stays in work/.", flush=True)
    environment = {**os.environ, "JUPYTER_TOKEN": token}
    process = subprocess.Popen(lab_command(work, start, port, screen=screen), env=environment)
    while True:
        try:
            return process.wait()
        except KeyboardInterrupt:  # JupyterLab got it too, and closes its kernels
            continue


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line."""
    if sys.version_info < OLDEST:
        raise SystemExit(f"the course needs Python 3.11 or newer; this is {sys.version.split()[0]}")
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--reset", metavar="N", help="bring a pristine copy of one notebook")
    parser.add_argument("--copy", action="store_true", help="bring the copies and stop")
    parser.add_argument("--course", type=Path, default=ROOT / "notebooks", help=argparse.SUPPRESS)
    parser.add_argument("--work", type=Path, default=ROOT / "work", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.reset is not None:
        print(reset(options.course, options.work, options.reset))
        return 0
    if not options.copy and (missing := missing_packages()):
        raise SystemExit(
            f"not installed in {sys.prefix}: {', '.join(missing)}. In the course's folder, run\n"
            f"  {sys.executable} -m pip install -r requirements.txt -c constraints.txt"
        )
    for line in bring_copies(options.course, options.work):
        print(line)
    return 0 if options.copy else open_lab(options.course, options.work.resolve())


if __name__ == "__main__":
    sys.exit(main())
