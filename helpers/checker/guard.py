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
import inspect
import os
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

from helpers.checker.surroundings import (
    Sink,
    State,
    children,
    end_children,
    limited_depth,
    limited_memory,
    quiet,
    restore_builtins,
    states,
)

__all__ = ["Outcome", "TimeLimit", "Watch", "watch"]

PORTABLE = not hasattr(signal, "setitimer")
"""Whether to stop code in the way that works everywhere; a test sets it."""

RING_AGAIN = 0.02
POLITE_STOPS = 3
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
        self._sink = Sink()
        self._warnings: dict[str, None] = {}
        self._portable = PORTABLE or threading.current_thread() is not threading.main_thread()
        self._process = os.getpid()
        self._states: list[tuple[State, Any]] = []
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
        if restore_builtins(self._builtins):
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
        left = children() - self._children
        if left:
            self._tell("processes that it left running")
            end_children(left)

    def _tell(self, change: str) -> None:
        if change not in self.changes:
            self.changes.append(change)

    # -- the whole watch ----------------------------------------------------------------------

    @contextlib.contextmanager
    def _guarded(self) -> Iterator[Watch]:
        with contextlib.ExitStack() as stack:
            stack.enter_context(quiet(self._sink))
            stack.enter_context(warnings.catch_warnings())
            warnings.simplefilter("always")
            warnings.showwarning = self._note_warning
            stack.enter_context(np.errstate(all="warn", under="ignore"))
            stack.enter_context(limited_depth())
            stack.enter_context(limited_memory())
            if not self._portable:
                stack.enter_context(_alarm_kept())
            stack.callback(self._closed.set)
            threading.Thread(target=self._end_stuck_children, daemon=True).start()
            self._threads = set(sys._current_frames())
            self._children = children()
            self._builtins = dict(vars(builtins))
            self._states = [(state, state.read()) for state in states()]
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
                end_children(children() - self._children)


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
