"""A class: nbgrader's assignments, the hub's accounts, and how far everybody is.

``python tools/classroom.py assignments FOLDER [03 04 …]`` makes an nbgrader course of the
notebooks; ``learners names.csv`` makes the accounts with which a class signs in to the hub;
``progress`` makes one table of what a class has done. The page for teachers shows all three.

The teacher's edition of a notebook differs from the learner's in one thing: every check cell
starts with a hidden test that imports `check` afresh.  nbgrader cuts it out of the release and puts
it back for grading, so that a `check` which the learner's notebook defines itself awards nothing.
"""

from __future__ import annotations

import argparse
import csv
import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

if __name__ == "__main__":  # run as a file, from anywhere
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tools import class_progress
from tools.lab import PAGES
from tools.notebooks import find, read, text_of

HUB = Path(os.environ.get("SOFTMAX_HUB_STATE", "/var/lib/softmax-hub"))
"""The hub's own folder, as deploy/jupyterhub_config.py has it."""

FRESH_CHECK = """\
### BEGIN HIDDEN TESTS
from helpers.exercises import check
### END HIDDEN TESTS
"""

CONFIGURATION = '''\
"""nbgrader's settings for the softmax course."""

import os
import tempfile

c = get_config()  # noqa: F821

c.CourseDirectory.course_id = "softmax"
c.ClearSolutions.enabled = False  # the notebooks hold none, and the stubs stay as they are
c.OverwriteCells.add_missing_cells = True  # a deleted check comes back, and fails
c.ExecutePreprocessor.timeout = 300

# What is graded here is nobody's progress, and the graded code asks for no solutions.
os.environ["SOFTMAX_COURSE_STATE"] = tempfile.mkdtemp(prefix="softmax-course-grading-")
os.environ["SOFTMAX_COURSE_SOLUTIONS"] = "off"
'''


# -- nbgrader's assignments ---------------------------------------------------------------------


def make_source(notebook: Path, folder: Path) -> Path:
    """Write the teacher's edition of one notebook into the course in `folder`; return its path.

    The pages that it links to lie beside it.
    """
    edition = read(notebook)
    for cell in edition.cells:
        if cell.metadata.get("nbgrader", {}).get("grade"):
            cell.source = FRESH_CHECK + cell.source
    path = folder / "source" / notebook.stem / notebook.name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text_of(edition), encoding="utf-8", newline="\n")
    for page in PAGES:
        if any(f"]({page}" in cell.source for cell in edition.cells):
            shutil.copyfile(notebook.with_name(page), path.with_name(page))
    return path


def make_assignments(folder: Path, notebooks: Sequence[str]) -> None:
    """Make an nbgrader course of these notebooks, of all where none is named.

    Each becomes an assignment of its own in ``folder/source``; the folder also gets an
    ``nbgrader_config.py`` where it has none. From there on it is plain nbgrader.
    """
    for notebook in find(notebooks):
        print(make_source(notebook, folder).relative_to(folder))
    configuration = folder / "nbgrader_config.py"
    if not configuration.exists():
        configuration.write_text(CONFIGURATION, encoding="utf-8", newline="\n")
        print(configuration.name)


# -- the hub's accounts ---------------------------------------------------------------------------


def names_in(path: Path) -> list[tuple[str, str]]:
    """Return the names of a class's list, and the account of each.

    Parameters
    ----------
    path : Path
        A CSV file. The first column holds names, addresses or accounts; a header is not needed.
        A column headed ``account`` holds the accounts themselves.

    Raises
    ------
    ValueError
        If two lines give the same account, or one gives none.
    """
    from deploy.accounts import account_name

    with open(path, newline="", encoding="utf-8-sig") as file:
        rows = [row for row in csv.reader(file) if any(cell.strip() for cell in row)]
    header = [cell.strip().lower() for cell in rows[0]] if rows else []
    column = header.index("account") if "account" in header else 0
    if {"account", "name", "email", "e-mail"} & set(header):
        rows = rows[1:]
    found = [(row[0].strip(), account_name(row[column])) for row in rows if len(row) > column]
    accounts = [account for _, account in found]
    for name, account in found:
        if accounts.count(account) > 1:
            raise ValueError(
                f"{name!r} and another line both give the account {account!r}: add a column "
                "headed account and write two different ones"
            )
    return found


def make_accounts(names: Path, hub: Path, *, teachers: bool = False) -> Path:
    """Give everybody on a list an account with a one-time password.

    Who has an account keeps it, and the password with it.

    Returns
    -------
    Path
        The file with the new passwords, beside the list and readable by its owner alone.
    """
    from deploy.accounts import Accounts

    accounts = Accounts(hub / "accounts.json")
    known = accounts.all()
    new = [
        (name, account, accounts.issue(account, teacher=teachers))
        for name, account in names_in(names)
        if account not in known
    ]
    path = names.with_name(f"{names.stem}-passwords.csv")
    number = 1
    while path.exists():
        number += 1
        path = names.with_name(f"{names.stem}-passwords-{number}.csv")
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", newline="") as file:
        csv.writer(file).writerows([("name", "account", "one-time password"), *new])
    return path


def learners(options: argparse.Namespace) -> int:
    """Make, renew and remove accounts, as the command line says; return 1 where that failed."""
    from deploy.accounts import Accounts

    accounts = Accounts(options.hub / "accounts.json")
    try:
        if options.names is not None:
            path = make_accounts(options.names, options.hub, teachers=options.teachers)
            print(f"One-time passwords: {path}\nHand each to its owner, then delete the file.")
        for name in options.renew:
            known = accounts.all().get(name)
            if known is None:
                raise ValueError(f"there is no account {name!r}")
            print(f"{name}: {accounts.issue(name, teacher=known.teacher)}")
        for name in options.remove:
            if not accounts.remove(name):
                raise ValueError(f"there is no account {name!r}")
            print(f"{name} cannot sign in any more; the files in its home are still there.")
        for name in options.delete:
            from deploy.sign_in import delete_system_account

            accounts.remove(name)
            delete_system_account(name)
            print(f"{name} is deleted, with all files.")
    except (OSError, ValueError) as error:
        print(f"{error}", file=sys.stderr)
        return 1
    return 0


# -- the command line -----------------------------------------------------------------------------


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    commands = parser.add_subparsers(required=True, dest="command")

    command = commands.add_parser("assignments", help="make an nbgrader course of the notebooks")
    command.add_argument("folder", type=Path, help="nbgrader's course directory, made if missing")
    command.add_argument("notebooks", nargs="*", help="names or numbers; all by default")

    command = commands.add_parser("learners", help="make the accounts of a class on the hub")
    command.add_argument("names", type=Path, nargs="?", help="a CSV file, a name in each line")
    command.add_argument("--teachers", action="store_true", help="these are teachers")
    command.add_argument("--renew", nargs="+", default=[], help="a new one-time password for these")
    command.add_argument("--remove", nargs="+", default=[], help="these sign in no more")
    command.add_argument(
        "--delete", nargs="+", default=[], help="these too, with their account and all their files"
    )
    command.add_argument("--hub", type=Path, default=HUB, help="the hub's own folder: %(default)s")

    command = commands.add_parser("progress", help="make a table of what a class has done")
    command.add_argument(
        "sources", type=Path, nargs="*", help="exported files, or folders of them; else the hub's"
    )
    command.add_argument("--csv", type=Path, default=Path("class.csv"), help="%(default)s")
    command.add_argument("--page", type=Path, default=Path("class.html"), help="%(default)s")
    command.add_argument("--hub", type=Path, default=HUB, help="the hub's own folder: %(default)s")

    options = parser.parse_args(arguments)
    if options.command == "learners":
        return learners(options)
    if options.command == "progress":
        return class_progress.write(options.sources, options.hub, options.csv, options.page)
    make_assignments(options.folder, options.notebooks)
    return 0


if __name__ == "__main__":
    sys.exit(main())
