"""Run a function on a few real processes that talk to each other: what `torchrun` does, in a cell.

`torch.multiprocessing.spawn` cannot run a function of a notebook's cell: its processes import the
function by name, and a notebook is no module. Here the processes are loky's (the ones behind
joblib and scikit-learn), which take the function itself. They find each other through a file in
a temporary folder and talk over the loopback interface, so nothing leaves the machine.
"""

from __future__ import annotations

import atexit
import contextlib
import datetime
import faulthandler
import os
import re
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from concurrent import futures
from pathlib import Path
from typing import Any, NamedTuple

__all__ = ["run", "stop"]

MOST = 4  # ranks: this is for a course on one machine
TO_START = 120.0  # seconds that new processes may take to import torch; not counted in `seconds`
TO_TELL = 5.0  # seconds that the other ranks have, after a failure, to tell what they saw
IDLE = 60.0  # seconds after which the processes end if there is no work

_pool: list[Any] = []  # one loky executor a rank, each of one process: so we know whose died
_in_use = threading.Lock()
_calls = 0  # how often the processes were taken into use


def run(
    worker: Callable[..., Any], shards: Sequence[Any], *common: Any, seconds: float = 10
) -> list[Any]:
    """Call `worker(shard, *common)` for every shard at once, each on a rank, a process of its own.

    The ranks form the default group of `torch.distributed`, with the gloo back end: rank r has
    shards[r]. The processes are kept for the next call; the first one takes a few seconds.

    Parameters
    ----------
    worker : callable
        May be defined in a notebook's cell. Like its arguments it is sent by value, so what it
        changes stays there.
    shards : sequence
        One to four, one a rank.
    *common
        Further arguments, the same for every rank.
    seconds : float
        The time limit, counted from when the processes are ready.

    Returns
    -------
    list
        What the ranks returned, in their order.

    Raises
    ------
    RuntimeError
        If a rank dies, raises, or has not come to an end within the limit: it names the rank, and
        the traceback of one that raised is a note of the error. No process is left at work:
        all are stopped if one died or was late, and the next call has new ones.
    ValueError
        If there are no shards, more than four, or `seconds` is not positive.

    Examples
    --------
    >>> def add_up(shard):
    ...     import torch
    ...
    ...     total = torch.tensor(shard)
    ...     torch.distributed.all_reduce(total)
    ...     return total.item()
    >>> run(add_up, [1, 10])
    [11, 11]
    >>> stop()
    """
    size = len(shards)
    if not 1 <= size <= MOST:
        raise ValueError(f"run takes 1 to {MOST} shards, one a rank; got {size}")
    if not seconds > 0:
        raise ValueError(f"seconds must be positive; got {seconds!r}")
    with _taken(), tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        try:
            executors = _ready(size)
            until = time.monotonic() + seconds
            work = [
                executor.submit(_one_rank, worker, shard, common, _Place(r, size, folder), until)
                for r, (executor, shard) in enumerate(zip(executors, shards, strict=True))
            ]
            _wait(work, until)
            told = [_told(future) for future in work]
            if all(one.returned for one in told):
                return [one.result for one in told]
            failure = _failure(told, seconds, Path(folder))
        except BaseException:  # an interrupt, too
            _kill()
            raise
        left = all(one.returned or one.trace for one in told)  # each has told, and left the group
        if not left or str(failure).startswith("Timed out"):
            _kill()  # also the ranks that only suffered: what they still hold of it is unknown
        raise failure


def stop() -> None:
    """End the processes that `run` keeps. They also end when idle for a minute, and with Python."""
    with _in_use:
        _kill()


# -- in this process ------------------------------------------------------------------------------


@contextlib.contextmanager
def _taken() -> Iterator[None]:
    """Hold the processes for one call. After it they end, unless the next one comes soon.

    Not by loky's own `timeout`: a process that leaves by itself at the moment when work arrives
    makes it warn, and the new one would start within the time limit of `run`.
    """
    global _calls
    with _in_use:
        _calls += 1
        try:
            yield
        finally:
            timer = threading.Timer(IDLE, _stop_if_idle, [_calls])
            timer.daemon = True
            timer.start()


def _stop_if_idle(since: int) -> None:
    with _in_use:
        if since == _calls:
            _kill()


class _Place(NamedTuple):
    """Which rank, of how many, and the folder where they meet."""

    rank: int
    size: int
    folder: str


class _Told(NamedTuple):
    """What is known of a rank when the waiting is over; nothing of one still at work."""

    returned: bool = False
    result: Any = None
    died: str = ""  # how
    error: str = ""  # that it raised
    trace: str = ""
    when: float = 0.0  # it raised, by a clock that all processes share


def _ready(size: int) -> list[Any]:
    """Return an executor for each rank whose process runs and has imported torch."""
    from joblib.externals.loky import ProcessPoolExecutor
    from joblib.externals.loky.process_executor import BrokenProcessPool

    for attempt in range(2):  # a process that idled here may have been killed by somebody
        try:
            while len(_pool) < size:
                _pool.append(ProcessPoolExecutor(1, initializer=_prepare))
            for future in [executor.submit(os.getpid) for executor in _pool[:size]]:
                future.result(TO_START)
            break
        except (BrokenProcessPool, futures.TimeoutError) as error:
            _kill()
            if attempt:
                raise RuntimeError("the processes of the ranks did not start") from error
    return _pool[:size]


def _kill() -> None:
    while _pool:
        _pool.pop().shutdown(wait=True, kill_workers=True)


def _wait(work: list[Any], until: float) -> None:
    """Wait until every rank is through, or the time is up, or little after the first failure."""
    waiting = set(work)
    while waiting:
        left = max(until - time.monotonic(), 0)
        done, waiting = futures.wait(waiting, left, futures.FIRST_COMPLETED)
        if not done:
            return
        if not all(_told(future).returned for future in done):
            until = min(until, time.monotonic() + TO_TELL)


def _told(future: Any) -> _Told:
    from joblib.externals.loky.process_executor import TerminatedWorkerError

    if not future.done():
        return _Told()
    try:
        return _Told(**future.result())
    except TerminatedWorkerError as error:
        found = re.search(r"\{(.*)\}", str(error))
        return _Told(died=found[1] if found else "for an unknown reason")
    except Exception as error:  # the shard or the result could not be sent
        return _Told(error=f"{type(error).__name__}: {error}")


def _failure(told: list[_Told], seconds: float, folder: Path) -> RuntimeError:
    """Name the rank that the others only suffered from."""
    size = len(told)
    for rank, one in enumerate(told):
        if one.died:
            return RuntimeError(f"rank {rank} of {size} died: {one.died}")
    places = {
        rank: _where(folder / f"{rank}.where")
        for rank, one in enumerate(told)
        if not one.returned and not one.error
    }
    absent = [rank for rank, place in places.items() if place == "elsewhere"]
    gone = [r for r, one in enumerate(told) if one.returned or places.get(r) == "at the end"]
    waited = [rank for rank, place in places.items() if place == "in a collective"]
    raised = sorted((one.when, rank) for rank, one in enumerate(told) if one.error)
    waited += [rank for _, rank in raised if re.search("timed out|timeout", told[rank].error, re.I)]
    if raised and not (raised[0][1] in waited and (absent or gone)):
        rank = raised[0][1]
        error = RuntimeError(f"rank {rank} of {size} failed first: {told[rank].error}")
        error.add_note(f"On rank {rank}:\n{told[rank].trace}")
        return error
    if waited and absent:
        what = f"{_ranks(absent)} of {size} never came"
    elif waited and gone:
        what = f"{_ranks(gone)} of {size} returned while {_ranks(waited)} waited in a collective"
    else:
        what = f"{_ranks(list(places))} of {size} not done"
    return RuntimeError(f"Timed out after {seconds:g} s: {what}")


def _ranks(ranks: list[int]) -> str:
    return f"rank{'s' * (len(ranks) > 1)} {', '.join(map(str, sorted(ranks)))}"


def _where(file: Path) -> str:
    """Return where a rank was when its time was almost up."""
    trace = ""
    with contextlib.suppress(OSError):
        trace = file.read_text(encoding="utf-8", errors="replace")
    if _wait_at_the_end.__name__ in trace:
        return "at the end"
    return "in a collective" if "distributed_c10d" in trace else "elsewhere"


# -- in a rank ------------------------------------------------------------------------------------


def _prepare() -> None:
    """Make a new process ready."""
    loopback = {"linux": "lo", "darwin": "lo0"}.get(sys.platform)
    if loopback:
        os.environ["GLOO_SOCKET_IFNAME"] = loopback
    os.environ["TORCH_CPP_LOG_LEVEL"] = "FATAL"  # what goes wrong is told by `run`
    import torch
    import torch.distributed
    from joblib.externals.loky import process_executor

    torch.set_num_threads(1)
    # loky ends a worker between two calls that has come to hold 300 MB more than at first, and
    # starts another one. A rank may use what it needs.
    process_executor._USE_PSUTIL = False
    threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()
    atexit.register(os._exit, 0)  # torch's threads can hold a process up that has nothing to do


def _end_with(parent: int) -> None:
    """End this process, whatever it does, when the one that started it has been killed."""
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(1)


def _one_rank(
    worker: Callable[..., Any], shard: Any, common: tuple[Any, ...], place: _Place, until: float
) -> dict[str, Any]:
    """Join the group, work, and tell how it went, as the fields of `_Told`."""
    import torch.distributed as dist
    from torch.distributed import FileStore  # type: ignore[attr-defined]

    rank, size, folder = place
    # Shortly before the time is up each rank writes down where it is; after that (never before)
    # a collective that still waits gives up, with an error that can be told in time.
    left = max(until - time.monotonic(), 0.01)
    patience = datetime.timedelta(seconds=0.85 * left)
    with open(Path(folder) / f"{rank}.where", "w", encoding="utf-8") as where:
        faulthandler.dump_traceback_later(0.8 * left, file=where)
        try:
            store = FileStore(str(Path(folder) / "rendezvous"), size)
            dist.init_process_group(
                "gloo", store=store, rank=rank, world_size=size, timeout=patience
            )
            # Nobody may die or leave while others are still connecting, or in a collective.
            _wait_for_all(store, "joined", place, patience)
            told = {"returned": True, "result": worker(shard, *common)}
            _wait_at_the_end(store, place, patience)
        except BaseException as error:
            told = {
                "when": time.monotonic(),  # before the group is torn down, which others will see
                "error": f"{type(error).__name__}: {error}",
                "trace": traceback.format_exc(),
            }
        finally:
            faulthandler.cancel_dump_traceback_later()
            if dist.is_initialized():
                dist.destroy_process_group()
    return told


def _wait_at_the_end(store: Any, place: _Place, patience: datetime.timedelta) -> None:
    with contextlib.suppress(RuntimeError):  # one that failed never comes
        _wait_for_all(store, "done", place, patience)


def _wait_for_all(store: Any, what: str, place: _Place, patience: datetime.timedelta) -> None:
    store.set(f"{what} {place.rank}", "")
    store.wait([f"{what} {rank}" for rank in range(place.size)], patience)
