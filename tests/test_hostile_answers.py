"""Answers that would harm the kernel: each in a fresh one, which must then compute 1 + 1."""

import queue
import textwrap
import time

import jupyter_client
import pytest

pytestmark = pytest.mark.slow

LIMIT = 1.0  # seconds; the exercise's own limit is longer

SET_UP = f"""
import atexit, builtins, ctypes, itertools, logging, os, queue, random, signal, subprocess, sys
import threading, time, warnings
import numpy as np
from helpers import check
from helpers.checker import guard
from helpers.exercises import course
course.exercises()["0.1"].time_limit = {LIMIT}
logging.basicConfig()
warnings.simplefilter("default")
"""

# name: (the answer to 0.1, which returns row sums when asked nicely; the statuses it may get)
ENDLESS = {
    "while True": """
        def answer(p):
            while True:
                pass
        """,
    "sleep": """
        def answer(p):
            time.sleep(3600)
        """,
    "a lock taken twice": """
        def answer(p):
            lock = threading.Lock()
            lock.acquire()
            lock.acquire()
        """,
    "an empty queue": """
        def answer(p):
            queue.Queue().get()
        """,
    "joins a sleeping thread": """
        def answer(p):
            thread = threading.Thread(target=time.sleep, args=(60,), daemon=True)
            thread.start()
            thread.join()
        """,
    "subprocess.run": """
        def answer(p):
            subprocess.run(["sleep", "3600"])
        """,
    "os.system": """
        def answer(p):
            os.system("sleep 3600; echo done >&2")
        """,
    "swallows Exception": """
        def answer(p):
            while True:
                try:
                    time.sleep(0.01)
                except Exception:
                    pass
        """,
    "swallows BaseException": """
        def answer(p):
            while True:
                try:
                    time.sleep(1)
                except BaseException:
                    pass
        """,
    "bare except, busy": """
        def answer(p):
            while True:
                try:
                    x = 1
                except:
                    continue
        """,
    "swallows at three depths and keeps the exceptions": """
        def answer(p):
            kept = []
            while True:
                try:
                    while True:
                        try:
                            while True:
                                try:
                                    pass
                                except BaseException as error:
                                    kept.append(error)
                        except BaseException as error:
                            kept.append(error)
                except BaseException as error:
                    kept.append(error)
        """,
    "finally: while True": """
        def answer(p):
            try:
                while True:
                    pass
            finally:
                while True:
                    pass
        """,
    "a generator that swallows": """
        def endless():
            while True:
                try:
                    yield 1
                except BaseException:
                    pass

        def answer(p):
            for _ in endless():
                pass
        """,
    "swallows once and returns": """
        def answer(p):
            try:
                time.sleep(3600)
            except BaseException:
                return p.sum(axis=1)
        """,
    "endless repr": """
        class Result:
            def __repr__(self):
                while True:
                    pass

        def answer(p):
            return Result()
        """,
    "endless array conversion": """
        class Result(list):
            def __iter__(self):
                return itertools.count()

            def __array__(self, *args, **kwargs):
                while True:
                    pass

        def answer(p):
            return Result([1])
        """,
    "prints for ever": """
        def answer(p):
            while True:
                print("many words " * 100)
                print("many words " * 100, file=sys.stderr)
        """,
}

BRIEF = {
    "recursion": """
        def answer(p):
            return answer(p)
        """,
    "recursion without a limit": """
        sys.setrecursionlimit(10**9)

        def answer(p):
            sys.setrecursionlimit(10**9)
            return answer(p)
        """,
    "sys.exit": """
        def answer(p):
            sys.exit(1)
        """,
    "raise SystemExit": """
        def answer(p):
            raise SystemExit
        """,
    "exit()": """
        def answer(p):
            exit()
        """,
    "quit()": """
        def answer(p):
            quit()
        """,
    "KeyboardInterrupt": """
        def answer(p):
            raise KeyboardInterrupt
        """,
    "SIGINT": """
        def answer(p):
            signal.raise_signal(signal.SIGINT)
        """,
    "GeneratorExit": """
        def answer(p):
            raise GeneratorExit
        """,
    "an error whose str raises": """
        class Odd(Exception):
            def __str__(self):
                raise self

        def answer(p):
            raise Odd
        """,
    "a huge array": """
        def answer(p):
            return np.ones((10**6, 10**6))
        """,
    "a huge list": """
        def answer(p):
            return [0] * 10**11
        """,
    "a list that grows": """
        def answer(p):
            rows = []
            while True:
                rows.append([0] * 10**6)
        """,
    "megabytes of output": """
        def answer(p):
            print("x" * 20_000_000)
            sys.stderr.write("x" * 20_000_000)
            sys.__stderr__.write("x" * 1_000_000)
        """,
    "writes to descriptors": """
        def answer(p):
            os.write(1, b"out")
            os.write(2, b"err")
            subprocess.run("echo out; echo err >&2", shell=True)
            ctypes.CDLL(None).perror(b"err")
        """,
    "closes descriptors": """
        def answer(p):
            os.close(1)
            os.close(2)
            sys.stdout = sys.stderr = None
        """,
    "logs": """
        def answer(p):
            logging.error("an error")
            logging.getLogger("other").warning("a warning")
        """,
    "warns": """
        def answer(p):
            warnings.warn("a warning")
            return np.log(p * 0).sum(axis=1)
        """,
    "repr raises": """
        class Result:
            def __repr__(self):
                raise ValueError("no repr")

        def answer(p):
            return Result()
        """,
    "everything raises": """
        class Result:
            def __getattribute__(self, name):
                raise RuntimeError(name)

        def answer(p):
            return Result()
        """,
    "an array whose parts raise": """
        class Part:
            def __float__(self):
                raise KeyboardInterrupt

            __repr__ = __eq__ = __bool__ = __float__

        def answer(p):
            return [Part(), Part()]
        """,
    "__del__ raises": """
        class Result:
            def __del__(self):
                raise ValueError("late")

        def answer(p):
            Result()
            return Result()
        """,
    "a generator": """
        def answer(p):
            yield p.sum(axis=1)
        """,
    "an endless generator": """
        def answer(p):
            return itertools.count()
        """,
    "a coroutine": """
        async def answer(p):
            return p.sum(axis=1)
        """,
    "a class": """
        class answer:
            def __init__(self, p):
                self.p = p
        """,
    "a ragged list": """
        def answer(p):
            return [[1, 2], [3]]
        """,
    "an object array": """
        def answer(p):
            return np.array([None, "x"], dtype=object)
        """,
    "a list that contains itself": """
        def answer(p):
            rows = []
            rows.append(rows)
            return rows
        """,
    "complex numbers": """
        def answer(p):
            return p.sum(axis=1) + 0j
        """,
    "a string": """
        def answer(p):
            return "x" * 10**7
        """,
    "input": """
        def answer(p):
            return input("how much?")
        """,
    "breakpoint": """
        def answer(p):
            breakpoint()
        """,
    "pdb": """
        def answer(p):
            import pdb
            pdb.set_trace()
            return None
        """,
    "threads that raise and run on": """
        def work():
            while True:
                sys.stderr.write("still here")

        def raises():
            raise ValueError("in a thread")

        def late():
            time.sleep(0.3)
            raise ValueError("late")

        def answer(p):
            for target in (work, raises, late):
                threading.Thread(target=target).start()
        """,
    "fork": """
        def answer(p):
            os.fork()
        """,
    "a process left behind": """
        def answer(p):
            subprocess.Popen("sleep 0.3; echo late >&2", shell=True)
        """,
    "checks itself": """
        def answer(p):
            return check("0.1", answer)
        """,
    "replaces built-ins": """
        def answer(p):
            builtins.print = builtins.len = builtins.isinstance = None
        """,
    "a metaclass that raises": """
        class Meta(type):
            def __getattribute__(cls, name):
                raise RuntimeError

        class answer(metaclass=Meta):
            pass
        """,
    "not callable": """
        answer = 7
        """,
    "takes other arguments": """
        def answer(p, q, *, r):
            return p
        """,
}

RIGHT = {
    "modifies the process": """
        def answer(p):
            np.seterr(all="raise")
            np.random.seed(0)
            random.seed(0)
            warnings.filterwarnings("error")
            os.environ["HOSTILE"] = "1"
            os.chdir("/")
            sys.path.append("hostile")
            sys.setrecursionlimit(500)
            return p.sum(axis=1)
        """,
}


class Kernel:
    """A fresh kernel, and what it says."""

    def __init__(self, environment):
        self.manager, self.client = jupyter_client.manager.start_new_kernel(
            kernel_name="python3", env=environment
        )

    def run(self, code, patience=30.0):
        """Run a cell; return its result's text, its stderr, its error and its seconds."""
        start = time.monotonic()
        message = self.client.execute(textwrap.dedent(code), allow_stdin=True)
        result, stderr, error = "", "", ""
        while True:
            try:
                reply = self.client.get_iopub_msg(timeout=patience)
            except queue.Empty:
                pytest.fail(f"the kernel did not answer within {patience} seconds")
            content, kind = reply["content"], reply["msg_type"]
            if kind == "stream" and content["name"] == "stderr":
                stderr += content["text"]
            if reply["parent_header"].get("msg_id") != message:
                continue
            if kind == "execute_result":
                result = content["data"]["text/plain"]
            if kind == "error":
                error = "\n".join(content["traceback"])
            if kind == "status" and content["execution_state"] == "idle":
                return result, stderr, error, time.monotonic() - start

    def close(self):
        self.client.stop_channels()
        self.manager.shutdown_kernel(now=True)


@pytest.fixture
def kernel(tmp_path):
    import os

    kernel = Kernel({**os.environ, "SOFTMAX_COURSE_STATE": str(tmp_path)})
    _, stderr, error, _ = kernel.run(SET_UP)
    assert not error
    assert not stderr
    yield kernel
    kernel.close()


def judged(kernel, source, *, portable=False):
    """Check an answer, hold that it left no trace, and return the status and the seconds."""
    before = "import hashlib; TRACE = lambda: (os.getcwd(), dict(os.environ), np.geterr(), "
    before += "list(sys.path), random.getstate(), str(np.random.get_state()), "
    before += "sys.getrecursionlimit(), list(warnings.filters), sys.stdout, sys.stderr, "
    before += "signal.getsignal(signal.SIGALRM), signal.getsignal(signal.SIGINT), sys.gettrace())"
    kernel.run(f"guard.PORTABLE = {portable}\n{before}")
    kernel.run(source)
    kernel.run("BEFORE = TRACE()")
    result, stderr, error, seconds = kernel.run("verdict = check('0.1', answer); verdict")
    assert not error
    assert not stderr
    assert result
    time.sleep(0.5)  # whatever comes late
    two, stderr, error, _ = kernel.run("1 + 1")
    assert (two, stderr, error) == ("2", "", "")
    same, stderr, *_ = kernel.run("TRACE() == BEFORE")
    assert (same, stderr) == ("True", "")
    html, stderr, *_ = kernel.run("len(verdict._repr_html_()) < 20_000")
    assert (html, stderr) == ("True", "")
    status, stderr, *_ = kernel.run("print(1); verdict.status")
    assert not stderr
    return status.strip("'"), seconds


@pytest.mark.parametrize("name", ENDLESS)
def test_endless_answer_is_stopped(kernel, name):
    status, seconds = judged(kernel, ENDLESS[name])
    assert status in ("error", "wrong")
    assert seconds < LIMIT + 2


@pytest.mark.parametrize("name", BRIEF)
def test_hostile_answer_is_judged(kernel, name):
    status, seconds = judged(kernel, BRIEF[name])
    assert status in ("error", "wrong")
    assert seconds < LIMIT + 2


@pytest.mark.parametrize("name", RIGHT)
def test_right_answer_that_changes_the_process_is_told(kernel, name):
    status, _ = judged(kernel, RIGHT[name])
    assert status == "right"
    notes, *_ = kernel.run("' '.join(verdict.notes)")
    for change in ("np.seterr", "NumPy's global random", "filters", "os.environ", "directory"):
        assert change in notes


@pytest.mark.parametrize(
    "name",
    [
        "while True",
        "sleep",
        "subprocess.run",
        "os.system",
        "swallows BaseException",
        "finally: while True",
        "prints for ever",
    ],
)
def test_endless_answer_is_stopped_without_the_alarm(kernel, name):
    status, seconds = judged(kernel, ENDLESS[name], portable=True)
    assert status in ("error", "wrong")
    assert seconds < LIMIT + 2


@pytest.mark.parametrize("name", ["recursion", "sys.exit", "exit()", "KeyboardInterrupt"])
def test_hostile_answer_is_judged_without_the_alarm(kernel, name):
    status, _ = judged(kernel, BRIEF[name], portable=True)
    assert status in ("error", "wrong")
