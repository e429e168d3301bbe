"""Open the course in JupyterLab, on the learner's own copies of the notebooks in ``work/``.

``python tools/lab.py`` looks whether the environment is complete, brings the copies and starts
JupyterLab.  A notebook is copied once and never overwritten: when the course has a newer edition,
that is put beside the copy under another name.  ``--copy`` only brings the copies, ``--reset 03``
brings a pristine copy of one notebook and keeps the old one.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
EDITIONS = ".editions.json"  # in work/: which edition of each notebook the learner has
NEEDED = ("helpers", "ipywidgets", "jupyterlab", "matplotlib", "numpy", "scipy", "sklearn", "torch")
OLDEST = (3, 11)


def missing_packages() -> list[str]:
    """Return the names of needed packages that this Python cannot find."""
    return [name for name in NEEDED if importlib.util.find_spec(name) is None]


# -- the learner's copies ---------------------------------------------------------------------


def edition(path: Path) -> str:
    """Return a short name of the file's content."""
    return hashlib.sha256(path.read_bytes()).hexdigest()[:16]


def read_editions(work: Path) -> dict[str, str]:
    """Return which editions were brought to ``work``; a damaged record counts as none."""
    try:
        record = json.loads((work / EDITIONS).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return record if isinstance(record, dict) else {}


def write_editions(work: Path, record: Mapping[str, str]) -> None:
    """Store the record in one step, so that an interruption leaves the old one."""
    new = work / f"{EDITIONS}.new"
    new.write_text(json.dumps(record, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    new.replace(work / EDITIONS)


def free_name(path: Path, word: str) -> Path:
    """Return the first of ``name.word-1.ipynb``, ``name.word-2.ipynb``, … that is not taken."""
    number = 1
    while (name := path.with_name(f"{path.stem}.{word}-{number}{path.suffix}")).exists():
        number += 1
    return name


def put(source: Path, target: Path) -> None:
    """Copy whole or not at all, and never onto a file that is there."""
    part = target.with_name(f".{target.name}.part")
    shutil.copyfile(source, part)
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
        The learner's folder; made if it is not there.  No file in it is ever changed.

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
        newest = edition(source)
        if not target.exists():
            put(source, target)
        elif record.get(source.name, edition(target)) != newest:
            beside = free_name(target, "new-edition")
            put(source, beside)
            news.append(
                f"{source.name} has a newer edition: it lies beside yours as {beside.name}; "
                f"yours is untouched."
            )
        record[source.name] = newest
    write_editions(work, record)
    return news


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


def has_screen(environment: Mapping[str, str] = os.environ, platform: str = sys.platform) -> bool:
    """Tell whether a browser can be opened here."""
    if platform in ("win32", "darwin"):
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
