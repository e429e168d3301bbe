"""Functions on real processes: they meet, and whatever happens to one of them is told in time."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from helpers import ranks
from tests.on_ranks import by_value_and_nothing_left_behind  # noqa: F401 - a fixture

ROOT = Path(__file__).parent.parent
pytest.importorskip("torch")

pytestmark = pytest.mark.processes


def run(worker, shards, *common):
    """Give ranks that succeed all the time that a busy machine may need."""
    return ranks.run(worker, shards, *common, seconds=60)


def processes(parent: int | None = None) -> list[psutil.Process]:
    """Return the processes of the ranks under a process, by default this one."""
    found = []
    for child in psutil.Process(parent).children(recursive=True):
        try:
            if "--process-name" in child.cmdline() and child.status() != psutil.STATUS_ZOMBIE:
                found.append(child)
        except psutil.NoSuchProcess:
            continue
    return found


def at_work(process: psutil.Process) -> bool:
    """Return whether a process uses time, as a loop does."""
    return process.cpu_percent(0.5) > 50


def add_up(shard, factor=1):
    import torch

    total = torch.tensor(shard) * factor
    torch.distributed.all_reduce(total)
    return total.item()


@pytest.mark.parametrize("size", [1, 2, *(pytest.param(n, marks=pytest.mark.slow) for n in (3, 4))])
def test_every_rank_has_its_shard_and_the_arguments(size):
    assert run(add_up, [10**r for r in range(size)], 3) == [int("3" * size)] * size


def test_ranks_are_in_order_and_what_they_return_comes_back():
    import torch

    def work(shard):
        return torch.distributed.get_rank(), torch.distributed.get_world_size(), shard + 1

    large = torch.zeros(2, 10**6)
    found = run(work, large)
    assert [(rank, size) for rank, size, _ in found] == [(0, 2), (1, 2)]
    assert all(bool((shard == 1).all()) for _, _, shard in found)
    assert bool((large == 0).all()), "a rank has its own copy"


def test_a_function_of_a_cell_and_what_it_refers_to_are_sent_by_value():
    cell: dict = {"__name__": "__main__"}
    exec("offset = 7\nimport math\ndef work(x):\n return math.floor(x) + offset", cell)
    assert run(cell["work"], [1.5, 2.5]) == [8, 9]


def test_processes_are_kept_for_the_next_call_and_ended_by_stop():
    import os

    first = set(run(lambda shard: os.getpid(), [0, 1]))
    assert first == set(run(lambda shard: os.getpid(), [0, 1]))
    assert first <= {process.pid for process in processes()}
    ranks.stop()
    assert processes() == []
    ranks.stop()


def test_processes_outlast_a_rank_that_raises_and_serve_again():
    import os

    first = run(lambda shard: os.getpid(), [0, 1])
    for _ in range(2):
        with pytest.raises(RuntimeError, match="rank 1 of 2 failed first: ValueError"):
            run(misfortune, [0, "raises"])
        assert run(add_up, [1, 2]) == [3, 3]
    assert run(lambda shard: os.getpid(), [0, 1]) == first


@pytest.mark.slow
def test_processes_end_when_nobody_calls(monkeypatch):
    monkeypatch.setattr(ranks, "IDLE", 1.0)
    for _ in range(2):
        assert run(add_up, [1, 2]) == [3, 3]
        assert processes()
        until = time.monotonic() + 60
        while processes() and time.monotonic() < until:
            time.sleep(0.1)
        assert processes() == []


@pytest.mark.parametrize("shards", [[], [0] * 5])
def test_the_number_of_shards(shards):
    with pytest.raises(ValueError, match=f"1 to 4 shards.*got {len(shards)}"):
        ranks.run(add_up, shards)


@pytest.mark.parametrize("seconds", [0, -1, float("nan")])
def test_the_time_limit_is_positive(seconds):
    with pytest.raises(ValueError, match="seconds must be positive"):
        ranks.run(add_up, [1], seconds=seconds)


# -- what goes wrong ------------------------------------------------------------------------------


def misfortune(shard):
    """Let the ranks whose shard is no number meet theirs, while the others wait for a sum."""
    import os
    import signal
    import sys
    import time

    import torch

    if shard == "exits":
        os._exit(9)
    if shard == "is killed":
        os.kill(os.getpid(), signal.SIGKILL)
    if shard == "raises":
        raise ValueError("these logits will not do")
    if shard == "says goodbye":
        sys.exit(3)
    if shard == "sleeps":
        time.sleep(1000)
    if shard == "turns":
        while True:
            pass
    if shard == "returns":
        return 0
    total = torch.tensor(shard)
    torch.distributed.all_reduce(total)
    return total.item()


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="exit codes and signals of POSIX")
@pytest.mark.parametrize(
    ("shards", "seconds", "said"),
    [
        ([0, "exits"], 60, r"rank 1 of 2 died: EXIT\(9\)"),
        (["is killed", 1, 2], 60, r"rank 0 of 3 died: SIGKILL\(-9\)"),
        ([0, "raises"], 60, "rank 1 of 2 failed first: ValueError: these logits will not do"),
        (["raises", 1, 2, 3], 60, "rank 0 of 4 failed first: ValueError: these logits"),
        ([0, "says goodbye"], 60, "rank 1 of 2 failed first: SystemExit: 3"),
        ([0, "sleeps"], 3, "Timed out after 3 s: rank 1 of 2 never came"),
        ([0, "turns", 2], 3, "Timed out after 3 s: rank 1 of 3 never came"),
        (["sleeps", "turns"], 3, "Timed out after 3 s: ranks 0, 1 of 2 not done"),
        ([0, "returns"], 3, "Timed out after 3 s: rank 1 of 2 returned while rank 0 waited"),
    ],
    ids=lambda value: " ".join(map(str, value)) if isinstance(value, list) else "",
)
def test_the_rank_at_fault_is_named_in_time_and_no_process_stays(shards, seconds, said):
    run(add_up, range(len(shards)))  # so that the limit is all the time that is left
    begun = time.monotonic()
    with pytest.raises(RuntimeError) as caught:
        ranks.run(misfortune, shards, seconds=seconds)
    assert re.search(said, str(caught.value)), caught.value
    assert time.monotonic() - begun < seconds + 30  # it ends; how soon, a busy machine decides
    assert not any(map(at_work, processes()))
    if "failed first" not in said:
        assert processes() == [], "what a rank that did not end still holds is unknown"
    if "ValueError" in said:
        assert 'raise ValueError("these logits will not do")' in "".join(caught.value.__notes__)
    assert run(add_up, [1, 2]) == [3, 3], "and the next call is none the worse"


@pytest.mark.slow
def test_what_cannot_be_sent_is_told():
    import threading

    with pytest.raises(RuntimeError, match=r"rank 1 of 2 failed first: .*pickle"):
        run(lambda shard: shard, [0, threading.Lock()])
    with pytest.raises(RuntimeError, match=r"rank 0 of 1 failed first: .*pickle"):
        run(lambda shard: threading.Lock(), [0])


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_a_process_killed_between_two_calls_is_replaced():
    import os

    for pid in run(lambda shard: os.getpid(), [0, 1]):
        psutil.Process(pid).kill()
    assert run(add_up, [1, 2]) == [3, 3]


PARENT = """
import signal, time
from helpers import ranks

signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job ignores it

def work(shard):
    print("working", flush=True)
    time.sleep({sleep})

ranks.run(work, [0, 1], seconds=1000)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGINT, None])
def test_processes_end_with_the_one_that_started_them(end):
    code = PARENT.format(sleep=1000 if end else 0)
    parent = subprocess.Popen(
        [sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    assert parent.stdout is not None
    parent.stdout.readline()  # a rank is at work
    started = processes(parent.pid)
    if end:
        assert started
        parent.send_signal(end)
    parent.wait(120)
    _, alive = psutil.wait_procs(started, timeout=60)
    assert alive == []
