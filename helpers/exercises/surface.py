"""What a learner can ask for besides a check: a hint, the solution, their progress."""

from __future__ import annotations

import os
from pathlib import Path

from helpers.exercises import records
from helpers.exercises.display import Hint, Message, Progress, Shown, Solution, Standing

__all__ = ["hint", "progress", "solution"]


def hint(exercise: str) -> Shown:
    """Show the next hint of an exercise; each call tells a little more.

    Parameters
    ----------
    exercise : str
        The exercise's ID, ``"3.1"``.
    """
    from helpers.exercises.declaration import find

    declared = find(exercise)
    if isinstance(declared, str):
        return Message("No hint", declared)
    texts = declared.hint_texts
    if not texts:
        return Message("No hint", f"Exercise {declared.id} has no hints.")
    number = records.next_hint(declared.id, len(texts))
    return Hint(declared.id, number, len(texts), texts[number - 1])


def solution(exercise: str) -> Shown:
    """Show the solution of an exercise, and why it works.

    Who has not tried the exercise yet is asked to call it a second time. A teacher switches
    solutions off by setting ``SOFTMAX_COURSE_SOLUTIONS`` to ``off`` in the environment.

    Parameters
    ----------
    exercise : str
        The exercise's ID, ``"3.1"``.
    """
    from helpers.exercises.declaration import find

    if os.environ.get("SOFTMAX_COURSE_SOLUTIONS", "").lower() in ("off", "0", "no", "false"):
        return Message("No solution", "Your teacher has switched solutions off; hints still come.")
    declared = find(exercise)
    if isinstance(declared, str):
        return Message("No solution", declared)
    requests = records.ask_for_solution(declared.id)
    if requests == 1 and records.record(declared.id).state == "open":
        return Message(
            "Try it first?",
            f'You have not tried exercise {declared.id} yet. hint("{declared.id}") gives a first '
            f'hint. To see the solution all the same, call solution("{declared.id}") once more.',
        )
    return Solution(declared.id, declared.source, declared.reasoning_text)


def progress(*, reset: str | None = None, export: str | Path | None = None) -> Shown:
    """Show what is done, tried and open in every notebook.

    Parameters
    ----------
    reset : str, optional
        The ID of an exercise to be forgotten first, or ``"all"``.
    export : str or Path, optional
        A file to be written for a teacher: ``.csv`` or ``.json``.
    """
    from helpers.exercises.declaration import registry

    remarks = []
    if reset is not None:
        records.reset(None if reset == "all" else reset)
        remarks.append("Everything was reset." if reset == "all" else f"{reset} was reset.")
    if export is not None:
        try:
            remarks.append(f"Written to {records.export(export).name}.")
        except (OSError, ValueError) as error:
            remarks.append(f"Nothing was written: {error}.")
    kept = records.records()
    notebooks: dict[str, list[Standing]] = {}
    for identifier, exercise in registry().items():
        number = identifier.partition(".")[0]
        title = f"{number.zfill(2)} · {_title(exercise.module)}"
        entry = kept.get(identifier, records.Record())
        notebooks.setdefault(title, []).append(
            Standing(identifier, exercise.name, entry.state, entry.attempts, exercise.minutes)
        )
    return Progress(list(notebooks.items()), " ".join(remarks))


def _title(module: str) -> str:
    """Return "Log-sum-exp" for the module log_sum_exp."""
    words = module.replace("_", " ")
    for term in ("log-sum-exp", "cross-entropy", "top-k"):
        words = words.replace(term.replace("-", " "), term)
    return words.capitalize()
