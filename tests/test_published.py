"""`published_values`: raises in tests, and tells a learner in one line that it does not apply."""

from __future__ import annotations

import pytest

from helpers import published_values
from helpers.published import STRICT


def test_raises_in_tests() -> None:
    with pytest.raises(AssertionError), published_values():
        assert 1 + 1 == 3


@pytest.mark.parametrize("error", [AssertionError, NameError, ValueError])
def test_tells_a_learner_in_one_line_and_goes_on(error, monkeypatch, capsys) -> None:
    monkeypatch.delenv(STRICT)
    with published_values():
        raise error
    told = capsys.readouterr().out
    assert told.count("\n") == 1
    assert "as published" in told
    assert error.__name__ in told


def test_says_nothing_where_all_holds(monkeypatch, capsys) -> None:
    monkeypatch.delenv(STRICT)
    with published_values():
        assert 1 + 1 == 2
    assert capsys.readouterr().out == ""
