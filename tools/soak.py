"""Run every notebook again and again under varied conditions: ``python tools/soak.py``.

Each run compares the outputs of every notebook with the stored ones, under other numbers of
threads, another hash seed and other processor instructions: what PyTorch, NumPy and OpenBLAS
compute may differ in the last digits then, and no stored output may.  The table says under which
conditions each run stood, how many cells were compared and how many differed; the cells
themselves follow below it.  Cells tagged ``nbval-ignore-output`` are run and not compared (they
show a number as measured here), and counted apart.

``--python`` names the interpreter of another environment, one with an older NumPy for instance;
it needs what requirements.txt and requirements-test.txt list.  The course's own `helpers` are
used everywhere.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ElementTree
from collections.abc import Mapping, Sequence
from pathlib import Path

if __name__ == "__main__":  # run as a file, from anywhere
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tools.notebooks import KERNEL_ENVIRONMENT, ROOT, find, read

THREADS = ("1", "2", "4")
TORCH = ("default", "avx2", "avx512")  # ATEN_CPU_CAPABILITY; more than the machine has: its best
OPENBLAS = ("", "Sandybridge", "Nehalem")  # OPENBLAS_CORETYPE; empty: as the machine has it
UNCOMPARED = "nbval-ignore-output"
TIMEOUT = 900  # seconds for a cell: a slow machine is no difference
CONDITIONS = ("run", "threads", "hash seed", "torch", "NumPy", "OpenBLAS")
HEADER = (*CONDITIONS, "compared", "only run", "differ", "seconds")

ABOUT = """\
import os, platform, numpy, scipy, torch
from numpy._core._multiarray_umath import __cpu_dispatch__
print(f"Python {platform.python_version()}, NumPy {numpy.__version__}, SciPy {scipy.__version__}, "
      f"torch {torch.__version__}; {os.cpu_count()} processors, {platform.machine()}, "
      f"torch's best {torch.backends.cpu.get_cpu_capability()}")
print(*__cpu_dispatch__)
"""


def conditions(run: int, numpy_features: str) -> dict[str, str]:
    """Return what the kernels of run 0, 1, 2, … find in their environment.

    Parameters
    ----------
    run : int
        Nine runs in a row meet every number of threads with every instruction set of torch.
    numpy_features : str
        What NumPy may choose beyond its baseline; every other run it may not.
    """
    threads = THREADS[run % 3]
    varied = {
        "MKL_NUM_THREADS": threads,
        "OMP_NUM_THREADS": threads,
        "OPENBLAS_NUM_THREADS": threads,
        "PYTHONHASHSEED": str(run),
        "ATEN_CPU_CAPABILITY": TORCH[(run + run // 3) % 3],
        "NPY_DISABLE_CPU_FEATURES": numpy_features if run % 2 else "",
        "OPENBLAS_CORETYPE": OPENBLAS[run // 3 % 3],
    }
    return {name: value for name, value in {**KERNEL_ENVIRONMENT, **varied}.items() if value}


def compare(
    python: str, notebooks: Sequence[Path], environment: Mapping[str, str]
) -> tuple[int, list[str]]:
    """Run the notebooks once and compare; return the number of cells and those that differed.

    As many notebooks at a time as the processors leave room for: threads that fight for a
    processor make a run slow and prove nothing.
    """
    together = max(1, (os.cpu_count() or 1) // int(environment["OMP_NUM_THREADS"]))
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        report = Path(folder) / "report.xml"
        state = {"SOFTMAX_COURSE_STATE": f"{folder}/state", "IPYTHONDIR": f"{folder}/ipython"}
        command = [python, "-m", "pytest", "-c", "pyproject.toml", "--noconftest", "-q"]
        command += ["-p", "no:cacheprovider"]
        command += ["-n", str(together), "--dist", "loadfile", f"--nbval-cell-timeout={TIMEOUT}"]
        done = subprocess.run(
            [*command, f"--junitxml={report}", *map(str, notebooks)],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT), **state, **environment},
            capture_output=True,
            text=True,
            check=False,
        )
        if not report.exists():
            raise SystemExit(f"pytest did not run:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
        cells = list(ElementTree.parse(report).iter("testcase"))
    differing = [
        f"{cell.get('classname')}, {cell.get('name')}: {plain(part.text or '')}"
        for cell in cells
        for part in cell
        if part.tag in ("failure", "error")
    ]
    if done.returncode and not differing:
        raise SystemExit(f"pytest failed without a differing cell:\n{done.stdout[-2000:]}")
    return len(cells), differing


def only_run(notebooks: Sequence[Path]) -> int:
    """Return the number of code cells whose output is not compared."""
    return sum(
        UNCOMPARED in cell.metadata.get("tags", [])
        for path in notebooks
        for cell in read(path).cells
        if cell.cell_type == "code"
    )


def plain(report: str) -> str:
    """Return nbval's report of a cell in one line, without its colours."""
    words = " ".join(re.sub(r"#x1B\[\d+m|\x1b\[\d+m", "", report).split())
    return words if len(words) < 800 else f"{words[:200]} … {words[-600:]}"


def row(values: Sequence[object]) -> str:
    """Return a row of the table, in Markdown."""
    return "| " + " | ".join(map(str, values)) + " |"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return 1 if any cell differed in any run."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("notebooks", nargs="*", help="names or numbers; all by default")
    parser.add_argument("--runs", type=int, default=10, metavar="N", help="10 by default")
    parser.add_argument("--first", type=int, default=0, metavar="N", help="the first run's number")
    parser.add_argument("--python", default=sys.executable, help="another environment's Python")
    options = parser.parse_args(arguments)
    notebooks = find(options.notebooks)
    apart = only_run(notebooks)

    about = subprocess.run(
        [options.python, "-c", ABOUT], capture_output=True, text=True, check=True
    )
    versions, numpy_features = about.stdout.splitlines()
    print(f"{len(notebooks)} notebooks on {versions}\n")
    print(row(HEADER), row(["---:" for _ in HEADER]), sep="\n", flush=True)
    differences: dict[str, list[int]] = {}
    for run in range(options.first, options.first + options.runs):
        varied = conditions(run, numpy_features)
        start = time.monotonic()
        cells, differing = compare(options.python, notebooks, varied)
        for difference in differing:
            differences.setdefault(difference, []).append(run)
        shown = (
            run,
            varied["OMP_NUM_THREADS"],
            varied["PYTHONHASHSEED"],
            varied["ATEN_CPU_CAPABILITY"],
            "baseline" if "NPY_DISABLE_CPU_FEATURES" in varied else "all",
            varied.get("OPENBLAS_CORETYPE", "as found"),
            cells - apart,
            apart,
            len(differing),
            round(time.monotonic() - start),
        )
        print(row(shown), flush=True)
    print()
    for difference, runs in differences.items():
        print(f"runs {', '.join(map(str, runs))}: {difference}\n")
    print(f"{len(differences)} differences" if differences else "No cell differed in any run.")
    return int(bool(differences))


if __name__ == "__main__":
    sys.exit(main())
