"""`make bench`: write tables of accuracy, invariance, speed, memory to benchmarks/results/."""

from __future__ import annotations

import datetime
import os
import platform
import re
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path
from typing import Any

os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1", MKL_NUM_THREADS="1")

import matplotlib.pyplot as plt
import numpy as np
import scipy
import scipy.special
import torch

from benchmarks import accuracy, invariance, shards, speed
from benchmarks.summary import three_numbers
from helpers import figures, kernels

RESULTS = Path(__file__).parent / "results"
README = Path(__file__).parent.parent / "README.md"
BLOCK = re.compile(r"(<!-- measured -->).*?(<!-- /measured -->)", re.DOTALL)


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


def _jax() -> accuracy.Implementation:
    """Return JAX's functions; empty where JAX, which the course does not need, is missing."""
    try:
        import jax
    except ImportError:
        return {}
    jax.config.update("jax_enable_x64", True)

    def cross_entropy(x: Any, y: np.ndarray) -> Any:
        return -jax.nn.log_softmax(x)[np.arange(len(x)), y]

    return {
        "softmax": jax.nn.softmax,
        "log_softmax": jax.nn.log_softmax,
        "logsumexp": lambda x: jax.nn.logsumexp(x, axis=-1),
        "cross_entropy": cross_entropy,
    }


def _to_numpy(name: str) -> accuracy.Conversion | None:
    return None if name == "bfloat16" else lambda x: x.astype(name)


def _to_torch(name: str) -> accuracy.Conversion:
    return lambda x: torch.tensor(x).to(getattr(torch, name))


def _to_jax(name: str) -> accuracy.Conversion:
    import jax.numpy

    return lambda x: jax.numpy.asarray(x, dtype=name)


def accuracy_table() -> list[str]:
    """Return the table of worst errors in ulp, as Markdown lines."""
    lines = ["| format | implementation | " + " | ".join(accuracy.FUNCTIONS) + " |"]
    lines.append("|---|---" + "|---:" * len(accuracy.FUNCTIONS) + "|")
    for name in ("float64", "float32", "float16", "bfloat16"):
        for label, implementation, converter in (
            ("**ours, NumPy**", _ours(), _to_numpy),
            ("**ours, torch**", _ours(), _to_torch),
            ("SciPy", _scipy(), _to_numpy),
            ("torch", _torch(), _to_torch),
            ("JAX", _jax(), _to_jax),
        ):
            convert = converter(name) if implementation else None
            if convert is not None:
                found = accuracy.worst(implementation, name, convert)
                cells = " | ".join(f"{found[f]:.2g}" for f in accuracy.FUNCTIONS)
                lines.append(f"| {name} | {label} | {cells} |")
    return lines


def invariance_table(trials: int = 1200) -> list[str]:
    """Return how many trials changed the bits of a row that was left alone, as Markdown lines."""
    lines = _header(["a row's bits change when …", "implementation"], accuracy.FUNCTIONS)
    found = {
        "**ours, NumPy**": invariance.count(_on_arrays(_ours()), trials),
        "**ours, torch**": invariance.count(_on_tensors(_ours()), trials),
        "SciPy": invariance.count(_on_arrays(_scipy()), trials),
        "torch": invariance.count(_on_tensors(_torch()), trials),
    }
    for change in invariance.CHANGES:
        for label, counts in found.items():
            cells = " | ".join(str(counts[change][f]) for f in accuracy.FUNCTIONS)
            lines.append(f"| {change} | {label} | {cells} |")
    return lines


def _on_arrays(implementation: accuracy.Implementation) -> dict[str, invariance.Kernel]:
    """Return the functions with labels as a second argument, needed or not."""

    def with_labels(name: str) -> invariance.Kernel:
        function = implementation[name]
        return function if name == "cross_entropy" else lambda x, y: function(x)

    return {name: with_labels(name) for name in implementation}


def _on_tensors(implementation: accuracy.Implementation) -> dict[str, invariance.Kernel]:
    def between_arrays(kernel: invariance.Kernel) -> invariance.Kernel:
        return lambda x, y: kernel(torch.tensor(x), y).numpy()

    return {name: between_arrays(kernel) for name, kernel in _on_arrays(implementation).items()}


def _header(first: Iterable[str], numbers: Iterable[str]) -> list[str]:
    first, numbers = list(first), list(numbers)
    names = " | ".join([*first, *numbers])
    return [f"| {names} |", "|---" * len(first) + "|---:" * len(numbers) + "|"]


def speed_tables() -> tuple[list[str], list[str], dict[str, list[float]]]:
    """Return our times relative to SciPy's, everybody's, and our ratios for the plot."""
    ours = _header(["logits", "dtype"], speed.FUNCTIONS)
    everybody: list[str] = []
    plotted = {}
    for dtype in ("float32", "float64"):
        for shape in speed.SHAPES:
            x, y = speed.inputs(shape, dtype)
            row = []
            for function in speed.FUNCTIONS:
                timed = speed.runs(x, y, function)
                found = speed.ratios(timed, rounds=7 if x.size > 10**6 else 31)
                memory = speed.peak_memory(timed["ours"], x)
                names = [n for n in found if n != "SciPy"]
                if not everybody:
                    everybody += _header(["dtype", "shape", "function"], [*names, "memory"])
                cells = " | ".join(f"{found[n]:.2f}" for n in names)
                everybody.append(
                    f"| {dtype} | {shape[0]}×{shape[1]} | {function} | {cells} | {memory:.2f} |"
                )
                row.append(found["ours"])
                print(everybody[-1], flush=True)
            ours.append(_row(f"{shape[0]}×{shape[1]}", dtype, row))
            plotted[f"{dtype} {shape[0]}×{shape[1]}"] = row
    for label, dtype, x, axis in speed.layouts():
        y = np.random.default_rng(1).integers(0, x.shape[axis], np.delete(x.shape, axis))
        pairs = (speed.pair(x, y, function, axis) for function in speed.FUNCTIONS)
        ours.append(_row(label, dtype, [speed.ratios(pair, rounds=15)["ours"] for pair in pairs]))
        print(ours[-1], flush=True)
    return ours, everybody, plotted


def _row(label: str, dtype: str, values: Iterable[float]) -> str:
    return f"| {label} | {dtype} | " + " | ".join(f"{value:.2f}" for value in values) + " |"


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
    """Run the benchmarks; write RESULTS/tables.md, RESULTS/speed.png and README.md's numbers."""
    RESULTS.mkdir(exist_ok=True)
    torch.set_num_threads(1)
    accuracy_lines = accuracy_table()
    print("\n".join(accuracy_lines), flush=True)
    invariance_lines = invariance_table()
    print("\n".join(invariance_lines), flush=True)
    ours, everybody, ratios = speed_tables()
    plot(ratios)
    today = datetime.datetime.now(tz=datetime.UTC).date()
    machine = f"{platform.machine()}, {os.cpu_count()} cores, {platform.system()}"
    versions = f"NumPy {np.__version__}, SciPy {scipy.__version__}, "
    versions += f"torch {torch.__version__.split('+')[0]}"
    if _jax():
        versions += f", JAX {metadata.version('jax')}"
    small = ", ".join(f"{name} {micro:.0f}" for name, micro in speed.one_small_row().items())
    summary = [
        f"Measured on {today} ({machine}; Python {platform.python_version()}, {versions}).",
        "",
        "Worst error in ulp over rows where softmax goes wrong; 0.5 is perfect rounding:",
        "",
        *accuracy_lines,
        "",
        "Time as a share of SciPy's, NumPy arrays, one thread, both in the same run:",
        "",
        *ours,
        "",
        f"One row of ten logits takes this many microseconds: {small}.",
    ]
    details = [
        "",
        "## Whose bits are a row's own",
        "",
        "Of 1200 batches (1 to 300 rows, 1 to 5000 classes, three formats), so many in which one",
        "row's result changed although the row had not:",
        "",
        *invariance_lines,
        "",
        "## Everybody's time, as a share of SciPy's (one thread but where it says two)",
        "",
        "Memory is the peak of our call, result included, as a share of the input's.",
        "",
        *everybody,
        "",
        *shards.section(),
    ]
    tables = "\n".join(summary + details) + "\n"
    (RESULTS / "tables.md").write_text(tables, encoding="utf-8")
    text = README.read_text(encoding="utf-8")
    block = rf"\g<1>\n\n{three_numbers(tables)}\n\n\g<2>"
    README.write_text(BLOCK.sub(block, text), encoding="utf-8")


if __name__ == "__main__":
    main()
