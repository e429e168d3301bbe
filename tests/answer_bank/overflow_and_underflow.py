"""Answers to exercises 2.1 to 2.4."""

import math
import sys
from collections import OrderedDict
from fractions import Fraction

import mpmath
import numpy as np
import scipy.special
import torch

from . import right, wrong

# 2.1 a dict: the largest k with exp(k) finite

# Written down.
right("2.1")({"float64": 709, "float32": 88, "float16": 11, "bfloat16": 88})
# The floor of log max, from torch; the keys in another order.
right("2.1")(
    {
        name: math.floor(math.log(torch.finfo(getattr(torch, name)).max))
        for name in ("bfloat16", "float16", "float32", "float64")
    }
)
# Floats that are whole numbers.
right("2.1")({"float64": 709.0, "float32": 88.0, "float16": 11.0, "bfloat16": 88.0})
# NumPy integers in an ordered dict.
right("2.1")(
    OrderedDict(
        zip(
            ("float64", "float32", "float16", "bfloat16"),
            np.array([709, 88, 11, 88]),
            strict=True,
        )
    )
)
# Counted up until torch says inf.
right("2.1")(
    {
        str(dtype).removeprefix("torch."): next(
            k
            for k in range(1, 1000)
            if torch.tensor(float(k + 1), dtype=torch.float64).exp().to(dtype).isinf()
        )
        for dtype in (torch.float64, torch.float32, torch.float16, torch.bfloat16)
    }
)

# float16 taken for float32.
wrong("2.1")({"float64": 709, "float32": 88, "float16": 88, "bfloat16": 88})
# bfloat16 taken for float16.
wrong("2.1")({"float64": 709, "float32": 88, "float16": 11, "bfloat16": 11})
# The log of the smallest subnormal number.
wrong("2.1")({"float64": -745, "float32": -103, "float16": -16, "bfloat16": -92})
# The log of the smallest normal number, sign dropped.
wrong("2.1")({"float64": 708, "float32": 87, "float16": 9, "bfloat16": 87})
# Off by one: the first k that overflows.
wrong("2.1")({"float64": 710, "float32": 89, "float16": 12, "bfloat16": 89})
# Off by one in float16 only: log(65504) = 11.09 rounded up.
wrong("2.1")({"float64": 709, "float32": 88, "float16": 12, "bfloat16": 88})
# log max, not an integer.
wrong("2.1")(
    {name: math.log(torch.finfo(getattr(torch, name)).max) for name in ("float64", "float32")}
    | {"float16": math.log(65504), "bfloat16": math.log(torch.finfo(torch.bfloat16).max)}
)
# Powers of 2 instead of e.
wrong("2.1")({"float64": 1023, "float32": 127, "float16": 15, "bfloat16": 127})
# Powers of 10 instead of e.
wrong("2.1")({"float64": 308, "float32": 38, "float16": 4, "bfloat16": 38})
# One format forgotten.
wrong("2.1")({"float64": 709, "float32": 88, "float16": 11})
# float64 and float32 exchanged.
wrong("2.1")({"float64": 88, "float32": 709, "float16": 11, "bfloat16": 88})
# A list has no names.
wrong("2.1")([709, 88, 11, 88])
# All float64.
wrong("2.1")(dict.fromkeys(("float64", "float32", "float16", "bfloat16"), 709))
# The largest numbers themselves.
wrong("2.1")({"float64": sys.float_info.max, "float32": 3.4e38, "float16": 65504, "bfloat16": 3e38})

# Safe round numbers.
wrong("2.1")({"float64": 700, "float32": 80, "float16": 10, "bfloat16": 80})
# One too low in float16 alone.
wrong("2.1")({"float64": 709, "float32": 88, "float16": 10, "bfloat16": 88})
# Logarithms from several sources, none rounded.
wrong("2.1")(
    {
        "float64": math.log(sys.float_info.max),
        "float32": 88.722839111673,
        "float16": math.log(65504.0),
        "bfloat16": 88.72,
    }
)

# 2.2 last_finite(dtype)


@right("2.2")
def step_down(dtype):
    """Starts at log max, rounded, and steps down while exp overflows."""
    value = dtype(np.log(np.finfo(dtype).max))
    with np.errstate(over="ignore"):
        while np.isinf(np.exp(value)):
            value = np.nextafter(value, dtype(0))
    return value


@right("2.2")
def bisection(dtype):
    """Bisection in the format itself."""
    low, high = dtype(1), dtype(1000)
    with np.errstate(over="ignore"):
        while np.nextafter(low, high) < high:
            middle = dtype((float(low) + float(high)) / 2)
            if middle in (low, high):
                middle = np.nextafter(low, high)
            low, high = (middle, high) if np.isfinite(np.exp(middle)) else (low, middle)
    return low


@right("2.2")
def exact(dtype):
    """50 digits, compared with the edge of rounding; a Python float comes back."""
    largest = np.finfo(dtype).max
    half_ulp = (Fraction(float(largest)) - Fraction(float(np.nextafter(largest, dtype(0))))) / 2
    edge = mpmath.mpf(float(largest)) + mpmath.mpf(float(half_ulp))
    with mpmath.workdps(50):
        value = dtype(float(mpmath.log(edge)))
        while mpmath.exp(mpmath.mpf(float(value))) >= edge:
            value = np.nextafter(value, dtype(0))
    return float(value)


@right("2.2")
def table(dtype):
    """A table by format."""
    return {np.float16: 11.0859375, np.float32: 88.72283172607422, np.float64: 709.782712893384}[
        dtype
    ]


@right("2.2")
def tensor_step_down(dtype):
    """torch, in steps of the format's spacing near log max; exp rounded from float64."""
    kind = {np.float16: torch.float16, np.float32: torch.float32, np.float64: torch.float64}[dtype]
    log_max = math.log(torch.finfo(kind).max)
    spacing = 2.0 ** math.floor(math.log2(log_max)) * torch.finfo(kind).eps
    value = torch.tensor((math.floor(log_max / spacing) + 2) * spacing, dtype=kind)
    while value.double().exp().to(kind).isinf():
        value = value - spacing
    return value


@wrong("2.2")
def from_the_course(dtype):
    """The course's own table."""
    from helpers import formats

    return formats.FORMATS[np.dtype(dtype).name].exp_last_finite


@wrong("2.2")
def one_below_to_be_safe(dtype):
    """log max less 1."""
    return np.log(np.finfo(dtype).max) - 1


@wrong("2.2")
def halves_real_numbers(dtype):
    """Bisection between float64 numbers, for every format."""
    low, high = 1.0, 1000.0
    with np.errstate(over="ignore"):
        for _ in range(200):
            middle = low / 2 + high / 2
            if np.isinf(dtype(np.exp(middle))):
                high = middle
            else:
                low = middle
    return low


@wrong("2.2")
def from_memory(dtype):
    """A table with one decimal."""
    return {np.float16: 11.0, np.float32: 88.7, np.float64: 709.7}[dtype]


@wrong("2.2")
def log_max_rounded(dtype):
    """log(max) rounded to the format: past the edge in float16 and float32."""
    return dtype(math.log(np.finfo(dtype).max))


@wrong("2.2")
def log_max_in_float64(dtype):
    """Computed in float64 and returned so."""
    return math.log(float(np.finfo(dtype).max))


@wrong("2.2")
def double_precision(dtype):
    """Hard-coded for float64."""
    return dtype(709.782712893384)


@wrong("2.2")
def single_precision(dtype):
    """Hard-coded for float32."""
    return np.float32(88.72283)


@wrong("2.2")
def largest_integer(dtype):
    """The largest whole number, as in 2.1."""
    return dtype(math.floor(math.log(float(np.finfo(dtype).max))))


@wrong("2.2")
def largest_number(dtype):
    """The largest number of the format."""
    return np.finfo(dtype).max


@wrong("2.2")
def smallest_side(dtype):
    """The log of the smallest normal number."""
    return np.log(np.finfo(dtype).tiny)


@wrong("2.2")
def first_infinite(dtype):
    """One step too far: the first value whose exp is inf."""
    return np.nextafter(step_down(dtype), dtype(np.inf))


@wrong("2.2")
def one_step_too_many(dtype):
    """Steps down at least once even if log max is already right."""
    value = dtype(np.log(np.finfo(dtype).max))
    return np.nextafter(value, dtype(0))


@wrong("2.2")
def log2_of_max(dtype):
    """The wrong base."""
    return dtype(np.log2(np.finfo(dtype).max))


@wrong("2.2")
def coarse_search(dtype):
    """Two decimals only."""
    value = 0.0
    with np.errstate(over="ignore"):
        while np.isfinite(np.exp(dtype(value + 0.01))):
            value += 0.01
    return dtype(value)


@wrong("2.2")
def always_float64_search(dtype):
    """Ignores the format it is given."""
    return step_down(np.float64)


@wrong("2.2")
def rounded_down_twice(dtype):
    """Truncates to one decimal."""
    return dtype(math.floor(math.log(float(np.finfo(dtype).max)) * 10) / 10)


# 2.3 diagnose(x)


@right("2.3")
def runs_it(x):
    """Runs the sum with warnings off and looks at it."""
    with np.errstate(all="ignore"):
        total = np.exp(x).sum()
    if np.isinf(total):
        return "overflow"
    return "underflow" if total == 0 else "fine"


@right("2.3")
def catches_errors(x):
    """Python's own exp raises; its sum is inf silently."""
    try:
        terms = [math.exp(value) for value in x]
    except OverflowError:
        return "overflow"
    if math.isinf(sum(terms)):
        return "overflow"
    return "fine" if any(terms) else "underflow"


@right("2.3")
def by_torch(x):
    """torch never warns."""
    total = torch.tensor(x).exp().sum()
    return {math.inf: "overflow", 0.0: "underflow"}.get(total.item(), "fine")


@right("2.3")
def numpy_string(x):
    """A NumPy string comes back."""
    with np.errstate(over="ignore"):
        terms = np.exp(x)
        infinite = not np.isfinite(terms.sum())
    return np.array(["fine", "overflow", "underflow"])[1 * infinite + 2 * (not terms.any())]


@right("2.3")
def high_precision(x):
    """Compares the exact sum with the largest double; a single tiny term is rounded."""
    terms = [mpmath.exp(mpmath.mpf(float(value))) for value in x]
    if mpmath.fsum(terms) > mpmath.mpf(sys.float_info.max):
        return "overflow"
    return "underflow" if all(float(term) == 0 for term in terms) else "fine"


@right("2.3")
def traps_the_overflow(x):
    """NumPy raises on overflow alone."""
    try:
        with np.errstate(over="raise"):
            total = np.exp(x).sum()
    except FloatingPointError:
        return "overflow"
    return "fine" if total > 0 else "underflow"


@wrong("2.3")
def traps_everything(x):
    """A harmless underflow is trapped as well."""
    try:
        with np.errstate(all="raise"):
            e = np.exp(x)
            e / e.sum()
    except FloatingPointError as error:
        return str(error).split()[0]
    return "fine"


@wrong("2.3")
def logit_by_logit(x):
    """The first logit outside the limits decides."""
    for value in x.tolist():
        if not math.log(sys.float_info.min) <= value <= math.log(sys.float_info.max):
            return "overflow" if value > 0 else "underflow"
    return "fine"


@wrong("2.3")
def nan_as_overflow(x):
    """NaN in the result is taken for overflow, and an infinite sum leaves none."""
    with np.errstate(all="ignore"):
        e = np.exp(x)
        return "overflow" if np.isnan(e / e.sum()).any() else "fine"


@wrong("2.3")
def by_logsumexp_and_a_rough_edge(x):
    """The log-sum-exp above; below, log of the smallest number, which is not where 0 starts."""
    if scipy.special.logsumexp(x) > math.log(sys.float_info.max):
        return "overflow"
    return "underflow" if x.max() < math.log(5e-324) else "fine"


@wrong("2.3")
def maximum_and_tiny(x):
    """The maximum, compared with the logs of the largest and the smallest normal number."""
    top = np.max(x)
    limits = np.finfo(np.float64)
    return (
        "overflow"
        if top > np.log(limits.max)
        else "underflow"
        if top < np.log(limits.tiny)
        else "fine"
    )


@wrong("2.3")
def terms_only(x):
    """Misses that the sum can overflow when no term does."""
    if max(x) > math.log(sys.float_info.max):
        return "overflow"
    return "underflow" if max(x) < -745.2 else "fine"


@wrong("2.3")
def looks_at_minimum(x):
    """Looks at the minimum: one -1000 among ordinary logits is no underflow."""
    with np.errstate(over="ignore"):
        if np.isinf(np.exp(x).sum()):
            return "overflow"
    return "underflow" if x.min() < -745 else "fine"


@wrong("2.3")
def any_zero_term(x):
    """Calls a single vanished term an underflow."""
    with np.errstate(over="ignore"):
        terms = np.exp(x)
        if np.isinf(terms.sum()):
            return "overflow"
    return "underflow" if (terms == 0).any() else "fine"


@wrong("2.3")
def warns(x):
    """Warns: exp overflows in the open."""
    total = np.exp(x).sum()
    if np.isinf(total):
        return "overflow"
    return "underflow" if total == 0 else "fine"


@wrong("2.3")
def warns_in_sum(x):
    """Guards the terms, but the sum overflows in the open."""
    if np.any(x > 709.78):
        return "overflow"
    total = np.exp(x).sum()
    return "overflow" if np.isinf(total) else "underflow" if total == 0 else "fine"


@wrong("2.3")
def nan_as_underflow(x):
    """Looks for NaN in the result: inf / inf is NaN too."""
    with np.errstate(all="ignore"):
        p = np.exp(x) / np.exp(x).sum()
    if np.isnan(p).any():
        return "underflow"
    return "overflow" if np.isinf(p).any() else "fine"


@wrong("2.3")
def sum_of_logits(x):
    """Judges the sum of the logits."""
    total = float(np.sum(x))
    return "overflow" if total > 709.78 else "underflow" if total < -745 else "fine"


@wrong("2.3")
def by_magnitude(x):
    """Takes the absolute value."""
    return "overflow" if np.abs(x).max() > 709.78 else "fine"


@wrong("2.3")
def smallest_normal_edge(x):
    """Calls subnormal exponentials zero."""
    with np.errstate(over="ignore"):
        if np.isinf(np.exp(x).sum()):
            return "overflow"
    return "underflow" if x.max() < -708.4 else "fine"


@wrong("2.3")
def single_precision_edges(x):
    """The edges of float32."""
    return "overflow" if x.max() > 88 else "underflow" if x.max() < -104 else "fine"


@wrong("2.3")
def reversed_names(x):
    """The two names exchanged."""
    return {"overflow": "underflow", "underflow": "overflow"}.get(runs_it(x), "fine")


@wrong("2.3")
def capital(x):
    """Misspells the answers."""
    return runs_it(x).upper()


@wrong("2.3")
def truth_value(x):
    """Says only whether it works."""
    return runs_it(x) == "fine"


@wrong("2.3")
def lonely_term_test(x):
    """Tests the first entry only."""
    return runs_it(x[:1])


# 2.4 log_likelihood(p)


@right("2.4")
def sum_of_logs(p):
    """The sum of the logs, the warning at 0 silenced."""
    with np.errstate(divide="ignore"):
        return np.log(p).sum()


@right("2.4")
def exact_sum(p):
    """fsum over Python's logs."""
    return math.fsum(math.log(value) if value > 0 else -math.inf for value in p)


@right("2.4")
def tensor_logs(p):
    """torch's log of 0 is -inf without a word."""
    return torch.tensor(p).double().log().sum()


@right("2.4")
def guarded_log(p):
    """The where= of NumPy's log keeps it away from 0."""
    logs = np.full(np.shape(p), -np.inf)
    np.log(p, out=logs, where=np.asarray(p) > 0)
    return logs.sum()


@right("2.4")
def mantissas(p):
    """Multiplies mantissas, adds up the powers of 2."""
    product, exponent = 1.0, 0
    for value in p:
        product, shift = math.frexp(product * float(value))
        if product == 0:
            return -math.inf
        exponent += shift
    return math.log(product) + exponent * math.log(2)


@right("2.4")
def entropy_helper(p):
    """xlogy(1, p) from SciPy."""
    return float(scipy.special.xlogy(1.0, np.asarray(p, dtype=np.float64)).sum())


@wrong("2.4")
def zero_if_any_is_zero(p):
    """Returns 0 for an impossible event."""
    if not all(p):
        return 0.0
    return sum(map(math.log, p))


@wrong("2.4")
def clipped_from_both_sides(p):
    """Clipped as scikit-learn did for its log loss."""
    return np.log(np.clip(p, 1e-15, 1 - 1e-15)).sum()


@wrong("2.4")
def where_takes_both(p):
    """np.where computes log 0 all the same, and warns."""
    return np.where(p == 0, -np.inf, np.log(p)).sum()


@wrong("2.4")
def log_of_product(p):
    """The log of the underflowed product."""
    with np.errstate(all="ignore"):
        return np.log(math.prod(float(value) for value in p))


@wrong("2.4")
def long_double_product(p):
    """Long double underflows as well, only later."""
    with np.errstate(all="ignore"):
        return float(np.log(np.prod(np.asarray(p, dtype=np.longdouble))))


@wrong("2.4")
def product_in_halves(p):
    """Two products instead of one: twice as far."""
    half = len(p) // 2
    with np.errstate(all="ignore"):
        return np.log(np.prod(p[:half])) + np.log(np.prod(p[half:]))


@wrong("2.4")
def mean_of_logs(p):
    """The mean instead of the sum."""
    with np.errstate(divide="ignore"):
        return np.average(np.log(p))


@wrong("2.4")
def epsilon_inside(p):
    """Adds an epsilon: finite where a probability is 0."""
    return sum(math.log(value + 1e-12) for value in p)


@wrong("2.4")
def floored(p):
    """Clips at the smallest normal number: finite where a probability is 0."""
    return np.log(np.maximum(p, np.finfo(np.float64).tiny)).sum()


@wrong("2.4")
def drops_zeros(p):
    """Leaves the zeros out."""
    p = np.asarray(p)
    return np.log(p[p > 0]).sum()


@wrong("2.4")
def warns_at_zero(p):
    """Warns at 0."""
    return np.add.reduce(np.log(p))


@wrong("2.4")
def raises_at_zero(p):
    """Raises at 0."""
    return math.fsum(map(math.log, p))


@wrong("2.4")
def negative_log(p):
    """The sign: negative log-likelihood."""
    with np.errstate(divide="ignore"):
        return -np.log(p).sum()


@wrong("2.4")
def log_of_sum(p):
    """The log of the sum."""
    with np.errstate(divide="ignore"):
        return np.log(np.sum(p))


@wrong("2.4")
def nan_at_zero(p):
    """nan_to_num turns -inf into the lowest double."""
    with np.errstate(divide="ignore"):
        return np.nan_to_num(np.log(p)).sum()


@wrong("2.4")
def in_bits(p):
    """Base 2."""
    with np.errstate(divide="ignore"):
        return np.log2(p).sum()


@wrong("2.4")
def elementwise(p):
    """Forgets to add up."""
    with np.errstate(divide="ignore"):
        return np.log(p)


@wrong("2.4")
def zero_at_zero(p):
    """Treats log 0 as 0, as in an entropy."""
    return scipy.special.xlogy(np.asarray(p) > 0, p).sum()
