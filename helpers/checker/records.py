"""What a learner has done so far in a course, kept outside the notebooks.

One JSON file in the user-data folder, or in the folder that an environment variable names. Every
change is read, made and written under a lock, and the file is replaced as a whole: kernels that
run at the same time do not undo each other, and a power cut leaves the old file. A file that
cannot be read is put aside, not deleted. Where nothing can be written, the record lasts as long
as the kernel.
"""

from __future__ import annotations

import contextlib
import csv
import io
import json
import os
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import platformdirs

__all__ = ["Record", "Records", "records_in"]

FILE = "progress.json"
PATIENCE = 2.0  # seconds to wait for another kernel's lock


@dataclass
class Record:
    """What a learner has done in one exercise.

    Attributes
    ----------
    attempts : int
        How often an answer was checked; a stub is no attempt.
    status : str
        The latest verdict.
    solved : bool
        Whether some verdict was "right".
    hints : int
        How many hints were shown.
    solution_requests : int
        How often the solution was asked for.
    mistakes : dict
        How often each mistake was recognised, by its name.
    """

    attempts: int = 0
    status: str = "not started"
    solved: bool = False
    hints: int = 0
    solution_requests: int = 0
    mistakes: dict[str, int] = field(default_factory=dict)

    @property
    def state(self) -> str:
        """One of "done", "tried" and "open"."""
        return "done" if self.solved else "tried" if self.attempts else "open"


class Records:
    """The records of one learner in one course.

    Parameters
    ----------
    name : str
        The course's name, that of the folder in the user-data folder.
    variable : str
        The environment variable that names another folder.
    """

    def __init__(self, name: str, variable: str) -> None:
        self.name = name
        self.variable = variable
        self._memory: dict[str, Record] | None = None  # where no file can be written

    def folder(self) -> Path:
        """Return the folder that keeps the file."""
        named = os.environ.get(self.variable)
        return Path(named) if named else platformdirs.user_data_path(self.name)

    def all(self) -> dict[str, Record]:
        """Return every exercise's record, by its ID."""
        if self._memory is not None:
            return dict(self._memory)
        with contextlib.suppress(OSError), self._locked():
            return self._read()
        return {}

    def record(self, identifier: str) -> Record:
        """Return the record of one exercise; a blank one where nothing was done yet."""
        return self.all().get(identifier, Record())

    def note(self, identifier: str, status: str, mistake: str | None = None) -> None:
        """Take down a verdict, and the mistake that was recognised; never the answer."""
        with self._changed() as all_records:
            entry = all_records.setdefault(identifier, Record())
            entry.status = status
            entry.attempts += status != "not started"
            entry.solved |= status == "right"
            if mistake is not None:
                entry.mistakes[mistake] = entry.mistakes.get(mistake, 0) + 1

    def next_hint(self, identifier: str, available: int) -> int:
        """Return the number of the hint to show now, from 1; after the last one, the last again."""
        with self._changed() as all_records:
            entry = all_records.setdefault(identifier, Record())
            entry.hints = min(entry.hints + 1, available)
            return entry.hints

    def ask_for_solution(self, identifier: str) -> int:
        """Take down that the solution was asked for; return how often by now."""
        with self._changed() as all_records:
            entry = all_records.setdefault(identifier, Record())
            entry.solution_requests += 1
            return entry.solution_requests

    def reset(self, identifier: str | None = None) -> None:
        """Forget one exercise, or everything: damaged files that were put aside too."""
        with self._changed() as all_records:
            if identifier is None:
                all_records.clear()
            else:
                all_records.pop(identifier, None)
        if identifier is None:
            for aside in self.folder().glob("progress.damaged-*.json"):
                with contextlib.suppress(OSError):
                    aside.unlink()

    def export(self, path: str | Path) -> Path:
        """Write the records for a teacher, as CSV or JSON by the name's ending.

        Parameters
        ----------
        path : str or Path
            A file that ends in ``.csv`` or ``.json``.

        Returns
        -------
        Path
            The file written.

        Raises
        ------
        ValueError
            For another ending.
        """
        path = Path(path)
        rows = [
            {"exercise": identifier, "state": entry.state, **asdict(entry)}
            for identifier, entry in sorted(self.all().items(), key=lambda item: _order(item[0]))
        ]
        if path.suffix == ".csv":
            names = ["exercise", "state", *(f.name for f in fields(Record))]
            text = io.StringIO()
            writer = csv.DictWriter(text, names, lineterminator="\n")
            writer.writeheader()
            writer.writerows({**row, "mistakes": _listed(row["mistakes"])} for row in rows)
            path.write_text(text.getvalue(), encoding="utf-8")
        elif path.suffix == ".json":
            path.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
        else:
            raise ValueError(f"the file's name must end in .csv or .json; got {path.name!r}")
        return path

    @contextlib.contextmanager
    def _changed(self) -> Iterator[dict[str, Record]]:
        """Yield the records to be changed, and write them back."""
        if self._memory is not None:
            yield self._memory
            return
        with contextlib.ExitStack() as stack:
            try:
                stack.enter_context(self._locked())
                entries = self._read()
            except OSError:  # a home that cannot be written, say
                entries = self._memory = {}
            yield entries
            if self._memory is None:
                try:
                    self._write(entries)
                except OSError:
                    self._memory = entries

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        """Keep other kernels out; the system frees the lock of one that dies."""
        self.folder().mkdir(parents=True, exist_ok=True)
        with open(self.folder() / "progress.lock", "a+b") as file:
            until = time.monotonic() + PATIENCE
            while not _try_to_lock(file.fileno()) and time.monotonic() < until:
                time.sleep(0.005)
            yield  # closing the file unlocks it

    def _read(self) -> dict[str, Record]:
        path = self.folder() / FILE
        try:
            return records_in(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        except ValueError:
            _put_aside(path)
            return {}

    def _write(self, entries: dict[str, Record]) -> None:
        content = {"exercises": {name: asdict(entry) for name, entry in entries.items()}}
        handle, name = tempfile.mkstemp(dir=self.folder(), prefix="progress-", suffix=".tmp")
        try:
            with open(handle, "w", encoding="utf-8") as file:
                json.dump(content, file, indent=1)
                file.flush()
                os.fsync(file.fileno())
            os.replace(name, self.folder() / FILE)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(name)
            raise


def records_in(text: str) -> dict[str, Record]:
    """Return the records that a progress file's text holds, by exercise.

    Raises
    ------
    ValueError
        If it is no progress file, or a damaged one.
    """
    try:
        content = json.loads(text)
        return {name: _parsed(entry) for name, entry in content["exercises"].items()}
    except (TypeError, KeyError, AttributeError, RecursionError) as error:
        raise ValueError("no progress file") from error


def _order(identifier: str) -> tuple[int, ...]:
    return tuple(int(part) if part.isdigit() else 0 for part in identifier.split("."))


def _parsed(entry: dict[str, Any]) -> Record:
    """Return a stored entry as a record; what another edition of the course added is dropped."""
    blank = asdict(Record())
    known = {name: entry[name] for name in blank if name in entry}
    if any(type(value) is not type(blank[name]) for name, value in known.items()):
        raise TypeError("a stored value has another type")
    if any(type(count) is not int for count in known.get("mistakes", {}).values()):
        raise TypeError("a mistake's count has another type")
    return Record(**known)


def _listed(mistakes: dict[str, int]) -> str:
    """Return "no_shift: 2; global_maximum: 1", the most frequent first."""
    often = sorted(mistakes.items(), key=lambda item: -item[1])
    return "; ".join(f"{name}: {count}" for name, count in often)


def _put_aside(path: Path) -> None:
    number = 1
    while (aside := path.with_name(f"progress.damaged-{number}.json")).exists():
        number += 1
    path.replace(aside)


if os.name == "nt":

    def _try_to_lock(number: int) -> bool:
        import msvcrt

        os.lseek(number, 0, os.SEEK_SET)
        try:
            msvcrt.locking(number, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined,unused-ignore]
        except OSError:
            return False
        return True

else:

    def _try_to_lock(number: int) -> bool:
        import fcntl

        try:
            fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        return True
