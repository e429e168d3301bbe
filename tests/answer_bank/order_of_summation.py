"""Answers to exercises 12.1 to 12.6."""

import decimal
import math
from collections import deque
from fractions import Fraction
from functools import partial, reduce
from itertools import combinations, islice

import mpmath
import numpy as np
import torch

from helpers import formats

from . import right, wrong

# 12.1 stall(v, precision)


@right("12.1")
def next_power_of_two(v, precision):
    """2**(p + ceil(log2 v))."""
    return 2.0 ** (precision + math.ceil(math.log2(v)))


@right("12.1")
def from_frexp(v, precision):
    """frexp; a power of two has the significand 1/2."""
    m, e = math.frexp(v)
    return math.ldexp(1.0, precision + (e - 1 if m == 0.5 else e))


@right("12.1")
def doubles_until_it_is_lost(v, precision):
    """Powers of two, until half a step reaches v."""
    s = math.ldexp(1.0, math.frexp(v)[1] - 1)
    while math.ldexp(s, -precision) < v:
        s *= 2
    return s


def rounded(value, precision):
    """value to `precision` bits, ties to even."""
    step = math.ldexp(1.0, math.frexp(value)[1] - precision)
    return round(value / step) * step


@right("12.1")
def rounds_at_powers_of_two(v, precision):
    """The first power of two that v no longer changes."""
    s = math.ldexp(1.0, math.frexp(v)[1])
    while rounded(s + v, precision) != s:
        s = s + s
    return s


@right("12.1")
def simulated_where_short(v, precision):
    """Adds on and on where that is short, jumps a binade at a time where it is not."""
    s, steps = 0.0, 0
    while (t := rounded(s + v, precision)) != s:
        s, steps = t, steps + 1
        if steps > 5000:
            return rounds_at_powers_of_two(v, precision)
    return s


@right("12.1")
def integer_power(v, precision):
    """An integer power of two where it is one; log2 by NumPy."""
    return 2 ** int(precision + np.ceil(np.log2(v)))


@wrong("12.1")
def stored_bits(v, precision):
    """p - 1 bits."""
    return 2.0 ** (precision - 1 + math.ceil(math.log2(v)))


@wrong("12.1")
def v_times_two_to_the_p(v, precision):
    """v 2**p: right for powers of two."""
    return v * 2.0**precision


@wrong("12.1")
def floor_of_logarithm(v, precision):
    """The power of two below v."""
    return 2.0 ** (precision + math.floor(math.log2(v)))


@wrong("12.1")
def nearest_power(v, precision):
    """The nearest power of two."""
    return 2.0 ** (precision + round(math.log2(v)))


@wrong("12.1")
def how_many_terms(v, precision):
    """The number of terms, not their sum."""
    return next_power_of_two(v, precision) / v


@wrong("12.1")
def ones_only(v, precision):
    """2**p, whatever v."""
    return 2.0**precision


@wrong("12.1")
def frexp_exponent(v, precision):
    """frexp's exponent: one doubling too far at powers of two."""
    return math.ldexp(1.0, precision + math.frexp(v)[1])


@wrong("12.1")
def one_power_further(v, precision):
    """One doubling too far: a tie is taken to round up."""
    return 2.0 ** (precision + 1 + math.floor(math.log2(v)))


@wrong("12.1")
def doubles_too_far(v, precision):
    """Twice as far, everywhere."""
    return 2.0 ** (precision + 1 + math.ceil(math.log2(v)))


@wrong("12.1")
def half_precision_loop(v, precision):
    """Adds in float16, whatever the precision."""
    s, v = np.float16(0), np.float16(v)
    while s + v != s and np.isfinite(s + v):
        s = s + v
    return float(s)


@wrong("12.1")
def thousand_terms(v, precision):
    """Gives up after a thousand terms."""
    s = 0.0
    for _ in range(1000):
        s = rounded(s + v, precision)
    return s


@wrong("12.1")
def divides_by_v(v, precision):
    """2**p / v."""
    return 2.0**precision / v


@wrong("12.1")
def whole_numbers_only(v, precision):
    """bit_length of the integer part."""
    return 2.0 ** (precision + (math.ceil(v) - 1).bit_length())


@wrong("12.1")
def last_sum_that_grew(v, precision):
    """The sum before the last."""
    top = next_power_of_two(v, precision)
    return top - rounded(v, 1)


@wrong("12.1")
def first_inexact_integer(v, precision):
    """2**p + 1, the first integer that is not in the format."""
    return 2.0 ** (precision + math.ceil(math.log2(v))) + 1


# 12.2 tree_reduce(x, add)


@right("12.2")
def halves(x, add):
    """Two halves, by recursion."""
    if len(x) == 1:
        return x[0]
    half = len(x) // 2
    return add(halves(x[:half], add), halves(x[half:], add))


@right("12.2")
def level_by_level(x, add):
    """Pairs; an odd one moves up unchanged."""
    level = list(x)
    while len(level) > 1:
        pairs = [add(level[i], level[i + 1]) for i in range(0, len(level) - 1, 2)]
        level = pairs + level[len(pairs) * 2 :]
    return level[0]


@right("12.2")
def largest_power_of_two_left(x, add):
    """A full tree on the left, the rest on the right."""
    n = len(x)
    if n == 1:
        return x[0]
    k = 1 << ((n - 1).bit_length() - 1)
    return add(largest_power_of_two_left(x[:k], add), largest_power_of_two_left(x[k:], add))


@right("12.2")
def strides(x, add):
    """In a copy, strides 1, 2, 4, ..."""
    x, step = list(x), 1
    while step < len(x):
        for i in range(0, len(x) - step, 2 * step):
            x[i] = add(x[i], x[i + step])
        step *= 2
    return x[0]


@right("12.2")
def binary_counter(x, add):
    """A stack of full trees, merged like the carries of a counter, then from the right."""
    stack = []
    for element in x:
        rank = 0
        while stack and stack[-1][0] == rank:
            element = add(stack.pop()[1], element)
            rank += 1
        stack.append((rank, element))
    result = stack.pop()[1]
    while stack:
        result = add(stack.pop()[1], result)
    return result


@right("12.2")
def indices(x, add):
    """Recursion over indices, the longer half first."""

    def between(start, stop):
        if stop - start == 1:
            return x[start]
        middle = (start + stop + 1) // 2
        return add(between(start, middle), between(middle, stop))

    return between(0, len(x))


@right("12.2")
def odd_one_joins_last_pair(x, add):
    """An odd one joins the last pair: one level deeper, and never more than one."""
    x = list(x)
    while len(x) > 1:
        odd = x.pop() if len(x) % 2 else None
        x = [add(x[i], x[i + 1]) for i in range(0, len(x), 2)]
        if odd is not None:
            x[-1] = add(x[-1], odd)
    return x[0]


@wrong("12.2")
def left_fold(x, add):
    """A left fold."""
    return reduce(add, x)


@wrong("12.2")
def right_fold(x, add):
    """A fold from the right, by recursion."""
    return x[0] if len(x) == 1 else add(x[0], right_fold(x[1:], add))


@wrong("12.2")
def peels_the_last(x, add):
    """x[:-1] and the last: a fold by recursion."""
    return x[0] if len(x) == 1 else add(peels_the_last(x[:-1], add), x[-1])


@wrong("12.2")
def drops_the_odd_one(x, add):
    """zip drops an odd one."""
    while len(x) > 1:
        x = [add(a, b) for a, b in zip(x[::2], x[1::2], strict=False)]
    return x[0]


@wrong("12.2")
def index_error_when_odd(x, add):
    """Takes every length for even."""
    while len(x) > 1:
        x = [add(x[i], x[i + 1]) for i in range(0, len(x), 2)]
    return x[0]


@wrong("12.2")
def first_half_with_second(x, add):
    """x[i] with x[i + n/2]: the order is lost."""
    x = list(x)
    while len(x) > 1:
        half = (len(x) + 1) // 2
        x = [add(x[i], x[i + half]) if i + half < len(x) else x[i] for i in range(half)]
    return x[0]


@wrong("12.2")
def ends_with_ends(x, add):
    """First with last."""
    x = list(x)
    while len(x) > 1:
        half = len(x) // 2
        x = [add(x[i], x[-1 - i]) for i in range(half)] + x[half : len(x) - half]
    return x[0]


@wrong("12.2")
def arguments_swapped(x, add):
    """Right before left."""
    if len(x) == 1:
        return x[0]
    half = len(x) // 2
    return add(arguments_swapped(x[half:], add), arguments_swapped(x[:half], add))


@wrong("12.2")
def plus_sign(x, add):
    """+ for add."""
    if len(x) == 1:
        return x[0]
    half = len(x) // 2
    return plus_sign(x[:half], add) + plus_sign(x[half:], add)


@wrong("12.2")
def still_a_list(x, add):
    """The list of one."""
    while len(x) > 1:
        x = [add(*x[i : i + 2]) if i + 1 < len(x) else x[i] for i in range(0, len(x), 2)]
    return x


@wrong("12.2")
def padded_with_zeros(x, add):
    """Zeros up to a power of two."""
    n = 1 << (len(x) - 1).bit_length()
    return halves(list(x) + [0] * (n - len(x)), add)


@wrong("12.2")
def last_one_doubled(x, add):
    """An odd one is combined with itself."""
    x = list(x)
    while len(x) > 1:
        if len(x) % 2:
            x.append(x[-1])
        x = [add(x[i], x[i + 1]) for i in range(0, len(x), 2)]
    return x[0]


@wrong("12.2")
def queue_that_turns(x, add):
    """Two from the front, the result to the back: an odd one comes round to the front."""
    queue = deque(x)
    while len(queue) > 1:
        a, b = queue.popleft(), queue.popleft()
        queue.append(add(a, b))
    return queue[0]


@wrong("12.2")
def odd_one_waits_for_the_end(x, add):
    """The odd ones are added at the very end, first come, first served."""
    x, spare = list(x), []
    while len(x) > 1:
        if len(x) % 2:
            spare.append(x.pop())
        x = [add(x[i], x[i + 1]) for i in range(0, len(x), 2)]
    return reduce(add, spare, x[0])


@wrong("12.2")
def by_threes(x, add):
    """Three at a time: deeper than need be."""
    if len(x) < 3:
        return reduce(add, x)
    third = -(-len(x) // 3)
    parts = [x[i : i + third] for i in range(0, len(x), third)]
    return reduce(add, [by_threes(part, add) for part in parts])


@wrong("12.2")
def blocks_of_eight(x, add):
    """Folds blocks of eight, a tree above them."""
    return halves([reduce(add, x[i : i + 8]) for i in range(0, len(x), 8)], add)


@wrong("12.2")
def eats_its_argument(x, add):
    """Strides in the caller's list."""
    step = 1
    while step < len(x):
        for i in range(0, len(x) - step, 2 * step):
            x[i] = add(x[i], x[i + step])
        step *= 2
    return x[0]


@wrong("12.2")
def one_level_only(x, add):
    """One level of pairs, then a fold."""
    pairs = [add(*x[i : i + 2]) if i + 1 < len(x) else x[i] for i in range(0, len(x), 2)]
    return reduce(add, pairs)


@wrong("12.2")
def even_and_odd_places(x, add):
    """The even places, then the odd ones."""
    if len(x) == 1:
        return x[0]
    return add(even_and_odd_places(x[::2], add), even_and_odd_places(x[1::2], add))


@wrong("12.2")
def no_base_case(x, add):
    """Never ends at one element."""
    half = len(x) // 2
    return add(no_base_case(x[:half], add), no_base_case(x[half:], add))


@wrong("12.2")
def sums_arrays(x, add):
    """np.sum, pairwise as it may be."""
    return np.sum(x, axis=0)


# 12.3 neumaier_sum(x)


@right("12.3")
def neumaier(x):
    """Neumaier's loop."""
    total = 0.0
    lost = 0.0
    for value in x:
        t = total + value
        if abs(total) >= abs(value):
            lost += (total - t) + value
        else:
            lost += (value - t) + total
        total = t
    return total + lost


@right("12.3")
def knuths_two_sum(x):
    """The same, with Knuth's two-sum: no comparison."""
    s, c = x[0], x.dtype.type(0)
    for v in x[1:]:
        t = s + v
        w = t - s
        c += (s - (t - w)) + (v - w)
        s = t
    return s + c


@right("12.3")
def rationals(x):
    """Exact rationals."""
    return float(sum(Fraction(float(v)) for v in x))


@right("12.3")
def second_order(x):
    """Klein's sum, twice compensated."""
    s = cs = ccs = 0.0
    for v in map(float, x):
        t = s + v
        c = (s - t) + v if abs(s) >= abs(v) else (v - t) + s
        s = t
        t = cs + c
        ccs += (cs - t) + c if abs(cs) >= abs(c) else (c - t) + cs
        cs = t
    return s + cs + ccs


@right("12.3")
def growing_expansion(x):
    """Shewchuk's partial sums."""
    partials = []
    for v in x.tolist():
        kept = []
        for p in partials:
            if abs(v) < abs(p):
                v, p = p, v
            high = v + p
            if low := p - (high - v):
                kept.append(low)
            v = high
        partials = [*kept, v]
    total = 0.0
    for p in partials:
        total += p
    return total


@right("12.3")
def many_digits(x):
    """decimal, seven hundred digits."""
    with decimal.localcontext() as context:
        context.prec = 1500
        total = decimal.Decimal(0)
        for v in x.tolist():
            total += decimal.Decimal(v)
        return float(total)


@right("12.3")
def exact_integers(x):
    """Integers in units of 2**-1074."""
    total = 0
    for v in x.tolist():
        numerator, denominator = v.as_integer_ratio()
        total += numerator * (2**1074 // denominator)
    return total / 2**1074


@wrong("12.3")
def running_sum(x):
    """A running sum."""
    total = 0.0
    for value in x:
        total = total + value
    return total


@wrong("12.3")
def numpy_sum(x):
    """np.sum."""
    return np.sum(x)


@wrong("12.3")
def longest_double(x):
    """np.sum in the longest format there is."""
    return float(np.sum(x, dtype=np.longdouble))


@wrong("12.3")
def kahan(x):
    """Kahan's loop, without Neumaier's comparison."""
    total = c = 0.0
    for value in x:
        y = value - c
        t = total + y
        c = (t - total) - y
        total = t
    return total


@wrong("12.3")
def kahan_with_a_last_step(x):
    """Kahan's, its last correction applied."""
    total = c = x.dtype.type(0)
    for value in x:
        y = value - c
        t = total + y
        c = (t - total) - y
        total = t
    return total - c


@wrong("12.3")
def subtracts_what_was_lost(x):
    """total - lost."""
    total = lost = 0.0
    for value in x:
        t = total + value
        lost += (total - t) + value if abs(total) >= abs(value) else (value - t) + total
        total = t
    return total - lost


@wrong("12.3")
def sizes_with_sign(x):
    """No abs in the comparison."""
    total = lost = 0.0
    for value in x:
        t = total + value
        lost += (total - t) + value if total >= value else (value - t) + total
        total = t
    return total + lost


@wrong("12.3")
def branches_exchanged(x):
    """The branches the wrong way round."""
    total = lost = 0.0
    for value in x:
        t = total + value
        lost += (value - t) + total if abs(total) >= abs(value) else (total - t) + value
        total = t
    return total + lost


@wrong("12.3")
def total_assumed_larger(x):
    """One branch for all: the sum is taken to be the larger."""
    total = lost = 0.0
    for value in x:
        t = total + value
        lost += (total - t) + value
        total = t
    return total + lost


@wrong("12.3")
def compares_the_new_total(x):
    """Compares the new sum with the term."""
    total = lost = 0.0
    for value in x:
        t = total + value
        lost += (total - t) + value if abs(t) >= abs(value) else (value - t) + total
        total = t
    return total + lost


@wrong("12.3")
def lost_never_added(x):
    """What is lost is collected, and forgotten."""
    total = lost = 0.0
    for value in x:
        t = total + value
        lost += (total - t) + value if abs(total) >= abs(value) else (value - t) + total
        total = t
    return total


@wrong("12.3")
def last_loss_only(x):
    """= for +=."""
    total = lost = 0.0
    for value in x:
        t = total + value
        lost = (total - t) + value if abs(total) >= abs(value) else (value - t) + total
        total = t
    return total + lost


@wrong("12.3")
def total_updated_too_early(x):
    """The sum is replaced before the loss is computed."""
    total = lost = 0.0
    for value in x:
        t = total + value
        total = t
        lost += (total - t) + value if abs(total) >= abs(value) else (value - t) + total
    return total + lost


@wrong("12.3")
def loss_of_opposite_sign(x):
    """t - total - value: the loss with the other sign."""
    total = lost = 0.0
    for value in x:
        t = total + value
        lost += (t - total) - value if abs(total) >= abs(value) else (t - value) - total
        total = t
    return total + lost


@wrong("12.3")
def smallest_sizes_first(x):
    """Sorted by size, then added."""
    total = 0.0
    for value in sorted(x, key=abs):
        total += value
    return total


@wrong("12.3")
def in_ascending_order(x):
    """Sorted, then added."""
    return np.cumsum(np.sort(x))[-1]


@wrong("12.3")
def pairwise_sum(x):
    """A tree."""
    if len(x) == 1:
        return x[0]
    half = len(x) // 2
    return pairwise_sum(x[:half]) + pairwise_sum(x[half:])


@wrong("12.3")
def exactly_rounded(x):
    """The library's."""
    return math.fsum(x)


@wrong("12.3")
def loses_the_first(x):
    """Starts at 0 and leaves the first out."""
    return neumaier(x[1:])


@wrong("12.3")
def counts_the_first_twice(x):
    """Starts at the first and adds it again."""
    return neumaier(np.concatenate([x[:1], x]))


@wrong("12.3")
def both_parts(x):
    """Returns the sum and the loss."""
    total = lost = 0.0
    for value in x:
        t = total + value
        lost += (total - t) + value if abs(total) >= abs(value) else (value - t) + total
        total = t
    return total, lost


@wrong("12.3")
def loss_alone(x):
    """The loss alone."""
    return neumaier(x) - running_sum(x)


@wrong("12.3")
def tensor_sum(x):
    """torch's sum, in float64."""
    return torch.tensor(x, dtype=torch.float64).sum()


@wrong("12.3")
def returns_in_the_loop(x):
    """return is indented one step too far."""
    total = lost = 0.0
    for value in x:
        t = total + value
        lost += (total - t) + value if abs(total) >= abs(value) else (value - t) + total
        total = t
        return total + lost


@wrong("12.3")
def positive_and_negative_apart(x):
    """Positive and negative terms summed apart."""
    return x[x > 0].sum() + x[x < 0].sum()


# 12.4 split_reduce(x, size, add)


@right("12.4")
def slices_and_reduce(x, size, add):
    """reduce of reduces."""
    return reduce(add, [reduce(add, x[i : i + size]) for i in range(0, len(x), size)])


@right("12.4")
def lazily(x, size, add):
    """The pieces from one iterator."""
    it = iter(x)
    pieces = iter(lambda: list(islice(it, size)), [])
    return reduce(add, map(partial(reduce, add), pieces))


@right("12.4")
def by_loops(x, size, add):
    """Loops."""
    results = []
    for start in range(0, len(x), size):
        piece = x[start]
        for element in x[start + 1 : start + size]:
            piece = add(piece, element)
        results.append(piece)
    total = results[0]
    for piece in results[1:]:
        total = add(total, piece)
    return total


@right("12.4")
def one_pass_with_two_registers(x, size, add):
    """One pass: the piece in hand, and the pieces so far."""
    pieces, piece = [], []
    for i, element in enumerate(x):
        piece = [element] if i % size == 0 else [add(piece[0], element)]
        if i % size == size - 1 or i == len(x) - 1:
            pieces = [add(pieces[0], piece[0])] if pieces else piece
    return pieces[0]


@right("12.4")
def last_piece_by_recursion(x, size, add):
    """All but the last piece, then the last."""
    start = (len(x) - 1) // size * size
    last = reduce(add, x[start:])
    return add(last_piece_by_recursion(x[:start], size, add), last) if start else last


@wrong("12.4")
def size_pieces(x, size, add):
    """`size` pieces."""
    pieces = [piece for piece in np.array_split(np.arange(len(x)), size) if len(piece)]
    return reduce(add, [reduce(add, [x[i] for i in piece]) for piece in pieces])


@wrong("12.4")
def size_pieces_by_length(x, size, add):
    """Pieces of n // size elements."""
    length = max(1, len(x) // size)
    return slices_and_reduce(x, length, add)


@wrong("12.4")
def every_size_th(x, size, add):
    """Every size-th element: dealt like cards."""
    return reduce(add, [reduce(add, x[i::size]) for i in range(min(size, len(x)))])


@wrong("12.4")
def dealt_to_as_many_workers(x, size, add):
    """As many workers as pieces, but the elements are dealt like cards."""
    workers = -(-len(x) // size)
    return reduce(add, [reduce(add, x[i::workers]) for i in range(workers)])


@wrong("12.4")
def tail_dropped(x, size, add):
    """Whole pieces only."""
    whole = range(0, len(x) - size + 1, size)
    return reduce(add, [reduce(add, x[i : i + size]) for i in whole])


@wrong("12.4")
def one_fold(x, size, add):
    """No pieces."""
    return reduce(add, x)


@wrong("12.4")
def from_zero(x, size, add):
    """Each fold starts at 0."""
    pieces = [reduce(add, x[i : i + size], 0) for i in range(0, len(x), size)]
    return reduce(add, pieces, 0)


@wrong("12.4")
def total_from_zero(x, size, add):
    """The fold of the pieces starts at 0."""
    total = 0
    for i in range(0, len(x), size):
        total = add(total, reduce(add, x[i : i + size]))
    return total


@wrong("12.4")
def pieces_from_the_right(x, size, add):
    """Cut from the right: the first piece is the short one."""
    cuts = [0, *range(len(x) % size or size, len(x), size), len(x)]
    pieces = [x[i:j] for i, j in zip(cuts, cuts[1:], strict=False) if i < j]
    return reduce(add, [reduce(add, piece) for piece in pieces])


@wrong("12.4")
def folded_from_the_right(x, size, add):
    """Right folds in both places."""

    def fold(values):
        return reduce(lambda later, value: add(value, later), values[::-1])

    return fold([fold(x[i : i + size]) for i in range(0, len(x), size)])


@wrong("12.4")
def last_piece_first(x, size, add):
    """The pieces in reverse."""
    return reduce(add, [reduce(add, x[i : i + size]) for i in range(0, len(x), size)][::-1])


@wrong("12.4")
def padded_with_zeros_pieces(x, size, add):
    """Zeros fill the last piece."""
    x = list(x) + [0] * (-len(x) % size)
    return slices_and_reduce(x, size, add)


@wrong("12.4")
def tail_one_by_one(x, size, add):
    """The tail's elements are added one by one."""
    whole = len(x) // size * size
    pieces = [reduce(add, x[i : i + size]) for i in range(0, whole, size)]
    return reduce(add, pieces + list(x[whole:]))


@wrong("12.4")
def tail_joins_last_piece(x, size, add):
    """The tail lengthens the last whole piece."""
    pieces = [list(x[i : i + size]) for i in range(0, len(x), size)]
    if len(pieces) > 1 and len(pieces[-1]) < size:
        pieces[-2:] = [pieces[-2] + pieces[-1]]
    return reduce(add, [reduce(add, piece) for piece in pieces])


@wrong("12.4")
def tree_above_the_pieces(x, size, add):
    """A tree of the pieces."""
    return halves([reduce(add, x[i : i + size]) for i in range(0, len(x), size)], add)


@wrong("12.4")
def tree_in_the_pieces(x, size, add):
    """A tree inside each piece."""
    return reduce(add, [halves(x[i : i + size], add) for i in range(0, len(x), size)])


@wrong("12.4")
def python_sum(x, size, add):
    """sum for add."""
    return sum(sum(x[i : i + size]) for i in range(0, len(x), size))


@wrong("12.4")
def list_of_pieces(x, size, add):
    """The pieces' results, not combined."""
    return [reduce(add, x[i : i + size]) for i in range(0, len(x), size)]


@wrong("12.4")
def arguments_exchanged(x, size, add):
    """add(element, total)."""

    def fold(values):
        return reduce(lambda total, value: add(value, total), values)

    return fold([fold(x[i : i + size]) for i in range(0, len(x), size)])


@wrong("12.4")
def again_and_again(x, size, add):
    """Pieces of pieces until one is left: a tree with `size` branches."""
    size = max(size, 2)
    while len(x) > 1:
        x = [reduce(add, x[i : i + size]) for i in range(0, len(x), size)]
    return x[0]


@wrong("12.4")
def pieces_overlap(x, size, add):
    """Each piece begins with the last element of the one before."""
    return reduce(add, [reduce(add, x[max(i - 1, 0) : i + size]) for i in range(0, len(x), size)])


@wrong("12.4")
def pops_the_list(x, size, add):
    """Takes the elements out of the caller's list."""
    pieces = []
    while x:
        piece = x.pop(0)
        for _ in range(min(size - 1, len(x))):
            piece = add(piece, x.pop(0))
        pieces.append(piece)
    return reduce(add, pieces)


# 12.5 is_batch_invariant(f, x)


@right("12.5")
def every_slice(f, x):
    """All pairs i < j."""
    whole = f(x)
    n = len(x)
    return all(
        np.array_equal(f(x[i:j]), whole[i:j], equal_nan=True)
        for i in range(n)
        for j in range(i + 1, n + 1)
    )


@right("12.5")
def by_combinations(f, x):
    """combinations of cuts; NaN is what is not itself."""
    whole = np.asarray(f(x.copy()))
    for i, j in combinations(range(x.shape[0] + 1), 2):
        part = np.asarray(f(x[i:j].copy()))
        same = (part == whole[i:j]) | ((part != part) & (whole[i:j] != whole[i:j]))
        if not same.all():
            return False
    return True


@right("12.5")
def assertions(f, x):
    """NumPy's assertion, which takes NaN for equal."""
    whole = f(x)
    try:
        for size in range(1, len(x) + 1):
            for start in range(len(x) - size + 1):
                np.testing.assert_array_equal(
                    f(x[start : start + size]), whole[start : start + size]
                )
    except AssertionError:
        return False
    return True


@right("12.5")
def windows(f, x):
    """Numbers for bits: NaN replaced on both sides, then compared bit by bit."""

    def bits(values):
        values = np.array(values)
        if values.dtype.kind == "f":
            values[np.isnan(values)] = np.nan
        return np.ascontiguousarray(values).tobytes()

    whole = f(x)
    result = True
    for i in range(len(x)):
        for j in range(len(x), i, -1):
            result = result and bits(f(x[i:j])) == bits(whole[i:j])
    return result


@right("12.5")
def numpy_bool(f, x):
    """np.all of a list: a NumPy bool."""
    whole = f(x)
    n = x.shape[0]
    same = [
        np.array_equal(f(x[i:j]), whole[i:j], equal_nan=True)
        for j in range(1, n + 1)
        for i in range(j)
    ]
    return np.all(same)


@wrong("12.5")
def allclose_slices(f, x):
    """allclose."""
    whole = f(x)
    return all(
        np.allclose(f(x[i:j]), whole[i:j], equal_nan=True)
        for i, j in combinations(range(len(x) + 1), 2)
    )


@wrong("12.5")
def first_row_alone(f, x):
    """The first row only."""
    return np.array_equal(f(x[:1]), f(x)[:1], equal_nan=True)


@wrong("12.5")
def single_rows(f, x):
    """Every row alone, no batch in between."""
    whole = f(x)
    return all(
        np.array_equal(f(x[i : i + 1]), whole[i : i + 1], equal_nan=True) for i in range(len(x))
    )


@wrong("12.5")
def beginnings(f, x):
    """x[:j] only."""
    whole = f(x)
    return all(np.array_equal(f(x[:j]), whole[:j], equal_nan=True) for j in range(1, len(x) + 1))


@wrong("12.5")
def endings(f, x):
    """x[i:] only."""
    whole = f(x)
    return all(np.array_equal(f(x[i:]), whole[i:], equal_nan=True) for i in range(len(x)))


@wrong("12.5")
def beginnings_and_endings(f, x):
    """x[:j] and x[i:]."""
    return beginnings(f, x) and endings(f, x)


@wrong("12.5")
def first_row_in_every_batch(f, x):
    """Row 0 in batches of every size."""
    first = f(x)[0]
    return all(np.array_equal(f(x[:j])[0], first, equal_nan=True) for j in range(1, len(x) + 1))


@wrong("12.5")
def nan_differs(f, x):
    """NaN is not NaN."""
    whole = f(x)
    return all(np.array_equal(f(x[i:j]), whole[i:j]) for i, j in combinations(range(len(x) + 1), 2))


@wrong("12.5")
def equal_signs(f, x):
    """== and all: NaN differs here too."""
    whole = f(x)
    return bool(
        np.all([(f(x[i:j]) == whole[i:j]).all() for i, j in combinations(range(len(x) + 1), 2)])
    )


@wrong("12.5")
def same_batch_twice(f, x):
    """Runs the same batch twice."""
    return np.array_equal(f(x), f(x.copy()), equal_nan=True)


@wrong("12.5")
def compares_sums(f, x):
    """Sums of the results."""
    whole = f(x)
    return all(
        np.nansum(f(x[i:j])) == np.nansum(whole[i:j]) for i, j in combinations(range(len(x) + 1), 2)
    )


@wrong("12.5")
def compares_winners(f, x):
    """arg max only."""
    whole = np.asarray(f(x)).reshape(len(x), -1)
    return all(
        np.array_equal(
            np.argmax(np.asarray(f(x[i:j])).reshape(j - i, -1), -1), whole[i:j].argmax(-1)
        )
        for i, j in combinations(range(len(x) + 1), 2)
    )


@wrong("12.5")
def halves_only(f, x):
    """The two halves."""
    half = max(1, len(x) // 2)
    parts = [f(x[:half])] + ([f(x[half:])] if len(x) > half else [])
    return np.array_equal(np.concatenate(parts), f(x), equal_nan=True)


@wrong("12.5")
def last_row_never(f, x):
    """range(N) for the right end: the last row is never in a slice."""
    whole = f(x)
    return all(
        np.array_equal(f(x[i:j]), whole[i:j], equal_nan=True)
        for i, j in combinations(range(len(x)), 2)
    )


@wrong("12.5")
def neighbours_of_two(f, x):
    """Batches of two."""
    whole = f(x)
    return all(
        np.array_equal(f(x[i : i + 2]), whole[i : i + 2], equal_nan=True) for i in range(len(x))
    )


@wrong("12.5")
def rows_reversed(f, x):
    """Turns the batch round."""
    return np.array_equal(f(x[::-1])[::-1], f(x), equal_nan=True)


@wrong("12.5")
def always(f, x):
    """True."""
    return True


@wrong("12.5")
def never(f, x):
    """False."""
    return False


@wrong("12.5")
def any_for_all(f, x):
    """any for all."""
    whole = f(x)
    return any(
        np.array_equal(f(x[i:j]), whole[i:j], equal_nan=True)
        for i, j in combinations(range(len(x) + 1), 2)
    )


@wrong("12.5")
def returns_at_the_first(f, x):
    """return inside the loop: only the first slice counts."""
    whole = f(x)
    for i, j in combinations(range(len(x) + 1), 2):
        return np.array_equal(f(x[i:j]), whole[i:j], equal_nan=True)


@wrong("12.5")
def forgets_the_offset(f, x):
    """Compares with the first rows, wherever the slice began."""
    whole = f(x)
    return all(
        np.array_equal(f(x[i:j]), whole[: j - i], equal_nan=True)
        for i, j in combinations(range(len(x) + 1), 2)
    )


@wrong("12.5")
def true_when_it_differs(f, x):
    """not."""
    return not every_slice(f, x)


@wrong("12.5")
def ignores_nan(f, x):
    """NaN counts as equal to anything."""
    whole = f(x)
    for i, j in combinations(range(len(x) + 1), 2):
        a, b = np.asarray(f(x[i:j])), np.asarray(whole[i:j])
        if not ((a == b) | np.isnan(a) | np.isnan(b)).all():
            return False
    return True


# 12.6 order_free_sum(e, bits)


@right("12.6")
def int64_sum(e, bits):
    """int64."""
    return np.rint(e.astype(np.float64) * 2.0**bits).astype(np.int64).sum() / 2**bits


@right("12.6")
def python_integers(e, bits):
    """Python's integers."""
    return sum(round(float(v) * 2**bits) for v in e) / 2**bits


@right("12.6")
def ldexp_both_ways(e, bits):
    """ldexp there and back."""
    k = np.round(np.ldexp(e.astype(float), bits)).astype(np.int64)
    return math.ldexp(int(k.sum()), -bits)


@right("12.6")
def rationals_of_terms(e, bits):
    """Exact rationals."""
    scale = 2**bits
    return float(sum((Fraction(round(Fraction(float(v)) * scale), scale) for v in e), Fraction(0)))


@right("12.6")
def half_up_exactly(e, bits):
    """Ties upwards."""
    y = e.astype(np.float64) * 2.0**bits
    whole = np.floor(y)
    k = whole.astype(np.int64) + (y - whole >= 0.5)
    return float(k.sum() * 2.0**-bits)


@right("12.6")
def tensor_integers(e, bits):
    """torch's int64."""
    t = torch.from_numpy(np.array(e)).double()
    return torch.round(t * 2**bits).long().sum().item() / 2**bits


@right("12.6")
def mpmath_integers(e, bits):
    """mpmath."""
    with mpmath.workdps(60):
        scale = mpmath.mpf(2) ** bits
        return float(mpmath.fsum(mpmath.nint(mpmath.mpf(float(v)) * scale) for v in e) / scale)


@wrong("12.6")
def cuts_terms(e, bits):
    """astype truncates."""
    return (e.astype(np.float64) * 2.0**bits).astype(np.int64).sum() / 2**bits


@wrong("12.6")
def rounds_terms_up(e, bits):
    """ceil."""
    return np.ceil(e.astype(np.float64) * 2.0**bits).astype(np.int64).sum() / 2**bits


@wrong("12.6")
def rounds_the_sum(e, bits):
    """Rounds the sum, not the terms."""
    return np.rint(e.astype(np.float64).sum() * 2.0**bits) / 2**bits


@wrong("12.6")
def int32_terms(e, bits):
    """int32 terms."""
    k = np.rint(e.astype(np.float64) * 2.0**bits).astype(np.int32)
    return k.sum(dtype=np.int32) / 2**bits


@wrong("12.6")
def int32_terms_wide_sum(e, bits):
    """int32 terms, summed in int64: the terms themselves overflow from 31 bits on."""
    k = np.rint(e.astype(np.float64) * 2.0**bits).astype(np.int32)
    return k.sum(dtype=np.int64) / 2**bits


@wrong("12.6")
def scaled_up_only(e, bits):
    """Not scaled back."""
    return float(np.rint(e.astype(np.float64) * 2.0**bits).astype(np.int64).sum())


@wrong("12.6")
def decimals(e, bits):
    """np.round to decimals."""
    return np.round(e.astype(np.float64), bits).sum()


@wrong("12.6")
def power_of_ten(e, bits):
    """10**bits."""
    scale = 10.0 ** min(bits, 15)
    return np.rint(e.astype(np.float64) * scale).astype(np.int64).sum() / scale


@wrong("12.6")
def caret_for_power(e, bits):
    """^ is exclusive or."""
    scale = 2 ^ bits
    return np.rint(e.astype(np.float64) * scale).astype(np.int64).sum() / scale


@wrong("12.6")
def bits_as_scale(e, bits):
    """2 * bits."""
    scale = 2 * bits
    return np.rint(e.astype(np.float64) * scale).astype(np.int64).sum() / scale


@wrong("12.6")
def all_ones(e, bits):
    """2**bits - 1, as for pixels."""
    scale = 2**bits - 1
    return np.rint(e.astype(np.float64) * scale).astype(np.int64).sum() / scale


@wrong("12.6")
def float32_accumulator(e, bits):
    """The rounded terms are added in float32."""
    k = np.rint(e.astype(np.float64) * 2.0**bits) / 2.0**bits
    return k.astype(np.float32).sum(dtype=np.float32)


@wrong("12.6")
def float64_accumulator(e, bits):
    """The rounded terms are added in float64: no longer exact above 2**53."""
    k = np.rint(e.astype(np.float64) * 2.0**bits)
    return np.cumsum(k)[-1] / 2.0**bits


@wrong("12.6")
def scaled_in_its_dtype(e, bits):
    """float16 overflows when scaled."""
    return np.rint(e * e.dtype.type(2.0**bits)).astype(np.int64).sum() / 2**bits


@wrong("12.6")
def ordinary_sum(e, bits):
    """np.sum."""
    return float(np.sum(e, dtype=np.float64))


@wrong("12.6")
def correctly_rounded_sum(e, bits):
    """fsum: order-free too, but not in fixed point."""
    return math.fsum(e)


@wrong("12.6")
def integer_division(e, bits):
    """// for /."""
    return float(np.rint(e.astype(np.float64) * 2.0**bits).astype(np.int64).sum() // 2**bits)


@wrong("12.6")
def floating_bits(e, bits):
    """`bits` bits for each term: floating, not fixed point."""
    m, k = np.frexp(e.astype(np.float64))
    return float(np.ldexp(np.rint(np.ldexp(m, bits)), k - bits).sum())


@wrong("12.6")
def relative_to_largest(e, bits):
    """The scale is the largest term's, which another array has not."""
    e = e.astype(np.float64)
    top = e.max() or 1.0
    return np.rint(e / top * 2.0**bits).astype(np.int64).sum() / 2**bits * top


@wrong("12.6")
def mean_of_terms(e, bits):
    """The mean."""
    return int64_sum(e, bits) / len(e)


@wrong("12.6")
def sorted_sum(e, bits):
    """Sorted first: another order gives the same bits, but nothing is in fixed point."""
    return float(np.sort(e.astype(np.float64)).sum())


@wrong("12.6")
def rounds_helper(e, bits):
    """Rounds to float16, whatever the bits."""
    return float(formats.round_to(e.astype(np.float64), "float16").sum())


@wrong("12.6")
def in_place_scaling(e, bits):
    """Scales the caller's array."""
    e *= e.dtype.type(2.0**bits)
    return np.rint(e).astype(np.int64).sum() / 2**bits
