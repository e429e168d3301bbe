"""The guard in this process: outcomes, what is put back, limits, overhead."""

import builtins
import os
import random
import signal
import subprocess
import sys
import threading
import time
import warnings

import numpy as np
import pytest

from helpers.checker import guard, surroundings
from helpers.checker.guard import TimeLimit, watch


@pytest.fixture(params=[False, True], ids=["alarm", "worker"])
def portable(request, monkeypatch):
    """Run a test in both ways: with the alarm, and in the way that works everywhere."""
    if not request.param and not hasattr(signal, "setitimer"):
        pytest.skip("no alarm here")
    monkeypatch.setattr(guard, "PORTABLE", request.param)
    return request.param


def endless():
    while True:
        pass


def stubborn():
    while True:
        try:
            endless()
        except BaseException:
            continue


def test_value_and_error(portable):
    with watch(1.0) as guarded:
        assert guarded.call(max, 1, 2).value == 2
        outcome = guarded.call(int, "seven")
    assert outcome.value is None
    assert isinstance(outcome.error, ValueError)
    assert not guarded.timed_out
    assert guarded.changes == []


@pytest.mark.parametrize("error", [SystemExit, KeyboardInterrupt, GeneratorExit, MemoryError])
def test_every_exception_is_an_outcome(portable, error):
    def answer():
        raise error

    with watch(1.0) as guarded:
        assert type(guarded.call(answer).error) is error


@pytest.mark.parametrize("answer", [endless, stubborn])
def test_endless_code_is_stopped(portable, answer):
    start = time.monotonic()
    with watch(0.2) as guarded:
        outcome = guarded.call(answer)
        after = guarded.call(max, 1, 2)
    assert time.monotonic() - start < 1.5
    assert guarded.timed_out
    assert isinstance(outcome.error, TimeLimit)
    assert isinstance(after.error, TimeLimit)


def test_the_limit_is_for_all_calls_together(portable):
    with watch(0.3) as guarded:
        outcomes = [guarded.call(time.sleep, 0.1) for _ in range(6)]
    assert outcomes[0].error is None
    assert isinstance(outcomes[-1].error, TimeLimit)


def test_a_value_that_comes_too_late_is_none(portable):
    def answer():
        try:
            endless()
        except BaseException:
            return 7

    with watch(0.2) as guarded:
        outcome = guarded.call(answer)
    assert outcome.value is None
    assert isinstance(outcome.error, TimeLimit)


def test_nested_watches(portable):
    def answer():
        with watch(0.1) as inner:
            return inner.call(endless).error

    with watch(1.0) as guarded:
        outcome = guarded.call(answer)
        assert isinstance(outcome.value, TimeLimit)
        assert not guarded.timed_out
        assert isinstance(guarded.call(endless).error, TimeLimit)


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="no alarm here")
def test_the_alarm_is_given_back():
    def ring(number, frame):
        pass

    before = signal.signal(signal.SIGALRM, ring)
    try:
        with watch(0.1) as guarded:
            guarded.call(stubborn)
        assert signal.getsignal(signal.SIGALRM) is ring
        assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)
    finally:
        signal.signal(signal.SIGALRM, before)


def test_off_the_main_thread():
    errors = []

    def work():
        with watch(0.2) as guarded:
            errors.append(guarded.call(stubborn).error)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert isinstance(errors[0], TimeLimit)


def set_environment():
    os.environ["SOFTMAX_COURSE_TEST"] = "1"
    del os.environ["PATH"]


def set_builtins():
    vars(builtins).update(len=None, isinstance=None, extra=1)


CHANGES = {
    "the environment (os.environ)": set_environment,
    "the working directory": lambda: os.chdir("/"),
    "the warnings filters": lambda: warnings.simplefilter("error"),
    "NumPy's global random state": lambda: np.random.seed(0),  # noqa: NPY002
    "Python's global random state": random.random,
    "NumPy's print options": lambda: np.set_printoptions(precision=2),
    "the module search path": lambda: sys.path.clear(),
    "Python's built-in names": set_builtins,
    "the garbage collector": lambda: __import__("gc").disable(),
}


@pytest.mark.parametrize("name", CHANGES)
def test_state_is_put_back_and_told(name):
    before = [(state, state.read()) for state in surroundings.states()]
    with watch(1.0) as guarded:
        outcome = guarded.call(CHANGES[name])
    assert outcome.error is None
    assert guarded.changes == [name]
    for state, value in before:
        assert state.read() == value, state.name


def test_seterr_does_not_outlive_a_call():
    before = np.geterr()
    with watch(1.0) as guarded:
        guarded.call(lambda: np.seterr(all="raise"))
        assert guarded.call(lambda: np.exp(np.array([1000.0]))).error is None
    assert np.geterr() == before
    assert guarded.changes == ["NumPy's error handling (np.seterr)"]
    assert guarded.warnings == ["RuntimeWarning: overflow encountered in exp"]


def test_torch_state_is_put_back():
    torch = pytest.importorskip("torch")

    def answer():
        torch.manual_seed(0)
        torch.set_default_dtype(torch.float64)
        torch.set_grad_enabled(False)

    random_state = torch.get_rng_state()
    with watch(5.0) as guarded:
        guarded.call(answer)
    assert torch.get_default_dtype() == torch.float32
    assert torch.is_grad_enabled()
    assert torch.equal(torch.get_rng_state(), random_state)
    assert len(guarded.changes) == 3


def test_warnings_are_caught_once_each(portable):
    def answer():
        for _ in range(100):
            warnings.warn("look out", UserWarning, stacklevel=1)
            np.log(np.zeros(1))

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with watch(1.0) as guarded:
            guarded.call(answer)
    assert guarded.warnings == [
        "UserWarning: look out",
        "RuntimeWarning: divide by zero encountered in log",
    ]


def test_nothing_is_written(portable, capfd):
    def answer():
        print("hello")
        print("error", file=sys.stderr)
        print("straight", file=sys.__stderr__)
        os.write(2, b"descriptor")
        if os.name == "posix":
            subprocess.run(["sh", "-c", "echo child >&2"], check=True)
        thread = threading.Thread(target=int, args=("seven",))
        thread.start()
        thread.join()

    with watch(5.0) as guarded:
        assert guarded.call(answer).error is None
    assert capfd.readouterr() == ("", "")
    assert guarded.stdout.startswith("hello\nerror\n")


def test_output_is_bounded():
    with watch(5.0) as guarded:
        guarded.call(print, "x" * 10_000_000)
    assert len(guarded.stdout) < 11_000
    assert "9,990,001 characters more" in guarded.stdout


def test_input_is_refused():
    with watch(1.0) as guarded:
        assert isinstance(guarded.call(input, "?").error, EOFError)
        assert guarded.call(sys.stdin.read).value == ""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs a limit on memory")
def test_memory_is_limited():
    with watch(5.0) as guarded:
        assert isinstance(guarded.call(np.ones, 10**9).error, MemoryError)
        assert isinstance(guarded.call(lambda: [0] * 10**10).error, MemoryError)


def test_recursion_is_limited(portable):
    def deep(n=0):
        return deep(n + 1)

    def deeper():
        sys.setrecursionlimit(10**9)
        return deep()

    before = sys.getrecursionlimit()
    with watch(1.0) as guarded:
        assert isinstance(guarded.call(deep).error, RecursionError)
        assert isinstance(guarded.call(deeper).error, RecursionError)
    assert sys.getrecursionlimit() == before


def test_threads_and_processes_are_ended():
    def answer():
        threading.Thread(target=endless).start()
        if os.name == "posix":
            subprocess.Popen(["sleep", "1000"])

    threads = threading.active_count()
    with watch(1.0) as guarded:
        guarded.call(answer)
    assert "threads that it left running" in guarded.changes
    time.sleep(0.05)
    assert threading.active_count() <= threads
    if os.name == "posix":
        assert "processes that it left running" in guarded.changes


class Silent:
    def __repr__(self):
        raise ValueError


class Mute(Exception):  # noqa: N818
    def __str__(self):
        raise ValueError


def test_text_of_odd_objects():
    def answer():
        raise Mute

    with watch(1.0) as guarded:
        assert guarded.text([1, 2]) == "[1, 2]"
        assert guarded.text(Silent()) == "<Silent object whose repr fails>"
        assert len(guarded.text("x" * 10**6)) == 400
        assert guarded.error_text(KeyError("a")) == "KeyError: 'a'"
        outcome = guarded.call(answer)
    assert str(outcome.error) == "its message cannot be shown"
    assert type(outcome.error).__name__ == "Mute"


def test_overhead_is_small():
    def check():
        with watch(5.0) as guarded:
            for _ in range(20):
                guarded.call(max, 1, 2)

    check()
    times = []
    for _ in range(10):
        start = time.process_time()
        check()
        times.append(time.process_time() - start)
    assert min(times) < 0.02
