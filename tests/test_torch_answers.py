"""Answers in PyTorch's style, which take tensors alone, are judged by what they do with tensors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as functional

from helpers.checker.calling import as_tensor, with_floats
from helpers.checker.declaration import exercise, ordinary
from helpers.exercises import check


@pytest.fixture(autouse=True)
def own_state(tmp_path, monkeypatch):
    monkeypatch.setenv("SOFTMAX_COURSE_STATE", str(tmp_path))


def shifted(x):
    e = torch.exp(x - x.max(dim=-1, keepdim=True).values)
    return e / e.sum(dim=-1, keepdim=True)


def by_autograd(logits, labels):
    x = torch.tensor(logits, requires_grad=True)
    functional.nll_loss(torch.log_softmax(x, dim=1), torch.as_tensor(labels)).backward()
    return x.grad


def by_autograd_of_tensors(logits, labels):
    x = logits.clone().requires_grad_()
    functional.nll_loss(functional.log_softmax(x, dim=1), labels).backward()
    return x.grad


@pytest.mark.parametrize(
    ("identifier", "answer"),
    [
        ("1.2", lambda x: x.exp() / x.exp().sum(-1, keepdim=True)),
        ("3.1", shifted),
        ("5.1", lambda log_p, labels: -torch.gather(log_p, 1, labels.view(-1, 1)).mean()),
        ("5.1", lambda log_p, labels: -log_p[torch.arange(len(labels)), labels].mean()),
        ("7.1", by_autograd),
        ("7.1", by_autograd_of_tensors),
    ],
)
def test_a_right_answer_is_accepted(identifier, answer):
    verdict = check(identifier, answer)
    assert verdict.status == "right", verdict.message


def along_axis_one(x):
    e = torch.exp(x - x.max(dim=1, keepdim=True)[0])
    return e / e.sum(dim=1, keepdim=True)


def in_place(x):
    x -= x.max(dim=-1, keepdim=True).values
    return x.exp() / x.exp().sum(-1, keepdim=True)


def summed_gradient(logits, labels):
    x = logits.clone().requires_grad_()
    functional.nll_loss(functional.log_softmax(x, dim=1), labels, reduction="sum").backward()
    return x.grad


@pytest.mark.parametrize(
    ("identifier", "answer", "mistake"),
    [
        ("1.2", lambda x: torch.exp(x) / torch.exp(x).sum(dim=0, keepdim=True), "wrong_axis"),
        ("1.2", lambda x: torch.exp(x) / torch.exp(x).sum(dim=1, keepdim=True), "axis_one"),
        ("1.2", lambda x: torch.exp(x) / torch.exp(x).sum(dim=-1), "no_keepdims"),
        ("3.1", along_axis_one, "second_axis"),
        ("3.1", lambda x: x.exp() / x.exp().sum(-1, keepdim=True), "no_shift"),
        ("3.1", lambda x: shifted(x.reshape(1, -1)).reshape(x.shape), "no_axis"),
        ("3.1", in_place, "in_place"),
        ("4.4", lambda x: x - torch.log(torch.exp(x).sum(-1, keepdim=True)), "unshifted_sum"),
        ("5.1", lambda log_p, labels: -torch.index_select(log_p, 1, labels).mean(),
         "every_row_with_every_label"),
        ("7.1", summed_gradient, "no_one_over_n"),
    ],
)  # fmt: skip
def test_a_wrong_answer_hears_about_its_own_mistake(identifier, answer, mistake):
    verdict = check(identifier, answer)
    assert verdict.status in ("wrong", "unstable")
    assert verdict.mistake == mistake
    assert "must be Tensor" not in verdict.message


def test_an_answer_that_stops_either_way_is_told_what_numpy_says():
    def misspelt(x):
        return np.expp(x)  # type: ignore[attr-defined]

    verdict = check("1.2", misspelt)
    assert verdict.status == "error"
    assert "has no attribute 'expp'" in verdict.message


def test_an_answer_that_fails_with_tensors_too_shows_the_tensors_failure():
    def refuses_stacks(x):
        if x.dim() > 2:
            raise ValueError("no stacks")
        return torch.exp(x) / torch.exp(x).sum(dim=-1, keepdim=True)

    verdict = check("1.2", refuses_stacks)
    assert verdict.status == "error"
    assert "no stacks" in verdict.message


def test_numpy_work_in_an_integer_array_is_not_rescued_by_tensors():
    def in_place(w):
        w /= np.sum(w, axis=-1, keepdims=True)
        return w

    assert "modif" in check("1.1", in_place).message


@pytest.mark.parametrize("dtype", ["u1", "i2", "i4", ">i8", ">f8", "f2", "?"])
def test_every_dtype_becomes_one_that_torch_has(dtype):
    array = np.array([[1, 0], [0, 1]], dtype=dtype)
    tensor = as_tensor(array)
    expected = array.astype(np.int64) if array.dtype.kind in "iu" else array
    np.testing.assert_array_equal(tensor.numpy(), expected)
    assert tensor.dtype == torch.int64 or array.dtype.kind not in "iu"


def test_integers_become_floats_where_floats_are_usual_and_labels_stay():
    @exercise("99.1", minutes=1, truth=lambda x, k: x, probes=[
        ordinary(np.array([1.5, 2.0]), np.array([0, 1])),
        ordinary(np.array([1, 2]), np.array([1, 0])),
    ])  # fmt: skip
    def picked(x, k):
        """Return x at k."""
        return x[k]

    given: tuple[Any, ...] = with_floats(picked, picked.probes[1]).arguments
    assert [a.dtype.kind for a in given] == ["f", "i"]


def test_a_numpy_answer_is_not_reported_by_its_tensors():
    import math

    verdict = check("1.5", lambda t: 1 / (1 + math.exp(-t)))
    assert "axis of length 1" not in verdict.message

    def misspelt(x):
        if x.ndim == 2:
            e = np.exp(x - x.max(axis=1, keepdims=True))
            return e / e.sum(axis=1, keepdims=True)
        if x.dim == 1:
            return x
        return x

    verdict = check("3.1", misspelt)
    assert "This is the input itself" not in verdict.message
    assert "AttributeError" in repr(verdict)


def test_a_torch_answer_that_stops_either_way_is_told_what_it_does_with_tensors():
    def maximum_and_its_index(x):
        largest = torch.max(x, dim=-1, keepdim=True)
        e = torch.exp(x - largest)
        return e / e.sum(dim=-1, keepdim=True)

    verdict = check("3.1", maximum_and_its_index)
    assert verdict.status == "error"
    assert "invalid combination of arguments" not in verdict.message
    assert "return_types" in verdict.message or "tuple" in verdict.message
