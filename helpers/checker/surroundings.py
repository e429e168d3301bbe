"""The process around an answer: its streams, limits and global state, kept and put back."""

from __future__ import annotations

import builtins
import contextlib
import gc
import io
import os
import random
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

try:
    import resource
except ImportError:  # Windows
    resource = None  # type: ignore[assignment]


MEMORY = 2 * 1024**3


DEPTH = 1000


KEPT_CHARACTERS = 10_000


class Sink(io.TextIOBase):
    """A text stream that keeps the beginning of what is written."""

    encoding = "utf-8"

    def __init__(self) -> None:
        self._parts: list[str] = []
        self._room = KEPT_CHARACTERS
        self._dropped = 0

    def writable(self) -> bool:
        """Return True."""
        return True

    def write(self, text: str) -> int:
        """Keep the text as far as there is room."""
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        kept = text[: self._room]
        if kept:
            self._parts.append(kept)
            self._room -= len(kept)
        self._dropped += len(text) - len(kept)
        return len(text)

    def text(self) -> str:
        """Return what was kept, and say how much was not."""
        kept = "".join(self._parts)
        return f"{kept}\n… and {self._dropped:,} characters more" if self._dropped else kept


@dataclass(frozen=True)
class State:
    """One piece of the process's state that an answer must leave as it was."""

    name: str
    read: Callable[[], Any]
    write: Callable[[Any], object]


def _read_numpy_random() -> tuple[Any, ...]:
    state: Any = np.random.get_state()  # noqa: NPY002 - an answer may use it
    kind, keys, *rest = state
    return (kind, keys.tobytes(), *rest)


def _write_numpy_random(state: tuple[Any, ...]) -> None:
    kind, keys, *rest = state
    words = np.frombuffer(keys, dtype=np.uint32)
    np.random.set_state((kind, words, *rest))  # noqa: NPY002


def _read_directory() -> str | None:
    try:
        return os.getcwd()
    except OSError:  # it was deleted
        return None


def _write_directory(path: str | None) -> None:
    if path is not None:
        with contextlib.suppress(OSError):
            os.chdir(path)


def _write_environment(variables: dict[str, str]) -> None:
    for name in set(os.environ) - set(variables):
        del os.environ[name]
    for name, value in variables.items():
        if os.environ.get(name) != value:
            os.environ[name] = value


def restore_builtins(saved: dict[str, Any]) -> bool:
    """Put back the built-in names, using none of them; return whether that was needed."""
    names = builtins.__dict__
    changed = False
    for name, value in saved.items():
        if names.get(name) is not value:
            names[name] = value
            changed = True
    for name in names.keys() - saved.keys():
        del names[name]
        changed = True
    return changed


def _write_filters(filters: list[Any]) -> None:
    warnings.filters[:] = filters  # type: ignore[index]
    warnings._filters_mutated()  # type: ignore[attr-defined]


def _write_collector(enabled: bool) -> None:
    if enabled:
        gc.enable()
    else:
        gc.disable()


def states() -> list[State]:
    """List the states to watch; a library that is not loaded has none."""
    states = [
        State("NumPy's error handling (np.seterr)", np.geterr, lambda e: np.seterr(**e)),
        State("NumPy's global random state", _read_numpy_random, _write_numpy_random),
        State("NumPy's print options", np.get_printoptions, lambda o: np.set_printoptions(**o)),
        State("Python's global random state", random.getstate, random.setstate),
        State("the warnings filters", lambda: list(warnings.filters), _write_filters),
        State("the environment (os.environ)", lambda: dict(os.environ), _write_environment),
        State("the working directory", _read_directory, _write_directory),
        State("the recursion limit", sys.getrecursionlimit, sys.setrecursionlimit),
        State("the module search path", lambda: list(sys.path), lambda p: _replace(sys.path, p)),
        State("the garbage collector", gc.isenabled, _write_collector),
    ]
    torch = sys.modules.get("torch")
    if torch is not None:
        states += [
            State("PyTorch's default dtype", torch.get_default_dtype, torch.set_default_dtype),
            State(
                "PyTorch's global random state",
                lambda: torch.get_rng_state().numpy().tobytes(),
                lambda s: torch.set_rng_state(torch.frombuffer(bytearray(s), dtype=torch.uint8)),
            ),
            State("PyTorch's gradient mode", torch.is_grad_enabled, torch.set_grad_enabled),
            State("PyTorch's number of threads", torch.get_num_threads, torch.set_num_threads),
        ]
    mpmath = sys.modules.get("mpmath")
    if mpmath is not None:
        states.append(
            State(
                "mpmath's precision",
                lambda: mpmath.mp.prec,
                lambda bits: setattr(mpmath.mp, "prec", bits),
            )
        )
    return states


def _replace(items: list[Any], new: list[Any]) -> None:
    items[:] = new


@contextlib.contextmanager
def _replaced(owner: Any, name: str, new: Any) -> Iterator[None]:
    """Give `owner` another attribute for a while."""
    missing = object()
    old = vars(owner).get(name, missing)
    try:
        setattr(owner, name, new)
    except (AttributeError, TypeError):  # a stream that takes no attributes
        yield
        return
    try:
        yield
    finally:
        if old is missing:
            with contextlib.suppress(AttributeError):
                delattr(owner, name)
        else:
            setattr(owner, name, old)


@contextlib.contextmanager
def quiet(sink: Sink) -> Iterator[None]:
    """Send everything that a program can write, and every question, nowhere."""
    with contextlib.ExitStack() as stack:
        for stream in {
            id(s): s for s in (sys.stdout, sys.stderr) if hasattr(s, "__dict__")
        }.values():
            stack.enter_context(
                _replaced(stream, "write", sink.write)
            )  # kept by a log handler, say
        for name, new in {
            "stdout": sink,
            "stderr": sink,
            "stdin": io.StringIO(),
            "unraisablehook": _ignore,
            "breakpointhook": _ignore,
            "excepthook": _ignore,
        }.items():
            stack.enter_context(_replaced(sys, name, new))
        stack.enter_context(_replaced(threading, "excepthook", _ignore))
        stack.enter_context(_replaced(builtins, "input", _refuse_input))
        getpass = sys.modules.get("getpass")
        if getpass is not None:
            stack.enter_context(_replaced(getpass, "getpass", _refuse_input))
        ipython = sys.modules.get("IPython")
        shell = ipython.get_ipython() if ipython is not None else None
        if shell is not None:
            stack.enter_context(_replaced(shell, "ask_exit", sys.exit))
            stack.enter_context(_replaced(shell.display_pub, "publish", _ignore))
        stack.enter_context(_quiet_descriptors())
        yield


@contextlib.contextmanager
def _quiet_descriptors() -> Iterator[None]:
    """Redirect the file descriptors 1 and 2, to which C code and child processes write."""
    saved: dict[int, int] = {}
    try:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        for number in (1, 2):
            with contextlib.suppress(OSError):  # closed from the start
                saved[number] = os.dup(number)
                os.dup2(nowhere, number)
        os.close(nowhere)
        yield
    finally:
        for stream in (sys.__stdout__, sys.__stderr__):
            with contextlib.suppress(Exception):
                stream.flush()  # type: ignore[union-attr]
        for number, copy in saved.items():
            os.dup2(copy, number)
            os.close(copy)


@contextlib.contextmanager
def limited_depth() -> Iterator[None]:
    """Let the code recurse as deep as Python does by default, counted from here."""
    before, set_limit = sys.getrecursionlimit(), sys.setrecursionlimit
    cap = min(before, _depth() + DEPTH)
    set_limit(cap)
    try:
        with _replaced(sys, "setrecursionlimit", lambda limit: set_limit(min(limit, cap))):
            yield
    finally:
        set_limit(before)


def _depth() -> int:
    depth, frame = 0, sys._getframe()
    while frame.f_back is not None:
        depth, frame = depth + 1, frame.f_back
    return depth


@contextlib.contextmanager
def limited_memory() -> Iterator[None]:
    """Let the process grow by `MEMORY` bytes; more is a ``MemoryError``."""
    try:
        with open("/proc/self/statm") as sizes:
            size = int(sizes.read().split()[0]) * resource.getpagesize()
        soft, hard = resource.getrlimit(resource.RLIMIT_AS)
        limit = size + MEMORY
        if soft == resource.RLIM_INFINITY or soft > limit:
            resource.setrlimit(resource.RLIMIT_AS, (limit, hard))
    except (OSError, ValueError, AttributeError):  # no Linux
        yield
        return
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def children() -> set[int]:
    """Return the processes below this one; cheap when there is none."""
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except (ChildProcessError, AttributeError):
        return set()
    import psutil

    return {child.pid for child in psutil.Process().children(recursive=True)}


def end_children(children: set[int]) -> None:
    """Kill these processes, and wait for them."""
    for child in children:
        with contextlib.suppress(OSError):
            os.kill(child, signal.SIGKILL)
    for child in children:
        with contextlib.suppress(OSError):
            os.waitpid(child, 0)


def _refuse_input(*_: object, **__: object) -> str:
    raise EOFError("input() has nobody to ask while an answer is checked")


def _ignore(*_: object, **__: object) -> None:
    """Do nothing."""
