"""The formats' limits against NumPy's and torch's own, and against the values published for exp."""

import dataclasses
import math
import time
from typing import Any

import mpmath
import numpy as np
import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st

from helpers import formats
from helpers.formats import COMPUTING, FORMATS

# Last finite, last normal and last non-zero argument of exp, checked with 400-digit arithmetic.
EXP_LIMITS = {
    "float64": (709.782712893384, -708.3964185322641, -745.1332191019411),
    "float32": (88.72283172607422, -87.33654022216797, -103.97207641601562),
    "float16": (11.0859375, -9.703125, -17.328125),
    "bfloat16": (88.5, -87.0, -92.5),
    "float8_e4m3fn": (6.0, -4.0, -6.5),
    "float8_e5m2": (10.0, -8.0, -10.0),
}


@pytest.mark.parametrize("name", FORMATS)
def test_limits_agree_with_torch(name):
    form, theirs = FORMATS[name], torch.finfo(getattr(torch, name))
    assert form.eps == theirs.eps
    assert form.unit_roundoff == theirs.eps / 2
    assert form.max == theirs.max
    assert form.smallest_normal == theirs.smallest_normal
    if name in COMPUTING:
        zero, one = torch.tensor([0.0, 1.0], dtype=getattr(torch, name))
        assert form.smallest_subnormal == torch.nextafter(zero, one).item()
    else:  # the first bit pattern after 0
        first = torch.tensor([1], dtype=torch.uint8).view(getattr(torch, name))
        assert form.smallest_subnormal == first.double().item()


@pytest.mark.parametrize("name", FORMATS)
def test_limits_of_exp(name):
    form = FORMATS[name]
    assert (form.exp_last_finite, form.exp_last_normal, form.exp_last_nonzero) == EXP_LIMITS[name]


@pytest.mark.parametrize("name", FORMATS)
def test_limits_of_exp_are_the_last_of_their_kind(name):
    form = FORMATS[name]

    def exp(x):
        return formats.round_to(mpmath.exp(x), name)

    def beyond(x):
        return formats.round_to(x + math.copysign(formats.ulp(x, name), x), name)

    with mpmath.workdps(400):
        assert exp(form.exp_last_finite) <= form.max
        assert exp(beyond(form.exp_last_finite)) == math.inf
        assert exp(form.exp_last_normal) >= form.smallest_normal
        assert exp(beyond(form.exp_last_normal)) < form.smallest_normal
        assert exp(form.exp_last_nonzero) > 0
        assert exp(beyond(form.exp_last_nonzero)) == 0


def test_limits_of_exp_are_found_quickly_and_once():
    start = time.perf_counter()
    for form in FORMATS.values():
        fresh = dataclasses.replace(form)
        _ = fresh.exp_last_finite, fresh.exp_last_normal, fresh.exp_last_nonzero
        assert "exp_last_finite" in vars(fresh)
    assert time.perf_counter() - start < 0.2


any_float = st.floats(allow_nan=True, allow_infinity=True, width=64)


@given(any_float)
def test_round_to_is_numpys_and_torchs_rounding(value):
    with np.errstate(over="ignore", under="ignore"):
        for name in ("float64", "float32", "float16"):
            expected = float(np.float64(value).astype(name))
            np.testing.assert_array_equal(formats.round_to(value, name), expected)
        # torch rounds float64 to bfloat16 by way of float32, so it is asked from float32 only.
        once = np.float32(value)
    expected = torch.tensor(once).to(torch.bfloat16).item()
    np.testing.assert_array_equal(formats.round_to(once, "bfloat16"), expected)


@given(st.floats(allow_nan=False, allow_infinity=False), st.sampled_from(sorted(FORMATS)))
def test_exact_numbers_and_floats_round_alike(value, name):
    assert formats.round_to(mpmath.mpf(value), name) == formats.round_to(value, name)


@pytest.mark.parametrize("name", ["float8_e4m3fn", "float8_e5m2"])
def test_all_numbers_of_a_short_format_stay_and_what_lies_between_goes_to_the_nearer(name):
    patterns = torch.arange(256).to(torch.uint8).view(getattr(torch, name)).double().numpy()
    numbers = np.unique(patterns[np.isfinite(patterns)])
    assert numbers[-1] == FORMATS[name].max
    np.testing.assert_array_equal(formats.round_to(numbers, name), numbers)
    low, high = numbers[:-1], numbers[1:]
    np.testing.assert_array_equal(formats.round_to(low + 0.49 * (high - low), name), low)
    np.testing.assert_array_equal(formats.round_to(low + 0.51 * (high - low), name), high)


def test_e4m3_ends_before_its_next_power_of_two():
    assert formats.round_to([463.9, 464.0, 464.1, -1e3], "float8_e4m3fn").tolist() == [
        448, 448, math.inf, -math.inf,
    ]  # fmt: skip


def test_round_to_rounds_ties_to_even_and_overflows_half_a_step_late():
    assert formats.round_to(2049.0, "float16") == formats.round_to(mpmath.mpf(2049), "float16")
    assert formats.round_to(2049.0, "float16") == 2048
    assert formats.round_to(2051.0, "float16") == 2052
    assert formats.round_to(65519.99, "float16") == 65504
    assert formats.round_to(65520.0, "float16") == math.inf
    assert formats.round_to(-1e6, "float16") == -math.inf


def test_round_to_rounds_an_exact_number_once():
    with mpmath.workdps(60):
        just_above = mpmath.mpf(1) + mpmath.mpf(2) ** -11 + mpmath.mpf(2) ** -100
    assert formats.round_to(just_above, "float16") == 1 + 2**-10
    assert formats.round_to(float(just_above), "float16") == 1  # by way of float64: a tie


def test_round_to_takes_arrays():
    rounded = formats.round_to([[0.1, 1e-9], [70000.0, 1.0]], "float16")
    np.testing.assert_array_equal(rounded, np.array([[0.1, 0], [np.inf, 1]], dtype=np.float16))
    exact = np.array([mpmath.mpf("0.1"), mpmath.mpf(3)], dtype=object)
    np.testing.assert_array_equal(
        formats.round_to(exact, "float32"), np.array([0.1, 3], dtype=np.float32)
    )


@example(-1.0)
@given(st.floats(min_value=-1e38, max_value=1e38))
def test_ulp_is_numpys_spacing(value):
    for dtype in (np.float64, np.float32):
        rounded: Any = dtype(value)
        assert formats.ulp(float(rounded), dtype.__name__) == abs(float(np.spacing(rounded)))


def test_unknown_format():
    with pytest.raises(ValueError, match="bfloat16, float8_e4m3fn, float8_e5m2; got 'float8'"):
        formats.round_to(1.0, "float8")
