"""Run a learner's code so that neither the kernel nor its state is harmed.

``watch`` opens a guarded stretch of time, `Watch.call` runs one function in it. Whatever that
function does, an endless loop, ``sys.exit()``, a gigabyte of output, ``np.seterr``, ends as an
`Outcome`: it never raises, writes nothing, and what it changed is put back and told.

How an endless loop is stopped
    On the main thread of a POSIX system an alarm rings when the time is up, and then again every
    few milliseconds. Its handler raises a private `BaseException` in the learner's code. Code that
    swallows it meets it again at the next alarm, and from the fourth time on at every further
    line (``sys.settrace``), those of its own handlers included, until none is left to run.
    Elsewhere (Windows, another thread) the function runs in a worker thread, and the exception is
    sent there (``PyThreadState_SetAsyncExc``); a worker that sleeps is left behind.

What no guard in the same process can stop
    A call into C that never looks for signals (``sum(itertools.repeat(1))``), ``os._exit``, a
    crash of the interpreter, and code that disarms the alarm on purpose.
"""

from __future__ import annotations

import builtins
import contextlib
import contextvars
import ctypes
import gc
import inspect
import io
import os
import random
import signal
import sys
import threading
import time
import traceback
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import FrameType
from typing import Any

import numpy as np

try:
    import resource
except ImportError:  # Windows
    resource = None  # type: ignore[assignment]

__all__ = ["Outcome", "TimeLimit", "Watch", "watch"]

PORTABLE = not hasattr(signal, "setitimer")
"""Whether to stop code in the way that works everywhere; a test sets it."""

RING_AGAIN = 0.02
POLITE_STOPS = 3
MEMORY = 2 * 1024**3
DEPTH = 1000
KEPT_CHARACTERS = 10_000
KEPT_WARNINGS = 20


class TimeLimit(Exception):  # noqa: N818 - shown to learners
    """The learner's code had used up its time."""


class _Stop(SystemExit):
    """Ends the learner's code.

    A ``SystemExit``: no ``Exception``, and what most code that catches everything lets through.
    """

    def __init__(self) -> None:
        super().__init__()
        run = _running.get(threading.get_ident())
        if run is not None:
            run.stops += 1
            if run.stops > POLITE_STOPS:
                run.trace(sys._getframe(1))


@dataclass
class _Run:
    """A call of a learner's code on one thread."""

    bottom: FrameType
    stops: int = 0
    tracing: bool = False

    def trace(self, frame: FrameType | None) -> None:
        """Have every line of the learner's code raise, from `frame` down to the bottom."""
        if self.tracing:
            return
        self.tracing = True
        try:
            sys.settrace(_trace_frame)
            while frame is not None and frame is not self.bottom:
                frame.f_trace = _Tracer()
                frame = frame.f_back
        finally:
            self.tracing = False


_running: dict[int, _Run] = {}
"""The call that each thread is in, if any."""


def _watched(frame: FrameType | None) -> _Run | None:
    """Return the call that `frame` belongs to, if it is a learner's code."""
    run = _running.get(threading.get_ident())
    above = frame
    while run is not None and above is not None:
        if above is run.bottom:
            return run
        above = above.f_back
    return None


def _trace_frame(frame: FrameType, event: str, argument: object) -> _Tracer:
    """Trace a new frame."""
    return _Tracer()


class _Tracer:
    """A frame's trace function, which raises on the next line.

    Python drops a trace function that raises; this one then installs its successor. So code that
    swallows the exception meets the next one on the first line of its handler.
    """

    def __call__(self, frame: FrameType, event: str, argument: object) -> Any:
        if event == "line" and _watched(frame):
            raise _Stop
        return self

    def __del__(self) -> None:
        if _running:
            frame = sys._getframe().f_back
            run = _watched(frame)
            if run is not None:
                run.trace(frame)


def _on_alarm(number: int, frame: FrameType | None) -> None:
    if _watched(frame):
        raise _Stop


def _enter(function: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
    """Call `function`; every frame above this one is the learner's."""
    _running[threading.get_ident()] = _Run(sys._getframe())
    return function(*arguments)


@dataclass
class Outcome:
    """What came of one call: a value, or the exception that ended it."""

    value: Any = None
    error: BaseException | None = None


class _Sink(io.TextIOBase):
    """A text stream that keeps the beginning of what is written."""

    encoding = "utf-8"

    def __init__(self) -> None:
        self._parts: list[str] = []
        self._room = KEPT_CHARACTERS
        self._dropped = 0

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
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
class _State:
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


def _restore_builtins(saved: dict[str, Any]) -> bool:
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


def _states() -> list[_State]:
    """List the states to watch; a library that is not loaded has none."""
    states = [
        _State("NumPy's error handling (np.seterr)", np.geterr, lambda e: np.seterr(**e)),
        _State("NumPy's global random state", _read_numpy_random, _write_numpy_random),
        _State("NumPy's print options", np.get_printoptions, lambda o: np.set_printoptions(**o)),
        _State("Python's global random state", random.getstate, random.setstate),
        _State("the warnings filters", lambda: list(warnings.filters), _write_filters),
        _State("the environment (os.environ)", lambda: dict(os.environ), _write_environment),
        _State("the working directory", _read_directory, _write_directory),
        _State("the recursion limit", sys.getrecursionlimit, sys.setrecursionlimit),
        _State("the module search path", lambda: list(sys.path), lambda p: _replace(sys.path, p)),
        _State("the garbage collector", gc.isenabled, _write_collector),
    ]
    torch = sys.modules.get("torch")
    if torch is not None:
        states += [
            _State("PyTorch's default dtype", torch.get_default_dtype, torch.set_default_dtype),
            _State(
                "PyTorch's global random state",
                lambda: torch.get_rng_state().numpy().tobytes(),
                lambda s: torch.set_rng_state(torch.frombuffer(bytearray(s), dtype=torch.uint8)),
            ),
            _State("PyTorch's gradient mode", torch.is_grad_enabled, torch.set_grad_enabled),
            _State("PyTorch's number of threads", torch.get_num_threads, torch.set_num_threads),
        ]
    mpmath = sys.modules.get("mpmath")
    if mpmath is not None:
        states.append(
            _State(
                "mpmath's precision",
                lambda: mpmath.mp.prec,
                lambda bits: setattr(mpmath.mp, "prec", bits),
            )
        )
    return states


def _replace(items: list[Any], new: list[Any]) -> None:
    items[:] = new


class Watch:
    """A guarded stretch of time, see `watch`.

    Attributes
    ----------
    timed_out : bool
        Whether the time was used up.
    changes : list of str
        What the calls changed in the process's state; it has been put back.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.timed_out = False
        self.changes: list[str] = []
        self._left = seconds
        self._deadline: float | None = None
        self._sink = _Sink()
        self._warnings: dict[str, None] = {}
        self._portable = PORTABLE or threading.current_thread() is not threading.main_thread()
        self._process = os.getpid()
        self._states: list[tuple[_State, Any]] = []
        self._builtins: dict[str, Any] = {}
        self._threads: set[int] = set()
        self._children: set[int] = set()
        self._closed = threading.Event()

    @property
    def stdout(self) -> str:
        """The beginning of what was printed, on stdout or stderr."""
        return self._sink.text()

    @property
    def warnings(self) -> list[str]:
        """The warnings given, each once."""
        return list(self._warnings)

    def call(self, function: Callable[..., Any], *arguments: Any) -> Outcome:
        """Call `function` and return what came of it; never raises.

        Parameters
        ----------
        function : callable
            The code to run.
        *arguments
            What it is called with.

        Returns
        -------
        Outcome
            With `value`, or with `error`: the exception that ended the call, a `TimeLimit` where
            the time of the whole watch was used up.
        """
        if self._left <= 0:
            return Outcome(error=TimeLimit(f"no result within {self.seconds:g} seconds"))
        start = time.monotonic()
        self._deadline = start + self._left
        outcome = (self._call_in_thread if self._portable else self._call_here)(function, arguments)
        if _restore_builtins(self._builtins):
            self._tell("Python's built-in names")
        self._deadline = None
        self._left -= time.monotonic() - start
        if self._left <= 0:
            self.timed_out = True
            outcome = Outcome(error=TimeLimit(f"no result within {self.seconds:g} seconds"))
        if os.getpid() != self._process:  # the answer forked: its copy of the kernel ends here
            os._exit(0)
        self._tidy(outcome)
        error = outcome.error
        if error is None or isinstance(error, TimeLimit) or function is str:
            return outcome
        if self.call(str, error).error is not None:  # what is told about it would raise again
            silent = type(type(error).__name__, (Exception,), {})("its message cannot be shown")
            outcome.error = silent.with_traceback(error.__traceback__)
        return outcome

    def text(self, value: object, limit: int = 400) -> str:
        """Return ``repr(value)``, shortened, also where it fails or never ends."""
        outcome = self.call(repr, value)
        if not isinstance(outcome.value, str):
            return f"<{type(value).__name__} object whose repr fails>"
        return outcome.value if len(outcome.value) <= limit else f"{outcome.value[: limit - 1]}…"

    def error_text(self, error: BaseException, limit: int = 400) -> str:
        """Return the last line of a traceback, ``ValueError: …``, also where ``str`` fails."""
        outcome = self.call(str, error)
        message = outcome.value if isinstance(outcome.value, str) else ""
        text = f"{type(error).__name__}: {message}" if message else type(error).__name__
        return text if len(text) <= limit else f"{text[: limit - 1]}…"

    # -- one call -----------------------------------------------------------------------------

    def _call_here(self, function: Callable[..., Any], arguments: tuple[Any, ...]) -> Outcome:
        """Run on this, the main thread, under the alarm."""
        outcome = Outcome()
        outer_run = _running.get(threading.get_ident())
        outer_trace = sys.gettrace()
        signal.signal(signal.SIGALRM, _on_alarm)
        outer_left, outer_again = signal.setitimer(signal.ITIMER_REAL, self._left, RING_AGAIN)
        start = time.monotonic()
        try:
            outcome.value = _enter(function, arguments)
        except BaseException as error:
            outcome.error = error
        _running.pop(threading.get_ident(), None)  # from here on the alarm does nothing
        if sys.gettrace() is not outer_trace:
            sys.settrace(outer_trace)
        if outer_run is not None:
            _running[threading.get_ident()] = outer_run
        if outer_left:
            outer_left = max(RING_AGAIN, outer_left - (time.monotonic() - start))
        signal.setitimer(signal.ITIMER_REAL, outer_left, outer_again)
        return outcome

    def _call_in_thread(self, function: Callable[..., Any], arguments: tuple[Any, ...]) -> Outcome:
        """Run in a worker thread, which can be told to stop, but not forced."""
        outcome = Outcome()
        done = threading.Event()
        context = contextvars.copy_context()

        def work() -> None:
            try:
                outcome.value = context.run(_enter, function, arguments)
            except BaseException as error:
                outcome.error = error
            finally:
                _running.pop(threading.get_ident(), None)
                sys.settrace(None)
                done.set()

        worker = threading.Thread(target=work, daemon=True)
        worker.start()
        until = time.monotonic() + self._left
        while not done.wait(min(0.1, max(0.0, until - time.monotonic()))):
            if time.monotonic() >= until:
                _stop_threads({worker.ident or 0}, 0.5, _Stop)
                return Outcome()
        return outcome

    def _tidy(self, outcome: Outcome) -> None:
        """Put back what the call changed, and end what it left running."""
        if outcome.error is not None:
            traceback.clear_frames(outcome.error.__traceback__)  # a huge list may be in there
        if inspect.iscoroutine(outcome.value):
            outcome.value.close()
        for state, before in self._states:
            if state.read() != before:
                state.write(before)
                self._tell(state.name)
        if threading.current_thread() is threading.main_thread():
            left = set(sys._current_frames()) - self._threads
            if left:
                self._tell("threads that it left running")
                _stop_threads(left, patience=0.2)
        left = _children() - self._children
        if left:
            self._tell("processes that it left running")
            _end_children(left)

    def _tell(self, change: str) -> None:
        if change not in self.changes:
            self.changes.append(change)

    # -- the whole watch ----------------------------------------------------------------------

    @contextlib.contextmanager
    def _guarded(self) -> Iterator[Watch]:
        with contextlib.ExitStack() as stack:
            stack.enter_context(_quiet(self._sink))
            stack.enter_context(warnings.catch_warnings())
            warnings.simplefilter("always")
            warnings.showwarning = self._note_warning
            stack.enter_context(np.errstate(all="warn", under="ignore"))
            stack.enter_context(_limited_depth())
            stack.enter_context(_limited_memory())
            if not self._portable:
                stack.enter_context(_alarm_kept())
            stack.callback(self._closed.set)
            threading.Thread(target=self._end_stuck_children, daemon=True).start()
            self._threads = set(sys._current_frames())
            self._children = _children()
            self._builtins = dict(vars(builtins))
            self._states = [(state, state.read()) for state in _states()]
            yield self

    def _note_warning(
        self, message: Warning | str, category: type[Warning], *_: Any, **__: Any
    ) -> None:
        if len(self._warnings) < KEPT_WARNINGS:
            self._warnings[f"{category.__name__}: {message}"] = None

    def _end_stuck_children(self) -> None:
        """Watch, from a thread, for ``os.system``: it waits for its child, deaf to the alarm."""
        while not self._closed.wait(
            0.25 if self.timed_out or not self._left else self._left + 0.25
        ):
            deadline = self._deadline
            if deadline is not None and time.monotonic() > deadline:
                _end_children(_children() - self._children)


@contextlib.contextmanager
def watch(seconds: float) -> Iterator[Watch]:
    """Guard the process while a learner's code runs.

    Parameters
    ----------
    seconds : float
        The time that all calls together may take.

    Yields
    ------
    Watch
        Its `Watch.call` runs a function.

    Examples
    --------
    >>> with watch(1.0) as guard:
    ...     outcome = guard.call(int, "seven")
    >>> type(outcome.error).__name__
    'ValueError'
    """
    with Watch(seconds)._guarded() as guard:
        yield guard


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
def _quiet(sink: _Sink) -> Iterator[None]:
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
def _limited_depth() -> Iterator[None]:
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
def _limited_memory() -> Iterator[None]:
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


@contextlib.contextmanager
def _alarm_kept() -> Iterator[None]:
    """Give the alarm back to its owner."""
    before = signal.getsignal(signal.SIGALRM)
    interrupt = signal.getsignal(signal.SIGINT)
    try:
        yield
    finally:
        if before is not _on_alarm:
            signal.signal(signal.SIGALRM, signal.SIG_IGN)  # drops a late one, which would end us
            signal.signal(signal.SIGALRM, before or signal.SIG_DFL)
        if signal.getsignal(signal.SIGINT) is not interrupt:
            signal.signal(signal.SIGINT, interrupt or signal.default_int_handler)


def _stop_threads(threads: set[int], patience: float, error: type[SystemExit] = SystemExit) -> None:
    """Raise `error` in threads until they are gone, or patience is; ``SystemExit`` is silent."""
    until = time.monotonic() + patience
    while threads and time.monotonic() < until:
        for thread in threads:
            ctypes.pythonapi.PyThreadState_SetAsyncExc(
                ctypes.c_ulong(thread), ctypes.py_object(error)
            )
        time.sleep(0.005)
        threads = threads & set(sys._current_frames())


def _children() -> set[int]:
    """Return the processes below this one; cheap when there is none."""
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except (ChildProcessError, AttributeError):
        return set()
    import psutil

    return {child.pid for child in psutil.Process().children(recursive=True)}


def _end_children(children: set[int]) -> None:
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
