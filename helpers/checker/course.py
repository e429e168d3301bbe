"""A course: a package of declared exercises, and what a learner can ask of it."""

from __future__ import annotations

import contextlib
import importlib
import os
import pkgutil
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

from helpers.checker import history
from helpers.checker.answers import underlying
from helpers.checker.declaration import Exercise
from helpers.checker.display import Hint, Message, Progress, Solution, Standing
from helpers.checker.layout import Shown
from helpers.checker.records import Record, Records
from helpers.checker.verdict import Verdict

__all__ = ["Course"]

_MISSING: Any = object()


class Course:
    """The exercises declared in one package: `check`, `hint`, `solution` and `progress`.

    Parameters
    ----------
    package : str
        The name of the package whose modules declare the exercises, one module per notebook.
    name : str
        The course's name, "knitting-course": that of the folder where progress is kept.

    Attributes
    ----------
    records : Records
        What the learner has done so far.

    Notes
    -----
    Two environment variables begin with the course's name in capitals: ``…_STATE`` names another
    folder for the progress, ``…_SOLUTIONS=off`` switches solutions off.
    """

    def __init__(self, package: str, name: str) -> None:
        self.package = package
        self._prefix = name.upper().replace("-", "_")
        self.records = Records(name, f"{self._prefix}_STATE")
        self._exercises: dict[str, Exercise] | None = None
        history.follow()

    # --- what is declared ------------------------------------------------------------------------

    def exercises(self) -> dict[str, Exercise]:
        """Return every exercise by its ID, in the order of the course.

        Raises
        ------
        ValueError
            If two exercises have the same ID.
        """
        if self._exercises is None:
            found: dict[str, Exercise] = {}
            for module in self._modules():
                for exercise in _declared_in(module):
                    if exercise.id in found:
                        raise ValueError(f"two exercises are declared as {exercise.id!r}")
                    found[exercise.id] = exercise
            self._exercises = dict(sorted(found.items(), key=lambda item: _order(item[0])))
        return self._exercises

    def _modules(self) -> list[ModuleType]:
        path = importlib.import_module(self.package).__path__
        names = [module.name for module in pkgutil.iter_modules(path)]
        return [importlib.import_module(f"{self.package}.{name}") for name in names]

    def find(self, identifier: Any) -> Exercise | str:
        """Return the exercise of this ID, or a helpful line where there is none."""
        exercises = self.exercises()
        if isinstance(identifier, str) and identifier.strip() in exercises:
            return exercises[identifier.strip()]
        if isinstance(identifier, int | float):
            return (
                f'Exercises are named by strings: write "{identifier}" in quotes '
                "(3.1 and 3.10 are the same number, but two exercises)."
            )
        given = repr(identifier) if isinstance(identifier, str) else "of another type than a string"
        sets = sorted({_order(name)[0] for name in exercises})
        return (
            f"There is no exercise {given}: an ID is the notebook's number, a dot and a running "
            f'number, such as "3.1", for the notebooks {sets[0]} to {sets[-1]}.'
        )

    # --- what a learner asks for -----------------------------------------------------------------

    def check(self, exercise: str = "", answer: Any = _MISSING) -> Verdict:
        """Judge an answer to an exercise.

        It never raises, and writes nothing: whatever the answer does becomes a verdict.

        Parameters
        ----------
        exercise : str
            The exercise's ID, ``"3.1"``.
        answer : callable or value
            The learner's function, or value where one is asked.

        Returns
        -------
        Verdict
            Its `status` is "not started", "error", "wrong", "unstable" or "right".
        """
        from helpers.checker.judging import judge

        declared = self.find(exercise)
        if isinstance(declared, str):
            name = exercise if isinstance(exercise, str) else ""
            return Verdict("error", name, declared, headline=declared)
        if answer is _MISSING:
            line = (
                f"check needs your answer too: check({declared.id!r}, {declared.name}), once the "
                f"cell that defines {declared.name} has been run."
            )
            return Verdict("error", declared.id, line, headline=line)
        verdict = judge(declared, answer)
        self.records.note(declared.id, verdict.status, verdict.mistake)
        before = history.outdated(_name_of(answer, declared.name))
        standing = self._standing(declared) if verdict.status == "right" else ""
        message = f"{before} {verdict.message}" if before else verdict.message
        return replace(verdict, before=before, standing=standing, message=message)

    def _standing(self, exercise: Exercise) -> str:
        """Say how much of a notebook is done, and what comes next."""
        kept = self.records.all()
        names = [e.id for e in self.exercises().values() if e.module == exercise.module]
        left = [name for name in names if kept.get(name, Record()).state != "done"]
        if not left:
            return f"All {len(names)} in this notebook are done." if len(names) > 1 else ""
        later = [name for name in left if _order(name) > _order(exercise.id)]
        done = len(names) - len(left)
        return f"{done} of {len(names)} in this notebook; next: {(later or left)[0]}."

    def hint(self, exercise: str) -> Shown:
        """Show the next hint of an exercise; each call tells a little more.

        Parameters
        ----------
        exercise : str
            The exercise's ID, ``"3.1"``.
        """
        declared = self.find(exercise)
        if isinstance(declared, str):
            return Message("No hint", declared)
        texts = declared.hint_texts
        if not texts:
            return Message("No hint", f"Exercise {declared.id} has no hints.")
        number = self.records.next_hint(declared.id, len(texts))
        return Hint(declared.id, number, len(texts), texts[number - 1])

    def solution(self, exercise: str) -> Shown:
        """Show the solution of an exercise, and why it works.

        Who has not tried the exercise yet is asked to call it a second time. A teacher can switch
        solutions off by an environment variable, see `Course`.

        Parameters
        ----------
        exercise : str
            The exercise's ID, ``"3.1"``.
        """
        switch = os.environ.get(f"{self._prefix}_SOLUTIONS", "").lower()
        if switch in ("off", "0", "no", "false"):
            return Message(
                "No solution", "Your teacher has switched solutions off; hints still come."
            )
        declared = self.find(exercise)
        if isinstance(declared, str):
            return Message("No solution", declared)
        requests = self.records.ask_for_solution(declared.id)
        if requests == 1 and self.records.record(declared.id).state == "open":
            return Message(
                "Try it first?",
                f'You have not tried exercise {declared.id} yet. hint("{declared.id}") gives a '
                "first hint. To see the solution all the same, call "
                f'solution("{declared.id}") once more.',
            )
        return Solution(declared.id, declared.source, declared.reasoning_text)

    def progress(self, *, reset: str | None = None, export: str | Path | None = None) -> Shown:
        """Show what is done, tried and open in every notebook.

        Parameters
        ----------
        reset : str, optional
            The ID of an exercise to be forgotten first, or ``"all"``.
        export : str or Path, optional
            A file to be written for a teacher: ``.csv`` or ``.json``.
        """
        remarks = []
        if reset is not None:
            self.records.reset(None if reset == "all" else reset)
            remarks.append("Everything was reset." if reset == "all" else f"{reset} was reset.")
        if export is not None:
            try:
                remarks.append(f"Written to {self.records.export(export).name}.")
            except (OSError, ValueError) as error:
                remarks.append(f"Nothing was written: {error}.")
        kept = self.records.all()
        notebooks: dict[str, list[Standing]] = {}
        for identifier, exercise in self.exercises().items():
            number = identifier.partition(".")[0]
            title = f"{number.zfill(2)} · {_title(exercise.module)}"
            entry = kept.get(identifier, Record())
            notebooks.setdefault(title, []).append(
                Standing(identifier, exercise.name, entry.state, entry.attempts, exercise.minutes)
            )
        return Progress(list(notebooks.items()), " ".join(remarks))


def _declared_in(module: ModuleType) -> list[Exercise]:
    """Return the exercises whose reference stands in this module, in the order they stand there."""
    return [
        value
        for value in vars(module).values()
        if isinstance(value, Exercise) and value.reference.__module__ == module.__name__
    ]


def _name_of(answer: Any, usual: str) -> str:
    """Return the name that a function's own cell gave it, or else the usual one."""
    with contextlib.suppress(Exception):  # looking at some answers raises
        function = underlying(answer)
        if function is not None and function.__name__.isidentifier():
            return function.__name__
    return usual


def _order(identifier: str) -> tuple[int, ...]:
    """Return "10.2" as (10, 2), so that it comes after "9.1"."""
    return tuple(int(part) for part in identifier.split("."))


def _title(module: str) -> str:
    """Return "Log-sum-exp" for the module log_sum_exp."""
    words = module.replace("_", " ")
    for term in ("log-sum-exp", "cross-entropy", "top-k"):
        words = words.replace(term.replace("-", " "), term)
    return words.capitalize()
