"""Exercises 2.1 to 2.4: where exp ends, and what a product of probabilities does."""

import math

import numpy as np

from helpers.checker.declaration import exercise, extreme, ordinary

# --- 2.1 -----------------------------------------------------------------------------------------


def _integer_limits():
    """The largest k with exp(k) below half an ulp past the format's maximum, exactly."""
    import mpmath

    # name: (bits of the significand, largest exponent of two)
    shapes = {
        "float64": (53, 1023),
        "float32": (24, 127),
        "float16": (11, 15),
        "bfloat16": (8, 127),
    }
    with mpmath.workdps(60):
        # Everything from (2 - 2^-p) 2^emax on is rounded to infinity.
        edges = {
            name: mpmath.log((2 - mpmath.mpf(2) ** -bits) * mpmath.mpf(2) ** exponent)
            for name, (bits, exponent) in shapes.items()
        }
        return {name: int(mpmath.floor(edge)) for name, edge in edges.items()}


@exercise(
    "2.1",
    minutes=4,
    probes=[extreme(note="the largest integer k with exp(k) finite, in each of the four formats")],
    truth=_integer_limits,
    value=True,
    tolerance=0.0,
    remark="float32 and bfloat16 share the answer because they share the exponent's 8 bits.",
)
def answer_2_1():
    """Give a dict: for each format, the largest integer k for which exp(k) is finite.

    Its keys are "float64", "float32", "float16" and "bfloat16", its values integers.
    """
    largest = {
        "float64": float(np.finfo(np.float64).max),
        "float32": float(np.finfo(np.float32).max),
        "float16": float(np.finfo(np.float16).max),
        "bfloat16": (2 - 2**-7) * 2.0**127,
    }
    return {name: int(np.log(value)) for name, value in largest.items()}  # int rounds down


answer_2_1.hints(
    "exp(k) is finite as long as it does not pass the largest number of the format. "
    "Which function undoes exp?",
    "np.finfo(np.float32).max is the largest float32. Take its natural logarithm and round down.",
    "NumPy has no bfloat16. It has the 8 exponent bits of float32, and so nearly its range: "
    "its largest number is (2 - 2**-7) * 2.0**127.",
    "float64: floor(log(1.797e308)) = 709. Do the same for 3.40e38, 65504 and 3.39e38.",
)
answer_2_1.reasoning(
    "exp grows, so it is finite up to one edge, and that edge is the logarithm of the largest "
    "number of the format. The largest number depends on the exponent bits alone (nearly): 11 "
    "bits in float64, 8 in float32 and in bfloat16, 5 in float16. That is why bfloat16, with only "
    "two or three digits, overflows no earlier than float32, and why float16 overflows already at "
    "12."
)


@answer_2_1.mistake(
    "float16 was given the limit of float32: float16 has only 5 exponent bits and ends at 65504. "
    "Look at log(65504)."
)
def float16_taken_for_float32():
    return {"float64": 709, "float32": 88, "float16": 88, "bfloat16": 88}


@answer_2_1.mistake(
    "bfloat16 was given the limit of float16: they have the same size but not the same range. "
    "bfloat16 keeps the 8 exponent bits of float32 and gives up digits instead. "
    "Look at log(3.39e38)."
)
def bfloat16_taken_for_float16():
    return {"float64": 709, "float32": 88, "float16": 11, "bfloat16": 11}


@answer_2_1.mistake(
    "the two 16-bit formats were swapped: float16 has 5 exponent bits (largest number 65504), "
    "bfloat16 has the 8 of float32."
)
def sixteen_bit_formats_swapped():
    return {"float64": 709, "float32": 88, "float16": 88, "bfloat16": 11}


@answer_2_1.mistake(
    "these are logarithms of the format's smallest number: they say where exp underflows, "
    "not where it overflows. Look at the logarithm of the largest number.",
    limits=(
        (708, 87, 9, 87),
        (744, 103, 16, 92),
        (745, 103, 17, 92),
        (-708, -87, -9, -87),
        (-744, -103, -16, -92),
        (-745, -103, -16, -92),
        (745, 103, 16, 92),
        (-745, -103, -17, -92),
        (-745, -104, -17, -92),
        (-745, -104, -17, -93),
    ),
)
def log_of_the_smallest_number(*, limits):
    return dict(zip(("float64", "float32", "float16", "bfloat16"), limits, strict=True))


@answer_2_1.mistake(
    "A limit is off by one: round the logarithm of the largest number down (709.78, 88.72, 11.09 "
    "and 88.72), so that exp(k) is still finite and exp(k + 1) no longer.",
    by=(1, -1),
    where=("everywhere", "float64", "float32", "float16", "bfloat16"),
)
def off_by_one(*, by, where):
    limits = {"float64": 709, "float32": 88, "float16": 11, "bfloat16": 88}
    return {key: k + by * (where in ("everywhere", key)) for key, k in limits.items()}


@answer_2_1.mistake(
    "the logarithm was rounded to the nearest integer: 709.78 became 710, and exp(710) is "
    "infinite. Round down.",
    bfloat16=(88, 89),
)
def rounded_to_nearest(*, bfloat16):
    return {"float64": 710, "float32": 89, "float16": 11, "bfloat16": bfloat16}


@answer_2_1.mistake(
    "these are round numbers that lie safely below the edge: the *largest* k with a finite exp(k) "
    "is asked. Take the logarithm of each format's largest number, and round it down.",
    limits=(
        (700, 80, 10, 80),
        (700, 88, 10, 88),
        (700, 88, 11, 88),
        (700, 85, 10, 85),
        (709, 88, 9, 88),
        (709, 80, 10, 80),
        (500, 80, 10, 80),
    ),
)
def round_numbers_below(*, limits):
    return dict(zip(("float64", "float32", "float16", "bfloat16"), limits, strict=True))


@answer_2_1.mistake(
    "these are the last arguments themselves: the largest *integer* up to each of them is asked. "
    "Round down, with math.floor.",
    limits=(
        (
            math.log(float(np.finfo(np.float64).max)),
            math.log(float(np.finfo(np.float32).max)),
            math.log(float(np.finfo(np.float16).max)),
            math.log((2 - 2**-7) * 2.0**127),
        ),
        (709.782712893384, 88.72283172607422, 11.0859375, 88.5),  # as the notebook prints them
        (709.78, 88.72, 11.09, 88.5),
        (709.78, 88.72, 11.08, 88.5),
        (709.7, 88.7, 11.0, 88.5),
        (709.8, 88.7, 11.1, 88.5),
        (709.8, 88.7, 11.1, 88.7),
        (709.78, 88.7, 11.09, 88.5),
        (709.78, 88.72, 11.09, 88.72),
        (709.78, 88.72, 11.08, 88.72),
        (709.782712893384, 88.722839111673, math.log(65504), 88.72),
        (709.782712893384, 88.722839111673, math.log(65504), 88.722839111673),
    ),
)
def not_rounded(*, limits):
    return dict(zip(("float64", "float32", "float16", "bfloat16"), limits, strict=True))


@answer_2_1.mistake(
    "these are powers of another base: 10^308 and 2^1023 end where exp has not yet ended or has "
    "ended long ago. Take the natural logarithm of the largest number.",
    limits=((308, 38, 4, 38), (1023, 127, 15, 127), (1024, 128, 16, 128)),
)
def another_base(*, limits):
    return dict(zip(("float64", "float32", "float16", "bfloat16"), limits, strict=True))


@answer_2_1.mistake(
    "all four formats were given the same limit: each format has its own largest number.",
    limit=(709, 88, 11),
)
def one_limit_for_all(*, limit):
    return {"float64": limit, "float32": limit, "float16": limit, "bfloat16": limit}


# --- 2.2 -----------------------------------------------------------------------------------------


def _last_finite_exactly(dtype):
    import mpmath

    info = np.finfo(dtype)
    with mpmath.workdps(60):
        largest = mpmath.mpf(float(info.max))
        edge = mpmath.log(largest * (1 + mpmath.mpf(float(info.eps)) / (4 - 2 * float(info.eps))))
        value = dtype(float(edge))
        while mpmath.mpf(float(value)) >= edge:
            value = np.nextafter(value, dtype(0))
        return value


def _as_number(result):
    """Return a result by its value; text is none, though Python would read it as one."""
    if isinstance(result, str):
        raise TypeError("a number was asked")
    return float(result)


@exercise(
    "2.2",
    minutes=6,
    probes=[
        extreme(np.float16, note="float16 ends at 65504"),
        extreme(np.float32, note="log(max), rounded to float32, lies past the edge"),
        extreme(np.float64, note="float64 ends at 1.8e308"),
    ],
    truth=_last_finite_exactly,
    tolerance=0.0,
    canonical=lambda result, dtype: _as_number(result),  # by value: the format may be a wider one
    library=("exp_last_finite",),
    remark="In float64 log(max) happens to be rounded down, so there it is the answer itself.",
)
def last_finite(dtype):
    """Return the largest value of a floating-point format whose exp is finite.

    dtype is np.float16, np.float32 or np.float64. Take exp as rounded to that same format. The
    answer must be a number of the format: it is compared by value, to the last digit. Compute it
    yourself: `formats` knows the answer, and does not count.
    """
    x = np.log(np.finfo(dtype).max)  # in the format, so perhaps rounded past the edge
    with np.errstate(over="ignore"):
        while np.isinf(dtype(np.exp(float(x)))):
            x = np.nextafter(x, dtype(0))
    return x


last_finite.hints(
    "Start from the logarithm of the largest number, np.log(np.finfo(dtype).max). "
    "Is the exp of that value finite in the format?",
    "A logarithm is rounded to the nearest number of the format, which may lie above the true "
    "logarithm. Then exp of it is already infinite.",
    "np.nextafter(x, dtype(0)) is the neighbour of x on the side of 0. "
    "Step down until exp is finite.",
    "Compute exp in float64, dtype(np.exp(float(x))), inside np.errstate(over='ignore'), "
    "and test it with np.isinf.",
)
last_finite.reasoning(
    "The numbers of a format are discrete. The true edge lies between two of them, and rounding "
    "to the nearest may take the upper one. In float16 and in float32 it does: exp of the rounded "
    "logarithm is infinite, and the answer is one step below. In float64 the rounding goes down "
    "and nothing has to be done. A limit that is off by one step is the kind of mistake no "
    "ordinary test finds, and a value at that limit is the first to find it."
)


@last_finite.mistake(
    "this is log(max), and in float16 and float32 its rounding went up, past the edge: exp of it "
    "is infinite there. Test exp of your answer, and step down where it is inf."
)
def log_of_max_rounded_up(dtype):
    return np.log(np.finfo(dtype).max)


@last_finite.mistake(
    "the logarithm was taken in float64 and returned so: the result is no number of the smaller "
    "format. Round it to the format, then see on which side of the edge it fell."
)
def left_in_float64(dtype):
    return np.log(float(np.finfo(dtype).max))


@last_finite.mistake(
    "the same number comes back for every format (or is only rounded to it): one limit is "
    "hard-coded. "
    "Ask np.finfo(dtype) for the format's own largest number.",
    limit=(709.782712893384, 88.72283172607422, 88.72283935546875, 88.72283, 11.0859375, 11.09375),
    cast=(False, True),
)
def hard_coded(dtype, *, limit, cast):
    return dtype(limit) if cast else np.float64(limit)


@last_finite.mistake(
    "this is the first value whose exp is infinite: the last finite one is its neighbour below."
)
def first_infinite(dtype):
    return np.nextafter(last_finite(dtype), dtype(np.inf))


@last_finite.mistake(
    "this is one step too low: exp of the next number up is still finite. "
    "Step down only while exp is infinite."
)
def one_step_too_low(dtype):
    return np.nextafter(np.log(np.finfo(dtype).max), dtype(0))


@last_finite.mistake(
    "this is the last integer: between it and the next one the format has many more numbers "
    "with a finite exp."
)
def last_integer(dtype):
    return dtype(np.floor(np.log(float(np.finfo(dtype).max))))


@last_finite.mistake(
    "this is the logarithm of the smallest number: it says where exp underflows. "
    "Take the logarithm of the largest.",
    smallest=("smallest_normal", "smallest_subnormal"),
)
def log_of_the_smallest(dtype, *, smallest):
    return np.log(getattr(np.finfo(dtype), smallest))


@last_finite.mistake(
    "the logarithm has another base: exp belongs to the natural logarithm, np.log.",
    log=(np.log2, np.log10),
)
def logarithm_of_another_base(dtype, *, log):
    return log(np.finfo(dtype).max)


@last_finite.mistake(
    "this lies a safe distance below the edge: between it and the edge there are many more numbers "
    "of the format with a finite exp. Step down from log(max) by one number of the format at a "
    "time, with np.nextafter, and only while exp is infinite.",
    margin=(1.0, 0.5, 0.1, 0.01, 1e-3, 1e-4, 1e-5, 1e-6),
    wide=(False, True),
)
def a_margin_below(dtype, *, margin, wide):
    largest = np.finfo(dtype).max
    return np.log(float(largest) if wide else largest) - margin


@last_finite.mistake(
    "the search ran in float64, between the numbers of the format: what it found is no number of "
    "the smaller format. Search in the format: round each candidate to it, `dtype(x)`, before exp."
)
def searched_in_float64(dtype):
    with np.errstate(over="ignore"):
        low, high = 0.0, 1000.0
        while low < (middle := (low + high) / 2) < high:
            low, high = (middle, high) if np.isfinite(dtype(np.exp(middle))) else (low, middle)
    return low


@last_finite.mistake(
    "the edge is cut to a few decimals: the format has more numbers than that between your answer "
    "and the edge. Work with the format's own steps, np.nextafter.",
    decimals=(1, 2, 3, 4, 5),
    cast=(False, True),
)
def cut_to_a_few_decimals(dtype, *, decimals, cast):
    scaled = math.floor(math.log(float(np.finfo(dtype).max)) * 10**decimals)
    return dtype(scaled / 10**decimals) if cast else scaled / 10**decimals


@last_finite.mistake(
    "this is the format's largest number, not the largest number whose exp is finite: "
    "take its logarithm."
)
def the_largest_number(dtype):
    return np.finfo(dtype).max


# --- 2.3 -----------------------------------------------------------------------------------------


def _diagnosis_exactly(x):
    """Decide by comparing exact exponentials with float64's limits."""
    import mpmath

    with mpmath.workdps(60):
        terms = [mpmath.exp(mpmath.mpf(float(value))) for value in x]
        if sum(terms) >= (2 - mpmath.mpf(2) ** -53) * mpmath.mpf(2) ** 1023:
            return "overflow"
        # Rounded to nearest, half the smallest subnormal and everything below it is 0.
        if all(term <= mpmath.mpf(2) ** -1075 for term in terms):
            return "underflow"
        return "fine"


@exercise(
    "2.3",
    minutes=6,
    probes=[
        ordinary(np.array([1.0, 2.0, 3.0]), note="ordinary logits"),
        ordinary(np.array([0.0]), note="a single logit"),
        ordinary(np.array([90.0, 0.0]), note="past float32's edge, but this is float64"),
        ordinary(np.array([-120.0, -110.0]), note="small exponentials, but not 0"),
        extreme(np.array([709.0, 0.0]), note="exp(709) is still finite"),
        extreme(np.array([709.5, 0.0]), note="exp(709.5) is finite, and so is the sum"),
        extreme(np.array([1000.0, 0.0]), note="exp(1000) is inf"),
        extreme(np.array([0.0, 3.0, 1000.0]), note="the large logit comes last"),
        extreme(np.array([-1000.0, 1000.0, -1000.0]), note="one term inf, two of them 0"),
        extreme(np.array([1000.0, -1000.0]), note="one term inf, then one that is 0"),
        extreme(np.array([709.5, 709.5]), note="both terms are finite, their sum is not"),
        extreme(np.full(200, 705.0), note="200 finite terms with an infinite sum"),
        extreme(np.array([-1000.0, -1001.0]), note="every exp is 0"),
        extreme(np.array([-746.0]), note="a single logit whose exp is 0"),
        extreme(np.array([1.0, 2.0, -1000.0]), note="one exp is 0, which does no harm"),
        extreme(np.array([-1000.0, 0.5]), note="one exp is 0, and it comes first"),
        extreme(np.array([-740.0, -744.0]), note="subnormal, but not 0"),
        extreme(np.array([-745.05, -745.1]), note="exp(-745.05) is the smallest subnormal"),
    ],
    truth=_diagnosis_exactly,
    quiet=True,
    remark="There is a way without any overflow: compare the log-sum-exp of x with log(max).",
)
def diagnose(x):
    """Say what the textbook softmax would do with the logits x: a 1-D float64 array.

    Return "overflow" if a term exp(x_i) or the sum of them is inf, "underflow" if every
    exp(x_i) is 0 (so that 0/0 follows), and "fine" otherwise. No floating-point warning may
    appear under NumPy's default settings, and x is left unchanged.
    """
    with np.errstate(over="ignore", under="ignore"):
        total = np.exp(x).sum()
    if np.isinf(total):
        return "overflow"
    if total == 0:
        return "underflow"
    return "fine"


diagnose.hints(
    "All three answers can be read off one number that the textbook softmax computes.",
    "That number is the denominator, np.exp(x).sum(). When is it inf, and when is it 0?",
    "It is inf if a term is inf, and also if finite terms add up past 1.8e308. "
    "It is 0 only if every term is 0.",
    "Put the exp and the sum inside `with np.errstate(over='ignore', under='ignore'):` "
    "to keep NumPy quiet. Both of them can overflow.",
)
diagnose.reasoning(
    "Terms are never negative, so the denominator tells everything: it is infinite if a term or "
    "the sum passes the largest number, and 0 only if all terms have vanished. A single term that "
    "vanishes is harmless. np.errstate silences exactly the lines that may overflow on purpose, "
    "and nothing else in the program."
)


@diagnose.mistake(
    "only the single terms are looked at: in (709.5, 709.5) both are finite and their sum is inf. "
    "Look at np.exp(x).sum()."
)
def looks_at_terms_only(x):
    with np.errstate(over="ignore"):
        terms = np.exp(x)
    if np.isinf(terms).any():
        return "overflow"
    return "underflow" if (terms == 0).all() else "fine"


@diagnose.mistake(
    "Two things at once. NumPy prints a RuntimeWarning where exp overflows: put it inside "
    "np.errstate(over='ignore'). And only the single terms are looked at: in (709.5, 709.5) both "
    "are finite and their sum is inf."
)
def looks_at_terms_only_and_warns(x):
    terms = np.exp(x)
    if np.isinf(terms).any():
        return "overflow"
    return "underflow" if (terms == 0).all() else "fine"


def _any_vanished(x, *, first, silent, largest):
    with np.errstate(over="warn" if silent == "nothing" else "ignore"):
        terms = np.exp(x)
    with np.errstate(over="ignore" if silent == "all" else "warn"):
        overflow, underflow = np.isinf(largest(terms)), (terms == 0).any()
    if overflow and (first == "overflow" or not underflow):
        return "overflow"
    return "underflow" if underflow else "fine"


@diagnose.mistake(
    "a single vanishing term is called underflow: next to a term that is not 0 it does no harm. "
    "0/0 needs every exp to be 0, so look at the maximum, or at the sum.",
    first=("overflow", "underflow"),
)
def looks_at_the_minimum(x, *, first):
    return _any_vanished(x, first=first, silent="all", largest=np.sum)


@diagnose.mistake(
    "Two things at once. A single vanishing term is called underflow: next to a term that is not 0 "
    "it does no harm, and 0/0 needs every exp to be 0. And NumPy warns: put the exp and the sum "
    "inside np.errstate(over='ignore').",
    first=("overflow", "underflow"),
    silent=("exp", "nothing"),
)
def looks_at_the_minimum_and_warns(x, *, first, silent):
    return _any_vanished(x, first=first, silent=silent, largest=np.sum)


@diagnose.mistake(
    "Two things at once. A single vanishing term is called underflow: 0/0 needs every exp to be 0. "
    "And only the single terms are tested for inf: in (709.5, 709.5) both are finite and their sum "
    "is inf. The sum tells both: is it inf, or 0?",
    first=("overflow", "underflow"),
    silent=("all", "nothing"),
)
def looks_at_the_minimum_and_at_terms_only(x, *, first, silent):
    return _any_vanished(x, first=first, silent=silent, largest=np.max)


@diagnose.mistake(
    "every floating-point error counts, the harmless underflow among them: under='raise' (or "
    "all='raise') stops at a single term, or a share, that rounds to a subnormal number or to 0. "
    "Test the denominator: is it inf, or 0?",
    divides=(False, True),
)
def every_underflow_counts(x, *, divides):
    try:
        with np.errstate(all="raise"):
            terms = np.exp(x)
            total = terms.sum()
            if divides:
                terms / total
    except FloatingPointError as error:
        return "overflow" if "overflow" in str(error) else "underflow"
    return "fine"


@diagnose.mistake(
    "every NaN in the result is called overflow: 0/0 is NaN as well, and where only the *sum* is "
    "inf there is no NaN at all, every share is 0. Look at the denominator instead: is it inf, or "
    "0?",
    quiet=(True, False),
)
def every_nan_is_overflow(x, *, quiet):
    with np.errstate(all="ignore" if quiet else "warn", under="ignore"):
        p = np.exp(x) / np.exp(x).sum()
    return "overflow" if np.isnan(p).any() else "fine"


@diagnose.mistake(
    "the logits are judged one by one, and the first that stands out decides: a single small one "
    "does no harm beside an ordinary one, and finite terms can have an infinite sum. The "
    "denominator decides: is it inf, or 0?",
    low=(-745.1332191019411, -745.0, -744.4400719213812, -708.3964185322641, -709.0),
    high=(709.782712893384, 709.78, 709.0),
)
def judges_one_logit_after_the_other(x, *, low, high):
    for value in x:
        if value > high:
            return "overflow"
        if value < low:
            return "underflow"
    return "fine"


@diagnose.mistake(
    "the answers are right, but NumPy prints a RuntimeWarning: the overflow is expected here. "
    "Put the exp and the sum inside np.errstate(over='ignore').",
    silent=("nothing", "exp"),
    divides=(False, True),
)
def warns(x, *, silent, divides):
    with np.errstate(over="ignore" if silent == "exp" else "warn"):
        terms = np.exp(x)
    total = terms.sum()
    if divides:
        terms = terms / total
    if np.isinf(total):
        return "overflow"
    return "underflow" if total == 0 else "fine"


@diagnose.mistake(
    "the maximum is compared with 709: exp(709.5) is still finite, and two such terms have an "
    "infinite sum although each is finite. Test what exp and the sum give.",
    low=(-745.2, -745.0, -709.0, -708.3964185322641),
)
def compares_with_709(x, *, low):
    if np.max(x) > 709:
        return "overflow"
    return "underflow" if np.max(x) < low else "fine"


@diagnose.mistake(
    "the maximum is compared with limits: at the upper end finite terms can have an infinite sum, "
    "and at the lower end an exp is 0 only below -745.13, where the subnormal numbers end. Test "
    "what exp and the sum give.",
    low=(-745.0, -744.4400719213812, -709.0, -708.3964185322641),
)
def compares_the_maximum_with_limits(x, *, low):
    if np.max(x) > 709.782712893384:
        return "overflow"
    return "underflow" if np.max(x) < low else "fine"


@diagnose.mistake(
    "an underflow is reported too early: exp is 0 only below -745.13, past the subnormal numbers, "
    "whose last one is exp(-745.13). log(5e-324) = -744.44 is no edge, for exp is rounded. Test "
    "whether the sum is 0.",
    low=(-745.0, -744.4400719213812),
)
def the_lower_edge_is_off(x, *, low):
    with np.errstate(over="ignore"):
        total = np.exp(x).sum()
    if np.isinf(total):
        return "overflow"
    return "underflow" if np.max(x) < low else "fine"


@diagnose.mistake(
    "subnormal exponentials are called 0: exp(-740) is small and has few digits, but it is not 0, "
    "and nor is the sum. Test whether the sum is 0."
)
def subnormal_taken_for_zero(x):
    with np.errstate(all="ignore"):
        total = np.exp(x).sum()
    if np.isinf(total):
        return "overflow"
    return "underflow" if total < np.finfo(np.float64).smallest_normal else "fine"


@diagnose.mistake(
    "every NaN in the result is called underflow: inf/inf is NaN as well, and where only the *sum* "
    "is inf there is no NaN at all, every share is 0. Look at the denominator instead: is it inf, "
    "or 0?",
    quiet=(True, False),
)
def every_nan_is_underflow(x, *, quiet):
    with np.errstate(all="ignore" if quiet else "warn", under="ignore"):
        p = np.exp(x) / np.exp(x).sum()
    return "underflow" if np.isnan(p).any() else "fine"


@diagnose.mistake(
    "these are the limits of float32: x is float64, whose exp reaches from -745 to 709."
)
def limits_of_float32(x):
    with np.errstate(all="ignore"):
        total = np.exp(x.astype(np.float32)).sum()
    if np.isinf(total):
        return "overflow"
    return "underflow" if total == 0 else "fine"


@diagnose.mistake(
    "underflow is never reported: if every exp is 0, the denominator is 0 and 0/0 is NaN."
)
def never_underflow(x):
    with np.errstate(all="ignore"):
        return "overflow" if np.isinf(np.exp(x).sum()) else "fine"


@diagnose.mistake(
    "large negative logits are called overflow: exp(-1000) is 0, not inf. "
    "Do not take absolute values."
)
def magnitude_only(x):
    with np.errstate(all="ignore"):
        return "overflow" if np.isinf(np.exp(np.abs(x)).sum()) else "fine"


@diagnose.mistake("the two names are swapped: too large is overflow, too small is underflow.")
def names_swapped(x):
    with np.errstate(all="ignore"):
        total = np.exp(x).sum()
    if np.isinf(total):
        return "underflow"
    return "overflow" if total == 0 else "fine"


@diagnose.mistake(
    "the answer is always 'fine': the maximum was subtracted first, and that is the cure. "
    "The question is what the textbook form does without it."
)
def shifts_first(x):
    total = np.exp(x - np.max(x)).sum()
    if np.isinf(total):
        return "overflow"
    return "underflow" if total == 0 else "fine"


# --- 2.4 -----------------------------------------------------------------------------------------


def _log_likelihood_exactly(p):
    import mpmath

    with mpmath.workdps(60):
        if any(float(value) == 0 for value in p):
            return -math.inf
        return float(mpmath.fsum(mpmath.log(mpmath.mpf(float(value))) for value in p))


_rng = np.random.default_rng(2)


@exercise(
    "2.4",
    minutes=4,
    probes=[
        ordinary(np.array([0.5, 0.25]), note="two probabilities: log(1/8)"),
        ordinary(np.array([0.3, 0.9, 0.05, 0.7]), note="four probabilities"),
        ordinary(np.array([0.2]), note="a single probability"),
        ordinary(np.array([1.0, 1.0, 1.0]), note="certain events: log 1 = 0"),
        ordinary(np.array([0.5, 0.25, 0.125], dtype=np.float32), note="float32"),
        extreme(np.array([0.5, 0.0, 0.25]), note="an impossible event: -inf, without a warning"),
        extreme(np.array([1e-200, 1e-200]), note="the product, 1e-400, is 0 in float64"),
        extreme(np.array([1e-12, 0.5, 1e-13]), note="probabilities below any usual epsilon"),
        extreme(_rng.uniform(0.05, 0.95, 2000), note="2000 probabilities"),
        extreme(np.full(20_000, 0.3), note="20 000 probabilities: 0 in long double too"),
    ],
    truth=_log_likelihood_exactly,
    relative=len,  # a plain loop may lose one rounding a term
    quiet=True,
    remark="scipy.special.xlogy and np.log(p, where=p > 0, out=…) avoid the warning as well.",
)
def log_likelihood(p):
    """Return the log of the product of many probabilities.

    p is a 1-D float array of probabilities, possibly thousands of them. The result is one number,
    and -inf if a probability is 0, without a warning or an error.
    """
    with np.errstate(divide="ignore"):
        return np.log(p).sum()


log_likelihood.hints(
    "The product of 2000 probabilities is 0 in float64. What is the log of a product?",
    "log(ab) = log a + log b. So take the logs first, and no product at all.",
    "np.log(p).sum(). For a probability of 0 that is -inf, as asked, but NumPy warns.",
    "Put it inside `with np.errstate(divide='ignore'):` (log of 0 counts as a division by zero).",
)
log_likelihood.reasoning(
    "The log turns the product into a sum. The product of n probabilities shrinks exponentially "
    "and leaves the range of every format; the sum of their logs grows only linearly, to a few "
    "thousand here. An impossible event makes the likelihood 0, and -inf is its honest logarithm: "
    "an epsilon would turn it into some ordinary number that depends on the epsilon alone."
)


@log_likelihood.mistake(
    "the product is taken first, and it underflows to 0: its log is -inf although the true value "
    "is an ordinary number. Sum the logs instead.",
    dtype=(np.float64, np.longdouble),
    divide=("ignore", "warn"),
)
def log_of_the_product(p, *, dtype, divide):
    with np.errstate(divide=divide):
        return float(np.log(np.prod(p, dtype=dtype)))


@log_likelihood.mistake(
    "this is the mean of the logs: the log of a product is their sum. "
    "The two differ by a factor of the number of probabilities.",
    divide=("ignore", "warn"),
)
def mean_instead_of_sum(p, *, divide):
    with np.errstate(divide=divide):
        return np.log(p).mean()


@log_likelihood.mistake(
    "a small epsilon is added to each probability: that changes small probabilities, and turns "
    "log 0 = -inf into a number that depends on the epsilon alone.",
    epsilon=(1e-16, 1e-15, 1e-12, 1e-10, 1e-9, 1e-8, 1e-7, 1e-6, 1e-5, 1e-300),
)
def adds_an_epsilon(p, *, epsilon):
    return np.log(p + epsilon).sum()


@log_likelihood.mistake(
    "the probabilities are clipped from below: a probability of 0 then gives a number that depends "
    "on the clip alone, and smaller ones are changed.",
    floor=(float(np.finfo(np.float64).tiny), 1e-16, 1e-15, 1e-12, 1e-10, 1e-9, 1e-8, 1e-7, 1e-6),
)
def clips_from_below(p, *, floor):
    return np.log(np.maximum(p, floor)).sum()


@log_likelihood.mistake(
    "the probabilities are clipped from both sides: a probability of 0 gives a number that depends "
    "on the clip alone, and the log of a certain event, p = 1, is no longer 0. Leave out the clip.",
    floor=(1e-15, 1e-12, 1e-10, 1e-9, 1e-8, 1e-7, 1e-6, 1e-5, 1e-4, 1e-3),
)
def clips_from_both_sides(p, *, floor):
    return np.log(np.clip(p, floor, 1.0 - floor)).sum()


@log_likelihood.mistake(
    "Python's math.log stops at 0 with a ValueError (math domain error): the answer there is -inf. "
    "Test for 0 first, or take np.log inside np.errstate(divide='ignore')."
)
def raises_at_zero(p):
    return sum(math.log(value) for value in p)


@log_likelihood.mistake(
    "0 is returned where a probability is 0: that would be the log of 1, a certain event. One "
    "impossible event makes the product 0, and its log is -inf."
)
def zero_where_a_probability_is_zero(p):
    return 0.0 if (p == 0).any() else np.log(p).sum()


@log_likelihood.mistake(
    "the logs came back one by one: the log of a product is their sum. Add them up.",
    divide=("ignore", "warn"),
)
def logs_not_summed(p, *, divide):
    with np.errstate(divide=divide):
        return np.log(p)


@log_likelihood.mistake(
    "the product is taken in parts, and each part can still underflow: halves reach only twice as "
    "far. Sum the logs of the single probabilities."
)
def product_of_each_half(p):
    middle = len(p) // 2
    with np.errstate(divide="ignore"):
        return np.log(np.prod(p[:middle])) + np.log(np.prod(p[middle:]))


@log_likelihood.mistake(
    "the value is right, but NumPy prints a RuntimeWarning where a probability is 0: "
    "put the log inside np.errstate(divide='ignore')."
)
def warns_at_zero(p):
    return np.log(p).sum()


@log_likelihood.mistake(
    "probabilities of 0 are left out: one impossible event makes the whole product 0, "
    "and its log -inf."
)
def leaves_zeros_out(p):
    return np.log(p[p > 0]).sum()


@log_likelihood.mistake(
    "the -inf of a probability of 0 is replaced by a large finite number: -inf is the right answer "
    "there. Leave out nan_to_num."
)
def replaces_minus_infinity(p):
    with np.errstate(divide="ignore"):
        return np.nan_to_num(np.log(p)).sum()


@log_likelihood.mistake(
    "this is the negative log-likelihood: the log of a product of probabilities is at most 0.",
    divide=("ignore", "warn"),
)
def negative_log_likelihood(p, *, divide):
    with np.errstate(divide=divide):
        return -np.log(p).sum()


@log_likelihood.mistake(
    "this is the log of the sum, not of the product: take the logs first, then sum."
)
def log_of_the_sum(p):
    return np.log(np.sum(p))


@log_likelihood.mistake(
    "the logarithm has another base: the natural logarithm is asked.",
    base=(2.0, 10.0),
    divide=("ignore", "warn"),
)
def another_logarithm(p, *, base, divide):
    with np.errstate(divide=divide):
        return np.log(p).sum() / np.log(base)
