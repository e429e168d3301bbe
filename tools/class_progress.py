"""What a class has done: one table of its learners' records, as CSV and as a page.

The records are the learners' own files. So nothing in them is trusted: what is no exercise of the
course or no mistake that it knows is left out, and no link out of a learner's home is followed.
"""

from __future__ import annotations

import csv
import html
import io
import json
import os
import stat
import statistics
import sys
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from helpers.checker.declaration import Exercise
from helpers.checker.records import Record, records_in
from helpers.checker.verdict import LIBRARY_CALL
from helpers.exercises import course

__all__ = ["commonest", "in_files", "on_hub", "page", "rows", "write"]

RECORD = ".local/share/softmax-course/progress.json"  # in a home
LARGEST = 1_000_000  # bytes of a record; a full one has some 20 000

Class = dict[str, dict[str, Record]]
"""Everybody's records: by the learner's name, then by exercise."""


# -- reading ------------------------------------------------------------------------------------


def on_hub(hub: Path) -> tuple[Class, list[str]]:
    """Return the records of everybody who learns on this machine's hub, and what was not read."""
    import pwd

    from deploy.accounts import Accounts

    found: Class = {}
    remarks = []
    for name, account in Accounts(hub / "accounts.json").all().items():
        if account.teacher:
            continue
        found[name] = {}
        try:
            home = pwd.getpwnam(name)
            found[name] = believable(records_in(own_text(Path(home.pw_dir, RECORD), home.pw_uid)))
        except (KeyError, FileNotFoundError):
            pass  # has not begun
        except (OSError, ValueError) as error:
            remarks.append(f"{name}: {error}")
    return found, remarks


def own_text(path: Path, owner: int) -> str:
    """Return the text of a file that is `owner`'s own, and nothing but a file.

    Raises
    ------
    ValueError
        If it is a link, somebody else's, too large, or not a file.
    """
    try:
        number = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        if path.is_symlink():
            raise ValueError("the record is a link") from error
        raise
    with open(number, encoding="utf-8") as file:
        known = os.fstat(number)
        if not stat.S_ISREG(known.st_mode) or known.st_uid != owner or known.st_size > LARGEST:
            raise ValueError("the record is not the learner's own file")
        return file.read()


def in_files(sources: Iterable[Path]) -> tuple[Class, list[str]]:
    """Return the records that learners have exported, each file under its name, and what failed.

    A folder stands for all ``.csv`` and ``.json`` files in it.
    """
    found: Class = {}
    remarks = []
    files: list[Path] = []
    for source in sources:
        inside = sorted(source.iterdir()) if source.is_dir() else [source]
        files += [path for path in inside if path.suffix in (".csv", ".json")]
    for path in files:
        try:
            records = exported(path)
        except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
            remarks.append(f"{path.name}: not read: {error}")
            continue
        if path.stem in found:
            remarks.append(f"{path.name}: there is another file of this name; it was left out")
        else:
            found[path.stem] = believable(records)
    return found, remarks


def exported(path: Path) -> dict[str, Record]:
    """Return the records in a file that ``progress(export=…)`` wrote."""
    text = path.read_text(encoding="utf-8-sig")
    if path.suffix == ".json":
        entries = json.loads(text)
        if not isinstance(entries, list):
            raise ValueError("no list of exercises")
        return records_in(
            json.dumps({"exercises": {entry["exercise"]: entry for entry in entries}})
        )
    found = {}
    for row in csv.DictReader(text.splitlines()):
        mistakes = dict(
            part.rsplit(": ", 1) for part in (row.get("mistakes") or "").split("; ") if part
        )
        found[row["exercise"]] = Record(
            attempts=int(row["attempts"]),
            status=row["status"],
            solved=row["solved"] == "True",
            hints=int(row["hints"]),
            solution_requests=int(row["solution_requests"]),
            mistakes={name: int(count) for name, count in mistakes.items()},
        )
    return found


def believable(records: Mapping[str, Record]) -> dict[str, Record]:
    """Return the records of the course's own exercises, with the mistakes that they know."""
    found = {}
    for identifier, exercise in course.exercises().items():
        if identifier in records:
            values = asdict(records[identifier])
            names = {mistake.name for mistake in exercise.mistakes} | {LIBRARY_CALL}
            values["mistakes"] = {
                name: count
                for name, count in values["mistakes"].items()
                if set(name.split(" + ")) <= names and count > 0
            }
            found[identifier] = Record(**values)
    return found


# -- what is told -------------------------------------------------------------------------------


def commonest(mistakes: Mapping[str, int]) -> str:
    """Return the name of the mistake that was made most often; "" where there is none."""
    return max(mistakes, key=lambda name: mistakes[name], default="")


def rows(learners: Class) -> list[dict[str, str | int]]:
    """Return the table: a row for each learner and exercise that was begun."""
    return [
        {
            "learner": name,
            "exercise": identifier,
            "state": record.state,
            "attempts": record.attempts,
            "hints": record.hints,
            "solution requests": record.solution_requests,
            "commonest mistake": commonest(record.mistakes),
        }
        for name, records in sorted(learners.items())
        for identifier, record in records.items()
    ]


def mistakes_of(learners: Class, identifier: str) -> list[tuple[str, int]]:
    """Return the mistakes made in an exercise, with how many learners made each."""
    made = Counter(
        name for records in learners.values() for name in records.get(identifier, Record()).mistakes
    )
    return sorted(made.items(), key=lambda item: (-item[1], item[0]))


STYLE = """\
:root { color-scheme: light dark; font: 100%/1.5 system-ui, sans-serif; }
body { margin: 2rem auto; max-width: 70rem; padding: 0 1rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; margin: 1rem 0; }
th, td { border: 1px solid; padding: 0.2rem 0.5rem; text-align: left; vertical-align: top; }
"""


def page(learners: Class, remarks: Sequence[str] = ()) -> str:
    """Return the table as a page: by exercise what is hard, and by learner who is where."""
    text = html.escape
    begun = [
        exercise
        for identifier, exercise in course.exercises().items()
        if any(identifier in records for records in learners.values())
    ]
    parts = [
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">',
        f"<title>What the class has done</title><style>{STYLE}</style></head><body>",
        f"<h1>What the class has done</h1><p>{len(learners)} learners. The records are their own: "
        "what they have tried, and no proof.</p>",
    ]
    if remarks:
        items = "".join(f"<li>{text(remark)}</li>" for remark in remarks)
        parts.append(f"<h2>Not read</h2><ul>{items}</ul>")
    parts.append(
        '<h2>By exercise</h2><div class="wide"><table><thead><tr><th scope="col">Exercise</th>'
        '<th scope="col">done</th><th scope="col">tried</th><th scope="col">median attempts</th>'
        '<th scope="col">commonest mistakes, and how many made them</th></tr></thead><tbody>'
    )
    parts += [exercise_row(learners, exercise) for exercise in begun]
    parts.append("</tbody></table></div>")
    parts.append(
        '<h2>By learner</h2><div class="wide"><table><thead><tr><th scope="col">Learner</th>'
    )
    parts.append('<th scope="col">done</th>')
    parts += [f'<th scope="col">{text(exercise.id)}</th>' for exercise in begun]
    parts.append("</tr></thead><tbody>")
    for name, records in sorted(learners.items()):
        done = sum(record.solved for record in records.values())
        cells = "".join(f"<td>{standing(records.get(e.id, Record()))}</td>" for e in begun)
        parts.append(f'<tr><th scope="row">{text(name)}</th><td>{done}</td>{cells}</tr>')
    parts.append("</tbody></table></div></body></html>\n")
    return "\n".join(parts)


def standing(record: Record) -> str:
    """Return a learner's state in an exercise, with the attempts it took."""
    return record.state if record.state == "open" else f"{record.state}, {record.attempts}"


def exercise_row(learners: Class, exercise: Exercise) -> str:
    """Return an exercise's row of the page."""
    records = [r[exercise.id] for r in learners.values() if exercise.id in r]
    tried = [record for record in records if record.attempts]
    done = sum(record.solved for record in tried)
    attempts = f"{statistics.median(r.attempts for r in tried):g}" if tried else ""
    sentences = {mistake.name: mistake.sentence for mistake in exercise.mistakes}
    made = "".join(
        f"<li>{html.escape(name.replace('_', ' '))} ({count}): "
        f"{html.escape(' '.join(sentences.get(part, '') for part in name.split(' + ')))}</li>"
        for name, count in mistakes_of(learners, exercise.id)[:3]
    )
    return (
        f'<tr><th scope="row">{exercise.id} <code>{exercise.name}</code></th><td>{done}</td>'
        f"<td>{len(tried) - done}</td><td>{attempts}</td>"
        f"<td>{f'<ul>{made}</ul>' if made else ''}</td></tr>"
    )


def write_for_owner(path: Path, content: str) -> None:
    """Write a text that nobody but the file's owner reads, whoever could read it before."""
    number = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with open(number, "w", newline="", encoding="utf-8") as file:
        if sys.platform != "win32" and stat.S_ISREG(os.fstat(number).st_mode):
            os.fchmod(number, 0o600)  # it may be an older file's
        file.write(content)


def write(sources: Sequence[Path], hub: Path, table: Path, place: Path) -> int:
    """Write the table and the page; say what could not be read, and return 1 where nobody was.

    On the hub both lie in the course's folder, which learners can read: them, only their owner can.
    """
    learners, remarks = in_files(sources) if sources else on_hub(hub)
    for remark in remarks:
        print(remark, file=sys.stderr)
    if not learners:
        print("There are no learners' records.", file=sys.stderr)
        return 1
    text = io.StringIO()
    names = ["learner", "exercise", "state", "attempts", "hints", "solution requests"]
    writer = csv.DictWriter(text, [*names, "commonest mistake"], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows(learners))
    write_for_owner(table, text.getvalue())
    write_for_owner(place, page(learners, remarks))
    print(f"{len(learners)} learners: {table}, {place}")
    return 0
