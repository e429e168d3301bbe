"""The teacher's commands: accounts from a list of names, one table of a class's records."""

from __future__ import annotations

import csv
import json
import os
import re
import stat
import sys
from pathlib import Path

import pytest

from helpers.checker.records import Record
from helpers.exercises import course
from tools import class_progress, classroom

posix = pytest.mark.skipif(sys.platform == "win32", reason="the hub's accounts are those of Linux")


# -- accounts -----------------------------------------------------------------------------------


@posix
@pytest.mark.parametrize(
    ("name", "account"),
    [
        ("Ada Lovelace", "ada-lovelace"),
        ("ada@example.org", "ada"),
        ("Évariste Galois", "evariste-galois"),
        ("  S1234 ", "s1234"),
        ("O'Neil", "o-neil"),
        ("Weierstraß", "weierstrass"),
        ("x" * 60, "x" * 24),
    ],
)
def test_a_name_gives_an_account(name: str, account: str) -> None:
    from deploy.accounts import NAME, account_name

    assert account_name(name) == account
    assert NAME.fullmatch(account)


@posix
@pytest.mark.parametrize("name", ["", "1234", "高斯", "--", "@ada"])
def test_a_name_without_letters_is_told(name: str) -> None:
    from deploy.accounts import account_name

    with pytest.raises(ValueError, match="no account name"):
        account_name(name)


@posix
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Ada\nEmmy\n", ["ada", "emmy"]),
        ("name\nAda\n\nEmmy\n", ["ada", "emmy"]),
        ("\ufeffname,group\nAda,1\nEmmy,2\n", ["ada", "emmy"]),
        ("name,account\nAda,s1\nEmmy,s2\n", ["s1", "s2"]),
        ("", []),
    ],
)
def test_a_list_of_names_is_read(tmp_path: Path, text: str, expected: list[str]) -> None:
    names = tmp_path / "names.csv"
    names.write_text(text, encoding="utf-8")
    assert [account for _, account in classroom.names_in(names)] == expected


@posix
def test_two_of_one_name_are_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names = tmp_path / "names.csv"
    names.write_text("Ada B\nada-b\n")
    assert classroom.main(["learners", str(names), "--hub", str(tmp_path / "hub")]) == 1
    assert "both give the account 'ada-b'" in capsys.readouterr().err
    assert not (tmp_path / "hub").exists()


@posix
def test_passwords_are_given_once_and_kept_by_nobody(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from deploy.accounts import Accounts

    names, hub = tmp_path / "names.csv", tmp_path / "hub"
    names.write_text("Ada Lovelace\n")
    command = ["learners", str(names), "--hub", str(hub)]
    assert classroom.main(command) == 0
    path = tmp_path / "names-passwords.csv"
    ((_, account, password),) = list(csv.reader(path.open()))[1:]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert re.fullmatch(r"(\w{4}-){2}\w{4}", password)
    accounts = Accounts(hub / "accounts.json")
    known = accounts.find(account, password)
    assert known is not None
    assert known.once
    assert stat.S_IMODE((hub / "accounts.json").stat().st_mode) == 0o600
    assert stat.S_IMODE(hub.stat().st_mode) == 0o700
    assert password not in (hub / "accounts.json").read_text()
    accounts.choose(account, "one of my own")

    names.write_text("Ada Lovelace\nEmmy Noether\n")
    assert classroom.main(command) == 0
    new = list(csv.reader((tmp_path / "names-passwords-2.csv").open()))[1:]
    assert [row[1] for row in new] == ["emmy-noether"]
    assert accounts.find(account, "one of my own") is not None

    assert classroom.main(["learners", "--renew", account, "--hub", str(hub)]) == 0
    renewed = capsys.readouterr().out.split()[-1]
    assert accounts.find(account, "one of my own") is None
    assert accounts.find(account, renewed) is not None
    assert classroom.main(["learners", "--remove", account, "--hub", str(hub)]) == 0
    assert accounts.find(account, renewed) is None
    assert classroom.main(["learners", "--remove", account, "--hub", str(hub)]) == 1


@posix
def test_every_password_is_another_and_every_salt() -> None:
    from deploy.accounts import hashed, one_time_password

    assert len({one_time_password() for _ in range(1000)}) == 1000
    assert hashed("the same") != hashed("the same")


@posix
def test_teachers_are_told_apart(tmp_path: Path) -> None:
    from deploy.accounts import Accounts

    names = tmp_path / "teachers.csv"
    names.write_text("Emmy\n")
    assert classroom.main(["learners", str(names), "--teachers", "--hub", str(tmp_path)]) == 0
    assert Accounts(tmp_path / "accounts.json").all()["emmy"].teacher


# -- progress -----------------------------------------------------------------------------------


@pytest.fixture
def exports(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder of what three learners have exported."""
    folder = tmp_path / "exports"
    folder.mkdir()
    work: dict[str, list[tuple[str, str, str | None]]] = {
        "ada.csv": [("3.1", "unstable", "no_shift"), ("3.1", "right", None)],
        "ben.json": [("3.1", "wrong", "global_maximum"), ("3.1", "unstable", "no_shift")],
        "emmy.csv": [
            *[("3.1", "unstable", "no_shift")] * 3,
            ("1.1", "right", "library call"),
        ],
    }
    for name, verdicts in work.items():
        monkeypatch.setenv("SOFTMAX_COURSE_STATE", str(tmp_path / name))
        for verdict in verdicts:
            course.records.note(*verdict)
        course.records.export(folder / name)
    return folder


def table(exports: Path, tmp_path: Path) -> tuple[list[dict[str, str]], str]:
    """Return the table and the page that the command makes."""
    place = ["--csv", str(tmp_path / "class.csv"), "--page", str(tmp_path / "class.html")]
    assert classroom.main(["progress", str(exports), *place]) == 0
    with open(tmp_path / "class.csv", newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file)), (tmp_path / "class.html").read_text(encoding="utf-8")


def test_one_table_of_a_class(exports: Path, tmp_path: Path) -> None:
    rows, _ = table(exports, tmp_path)
    told = [(r["learner"], r["exercise"], r["state"], r["attempts"]) for r in rows]
    assert told == [
        ("ada", "3.1", "done", "2"),
        ("ben", "3.1", "tried", "2"),
        ("emmy", "1.1", "done", "1"),
        ("emmy", "3.1", "tried", "3"),
    ]
    assert [row["commonest mistake"] for row in rows] == [
        "no_shift", "global_maximum", "library call", "no_shift",
    ]  # fmt: skip


def test_the_page_names_the_commonest_mistakes(exports: Path, tmp_path: Path) -> None:
    _, page = table(exports, tmp_path)
    assert "3 learners" in page
    row = page[page.index("3.1 <code>softmax_stable") :]
    row = row[: row.index("</tr>")]
    assert row.index("no shift (3)") < row.index("global maximum (1)")
    assert "<td>1</td><td>2</td><td>2</td>" in row  # done, tried, median attempts


@pytest.mark.parametrize(
    "content",
    [
        "", "[]x", "{}", '[{"exercise": "3.1", "attempts": "<b>"}]', "[" * 100_000,
        '[{"attempts": 1}]', "[1]", '[{"exercise": ["3.1"]}]',
    ],
)  # fmt: skip
def test_a_damaged_file_is_told_and_stops_nothing(
    exports: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str
) -> None:
    (exports / "zoe.json").write_text(content)
    rows, page = table(exports, tmp_path)
    assert "zoe" not in {row["learner"] for row in rows}
    assert "zoe.json: not read" in capsys.readouterr().err
    assert "zoe.json" in page


def test_nothing_that_a_learner_writes_reaches_the_page_as_it_is(
    exports: Path, tmp_path: Path
) -> None:
    entry = {"attempts": 1, "status": "<script>", "mistakes": {"<script>": 9, "=1+1": 9}}
    records = [{"exercise": "3.1", **entry}, {"exercise": "<script>", **entry}]
    (exports / "<i>zoe.json").write_text(json.dumps(records))
    rows, page = table(exports, tmp_path)
    assert "<script>" not in page
    assert "<i>" not in page
    assert "&lt;i&gt;zoe" in page
    assert "=1+1" not in {row["commonest mistake"] for row in rows}


@posix
def test_the_table_and_the_page_are_read_by_their_owner_alone(
    exports: Path, tmp_path: Path
) -> None:
    for name in ("class.csv", "class.html"):  # an old one that everybody could read
        (tmp_path / name).write_text("old " * 10_000)
        (tmp_path / name).chmod(0o644)
    _, page = table(exports, tmp_path)
    assert "old old" not in page
    for name in ("class.csv", "class.html"):
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o600


def test_a_class_without_records_is_told(tmp_path: Path) -> None:
    assert classroom.main(["progress", str(tmp_path), "--csv", str(tmp_path / "c.csv")]) == 1


@posix
class TestRecordsInHomes:
    @pytest.fixture
    def record(self, tmp_path: Path) -> Path:
        path = tmp_path / "progress.json"
        path.write_text(json.dumps({"exercises": {"3.1": {"attempts": 2}}}))
        return path

    def test_the_owners_own_file_is_read(self, record: Path) -> None:
        assert "attempts" in class_progress.own_text(record, os.getuid())

    def test_somebody_elses_is_not(self, record: Path) -> None:
        with pytest.raises(ValueError, match="own file"):
            class_progress.own_text(record, os.getuid() + 1)

    def test_no_link_is_followed(self, record: Path) -> None:
        link = record.with_name("link.json")
        link.symlink_to(record)
        with pytest.raises(ValueError, match="link"):
            class_progress.own_text(link, os.getuid())

    def test_a_pipe_holds_nobody_up(self, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / "pipe")
        with pytest.raises(ValueError, match="own file"):
            class_progress.own_text(tmp_path / "pipe", os.getuid())

    def test_a_file_without_end_is_not_read(self, tmp_path: Path) -> None:
        path = tmp_path / "large.json"
        with open(path, "wb") as file:
            file.truncate(10**10)
        with pytest.raises(ValueError, match="own file"):
            class_progress.own_text(path, os.getuid())


def test_what_a_record_holds_is_what_the_page_for_teachers_says() -> None:
    """No answer, no time, no name: the page says so, and somebody may rely on it."""
    assert set(Record.__dataclass_fields__) == {
        "attempts", "status", "solved", "hints", "solution_requests", "mistakes",
    }  # fmt: skip
