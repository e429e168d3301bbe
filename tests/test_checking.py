"""The checker's own judgement: statuses, tolerance, fairness, words."""

from __future__ import annotations

import functools
import time

import numpy as np
import pytest

from helpers import kernels
from helpers.checker.answers import import_libraries, is_stub, library_call
from helpers.checker.calling import settled
from helpers.checker.declaration import spread
from helpers.exercises import Verdict, check, course


@pytest.fixture(autouse=True)
def own_state(tmp_path, monkeypatch):
    monkeypatch.setenv("SOFTMAX_COURSE_STATE", str(tmp_path))


def softmax(x):
    e = np.exp(x)
    return e / e.sum(axis=-1, keepdims=True)


# --- what can be passed --------------------------------------------------------------------------


def test_a_check_without_an_answer_says_what_is_missing():
    verdict = check("1.2")
    assert verdict.status == "error"
    assert "check" in verdict.message and "softmax_textbook" in verdict.message


@pytest.mark.parametrize("identifier", ["9.99", "", "softmax", None, 3, object(), softmax])
def test_an_unknown_exercise_is_a_helpful_line(identifier):
    verdict = check(identifier, softmax)
    assert verdict.status == "error"
    assert '"' in verdict.message


def test_an_exercise_named_by_a_number_is_told_to_use_quotes():
    assert '"3.1" in quotes' in check(3.1, softmax).message  # type: ignore[arg-type]


def test_spaces_around_an_identifier_do_no_harm():
    assert check(" 1.2 ", softmax).status == "right"


@pytest.mark.parametrize("answer", [np.zeros(3), 5, "softmax", [1.0], object(), np])
def test_what_cannot_be_called_is_an_error(answer):
    verdict = check("1.2", answer)
    assert verdict.status == "error"
    assert "without parentheses" in verdict.message


def test_another_signature_is_an_error_that_names_both():
    verdict = check("1.2", lambda x, axis: x)
    assert verdict.status == "error"
    assert "softmax_textbook(x)" in verdict.message and "(x, axis)" in verdict.message


# --- stubs ---------------------------------------------------------------------------------------


def dots(x):
    """Return the softmax."""
    ...


def passes(x):
    pass


def raises(x):
    raise NotImplementedError("to do")


def from_exec(source):
    namespace: dict = {}
    exec(source, namespace)
    return namespace["f"]


STUBS = [dots, passes, raises, lambda x: ..., None, ..., functools.partial(dots),
         from_exec("def f(x):\n    '''Doc.'''\n    ..."),
         from_exec("def f(x):\n    raise NotImplementedError")]  # fmt: skip


@pytest.mark.parametrize("stub", STUBS)
def test_a_stub_is_not_started(stub):
    assert is_stub(stub)
    verdict = check("1.2", stub)
    assert verdict.status == "not started"
    assert verdict.score == 0.0


def returns_none(x):
    return None


def forgets_to_return(x):
    np.exp(x)


@pytest.mark.parametrize("answer", [returns_none, forgets_to_return, lambda x: None, print])
def test_returning_nothing_is_wrong_not_unstarted(answer):
    verdict = check("1.2", answer)
    assert verdict.status == "wrong"
    assert "nothing was returned" in verdict.message.lower()


# --- statuses ------------------------------------------------------------------------------------


def through_probabilities(x, i, j):
    e = np.exp(x)
    return np.log(e[i] / e.sum()) - np.log(e[j] / e.sum())


def test_wrong_on_extreme_inputs_only_is_unstable():
    verdict = check("1.3", through_probabilities)
    assert verdict.status == "unstable"
    assert verdict.score == 0.5
    assert verdict.mistake == "through_probabilities"


def test_wrong_somewhere_ordinary_is_wrong():
    verdict = check("1.3", lambda x, i, j: 2 * through_probabilities(x, i, j))
    assert verdict.status == "wrong"
    assert verdict.probe is not None


def misspelt(x):
    return np.expp(x)  # type: ignore[attr-defined]


def test_an_exception_is_an_error_with_the_learners_own_line():
    verdict = check("1.2", misspelt)
    assert verdict.status == "error"
    assert "AttributeError" in verdict.message
    assert any("np.expp(x)" in text for _, text in verdict.rows)
    assert "input" in dict(verdict.rows)


def test_an_overflow_error_says_what_inf_says():
    import math

    verdict = check("1.3", lambda x, i, j: math.log(math.exp(x[i]) / math.exp(x[j])))
    assert verdict.status == "unstable"


def test_a_right_answer_says_what_was_tested():
    verdict = check("1.2", softmax)
    assert verdict.status == "right"
    assert " inputs, numbers up to ±31" in verdict.message
    assert ", float16 too." in verdict.message
    assert verdict.remark
    assert verdict.score == 1.0


def test_a_wrong_answer_shows_the_input_yours_and_expected():
    verdict = check("1.2", lambda x: softmax(x) ** 2)
    assert list(dict(verdict.rows)) == ["input", "yours", "expected"]
    assert verdict.look


def test_warnings_are_quoted():
    verdict = check("1.3", through_probabilities)
    assert any("overflow encountered in exp" in note for note in verdict.notes)


def test_grading_reads_the_points_and_shows_the_verdict(monkeypatch):
    monkeypatch.setenv("NBGRADER_EXECUTION", "autograde")
    assert repr(check("1.2", softmax)) == "1.0"
    assert repr(check("1.2", dots)) == "0.0"
    assert repr(check("1.3", through_probabilities)) == "0.5"
    assert "<strong>✓ Right</strong>" in (check("1.2", softmax)._repr_html_() or "")


def test_a_verdict_shows_itself_in_words():
    verdict = check("1.2", softmax)
    assert isinstance(verdict, Verdict)
    assert "right" in repr(verdict).lower()
    assert "<" in (verdict._repr_html_() or "")


# --- fairness ------------------------------------------------------------------------------------


def loops(x):
    if x.ndim > 1:
        return [loops(row) for row in x]
    total = sum(np.exp(entry) for entry in x)
    return [np.exp(entry) / total for entry in x]


def in_torch(x):
    import torch

    e = torch.exp(x)
    return e / e.sum(dim=-1, keepdim=True)


def converted(x):
    import torch

    e = torch.exp(torch.as_tensor(np.array(x)))
    return (e / e.sum(dim=-1, keepdim=True)).requires_grad_()


@pytest.mark.parametrize(
    "answer",
    [
        loops,
        in_torch,
        converted,
        lambda x: softmax(x.astype(np.longdouble)),
        lambda x: np.exp(x - np.log(np.exp(x).sum(-1, keepdims=True))),
        lambda x: np.einsum("...i,...->...i", np.exp(x), 1 / np.exp(x).sum(-1)),
        functools.partial(lambda x, axis: np.exp(x) / np.exp(x).sum(axis, keepdims=True), axis=-1),
    ],
)
def test_every_style_is_accepted(answer):
    verdict = check("1.2", answer)
    assert verdict.status == "right", verdict.message


@pytest.mark.parametrize("kind", [float, np.float64, np.asarray, lambda v: np.array([v])[0]])
def test_every_kind_of_scalar_is_accepted(kind):
    assert check("1.3", lambda x, i, j: kind(x[i] - x[j])).status == "right"


def test_a_scalar_in_an_array_has_another_shape():
    verdict = check("1.3", lambda x, i, j: np.array([x[i] - x[j]]))
    assert verdict.status == "wrong"
    assert "shape" in verdict.message


def test_a_narrower_dtype_loses_digits():
    verdict = check("1.2", lambda x: softmax(x.astype(np.float64)).astype(np.float32))
    assert verdict.status == "wrong"
    assert "float32 instead of float64" in verdict.message
    assert verdict.mistake is None


def test_single_precision_inside_is_seen():
    verdict = check("1.2", lambda x: softmax(x.astype(np.float32)).astype(np.float64))
    assert verdict.status == "wrong"
    assert "digits" in verdict.message


def test_a_shown_input_with_large_numbers_can_be_run_again():
    def differences_after_the_dot(x, label):
        p = kernels.sparsemax(x)
        return p @ x - p @ p / 2 + 0.5 - x[label]

    verdict = check("17.2", differences_after_the_dot)
    assert verdict.status == "unstable"
    assert "[1000000000000.7, 1000000000000, 999999999999.5]" in repr(verdict)


@pytest.mark.parametrize(
    ("answer", "word"),
    [
        (lambda x: (value for value in x), "generator"),
        (lambda x: [[1.0], [1.0, 2.0]], "ragged"),
        (lambda x: "softmax", "str"),
        (lambda x: np.array([None, 1.0], dtype=object), "objects"),
        (lambda x: softmax(x) + 0j, "complex"),
        (lambda x: {"p": 1.0}, "dict"),
        (lambda x: object(), "an object"),
        (lambda x: softmax, "function"),
    ],
)
def test_what_came_back_is_named(answer, word):
    verdict = check("1.2", answer)
    assert verdict.status == "wrong"
    assert word in verdict.message


class Hostile:
    """A result that resists every look at it."""

    def __getattribute__(self, name):
        raise RuntimeError("no")

    def __repr__(self):
        raise RuntimeError("no")


def test_a_hostile_result_or_answer_is_a_verdict():
    assert check("1.2", lambda x: Hostile()).status in ("wrong", "error")
    assert check("1.2", Hostile()).status == "error"


# --- library calls -------------------------------------------------------------------------------


def with_scipy(x):
    import scipy.special

    return scipy.special.softmax(x, axis=-1)


def with_alias(x):
    from scipy.special import softmax as s

    return s(x, axis=-1)


def test_a_library_call_is_refused_kindly():
    for answer in (with_scipy, with_alias):
        verdict = check("1.2", answer)
        assert (verdict.status, verdict.mistake) == ("wrong", "library call")
        assert verdict.headline == "Library call"
        assert verdict.message.startswith(
            "Library call. The values are right; this exercise asks you to write the function "
            "itself."
        )
        assert repr(verdict).splitlines()[0] == "✗ Library call · exercise 1.2"
        assert "Wrong" not in repr(verdict)


def test_the_library_itself_is_a_library_call():
    from scipy.special import softmax as library

    for answer in (library, functools.partial(library, axis=-1), lambda x: library(x)):
        assert library_call(answer, ("softmax",), "helpers.exercises") == "softmax"


def reduced(x):
    return np.logaddexp.reduce(x, axis=-1)


def reduced_under_another_name(x):
    from numpy import logaddexp as lae

    return lae.reduce(x, axis=-1)


one_call = np.logaddexp.reduce
NumPys = np.logaddexp


def folded(x):
    return functools.reduce(np.logaddexp, np.moveaxis(x, -1, 0))


def calls_a_helper_that_imports(x):
    return reduced_under_another_name(x)


def test_an_attribute_of_a_function_is_a_library_call_where_it_is_the_exercise():
    names = ("logaddexp.reduce",)
    for answer in (
        reduced,
        reduced_under_another_name,
        one_call,
        functools.partial(one_call, axis=-1),
        lambda x: one_call(x, axis=-1),
        lambda x: NumPys.reduce(x, axis=-1),
        calls_a_helper_that_imports,
    ):
        assert library_call(answer, names, "helpers.exercises") == "logaddexp.reduce"
    assert library_call(folded, names, "helpers.exercises") is None
    assert library_call(lambda x: np.add.reduce(x), names, "helpers.exercises") is None


def test_the_courses_kernels_are_a_library_like_any_other():
    from helpers import kernels

    def other(x, label):
        return kernels.cross_entropy(x[None], np.array([label]))

    assert library_call(kernels.softmax, ("softmax",), "helpers.exercises") == "softmax"
    assert library_call(other, ("softmax",), "helpers.exercises") is None
    assert library_call(other, ("cross_entropy",), "helpers.exercises") == "cross_entropy"


def test_a_helper_of_ones_own_is_no_library_call():
    assert library_call(lambda x: softmax(x), ("softmax",), "helpers.exercises") is None


# --- parts ---------------------------------------------------------------------------------------


def test_spread_is_the_condition_of_softmax():
    np.testing.assert_array_equal(spread(np.array([[1.0, 4.0, -np.inf]])), [[3.0]])
    np.testing.assert_array_equal(spread(np.array([-np.inf, -np.inf])), [0.0])


def test_settled_takes_nested_lists_and_tensors():
    import torch

    np.testing.assert_array_equal(settled([[1, 2], [3, 4]]), [[1, 2], [3, 4]])
    np.testing.assert_array_equal(settled([torch.tensor(1.0), torch.tensor(2.0)]), [1.0, 2.0])
    assert settled(torch.ones(2, dtype=torch.bfloat16)).dtype == np.float32


@pytest.mark.many
@pytest.mark.parametrize("exercise", course.exercises().values(), ids=lambda exercise: exercise.id)
def test_an_ordinary_check_is_quick(exercise):
    if exercise.time_limit > 5:
        pytest.skip("declares that it needs longer")
    answer = exercise.reference() if exercise.value else exercise.reference
    check(exercise.id, answer)

    def taken():
        start = time.process_time()  # a busy machine is no fault of the check
        check(exercise.id, answer)
        return time.process_time() - start

    assert any(taken() < 0.1 for _ in range(5))


def test_libraries_are_imported_before_the_clock_runs(monkeypatch):
    imported = []
    monkeypatch.setattr("importlib.import_module", imported.append)

    def answer(x):
        import scipy.special
        import surely_not_a_library  # type: ignore[import-not-found]

        return scipy.special.softmax(x) + surely_not_a_library

    import_libraries(answer)
    assert imported == ["scipy.special"]


def test_what_pytorch_imports_late_is_imported_before_the_clock_runs(monkeypatch):
    """Stopped half way, `torch._dynamo` spoils every later answer in the kernel."""
    import torch
    from torch.func import grad
    from torch.optim import SGD

    imported = []
    monkeypatch.setattr("importlib.import_module", imported.append)
    namespace = {"torch": torch, "grad": grad, "SGD": SGD, "optim": torch.optim}
    for body, late in {
        "torch.optim.Adam([x])": True,
        "optim.Adam([x])": True,
        "SGD([x], lr=1.0)": True,
        "torch.func.grad(torch.sum)(x)": True,
        "grad(torch.sum)(x)": True,
        "torch.softmax(x, 0)": False,
        "x.softmax(0)": False,
    }.items():
        imported.clear()
        import_libraries(eval(f"lambda x: {body}", namespace))
        assert imported == (["torch._dynamo"] if late else []), body
