"""The record of what a learner did: kept, shared by kernels, robust, forgettable."""

import csv
import json
import subprocess
import sys

import numpy as np
import pytest

from helpers.checker.records import Record
from helpers.exercises import check, course, hint, progress, solution

records = course.records


@pytest.fixture(autouse=True)
def store(tmp_path, monkeypatch):
    monkeypatch.setenv("SOFTMAX_COURSE_STATE", str(tmp_path / "state"))
    monkeypatch.setattr(records, "_memory", None)
    return tmp_path / "state"


def test_a_new_learner_has_done_nothing():
    assert records.record("3.1") == Record()
    assert records.record("3.1").state == "open"


def test_verdicts_are_taken_down():
    records.note("3.1", "not started")
    assert records.record("3.1").state == "open"
    records.note("3.1", "wrong")
    assert records.record("3.1").state == "tried"
    records.note("3.1", "right")
    records.note("3.1", "wrong")
    entry = records.record("3.1")
    assert (entry.state, entry.status, entry.attempts) == ("done", "wrong", 3)


def test_check_takes_down_its_verdict():
    check("0.1", lambda p: p.sum())
    assert records.record("0.1").state == "tried"
    check("0.1", lambda p: p.sum(axis=1))
    assert records.record("0.1").state == "done"


def test_check_takes_down_the_name_of_a_mistake_and_nothing_of_the_answer(store):
    for _ in range(2):
        check("0.1", lambda p: p.sum(axis=0))
    check("0.1", lambda p: p.sum(axis=1))
    assert records.record("0.1").mistakes == {"column_sums": 2}
    stored = json.loads((store / "progress.json").read_text())["exercises"]["0.1"]
    assert set(stored) == {
        "attempts", "status", "solved", "hints", "solution_requests", "mistakes",
    }  # fmt: skip


def test_the_folder_is_the_users_own_by_default(monkeypatch):
    monkeypatch.delenv("SOFTMAX_COURSE_STATE")
    assert records.folder().name == "softmax-course"


def test_hints_come_one_at_a_time():
    shown = [repr(hint("0.1")) for _ in range(10)]
    assert shown[0].startswith("Hint 1 of ")
    assert shown[1].startswith("Hint 2 of ")
    assert shown[-1] == shown[-2]
    assert "last hint" in shown[-1]


def test_solution_asks_twice_of_who_has_not_tried():
    assert "def " not in repr(solution("0.1"))
    assert "def row_sums" in repr(solution("0.1"))


def test_solution_comes_at_once_after_a_try():
    check("0.1", lambda p: np.zeros(1))
    assert "def row_sums" in repr(solution("0.1"))


def test_a_teacher_can_switch_solutions_off(monkeypatch):
    monkeypatch.setenv("SOFTMAX_COURSE_SOLUTIONS", "off")
    for _ in range(3):
        assert "def " not in repr(solution("0.1"))


def test_unknown_ids_get_a_helpful_line():
    assert "no exercise" in repr(hint("99.1"))
    assert "quotes" in repr(solution(3.1))  # type: ignore[arg-type]


def test_progress_lists_everything():
    records.note("0.1", "wrong")
    shown = repr(progress())
    assert shown.startswith("Your progress · 0 of ")
    assert "row_sums  tried  1" in shown


def test_reset_one_and_all():
    for identifier in ("0.1", "1.1"):
        records.note(identifier, "right")
    progress(reset="0.1")
    assert set(records.all()) == {"1.1"}
    progress(reset="all")
    assert records.all() == {}


def test_reset_of_everything_leaves_nothing_on_the_disk(store):
    store.mkdir()
    (store / "progress.json").write_text("damaged")
    records.note("0.1", "wrong", "column_sums")
    assert (store / "progress.damaged-1.json").exists()
    progress(reset="all")
    assert "column_sums" not in (store / "progress.json").read_text()
    assert not list(store.glob("progress.damaged-*"))


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "[]",
        "null",
        '{"exercises": 3}',
        '{"exercises": {"3.1": 7}}',
        '{"exercises": {"3.1": {"attempts": "many"}}}',
        '{"exercises": {"3.1": {"mistakes": ["no_shift"]}}}',
        '{"exercises": {"3.1": {"mistakes": {"no_shift": "often"}}}}',
        "[" * 100_000,
        "\x00\x01",
    ],
)
def test_a_damaged_file_is_put_aside(store, content):
    store.mkdir()
    (store / "progress.json").write_text(content)
    records.note("3.1", "right")
    assert records.record("3.1").solved
    assert (store / "progress.damaged-1.json").read_text() == content


def test_a_file_in_no_encoding_is_put_aside(store):
    store.mkdir()
    (store / "progress.json").write_bytes(b"\xff\xfe\xfa")
    assert records.all() == {}
    (store / "progress.json").write_bytes(b"\xff\xfe\xfb")
    assert records.all() == {}
    assert (store / "progress.damaged-2.json").read_bytes() == b"\xff\xfe\xfb"


def test_another_editions_file_is_read(store):
    store.mkdir()
    entry = {"attempts": 2, "status": "wrong", "mood": "good"}
    (store / "progress.json").write_text(json.dumps({"exercises": {"3.1": entry}, "more": 1}))
    assert records.record("3.1").attempts == 2


def test_where_nothing_can_be_written_the_kernel_remembers(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("SOFTMAX_COURSE_STATE", str(tmp_path / "file" / "state"))
    records.note("3.1", "right")
    assert records.record("3.1").solved


def test_simultaneous_kernels_lose_nothing(store):
    code = (
        "from helpers.exercises import course\n"
        "records = course.records\n"
        "for _ in range(25): records.note('3.1', 'wrong'); records.next_hint('1.1', 1000)"
    )
    kernels = [subprocess.Popen([sys.executable, "-c", code]) for _ in range(4)]
    assert [kernel.wait() for kernel in kernels] == [0, 0, 0, 0]
    assert records.record("3.1").attempts == 100
    assert records.record("1.1").hints == 100
    assert sorted(path.name for path in store.iterdir()) == ["progress.json", "progress.lock"]


def test_export_for_a_teacher(tmp_path):
    for mistake in ("one", "other", "other"):
        records.note("9.1", "wrong", mistake)
    for identifier in ("10.1", "9.1"):
        records.note(identifier, "right")
    shown = repr(progress(export=tmp_path / "me.csv"))
    assert "Written to me.csv." in shown
    with open(tmp_path / "me.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["exercise"] for row in rows] == ["9.1", "10.1"]
    assert rows[0]["state"] == "done"
    assert [row["mistakes"] for row in rows] == ["other: 2; one: 1", ""]
    progress(export=tmp_path / "me.json")
    assert json.loads((tmp_path / "me.json").read_text())[1]["attempts"] == 1
    assert "Nothing was written" in repr(progress(export=tmp_path / "me.txt"))
