"""Causes that are told of answers nobody foresaw are true ones."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as functional

from helpers.checker.declaration import exercise, extreme, ordinary
from helpers.checker.judging import judge
from helpers.exercises import check


@pytest.fixture(autouse=True)
def own_state(tmp_path, monkeypatch):
    monkeypatch.setenv("SOFTMAX_COURSE_STATE", str(tmp_path))


ROWS = [
    ordinary(np.array([1.0, 2.0, 4.0]), note="one row"),
    ordinary(np.array([0.5, -2.0]), note="another row"),
    ordinary(np.array([[1.0, 2.0], [3.0, 5.0]]), note="square"),
    ordinary(np.array([[1.0, -2.0, 3.0], [4.0, 0.5, 1.0]]), note="two by three"),
    ordinary(np.array([[[1.0, 2.0], [0.0, 3.0]], [[2.5, 1.0], [7.0, 4.0]]]), note="a stack"),
]


def declared(probes, **options):
    """Return an exercise of this file's own: the shares of e^x in each row, times two."""

    @exercise("99.1", minutes=1, probes=probes, truth=lambda x: x, **options)
    def shares(x):
        """Return twice the share of each entry."""
        e = np.exp(x - x.max(axis=-1, keepdims=True))
        return 2 * e / e.sum(axis=-1, keepdims=True)

    @shares.mistake("the two is missing")
    def single(x):
        e = np.exp(x - x.max(axis=-1, keepdims=True))
        return e / e.sum(axis=-1, keepdims=True)

    return shares


def shares(x, axis=-1):
    e = np.exp(x - x.max(axis=axis, keepdims=True))
    return 2 * e / e.sum(axis=axis, keepdims=True)


# --- a mistake and an axis ------------------------------------------------------------------------


def test_axis_one_is_told_though_one_row_has_none():
    verdict = judge(declared(ROWS), lambda x: shares(x, axis=1))
    assert "You worked along axis 1" in verdict.message
    assert verdict.mistake is None


@pytest.mark.parametrize("axis", [0, 1])
def test_a_mistake_along_another_axis_is_two_things(axis):
    verdict = judge(declared(ROWS), lambda x: shares(x, axis=axis) / 2)
    assert verdict.mistake == f"single + axis_{axis}"
    assert "The two is missing." in verdict.message and f"axis {axis}" in verdict.message


def test_a_mistake_that_stops_on_stacks_is_two_things():
    def flat(x):
        if x.ndim > 2:
            raise ValueError("no stacks")
        return shares(x) / 2

    verdict = judge(declared(ROWS), flat)
    assert verdict.mistake == "single + some_dimensions_only"
    assert "stops for a stack (3-D)" in verdict.message


def test_right_for_some_dimensions_only_says_for_which():
    def flat(x):
        if x.ndim > 2:
            raise ValueError("no stacks")
        return shares(x)

    def rows(x):
        return shares(x) if x.ndim == 1 else shares(x) + np.arange(x.shape[-1])

    message = judge(declared(ROWS), flat).message
    assert "Right for one row (1-D) and a batch (2-D), but not for a stack (3-D)." in message
    message = judge(declared(ROWS), rows).message
    assert "Right for one row (1-D), but not for a batch (2-D) and a stack (3-D)." in message


def test_a_lost_axis_is_read_off_the_shapes():
    def lost(x):
        e = np.exp(x - x.max(axis=-1, keepdims=True))
        return 2 * e / e.sum(axis=-1)

    message = judge(declared(ROWS), lost).message
    assert "Shapes (2, 3) and (2,) meet" in message


def test_a_transposed_operand_is_no_lost_axis():
    message = judge(declared(ROWS), lambda x: shares(x) + 0 * x.T).message
    assert "has lost that axis" not in message


def test_a_sum_over_the_whole_batch_is_told_by_its_rows():
    def total(x):
        e = np.exp(x - x.max(axis=-1, keepdims=True))
        return 2 * e / e.sum()

    assert "Every row alone is right" in judge(declared(ROWS), total).message


def test_a_factor_of_each_row_is_told():
    answer = judge(declared(ROWS), lambda x: shares(x) * (1 + x.max(-1, keepdims=True) ** 2))
    assert "the row is off by a factor of its own" in answer.message
    answer = judge(declared(ROWS), lambda x: shares(x) + np.sin(x.sum(-1, keepdims=True)))
    assert "the row is off by a constant of its own" in answer.message


# --- what is written into -------------------------------------------------------------------------

INTEGERS = [*ROWS, ordinary(np.array([[1, 2, 0], [3, 0, 1]]), note="integers")]
READ_ONLY = np.array([[1.0, 2.0], [0.0, 3.0]])
READ_ONLY.setflags(write=False)


def buffered(x):
    out = np.empty_like(x)
    out[...] = shares(x)
    return out


def into_a_copy(x):
    e = x.copy()
    np.exp(e, out=e)
    return 2 * e / e.sum(axis=-1, keepdims=True)


@pytest.mark.parametrize("answer", [buffered, into_a_copy])
def test_an_integer_array_of_ones_own_is_not_the_argument(answer):
    message = judge(declared(INTEGERS), answer).message
    assert "into its argument" not in message
    assert "an array of integers cuts off" in message


def test_integers_are_not_blamed_where_an_exception_is_missing():
    def labels_below(y, n):
        """Return integers below n, or raise ValueError."""
        if y.dtype.kind not in "iu" or np.any(y >= n):
            raise ValueError(y)
        return y

    probes = [
        ordinary(np.array([0, 2]), 3, note="fit"),
        ordinary(np.array([1, 0, 1]), 2, note="fit too"),
        ordinary(np.array([0, 3]), 3, note="too large", raises=ValueError),
        ordinary(np.array([0.0]), 3, note="a float", raises=ValueError),
    ]
    below = exercise("99.4", minutes=1, probes=probes, truth=labels_below)(labels_below)

    def floats_alone(y, n):
        if y.dtype.kind not in "iu":
            raise ValueError(y)
        return y

    def returned(y, n):
        return y if y.dtype.kind in "iu" and np.all(y < n) else ValueError("no")

    message = judge(below, floats_alone).message
    assert "an array of integers cuts off" not in message
    assert "ValueError should have been raised, and nothing was" in message
    assert "ValueError should have been raised, and nothing was" in judge(below, returned).message
    assert judge(below, labels_below).headline == "Right: 4 inputs."


def test_a_read_only_argument_that_is_written_is_told():
    def put_back(x):
        kept = x[..., 0].copy()
        x[..., 0] += 1
        x[..., 0] = kept
        return shares(x)

    verdict = judge(declared([*ROWS, ordinary(READ_ONLY, note="read-only")]), put_back)
    assert "writes into its argument" in verdict.message


def test_a_read_only_view_of_ones_own_is_not_the_argument():
    def diagonal(x):
        np.diagonal(np.eye(3))[0] = 1
        return shares(x)

    assert "into its argument" not in judge(declared(ROWS), diagonal).message


def test_a_changed_argument_is_told_though_the_code_stops_elsewhere():
    def in_place(x):
        if x.ndim > 2:
            raise ValueError("no stacks")
        result = shares(x)
        x -= 1
        return result

    message = judge(declared(ROWS), in_place).message
    assert "x was modified" in message
    assert "Where your code returns" in message
    assert "digits" not in message


# --- out of range ---------------------------------------------------------------------------------

EXTREME = [
    *ROWS,
    extreme(np.array([1000.0, 999.0, 0.0]), note="large"),
    extreme(np.array([-1000.0, -1001.0]), note="far below"),
    extreme(np.array([[0.0, 1.0], [-2000.0, -2001.0]]), note="2000 apart"),
]


def test_a_shift_is_asked_for_only_where_it_helps():
    def unshifted(x):
        return 2 * np.exp(x) / np.exp(x).sum(axis=-1, keepdims=True)

    def shifted_and_back(x):  # the shift is there; the reciprocal is infinite
        p = shares(x)
        with np.errstate(all="ignore"):
            return 1 / (1 / p * np.where(p == 0, 0, 1))

    assert "Subtract the row's maximum first" in judge(declared(EXTREME), unshifted).message
    verdict = judge(declared(EXTREME), shifted_and_back)
    assert verdict.status == "unstable"
    assert "Subtract the row's maximum" not in verdict.message
    assert "exp(-1000) underflows to 0" in verdict.message


def test_a_row_far_below_the_others_is_blamed_only_where_its_own_maximum_helps():
    def whole(x):
        e = np.exp(x - x.max())
        return 2 * e / e.sum(axis=-1, keepdims=True)

    assert "its own maximum" in judge(declared(EXTREME), whole).message


# --- digits, places, examples ---------------------------------------------------------------------


def test_digits_that_are_not_to_be_had_are_not_missed():
    wrong = judge(declared(ROWS, scale=lambda x, expected: 1e-30), lambda x: shares(x) + 1e-14)
    assert "where 15" not in wrong.message
    wrong = check("2.2", lambda dtype: np.log(np.finfo(dtype).max) * dtype(0.999))
    assert "digits" not in wrong.message


def test_a_narrow_result_is_right_only_if_its_values_are():
    verdict = judge(declared(ROWS), lambda x: (0.3 * shares(x)).astype(np.float32))
    assert "The values are right" not in verdict.message


def test_what_many_probes_share_is_not_told_of_one():
    def one_probe(x):
        return shares(x) + 0.01 * (x.shape == (2,)) * np.arange(x.shape[-1]) ** 2

    assert "Right except" not in judge(declared(ROWS), one_probe).message


def test_an_answer_that_never_reads_its_argument_is_told():
    message = judge(declared(ROWS), lambda x: shares(np.arange(x.size).reshape(x.shape))).message
    assert "`x` makes no difference" in message


def test_the_example_is_one_of_what_the_sentence_tells():
    def terms_only(x):
        e = np.exp(x)
        return "overflow" if np.isinf(e).any() else "underflow" if e.sum() == 0 else "fine"

    verdict = check("2.3", terms_only)
    assert verdict.mistake == "looks_at_terms_only + warns"
    assert dict(verdict.rows)["yours"] != dict(verdict.rows)["expected"]


def test_right_values_are_not_shown_to_the_last_bit():
    def in_place(f, x):
        columns = []
        for j in range(len(x)):
            x[j] += 6e-6
            above = np.array(f(x))
            x[j] -= 1.2e-5
            columns.append((above - np.array(f(x))) / 1.2e-5)
            x[j] += 6e-6
        return np.array(columns).T

    rows = dict(check("6.6", in_place).rows)
    assert rows["yours"].startswith(rows["expected"])


def test_yours_is_what_was_returned():
    returned = {}

    def ratio(logits, old, new):
        returned[logits.shape] = result = logits + new / old
        return result

    verdict = check("10.2", ratio)
    mine = np.asarray(returned[verdict.probe[0].shape]).ravel()
    shown = dict(verdict.rows)["yours"].replace("[", " ").replace("]", " ").replace(",", " ")
    assert float(shown.split()[0]) == pytest.approx(mine[0], rel=1e-5)


# --- torch ----------------------------------------------------------------------------------------


def test_a_torch_answer_with_ties_and_in_place_hears_both():
    def ties(logits, k):
        values, _ = torch.topk(logits, min(k, logits.size(-1)))
        kept = logits.masked_fill(logits < values[..., -1:], -math.inf)
        return functional.softmax(kept, dim=-1)

    assert check("9.2", ties).mistake == "keeps_all_ties"


def test_memory_that_torch_refuses_is_memory():
    from helpers.checker.cases import _same_errors

    refusal = RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried")
    assert _same_errors(refusal, MemoryError())
    assert not _same_errors(RuntimeError("other"), MemoryError())


def test_an_exercise_without_float64_is_diagnosed_in_its_widest_format():
    probes = [
        ordinary(np.array([1.0, 2.0, 4.0], dtype=np.float32)),
        ordinary(np.array([[1.0, 2.0], [3.0, 5.0]], dtype=np.float32)),
        ordinary(np.array([1.0, 3.0], dtype=np.float16)),
    ]
    assert judge(declared(probes), lambda x: shares(x) / 2).mistake == "single"


def test_infinity_and_nan_are_not_the_same_where_one_is_right():
    probes = [
        ordinary(np.array([1.0, 2.0])),
        ordinary(np.array([0.5, 4.0])),
        ordinary(np.array([-1.0, 0.0])),
    ]

    @exercise("99.2", minutes=1, probes=probes, truth=np.log)
    def logarithm(x):
        """Return log x, NaN where x is negative."""
        return np.log(x)

    @logarithm.mistake("what is negative gave minus infinity, and all is doubled")
    def minus_infinity(x):
        return np.where(x < 0, -np.inf, 2 * np.log(x))

    assert judge(logarithm, minus_infinity).mistake
    assert judge(logarithm, lambda x: 2 * np.log(x)).mistake is None


def test_a_single_value_proves_nothing():
    def once(x):
        if x.shape != (2, 2):
            raise ValueError("no")
        return shares(x).sum(axis=0)

    assert "summed" not in judge(declared(ROWS), once).message


def test_truth_values_that_differ_here_and_there_are_judged():
    probes = [ordinary(np.arange(n) - 1.0, note=f"{n} numbers") for n in (2, 3, 4)]

    @exercise("99.3", minutes=1, probes=probes, truth=lambda x: x > 0)
    def positive(x):
        """Return which numbers are positive."""
        return x > 0

    @positive.mistake("zero counts")
    def not_negative(x):
        return x >= 0

    verdict = judge(positive, lambda x: (x > 0) & (x < 2))
    assert verdict.status == "wrong", verdict.message
    assert verdict.mistake is None


def test_an_answer_that_ran_out_of_time_when_asked_again_is_not_called_random():
    calls = []

    def slow(x):
        calls.append(1)
        if len(calls) > len(ROWS):  # every probe was answered in time, and then it was asked again
            while True:
                pass
        return shares(x) + (x > 4)

    verdict = judge(declared(ROWS, time_limit=0.5), slow)
    assert verdict.status == "wrong"
    assert "another result the second time" not in verdict.message


def test_the_example_of_a_named_mistake_is_no_narrow_format():
    def top_alone(x, label, k):
        values, order = torch.topk(x, min(k, len(x)))
        place = (order == label).nonzero()
        log_p = torch.log_softmax(values, 0)
        return -log_p[place[0, 0]] if len(place) else torch.tensor(math.inf)

    verdict = check("9.3", top_alone)
    assert verdict.mistake == "infinite_outside"
    assert "float32 instead of float64" not in verdict.message


def test_stopping_everywhere_is_blamed_on_an_axis_only_where_the_exception_says_so():
    def two_indices(x):
        return x[np.arange(len(x)), 0]

    assert "along axis 1" not in check("9.5", two_indices).message
    assert "along axis 1" in check("9.5", lambda x: np.sort(x, axis=1)).message


def test_several_results_of_different_shapes_are_judged():
    g = np.random.default_rng(0)
    probes = [ordinary(g.normal(size=shape), note=f"{shape}") for shape in ((2, 3), (3, 2), (3, 3))]

    @exercise("99.4", minutes=1, probes=probes, truth=lambda x: (x / 2, x.sum(axis=1)))
    def halves_and_sums(x):
        """Return half of each number, and the sum of each row."""
        return x / 2, x.sum(axis=1)

    verdict = judge(halves_and_sums, lambda x: (np.sqrt(abs(x)), x.sum(axis=1)))
    assert verdict.status == "wrong", verdict.message


def test_looking_for_a_cause_reads_nothing_that_can_be_read_once():
    class Once:
        def __init__(self, *parts):
            self.parts = list(parts)

        def __iter__(self):
            parts, self.parts = self.parts, []
            return iter(parts)

    x = np.array([[1.0, -2.0, 3.0], [4.0, 0.5, 1.0]])

    @exercise("99.2", minutes=1, probes=[ordinary(x, Once(1.0, 2.0), note="rows")], truth=None)
    def weighted(x, weights):
        """Return x times the sum of what can be read once."""
        return x * sum(weights)

    assert judge(weighted, lambda x, weights: x + 0.125).status == "wrong"
    assert weighted.probes[0].arguments[1].parts == [1.0, 2.0]
