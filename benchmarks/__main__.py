"""`make bench`: write the accuracy and speed tables, and their plot, to benchmarks/results/."""

from __future__ import annotations

import datetime
import os
import platform
from pathlib import Path

os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1", MKL_NUM_THREADS="1")

import matplotlib.pyplot as plt
import numpy as np
import scipy
import scipy.special
import torch

from benchmarks import accuracy, speed
from helpers import figures, kernels

RESULTS = Path(__file__).parent / "results"


def _ours() -> accuracy.Implementation:
    return {
        "softmax": kernels.softmax,
        "log_softmax": kernels.log_softmax,
        "logsumexp": kernels.logsumexp,
        "cross_entropy": lambda x, y: kernels.cross_entropy(
            x, torch.tensor(y) if isinstance(x, torch.Tensor) else y, reduction="none"
        ),
    }


def _scipy() -> accuracy.Implementation:
    def cross_entropy(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        return -scipy.special.log_softmax(x, axis=-1)[np.arange(len(x)), y]

    return {
        "softmax": lambda x: scipy.special.softmax(x, axis=-1),
        "log_softmax": lambda x: scipy.special.log_softmax(x, axis=-1),
        "logsumexp": lambda x: scipy.special.logsumexp(x, axis=-1),
        "cross_entropy": cross_entropy,
    }


def _torch() -> accuracy.Implementation:
    def cross_entropy(x: torch.Tensor, y: np.ndarray) -> torch.Tensor:
        return torch.nn.functional.cross_entropy(x, torch.tensor(y), reduction="none")

    return {
        "softmax": lambda x: torch.softmax(x, -1),
        "log_softmax": lambda x: torch.log_softmax(x, -1),
        "logsumexp": lambda x: torch.logsumexp(x, -1),
        "cross_entropy": cross_entropy,
    }


def accuracy_table() -> list[str]:
    """Return the table of worst errors in ulp, as Markdown lines."""
    lines = ["| format | implementation | " + " | ".join(accuracy.FUNCTIONS) + " |"]
    lines.append("|---|---" + "|---:" * len(accuracy.FUNCTIONS) + "|")
    for name in ("float64", "float32", "float16", "bfloat16"):
        for label, implementation, library in (
            ("ours, NumPy", _ours(), "numpy"),
            ("ours, torch", _ours(), "torch"),
            ("SciPy", _scipy(), "numpy"),
            ("torch", _torch(), "torch"),
        ):
            if library == "numpy" and name == "bfloat16":
                continue

            def convert(
                x: np.ndarray, name: str = name, library: str = library
            ) -> np.ndarray | torch.Tensor:
                return (
                    x.astype(name)
                    if library == "numpy"
                    else torch.tensor(x).to(getattr(torch, name))
                )

            found = accuracy.worst(implementation, name, convert)
            cells = " | ".join(f"{found[f]:.3g}" for f in accuracy.FUNCTIONS)
            lines.append(f"| {name} | {label} | {cells} |")
    return lines


def speed_tables() -> tuple[list[str], dict[str, list[float]]]:
    """Return the table of times relative to SciPy's, and our ratios for the plot."""
    lines, plotted, names = [], {}, None
    for dtype in ("float32", "float64"):
        for shape in speed.SHAPES:
            x, y = speed.inputs(shape, dtype)
            ours = []
            for function in speed.FUNCTIONS:
                timed = speed.runs(x, y, function)
                found = speed.ratios(timed, rounds=7 if x.size > 10**6 else 31)
                memory = speed.peak_memory(timed["ours"], x)
                if names is None:
                    names = [n for n in found if n != "SciPy"]
                    lines.append(f"| dtype | shape | function | {' | '.join(names)} | memory |")
                    lines.append("|---|---|---" + "|---:" * (len(names) + 1) + "|")
                cells = " | ".join(f"{found[n]:.2f}" for n in names)
                lines.append(
                    f"| {dtype} | {shape[0]}×{shape[1]} | {function} | {cells} | {memory:.2f} |"
                )
                ours.append(found["ours"])
                print(lines[-1], flush=True)
            plotted[f"{dtype} {shape[0]}×{shape[1]}"] = ours
    return lines, plotted


def plot(ratios: dict[str, list[float]]) -> None:
    """Draw our time as a share of SciPy's."""
    figures.use_house_style()
    fig, ax = plt.subplots(figsize=(8, 4))
    width = 0.8 / len(speed.FUNCTIONS)
    for i, function in enumerate(speed.FUNCTIONS):
        heights = [values[i] for values in ratios.values()]
        places = np.arange(len(ratios)) + i * width
        ax.bar(places, heights, width, label=function, color=figures.COLOURS[i])
    ax.axhline(1, color="black", linewidth=1)
    ax.set_xticks(np.arange(len(ratios)) + 1.5 * width, list(ratios), rotation=25, ha="right")
    ax.set_ylabel("time / SciPy's time")
    ax.legend()
    fig.savefig(RESULTS / "speed.png", dpi=120, metadata={"Software": None})
    plt.close(fig)


def main() -> None:
    """Run both benchmarks and write RESULTS/tables.md and RESULTS/speed.png."""
    RESULTS.mkdir(exist_ok=True)
    torch.set_num_threads(1)
    accuracy_lines = accuracy_table()
    print("\n".join(accuracy_lines), flush=True)
    speed_lines, ratios = speed_tables()
    plot(ratios)
    today = datetime.datetime.now(tz=datetime.UTC).date()
    machine = f"{platform.machine()}, {os.cpu_count()} cores, {platform.system()}"
    versions = f"NumPy {np.__version__}, SciPy {scipy.__version__}, "
    versions += f"torch {torch.__version__.split('+')[0]}"
    text = [
        f"Measured on {today} ({machine}; Python {platform.python_version()}, {versions}).",
        "",
        "### Worst error, in ulp (0.5 is perfect rounding)",
        "",
        *accuracy_lines,
        "",
        "### Time, as a share of SciPy's in the same run (one thread but where it says two)",
        "",
        "Memory is the peak of our call, result included, as a share of the input's.",
        "",
        *speed_lines,
    ]
    (RESULTS / "tables.md").write_text("\n".join(text) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
