"""Exercises 12.1 to 12.6: where sums stop, trees, compensation, pieces, invariance, fixed point."""

from __future__ import annotations

import math
from fractions import Fraction
from functools import reduce
from itertools import pairwise

import numpy as np

from helpers.checker.declaration import exercise, extreme, ordinary

_rng = np.random.default_rng(12)


def _read_only(array):
    array.flags.writeable = False
    return array


# --- 12.1 ----------------------------------------------------------------------------------------


def _simulated(v, precision):
    """Add v until the sum no longer moves, in exact fractions rounded to the format each time."""
    step, total = Fraction(v), Fraction(0)
    while True:
        exact = total + step
        exponent = math.floor(math.log2(exact)) - precision + 1
        quantum = Fraction(2) ** exponent
        new = round(exact / quantum) * quantum  # Fraction rounds ties to even
        if new == total:
            return float(total)
        total = new


@exercise(
    "12.1",
    minutes=7,
    probes=[
        ordinary(1.0, 11, note="ones in float16"),
        ordinary(3.0, 11, note="threes in float16"),
        ordinary(5.0, 8, note="fives in bfloat16"),
        ordinary(1.0, 4, note="ones in E4M3"),
        ordinary(1.0, 3, note="ones in E5M2"),
        ordinary(0.0999755859375, 11, note="float16's number next to 0.1"),
        ordinary(0.75, 8, note="three quarters in bfloat16"),
        ordinary(2.0**-10, 11, note="a small power of two"),
        ordinary(96.0, 5, note="96, with 5 bits"),
    ],
    truth=_simulated,
    tolerance=0.0,
    remark="A mean of equal numbers, or a softmax of equal logits, added up like this is wrong by "
    "any factor.",
)
def stall(v, precision):
    """Return the sum at which v + v + v + ..., added one by one, stops growing.

    v : a float > 0, a number of the format.
    precision : the format's bits, the hidden one included (11 for float16, 24 for float32).

    The sum starts at 0, and is rounded to the format after every addition, ties to even. The
    format ends nowhere: nothing overflows. Returns a float.
    """
    fraction, exponent = math.frexp(v)  # v = fraction * 2**exponent, 0.5 <= fraction < 1
    power = exponent - 1 if fraction == 0.5 else exponent
    return 2.0 ** (precision + power)


stall.hints(
    "The sum stops where v is at most half the distance to the next number of the format: then "
    "it rounds back.",
    "Between 2**k and 2**(k + 1) the numbers are 2**(k - precision + 1) apart. For which k is "
    "half of that at least v?",
    "Half the distance at 2**k is 2**(k - precision): the smallest k with 2**(k - precision) >= v.",
    "So k = precision + ceil(log2 v). math.frexp gives the power of two without a logarithm.",
)
stall.reasoning(
    "Above 2^k the numbers are 2^(k − p + 1) apart, so adding v moves the sum only if v is more "
    "than half of that. At the first power of two where v is at most half a step, the sum has "
    "arrived exactly (it has walked in whole steps), v rounds away, and a tie goes to the even "
    "neighbour, which is where the sum stands. That power is p + ⌈log2 v⌉."
)


@stall.mistake(
    "a factor 2 too small: `precision` counts the hidden bit, so the last power is "
    "precision + ceil(log2 v), not one less."
)
def stored_bits(v, precision):
    return 2.0 ** (precision - 1 + math.ceil(math.log2(v)))


@stall.mistake(
    "this is v · 2^precision: a sum stops at a power of two, since there the step doubles."
)
def v_times_the_power(v, precision):
    return v * 2.0**precision


@stall.mistake(
    "the logarithm was rounded down, or to the nearest: where v is still more than half a step, "
    "it moves the sum on. Round the logarithm up.",
    nearest=(False, True),
)
def rounded_down(v, precision, *, nearest):
    power = round(math.log2(v)) if nearest else math.floor(math.log2(v))
    return 2.0 ** (precision + power)


@stall.mistake("the format is float16, whatever `precision` says: the sum may run in any format.")
def float16_always(v, precision):
    return 2.0 ** (11 + math.ceil(math.log2(v)))


@stall.mistake("this is the number of terms, and the sum was asked: the place where it stops.")
def number_of_terms(v, precision):
    total = 2.0 ** (precision + math.ceil(math.log2(v)))
    return total / v


@stall.mistake("v does not enter: where a sum of ones stops, a sum of threes goes on.")
def ignores_v(v, precision):
    return 2.0**precision


@stall.mistake(
    "one doubling too far: where v is exactly half a step, it is a tie, and the even neighbour is "
    "where the sum is already.",
    frexp=(False, True),
)
def one_doubling_too_far(v, precision, *, frexp):
    power = math.frexp(v)[1] if frexp else math.ceil(math.log2(v)) + 1
    return 2.0 ** (precision + power)


@stall.mistake("the numbers below 1 were taken for 1: a small v stalls at a small sum.")
def whole_numbers_only(v, precision):
    return 2.0 ** (precision + (math.ceil(v) - 1).bit_length())


# --- 12.2 ----------------------------------------------------------------------------------------


def joined(a, b):
    """Join two arrays: in this order, and each once."""
    return np.concatenate([a, b])


def one_deeper(a, b):
    """Count the levels: what is combined lies one level above the deeper of the two."""
    return max(a, b) + 1


def added_in_float16(a, b):
    """Add in float16."""
    return float(np.float16(a) + np.float16(b))


def multiplied(a, b):
    """Multiply two matrices, whose order matters."""
    return a @ b


def _parts(n):
    return [np.array([float(i)]) for i in range(n)]


def _by_halves(x, add):
    """Combine by a stack, as a binary counter does, then the rest: a tree of another shape."""
    if len(x) == 1:
        return x[0]
    middle = 2 ** (math.ceil(math.log2(len(x))) - 1)
    return add(_by_halves(x[:middle], add), _by_halves(x[middle:], add))


_MATRICES = [np.array([[1.0, i], [0.5, 2.0 - i]]) for i in range(5)]


@exercise(
    "12.2",
    minutes=10,
    probes=[
        ordinary(_parts(4), joined, note="four arrays to be joined"),
        ordinary(_parts(7), joined, note="seven arrays to be joined"),
        ordinary(_parts(1), joined, note="a single element"),
        ordinary(_parts(2), joined, note="two arrays"),
        ordinary(_MATRICES, multiplied, note="five matrices to be multiplied"),
        ordinary([0] * 8, one_deeper, note="the depth for 8 elements"),
        ordinary([0] * 13, one_deeper, note="the depth for 13 elements"),
        ordinary([0] * 100, one_deeper, note="the depth for 100 elements"),
        ordinary([1.0] * 4096, added_in_float16, note="4096 ones in float16"),
    ],
    truth=_by_halves,
    remark="Its error grows like log n, not like n, and halves can be added on two machines.",
)
def tree_reduce(x, add):
    """Combine the elements of a list in a tree: neighbours first, then the results, and so on.

    x : a list of at least one element, of any kind. It is left unchanged.
    add : a function of two elements (or results) that returns a result.

    Every element enters exactly once, in the order of the list, as in add(add(a, b), add(c, d)).
    No element may lie deeper than it must: for n elements at most ceil(log2 n) calls lie above
    each. Any such tree is right. One element is returned as it is.
    """
    while len(x) > 1:
        x = [add(*x[i : i + 2]) if i + 1 < len(x) else x[i] for i in range(0, len(x), 2)]
    return x[0]


tree_reduce.hints(
    "Two ways: halve the list and combine the results of the halves, or combine neighbours again "
    "and again until one is left.",
    "With neighbours: [add(x[0], x[1]), add(x[2], x[3]), …]. What becomes of the last one if the "
    "number is odd? It goes up as it is.",
    "With halves: tree_reduce(x[:middle], add) and tree_reduce(x[middle:], add), and "
    "middle = len(x) // 2. Where does the recursion end?",
    "Use add for every combination, never +: the elements need not be numbers.",
)
tree_reduce.reasoning(
    "Each round halves the number of elements, so ⌈log2 n⌉ rounds are enough, and an element is "
    "part of at most that many combinations: that is why its rounding error is multiplied so "
    "rarely. Neighbours stay neighbours, so the order is kept: the result is the same for every "
    "operation that associates, even if it does not commute."
)


def _folded(x, add):
    result = x[0]
    for element in x[1:]:
        result = add(result, element)
    return result


@tree_reduce.mistake(
    "this is a fold: one element after the other is added to a growing result, so the first lies "
    "n − 1 calls deep. Combine pairs, then pairs of results.",
    backwards=(False, True),
)
def left_fold(x, add, *, backwards):
    if backwards:
        result = x[-1]
        for element in x[-2::-1]:
            result = add(element, result)
        return result
    return _folded(x, add)


@tree_reduce.mistake(
    "one element is peeled off and the rest combined: that is as deep as a fold of the results. "
    "Split in the middle.",
    off=("two", "first", "last"),
)
def uneven_split(x, add, *, off):
    if len(x) == 1:
        return x[0]
    if off == "last":
        return add(uneven_split(x[:-1], add, off=off), x[-1])
    if off == "first" or len(x) < 4:
        return add(x[0], uneven_split(x[1:], add, off=off))
    return add(add(x[0], x[1]), uneven_split(x[2:], add, off=off))


@tree_reduce.mistake(
    "one level of the tree, or a few, and a fold for the rest: the elements lie deeper than they "
    "must. Combine pairs until one result is left.",
    block=(2, 4, 8, 16),
)
def folded_in_part(x, add, *, block):
    results = []
    for start in range(0, len(x), block):
        result = x[start]
        for element in x[start + 1 : start + block]:
            result = add(result, element)
        results.append(result)
    if block == 2:
        return _folded(results, add)
    return _by_halves(results, add)


@tree_reduce.mistake(
    "where the number is odd, the last element was combined with itself: it enters twice. "
    "It has to go up as it is."
)
def odd_one_twice(x, add):
    x = list(x)
    while len(x) > 1:
        if len(x) % 2:
            x.append(x[-1])
        x = [add(x[i], x[i + 1]) for i in range(0, len(x), 2)]
    return x[0]


@tree_reduce.mistake(
    "elements left over were put aside and combined at the end: the order of the list is lost, "
    "and the result lies deeper than it must. Let an odd one go up a level in its place."
)
def odd_ones_at_the_end(x, add):
    x, aside = list(x), []
    while len(x) > 1:
        if len(x) % 2:
            aside.append(x.pop())
        x = [add(x[i], x[i + 1]) for i in range(0, len(x), 2)]
    return _folded([x[0], *aside], add)


@tree_reduce.mistake(
    "a queue, two from the front and the result to the back: with an odd number the last element "
    "meets the first result, and the order of the list is lost."
)
def queue_turns_round(x, add):
    x = list(x)
    while len(x) > 1:
        x = [*x[2:], add(x[0], x[1])]
    return x[0]


@tree_reduce.mistake(
    "where the number is odd, the last element is lost: it has no neighbour, and has to go up "
    "as it is."
)
def drops_the_odd_one(x, add):
    while len(x) > 1:
        x = [add(x[i], x[i + 1]) for i in range(0, len(x) - 1, 2)]
    return x[0]


@tree_reduce.mistake(
    "elements far apart were combined (first half with second, ends, or every second one): then "
    "neighbours part, and the order of the list is lost. For + nothing is seen of it.",
    partner=("half a list on", "from the end", "every second"),
)
def halves_across(x, add, *, partner):
    if partner == "every second":
        if len(x) == 1:
            return x[0]
        parts = [halves_across(part, add, partner=partner) for part in (x[::2], x[1::2])]
        return add(*parts)
    while len(x) > 1:
        if partner == "from the end":
            half = len(x) // 2
            x = [add(x[i], x[-1 - i]) for i in range(half)] + x[half : len(x) - half]
        else:
            half = (len(x) + 1) // 2
            x = [add(x[i], x[i + half]) if i + half < len(x) else x[i] for i in range(half)]
    return x[0]


@tree_reduce.mistake("the two arguments of add are exchanged: the left one comes first.")
def exchanged(x, add):
    if len(x) == 1:
        return x[0]
    middle = len(x) // 2
    return add(exchanged(x[middle:], add), exchanged(x[:middle], add))


@tree_reduce.mistake("you used + where add was asked: the elements need not be numbers.")
def plus_for_add(x, add):
    while len(x) > 1:
        x = [x[i] + x[i + 1] if i + 1 < len(x) else x[i] for i in range(0, len(x), 2)]
    return x[0]


@tree_reduce.mistake("a list with the result in it came back: return its one element.")
def returns_a_list(x, add):
    while len(x) > 1:
        x = [add(*x[i : i + 2]) if i + 1 < len(x) else x[i] for i in range(0, len(x), 2)]
    return list(x)


@tree_reduce.mistake(
    "the list was filled up with zeros: 0 is neutral for + only. Let an element without a "
    "neighbour go up as it is.",
    to_power_of_two=(True, False),
)
def padded_with_zeros(x, add, *, to_power_of_two):
    x = list(x)
    if to_power_of_two:
        x += [0] * (2 ** math.ceil(math.log2(len(x))) - len(x))
    while len(x) > 1:
        if len(x) % 2:
            x.append(0)
        x = [add(x[i], x[i + 1]) for i in range(0, len(x), 2)]
    return x[0]


# --- 12.3 ----------------------------------------------------------------------------------------


def _exact_sum(x):
    return np.asarray(float(sum((Fraction(float(v)) for v in x), Fraction(0))))


@exercise(
    "12.3",
    minutes=10,
    probes=[
        ordinary(np.array([1.0, 2.0, 3.5, -0.5]), note="four numbers"),
        ordinary(np.array([0.75]), note="one number"),
        ordinary(_read_only(np.array([-2.0, 8.0, 0.25])), note="a read-only array"),
        extreme(np.array([1.0, 1e100, 1.0, -1e100]), note="a large term that comes and goes"),
        extreme(np.array([1.0, -1e100, 1.0, 1e100]), note="the same with the signs turned"),
        extreme(np.array([1e100, 1.0, -1e100, 1.0]), note="the large term first"),
        extreme(np.array([1.0, 2.0**-53, 2.0**-53]), note="two halves of a step above 1"),
        extreme(np.array([2.0**-53, 1.0, 2.0**-53]), note="half a step on either side of 1"),
        extreme(np.array([1.0] + [2.0**-56] * 16), note="sixteen sixteenths of a step above 1"),
        extreme(np.array([2.0**60, 3.0, -(2.0**60), 5.0, -1.0]), note="five terms around 2^60"),
        extreme(np.array([3.0, 2.0**57, 1.0, -(2.0**57), 0.5]), note="an early small term"),
        extreme(np.array([1.0, 1e10, 1.0, -1e10], dtype=np.float32), note="float32"),
        extreme(np.array([1.0] + [2.0**-25] * 32, dtype=np.float32),
                note="32 halves of half a step, float32"),
    ],
    truth=_exact_sum,
    tolerance=0.0,
    library=("fsum",),
    remark="math.fsum keeps every digit, at the price of a list of partial sums.",
)  # fmt: skip
def neumaier_sum(x):
    """Return the sum of x, compensated: what each addition rounds off is kept and added at the end.

    x : 1-D float64 or float32 array of at least one finite number. It is left unchanged.
    Returns one number, in the dtype of x or wider. It must be right where a later term is much
    larger than the sum so far, too. Add yourself: math.fsum and Python's sum are not asked.
    """
    total, lost = x[0] * 0, x[0] * 0
    for v in x:
        new = total + v
        large, small = (total, v) if abs(total) >= abs(v) else (v, total)
        lost += (large - new) + small
        total = new
    return total + lost


neumaier_sum.hints(
    "After new = total + v, what was rounded off? If |total| ≥ |v|, it is (total - new) + v, "
    "exactly.",
    "And if v is the larger one? Then the digits of total are lost: exchange the roles.",
    "Add what was lost to a variable of its own, and only at the end to the total.",
    "(large - new) + small, with large the one of larger size: abs() in the comparison.",
)
neumaier_sum.reasoning(
    "The rounding error of an addition is a floating-point number, and (large − new) + small "
    "is it, exactly, if large is the larger one in size. Kahan's form always takes the total for "
    "the large one, and loses it when a larger term comes. The errors are small, so their own sum "
    "has small errors."
)


@neumaier_sum.mistake(
    "what is lost is not brought back: a plain sum comes out. (Where you do compute it: is it "
    "added to the result, and is it added up over all terms, not overwritten?)",
    dtype=(None, np.float64, np.longdouble),
)
def nothing_comes_back(x, *, dtype):
    total = x[0] * 0 if dtype is None else dtype(0)
    for v in x:
        total = total + v
    return total


@neumaier_sum.mistake(
    "the terms were added in pairs: that errs less than a fold, and keeps nothing."
)
def pairwise_sum(x):
    if len(x) == 1:
        return x[0]
    return pairwise_sum(x[: len(x) // 2]) + pairwise_sum(x[len(x) // 2 :])


@neumaier_sum.mistake(
    "this is Kahan's form: it takes the sum for the larger number always. When a term larger "
    "than the sum comes, the sum's own digits are lost. Compare the sizes, and exchange the roles. "
    "(Compare the term with the sum as it was: compared with the new sum, nothing changes.)",
    form=("fed back", "fed back, and once more", "added up"),
)
def kahan(x, *, form):
    total, lost = x[0] * 0, x[0] * 0
    for v in x:
        y = v if form == "added up" else v - lost
        new = total + y
        lost = lost - ((total - new) + y) if form == "added up" else (new - total) - y
        total = new
    return total if form == "fed back" else total - lost


@neumaier_sum.mistake(
    "the sum was replaced before the lost part was computed: that needs the sum as it was. "
    "Replace it last."
)
def replaced_too_early(x):
    total, lost = x[0] * 0, x[0] * 0
    for v in x:
        total = total + v
        lost += v if abs(total) >= abs(v) else (v - total) + total
    return total + lost


@neumaier_sum.mistake("the loop ends at the first term: return stands inside it.")
def returns_in_the_loop(x):
    return x[0]


@neumaier_sum.mistake("the first term is not in the sum.")
def first_term_left_out(x):
    return np.asarray(_exact_sum(x[1:])) if len(x) > 1 else x[0] * 0


@neumaier_sum.mistake("the first term is added twice: start from 0, or go on with the second.")
def first_term_twice(x):
    return np.asarray(_exact_sum([*x, x[0]]))


@neumaier_sum.mistake("only the lost part came back: add it to the sum.")
def lost_part_alone(x):
    total, lost = x[0] * 0, x[0] * 0
    for v in x:
        new = total + v
        large, small = (total, v) if abs(total) >= abs(v) else (v, total)
        lost += (large - new) + small
        total = new
    return lost


@neumaier_sum.mistake(
    "positive and negative terms were added apart: the two sums round all the same, and their "
    "difference shows it."
)
def signs_apart(x):
    return np.cumsum(np.append(x[x > 0], 0))[-1] + np.cumsum(np.append(x[x < 0], 0))[-1]


@neumaier_sum.mistake("the lost part has the wrong sign at the end: add it, do not subtract it.")
def correction_subtracted(x):
    total, lost = x[0] * 0, x[0] * 0
    for v in x:
        new = total + v
        large, small = (total, v) if abs(total) >= abs(v) else (v, total)
        lost += (large - new) + small
        total = new
    return total - lost


@neumaier_sum.mistake(
    "the sizes are compared with their signs: −1e100 is smaller than 1, and larger in size. "
    "Take abs() of both."
)
def compared_without_abs(x):
    total, lost = x[0] * 0, x[0] * 0
    for v in x:
        new = total + v
        large, small = (total, v) if total >= v else (v, total)
        lost += (large - new) + small
        total = new
    return total + lost


@neumaier_sum.mistake(
    "the two branches are exchanged: from the larger number the new sum has to be subtracted."
)
def branches_exchanged(x):
    total, lost = x[0] * 0, x[0] * 0
    for v in x:
        new = total + v
        large, small = (total, v) if abs(total) < abs(v) else (v, total)
        lost += (large - new) + small
        total = new
    return total + lost


@neumaier_sum.mistake(
    "sorting by size does not bring back what is lost: in the end a large term meets a small one "
    "all the same.",
    descending=(False, True),
)
def sorted_by_size(x, *, descending):
    order = np.argsort(-np.abs(x) if descending else np.abs(x), kind="stable")
    total = x[0] * 0
    for v in x[order]:
        total = total + v
    return total


# --- 12.4 ----------------------------------------------------------------------------------------


def bracketed(a, b):
    """Combine two integers so that the value tells how the brackets stood."""
    return (31 * a + 17 * b + 7) % 1000003


def _pieces_with_reduce(x, size, add):
    import functools
    import itertools

    pieces = [list(itertools.islice(x, i, i + size)) for i in range(0, len(x), size)]
    return functools.reduce(add, [functools.reduce(add, piece) for piece in pieces])


@exercise(
    "12.4",
    minutes=7,
    probes=[
        ordinary(list(range(1, 11)), 4, bracketed, note="10 elements in pieces of 4"),
        ordinary(list(range(3, 15)), 4, bracketed, note="12 elements in pieces of 4"),
        ordinary(list(range(1, 8)), 3, bracketed, note="7 elements in pieces of 3"),
        ordinary([5, 2, 9], 10, bracketed, note="fewer elements than a piece holds"),
        ordinary([4], 2, bracketed, note="a single element"),
        ordinary([6, 1, 8, 3], 1, bracketed, note="pieces of one"),
        ordinary(_parts(7), 3, joined, note="arrays to be joined"),
    ],
    truth=_pieces_with_reduce,
    tolerance=0.0,
    remark="With pieces of a fixed size the bits do not depend on how many workers there are.",
)
def split_reduce(x, size, add):
    """Combine a list in pieces of a fixed size, as workers do whose number does not matter.

    x : a list of at least one element. It is left unchanged.
    size : how many elements a piece holds, an integer of at least 1; the last may hold fewer.
    add : a function of two elements (or results) that returns a result.

    Each piece of consecutive elements is folded from the left, add(add(a, b), c); then the
    results of the pieces are folded from the left. add is called on elements and results only.
    """
    results = []
    for start in range(0, len(x), size):
        result = x[start]
        for element in x[start + 1 : start + size]:
            result = add(result, element)
        results.append(result)
    total = results[0]
    for result in results[1:]:
        total = add(total, result)
    return total


split_reduce.hints(
    "Cut first: x[0:size], x[size:2*size], … range(0, len(x), size) gives the starts.",
    "Fold each piece: begin with its first element, then add(result, element) for the others. "
    "Begin with no 0: it is not neutral for every add.",
    "Then fold the list of results in the same way.",
)
split_reduce.reasoning(
    "Where the brackets stand depends on `size` alone. A worker may take one piece or many: the "
    "result of a piece, and the order in which results are combined, stay the same, and so do the "
    "bits. With a fixed number of pieces they would change with that number."
)


def _halves(x, add):
    if len(x) == 1:
        return x[0]
    middle = len(x) // 2
    return add(_halves(x[:middle], add), _halves(x[middle:], add))


def _in_pieces(pieces, add):
    return _folded([_folded(piece, add) for piece in pieces if len(piece)], add)


@split_reduce.mistake(
    "`size` was taken for the number of pieces: it is how many elements each holds.",
    cut=("rounded", "longer first", "length rounded up", "length rounded down"),
)
def number_of_pieces(x, size, add, *, cut):
    n = len(x)
    if cut == "rounded":
        bounds = [round(i * n / size) for i in range(size + 1)]
        return _in_pieces([x[a:b] for a, b in pairwise(bounds)], add)
    if cut == "longer first":
        lengths = [n // size + (i < n % size) for i in range(size)]
        bounds = [sum(lengths[:i]) for i in range(size + 1)]
        return _in_pieces([x[a:b] for a, b in pairwise(bounds)], add)
    length = math.ceil(n / size) if cut == "length rounded up" else max(1, n // size)
    return _in_pieces([x[i : i + length] for i in range(0, n, length)], add)


@split_reduce.mistake(
    "the elements were dealt like cards, every so-many-th to one piece: pieces are made of "
    "neighbours, x[i : i + size].",
    to=("size", "as many as there are pieces"),
)
def every_size_th(x, size, add, *, to):
    workers = size if to == "size" else math.ceil(len(x) / size)
    return _in_pieces([x[i::workers] for i in range(workers)], add)


@split_reduce.mistake(
    "the elements after the last whole piece were added one by one: they are a piece too, folded "
    "by itself first."
)
def tail_one_by_one(x, size, add):
    whole = len(x) // size * size
    pieces = [x[i : i + size] for i in range(0, whole, size)]
    return _in_pieces([*pieces, *([v] for v in x[whole:])], add)


@split_reduce.mistake(
    "the elements after the last whole piece joined it: the last piece may be shorter, and none "
    "is longer than `size`."
)
def tail_joins(x, size, add):
    starts = list(range(0, max(1, len(x) // size) * size, size))
    return _in_pieces([x[a:b] for a, b in pairwise([*starts, len(x)])], add)


@split_reduce.mistake(
    "this is a tree somewhere: fold from the left, inside the pieces and over them.",
    where=("over the pieces", "inside", "both"),
)
def tree_for_a_fold(x, size, add, *, where):
    pieces = [x[i : i + size] for i in range(0, len(x), size)]
    inside = _halves if where != "over the pieces" else _folded
    over = _folded if where == "inside" else _halves
    return over([inside(piece, add) for piece in pieces], add)


@split_reduce.mistake(
    "pieces of pieces, until one is left: there is one level of pieces only, then one fold."
)
def pieces_of_pieces(x, size, add):
    while len(x) > 1:
        x = [_folded(x[i : i + max(size, 2)], add) for i in range(0, len(x), max(size, 2))]
    return x[0]


@split_reduce.mistake("the folds run from the right: add(add(a, b), c), from the left, was asked.")
def folded_from_the_right(x, size, add):
    def fold(values):
        result = values[-1]
        for value in values[-2::-1]:
            result = add(value, result)
        return result

    return fold([fold(x[i : i + size]) for i in range(0, len(x), size)])


@split_reduce.mistake("the pieces' results were combined in reverse: the first piece comes first.")
def last_piece_first(x, size, add):
    pieces = [_folded(x[i : i + size], add) for i in range(0, len(x), size)]
    return _folded(pieces[::-1], add)


@split_reduce.mistake("the two arguments of add are exchanged: what came before stands left.")
def exchanged_arguments(x, size, add):
    def fold(values):
        return _folded(values, lambda total, value: add(value, total))

    return fold([fold(x[i : i + size]) for i in range(0, len(x), size)])


@split_reduce.mistake("you used + or sum where add was asked: the elements need not be numbers.")
def sum_for_add(x, size, add):
    return sum(x)


@split_reduce.mistake(
    "the pieces overlap: each begins with the last element of the one before. x[i : i + size] and "
    "x[i + size : …] share none."
)
def overlapping_pieces(x, size, add):
    return _in_pieces([x[max(i - 1, 0) : i + size] for i in range(0, len(x), size)], add)


@split_reduce.mistake(
    "the elements after the last whole piece are lost: the last piece may be shorter.",
    at_least=(1, 0, None),
)
def tail_dropped(x, size, add, *, at_least):
    whole = max(at_least or 0, len(x) // size)
    if at_least is None:
        return reduce(add, [_folded(x[i * size : (i + 1) * size], add) for i in range(whole)])
    return _in_pieces([x[i * size : (i + 1) * size] for i in range(whole)], add)


@split_reduce.mistake("this is one fold over the whole list: fold each piece by itself first.")
def one_fold(x, size, add):
    return _folded(x, add)


@split_reduce.mistake(
    "a fold starts from 0: that is one call of add too many, and 0 is not neutral for every "
    "add. Start with the first element.",
    where=("inside", "both", "over the pieces"),
)
def starts_from_zero(x, size, add, *, where):
    zero = [] if where == "over the pieces" else [0]
    pieces = [_folded([*zero, *x[i : i + size]], add) for i in range(0, len(x), size)]
    return _folded(pieces if where == "inside" else [0, *pieces], add)


@split_reduce.mistake(
    "the pieces are counted from the right, so the first one is the shorter: count from the left."
)
def pieces_from_the_right(x, size, add):
    first = len(x) % size
    bounds = [0] * bool(first) + list(range(first, len(x) + 1, size))
    return _in_pieces([x[a:b] for a, b in pairwise(bounds)], add)


@split_reduce.mistake(
    "the last piece was filled up: add is called on elements and results only, and 0 is not "
    "neutral for every add."
)
def filled_up(x, size, add):
    padded = list(x) + [0] * (-len(x) % size)
    return _in_pieces([padded[i : i + size] for i in range(0, len(padded), size)], add)


# --- 12.5 ----------------------------------------------------------------------------------------


def _softmax_by_cumsum(x, e):
    with np.errstate(all="ignore"):
        return e / np.cumsum(e, axis=-1)[..., -1:]


def _terms(x):
    return np.exp(x - x.max(axis=-1, keepdims=True))


def invariant(x):
    """Softmax, each row by itself."""
    return _softmax_by_cumsum(x, _terms(x))


def row_sums_of_squares(x):
    """One number a row, each row by itself."""
    return np.cumsum(x * x, axis=-1)[..., -1]


def global_maximum(x):
    """Softmax, shifted by the maximum of the whole batch."""
    return _softmax_by_cumsum(x, np.exp(x - x.max()))


def pieces_by_batch_size(x):
    """Softmax whose sum is cut into as many pieces as the batch has rows."""
    e = _terms(x)
    parts = [np.cumsum(part, axis=-1)[..., -1] for part in np.array_split(e, len(x), axis=-1)]
    return e / np.cumsum(np.stack(parts), axis=0)[-1][..., None]


def odd_rows_backwards(x):
    """Softmax whose sum runs backwards in every second row of the batch."""
    e = _terms(x)
    total = np.cumsum(e, axis=-1)[..., -1:]
    total[1::2] = np.cumsum(e[1::2, ::-1], axis=-1)[..., -1:]
    return e / total


def other_order_for_three(x):
    """Softmax whose sum runs backwards where the batch has three rows."""
    e = _terms(x)
    order = slice(None, None, -1) if len(x) == 3 else slice(None)
    return e / np.cumsum(e[..., order], axis=-1)[..., -1:]


def last_row_backwards(x):
    """Softmax whose sum runs backwards in the last row of a batch of several."""
    e = _terms(x)
    total = np.cumsum(e, axis=-1)[..., -1:]
    if len(x) > 1:
        total[-1] = np.cumsum(e[-1, ::-1])[-1]
    return e / total


def over_the_batch(x):
    """Softmax over the batch axis: each entry depends on the other rows."""
    e = np.exp(x - x.max(axis=0))
    return e / e.sum(axis=0)


def whole_numbers_moved_on(x):
    """Whole numbers, each row moved on by as many places as the batch has rows."""
    return np.roll(np.round(x), len(x), axis=-1)


def multiples(x):
    """The numbers, times how many rows there are."""
    return x * len(x)


_ROWS = _rng.standard_normal((6, 240)) * 3
_WITH_NAN = _ROWS[:4].copy()
_WITH_NAN[1, 7] = np.nan


def _with_maxima(*maxima):
    """Return rows of 240 whose largest entries are these."""
    rows = _rng.standard_normal((len(maxima), 240))
    rows[:, 100] = maxima
    return rows


def _every_slice(f, x):
    """Compare the bytes of every slice, NaN by its being one."""
    whole = f(x)
    for i in range(len(x)):
        for j in range(i + 1, len(x) + 1):
            part = f(x[i:j])
            if np.array_equal(part, whole[i:j], equal_nan=True):
                continue
            return False
    return True


@exercise(
    "12.5",
    minutes=10,
    probes=[
        ordinary(invariant, _ROWS, note="a softmax of six rows"),
        ordinary(row_sums_of_squares, _ROWS[:3], note="one number a row"),
        ordinary(invariant, _WITH_NAN, note="a row with NaN"),
        ordinary(invariant, _ROWS[:1], note="a single row"),
        ordinary(global_maximum, _ROWS[:4] * _rng.uniform(1, 4, (4, 1)),
                 note="a second softmax"),
        ordinary(pieces_by_batch_size, _ROWS, note="a third softmax"),
        ordinary(odd_rows_backwards, _ROWS[:5], note="a fourth softmax"),
        ordinary(other_order_for_three, _ROWS[:5], note="a fifth softmax"),
        ordinary(last_row_backwards, _ROWS, note="a sixth softmax"),
        ordinary(over_the_batch, _ROWS[:4], note="a seventh softmax"),
        ordinary(whole_numbers_moved_on, _ROWS[:3], note="whole numbers"),
        ordinary(multiples, _ROWS[:4], note="multiples"),
        ordinary(global_maximum, _WITH_NAN, note="a second softmax, a row with NaN"),
        ordinary(global_maximum, _with_maxima(6, 4, 4, 4, 6), note="a second softmax, other rows"),
        ordinary(global_maximum, _with_maxima(6, 6, 6, 6, 4), note="a second softmax, more rows"),
    ],
    truth=_every_slice,
    remark="Run it on the kernels that you ship: the answer belongs in their documentation.",
)  # fmt: skip
def is_batch_invariant(f, x):
    """Return whether f gives each row of x the same bits, in whatever slice of the batch it stands.

    f : a function that takes an array of shape (N, n) and returns one of shape (N, ...).
    x : float array of shape (N, n), N at least 1 and at most 8. It is left unchanged.
    Returns a bool: True if, for every slice x[i:j] of consecutive rows, f(x[i:j]) equals f(x)[i:j]
    in every bit. NaN counts as equal to NaN.
    """
    whole, n = f(x), len(x)
    slices = [(i, j) for i in range(n) for j in range(i + 1, n + 1)]
    return all(np.array_equal(f(x[i:j]), whole[i:j], equal_nan=True) for i, j in slices)


is_batch_invariant.hints(
    "Two loops: every first row i, every end j > i. Compare f(x[i:j]) with f(x)[i:j].",
    "The same bits: np.array_equal, not np.allclose.",
    "NaN is not equal to itself: np.array_equal(…, equal_nan=True).",
    "Single rows are not enough, nor are prefixes: a function may treat a batch of three, or the "
    "last row, in another way.",
)
is_batch_invariant.reasoning(
    "A row's bits may depend on how many rows there are, on where it stands, and on what stands "
    "beside it. A slice of consecutive rows varies all three, and with at most 8 rows there are at "
    "most 36 slices. Every one is compared with the full batch, bit for bit, since this is about "
    "bits and not about errors."
)


def _compare(f, x, slices, equal):
    whole = f(x)
    return all(equal(f(x[i:j]), whole[i:j]) for i, j in slices)


def _all_slices(n):
    return [(i, j) for i in range(n) for j in range(i + 1, n + 1)]


def _same(a, b):
    return np.array_equal(a, b, equal_nan=True)


@is_batch_invariant.mistake(
    "the comparison has a tolerance: other bits in the last place are just what it would miss. "
    "Use np.array_equal."
)
def with_a_tolerance(f, x):
    return _compare(f, x, _all_slices(len(x)), lambda a, b: np.allclose(a, b, equal_nan=True))


@is_batch_invariant.mistake(
    "only the first row was compared: a later one may stand differently.",
    alone=(False, True),
)
def first_row_only(f, x, *, alone):
    slices = [(0, j) for j in range(1, 2 if alone else len(x) + 1)]
    return _compare(f, x, slices, lambda a, b: _same(a[0], b[0]))


@is_batch_invariant.mistake(
    "only single rows, or pairs, were compared with the batch: batches of three and more are "
    "slices too.",
    size=(1, 2),
)
def single_rows_only(f, x, *, size):
    return _compare(f, x, [(i, min(i + size, len(x))) for i in range(len(x))], _same)


@is_batch_invariant.mistake(
    "only slices that begin with the first row were compared, or only such as end with the last: "
    "take every first row i with every end j > i.",
    which=("beginnings", "endings", "both", "two halves"),
)
def beginnings_or_endings(f, x, *, which):
    n = len(x)
    beginnings, endings = [(0, j) for j in range(1, n + 1)], [(i, n) for i in range(n)]
    half = max(1, n // 2)
    halves = [(0, half)] + [(half, n)] * (n > 1)
    slices = {"beginnings": beginnings, "endings": endings, "both": beginnings + endings,
              "two halves": halves}[which]  # fmt: skip
    return _compare(f, x, slices, _same)


@is_batch_invariant.mistake(
    "the slices never hold the last row: the end of a slice is not in it, so j goes up to N."
)
def last_row_left_out(f, x):
    return _compare(f, x, _all_slices(len(x) - 1), _same)


@is_batch_invariant.mistake(
    "the slice was compared with the first rows of the batch: compare with f(x)[i:j]."
)
def offset_forgotten(f, x):
    whole = f(x)
    return all(_same(f(x[i:j]), whole[: j - i]) for i, j in _all_slices(len(x)))


@is_batch_invariant.mistake(
    "NaN counts as equal to any number here: it is equal to NaN, and to nothing else."
)
def nan_equals_anything(f, x):
    def same(a, b):
        return bool(((a == b) | np.isnan(a) | np.isnan(b)).all())

    return _compare(f, x, _all_slices(len(x)), same)


@is_batch_invariant.mistake("the answer is the other way round: True means that no slice differs.")
def the_other_way_round(f, x):
    return not _compare(f, x, _all_slices(len(x)), _same)


@is_batch_invariant.mistake("the answer is False for every f.")
def never_true(f, x):
    return False


@is_batch_invariant.mistake(
    "the winners were compared: arg max stays the same while the bits change."
)
def compares_winners(f, x):
    def same(a, b):
        return _same(*(np.argmax(np.reshape(v, (len(v), -1)), axis=-1) for v in (a, b)))

    return _compare(f, x, _all_slices(len(x)), same)


@is_batch_invariant.mistake(
    "the batch was turned round: that changes every row's place, and neither their number nor "
    "whether a row stands alone."
)
def batch_turned_round(f, x):
    return _same(f(x[::-1])[::-1], f(x))


@is_batch_invariant.mistake(
    "NaN is not equal to itself, so a row with NaN always counts as changed: equal_nan=True."
)
def nan_is_different(f, x):
    return _compare(f, x, _all_slices(len(x)), np.array_equal)


@is_batch_invariant.mistake(
    "the answer is True for every f: the same batch was run twice, which asks whether f is "
    "repeatable, not what the neighbours do; or one equal slice was enough, and x[0:N] always is."
)
def runs_twice(f, x):
    return _same(f(x), f(x))


@is_batch_invariant.mistake(
    "sums of the results were compared: differences of the last bit cancel in them, or round away."
)
def compares_sums(f, x):
    return _compare(f, x, _all_slices(len(x)), lambda a, b: _same(np.sum(a), np.sum(b)))


# --- 12.6 ----------------------------------------------------------------------------------------


def _fixed_point(e, bits):
    """Add as Python integers, each rounded by its own fraction."""
    total = sum(round(Fraction(float(v)) * 2**bits) for v in e)
    return np.asarray(float(Fraction(total, 2**bits)))


_E = _rng.uniform(0, 1, 50)


@exercise(
    "12.6",
    minutes=7,
    probes=[
        ordinary(np.array([1.0, 0.26, 0.26, 0.26]), 0, note="whole numbers"),
        ordinary(np.array([1.0, 0.3, 0.7]), 4, note="sixteenths"),
        ordinary(_E, 10, note="fifty terms, 10 bits"),
        ordinary(_read_only(_E[::-1].copy()), 30, note="fifty terms, 30 bits, read-only"),
        ordinary(np.ones(8), 30, note="eight ones, 30 bits"),
        ordinary(_E.astype(np.float32), 12, note="float32"),
        ordinary(_E[:7] / 2, 59, note="seven terms, 59 bits"),
        ordinary(np.array([1.0, 2.0**-53, 2.0**-53]), 60, note="two small terms, 60 bits"),
        ordinary(np.array([0.9, 0.2, 0.6]).astype(np.float16), 20, note="float16"),
        ordinary(np.array([0.4]), 3, note="one term"),
        ordinary(np.array([2.0**-40, 1.0]), 30, note="a term below the last bit"),
    ],
    truth=_fixed_point,
    tolerance=0.0,
    remark="After the max shift all terms lie in [0, 1]: one scale fits them all.",
)
def order_free_sum(e, bits):
    """Return the sum of e in fixed point: each term rounded to a multiple of 2**-bits, then added.

    e : 1-D float array (float64, float32 or float16) of terms in [0, 1]. It is left unchanged.
    bits : an integer >= 0, with len(e) * 2**bits < 2**63.

    Returns a float: the exact sum of the rounded terms, whatever their order. A term half way
    between two multiples may go either way.
    """
    scaled = np.rint(np.asarray(e, dtype=np.float64) * 2.0**bits)
    return float(scaled.astype(np.int64).sum() / 2.0**bits)


order_free_sum.hints(
    "Integers add without rounding, so their order does not matter. Turn each term into one.",
    "np.rint(e * 2.0**bits), as int64; add; divide by 2.0**bits.",
    "In float16 or float32 e * 2**bits may overflow or lose bits: go to float64 first.",
    "int32 ends at 2**31: eight ones with 30 bits are more than it can hold.",
)
order_free_sum.reasoning(
    "Integer addition is exact, hence associative and commutative: one result for every order, on "
    "any number of workers. All terms share one scale since after the max shift none exceeds 1. "
    "The price is n · 2^bits < 2^63, and that terms below 2^(−bits − 1) vanish."
)


def _wide(e):
    return np.asarray(e, dtype=np.float64)


def _in_32_bits(k):
    return (k + 2**31) % 2**32 - 2**31


@order_free_sum.mistake("the terms are cut off, not rounded: the sum is too small throughout.")
def truncated(e, bits):
    return float((_wide(e) * 2.0**bits).astype(np.int64).sum() / 2.0**bits)


@order_free_sum.mistake("every term was rounded up: round to the nearest, by np.rint.")
def rounded_up(e, bits):
    return float(np.ceil(_wide(e) * 2.0**bits).astype(np.int64).sum() / 2.0**bits)


@order_free_sum.mistake(
    "the sum was rounded, not the terms: then floats were added first, and their order matters."
)
def sum_rounded(e, bits):
    return float(np.rint(np.cumsum(_wide(e))[-1] * 2.0**bits) / 2.0**bits)


@order_free_sum.mistake(
    "an int32 overflows: eight ones with 30 bits are 2^33, and one alone with 31 is too much. "
    "Convert to int64, and add in int64.",
    terms=("wide", "wrap", "smallest", "largest"),
    total=("wide", "wrap"),
)
def wraps_in_32_bits(e, bits, *, terms, total):
    scaled = [int(v) for v in np.rint(_wide(e) * 2.0**bits)]
    if terms == "wrap":
        scaled = [_in_32_bits(v) for v in scaled]
    elif terms != "wide":  # what processors make of a float beyond int32
        beyond = -(2**31) if terms == "smallest" else 2**31 - 1
        scaled = [v if v < 2**31 else beyond for v in scaled]
    wide = total == "wide" and terms != "wide"
    return (sum(scaled) if wide else _in_32_bits(sum(scaled))) / 2**bits


@order_free_sum.mistake("the sum is not scaled back: divide by 2**bits at the end.")
def not_scaled_back(e, bits):
    return float(np.rint(_wide(e) * 2.0**bits).astype(np.int64).sum())


@order_free_sum.mistake(
    "`bits` are binary digits: scale by 2**bits, not by 10**bits.",
    form=("exact", "fifteen", "np.round"),
)
def decimal_digits(e, bits, *, form):
    if form == "np.round":
        return float(np.sum(np.round(_wide(e), bits)))
    if form == "fifteen":
        return _scaled_by(e, 10.0 ** min(bits, 15))
    scaled = [round(Fraction(float(v)) * 10**bits) for v in e]
    return float(Fraction(sum(scaled), 10**bits))


@order_free_sum.mistake(
    "the rounded terms were added in float32: above 2^24 it skips integers, and the order matters "
    "again."
)
def added_in_float32(e, bits):
    scaled = np.rint(_wide(e) * 2.0**bits).astype(np.float32)
    return float(np.cumsum(scaled, dtype=np.float32)[-1] / np.float32(2.0**bits))


@order_free_sum.mistake(
    "the rounded terms were added in float64: above 2^53 it skips integers, and the order matters "
    "again. Convert to int64 before adding."
)
def added_in_float64(e, bits):
    return float(np.cumsum(np.rint(_wide(e) * 2.0**bits))[-1] / 2.0**bits)


@order_free_sum.mistake(
    "2 ^ bits is the exclusive or in Python: the power is 2**bits.",
)
def exclusive_or(e, bits):
    return _scaled_by(e, 2 ^ bits)


@order_free_sum.mistake(
    "the scale is 2**bits, not 2 * bits, nor 2**bits − 1.", one_less=(False, True)
)
def another_scale(e, bits, *, one_less):
    return _scaled_by(e, 2**bits - 1 if one_less else 2 * bits)


def _scaled_by(e, scale):
    with np.errstate(all="ignore"):
        return np.rint(_wide(e) * scale).astype(np.int64).sum() / np.float64(scale)


@order_free_sum.mistake(
    "each term was rounded to so many bits of its own: that is floating point. In fixed point all "
    "share one scale, 2**bits."
)
def floating_point(e, bits):
    fraction, exponent = np.frexp(_wide(e))
    return float(np.sum(np.ldexp(np.rint(np.ldexp(fraction, bits)), exponent - bits)))


@order_free_sum.mistake(
    "the scale follows the largest term: another set of terms has another scale, and their sums "
    "no longer add up. The scale is 2**bits, whatever the terms."
)
def scaled_by_the_largest(e, bits):
    top = np.max(_wide(e))
    return float(np.rint(_wide(e) / top * 2.0**bits).astype(np.int64).sum() / 2.0**bits * top)


@order_free_sum.mistake("this is the mean: the sum was asked.")
def mean(e, bits):
    return float(np.rint(_wide(e) * 2.0**bits).astype(np.int64).sum() / 2.0**bits / len(e))


@order_free_sum.mistake(
    "this is the plain sum, in one order or another: nothing was rounded to the fixed scale, so "
    "the order of the terms still shows in the last bits.",
    form=("fold", "np.sum", "sorted", "fsum"),
)
def plain_sum(e, bits, *, form):
    if form == "fsum":
        return math.fsum(_wide(e))
    if form == "fold":
        return float(np.cumsum(_wide(e))[-1])
    return float(np.sum(np.sort(_wide(e)) if form == "sorted" else _wide(e)))
