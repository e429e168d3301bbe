"""The playground: its arithmetic against exact values, and the page in a browser, from a file."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from itertools import product
from typing import Any

import mpmath
import numpy as np
import pytest

from helpers import formats, kernels, oracle
from tests.axe import findings
from tests.course import ROOT
from tests.website import CHROMIUM, SCREENSHOTS, watched

pytest.importorskip("playwright", reason="the tests' requirements are not installed")

PAGE = (ROOT / "notebooks" / "playground.html").as_uri()
NAMES = ["float64", "float32", "float16", "bfloat16", "float8_e4m3fn"]
FORMS = ["textbook", "shifted", "log1p"]
NAN, INF = float("nan"), float("inf")

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed"),
]


@pytest.fixture(scope="module")
def machine(chromium: Any) -> Any:
    """Return a page whose functions the tests call."""
    page = chromium.new_page()
    page.goto(PAGE)
    return page


def same(a: Any, b: Any) -> bool:
    """Tell whether two lists of numbers are equal, NaN with NaN, and 0 with 0 of its sign."""
    a, b = np.asarray(a, dtype=float), np.asarray(b, dtype=float)
    signs = np.isnan(a) | (np.signbit(a) == np.signbit(b))
    return a.shape == b.shape and np.array_equal(a, b, equal_nan=True) and bool(signs.all())


def special_values(name: str) -> list[float]:
    """Return what breaks arithmetic in a format."""
    known = formats.FORMATS[name]
    sizes = [0.0, known.smallest_subnormal, known.smallest_normal, 1.0, known.max, INF]
    return [NAN, *sizes, *(-size for size in sizes)]


def numbers(name: str, count: int, rng: np.random.Generator) -> np.ndarray:
    """Return numbers of a format: of every size, special ones among them."""
    known = formats.FORMATS[name]
    low, high = known.min_exponent - known.precision, known.max_exponent
    wide = np.ldexp(rng.uniform(1, 2, count), rng.integers(low, high + 1, count))
    plain = rng.normal(size=count) * rng.choice([1, 10, 100], count)
    drawn = np.where(rng.random(count) < 0.3, wide * rng.choice([-1, 1], count), plain)
    drawn = np.where(rng.random(count) < 0.1, rng.choice(special_values(name), count), drawn)
    return formats.round_to(drawn, name)


# -- arithmetic ---------------------------------------------------------------------------------


def finite_or(compute: Any, *values: float) -> Any:
    """Compute with exact numbers where all are finite, as IEEE 754 has it where not."""
    if all(np.isfinite(values)):
        with mpmath.workprec(4400):  # holds every sum of two doubles
            return compute(*map(mpmath.mpf, values))
    return None


@pytest.mark.parametrize("name", NAMES)
def test_sums_differences_and_quotients_are_rounded_once(machine: Any, name: str) -> None:
    rng = np.random.default_rng(3)
    pairs = [*zip(*numbers(name, 2 * 1500, rng).reshape(2, -1).tolist(), strict=True)]
    pairs += product(special_values(name), repeat=2)
    got = machine.evaluate(
        """([name, pairs]) => {
            const F = Softmax.formats.arithmetic(name);
            return pairs.map(([a, b]) => [F.add(a, b), F.subtract(a, b), F.divide(a, b)]);
        }""",
        [name, pairs],
    )
    for (a, b), computed in zip(pairs, got, strict=True):
        with np.errstate(all="ignore"):
            ieee = [np.float64(a) + b, np.float64(a) - b, np.float64(a) / np.float64(b)]
        exact = [
            finite_or(lambda a, b: a + b, a, b),
            finite_or(lambda a, b: a - b, a, b),
            finite_or(lambda a, b: a / b, a, b) if b else None,
        ]
        expected = [
            i if e is None or e == 0 else formats.round_to(e, name)  # the zero's sign is IEEE's
            for i, e in zip(ieee, exact, strict=True)
        ]
        if name == "float64":
            assert same(computed, ieee), (a, b)
        else:
            # A quotient that rounds to zero keeps its sign; an mpf has no −0.
            expected = [
                np.copysign(e, i) if e == 0 else e for e, i in zip(expected, ieee, strict=True)
            ]
            assert same(computed, expected), (a, b)


@functools.cache
def rounded(function: str, x: float, name: str) -> float:
    """Return exp, log or log1p of a number of a format: exactly, then rounded once."""
    if np.isnan(x) or (function == "log" and x < 0):
        return NAN
    if x == INF or (function == "log" and x == 0):
        return INF if x else -INF
    if function == "log1p" and x == 0:
        return x
    with mpmath.workdps(60):
        return float(formats.round_to(getattr(mpmath, function)(mpmath.mpf(x)), name))


@pytest.mark.parametrize("name", NAMES)
def test_exp_and_log_are_the_exact_functions_rounded_once(machine: Any, name: str) -> None:
    rng = np.random.default_rng(4)
    known = formats.FORMATS[name]
    edges = [known.exp_last_finite, known.exp_last_normal, known.exp_last_nonzero]
    near = [edge + k * formats.ulp(edge, name) for edge in edges for k in (-1, 0, 1)]
    below = [1 - known.eps / 2, 1 + known.eps, known.eps, -known.eps / 2, 2.0**-30]
    values = [*numbers(name, 700, rng).tolist(), *special_values(name)]
    values += formats.round_to(np.array([*near, *below]), name).tolist()
    got = machine.evaluate(
        """([name, values]) => {
            const F = Softmax.formats.arithmetic(name);
            return values.map((x) => [F.exp(x), F.log(x), F.log1p(Math.abs(x))]);
        }""",
        [name, values],
    )
    for x, computed in zip(values, got, strict=True):
        expected = [
            rounded("exp", x, name),
            rounded("log", x, name),
            rounded("log1p", abs(x), name),
        ]
        assert same(computed, expected), x


@pytest.mark.parametrize("name", NAMES)
def test_rounding_to_a_format_is_that_of_the_helpers(machine: Any, name: str) -> None:
    rng = np.random.default_rng(5)
    grid = numbers(name, 1000, rng)
    with np.errstate(all="ignore"):
        half = grid + np.array([formats.ulp(v, name) / 2 if np.isfinite(v) else 0 for v in grid])
    values = [*grid, *half, *numbers("float64", 1000, rng), *special_values("float64")]
    values = [float(value) for value in values]
    got = machine.evaluate(
        """([name, values]) => values.map((x) => [
            Softmax.formats.roundNumber(x, name),
            Number.isFinite(x) ? Softmax.formats.roundExact(Softmax.exact.fromNumber(x), name) : x,
        ])""",
        [name, values],
    )
    expected = formats.round_to(np.array(values), name)
    assert same([number for number, _ in got], expected)
    exactly = np.array([float(exact) for _, exact in got])
    assert np.array_equal(exactly, expected, equal_nan=True)


# -- the forms ----------------------------------------------------------------------------------


def logits(name: str, count: int, seed: int) -> list[tuple[list[float], float, int]]:
    """Return rows of a format with a temperature and a target: plain, tied, masked and special."""
    rng = np.random.default_rng(seed)
    rows: list[tuple[list[float], float, int]] = []
    special = special_values(name)
    for _ in range(count):
        n = int(rng.integers(1, 9))
        x = rng.normal(size=n) * rng.choice([0.1, 1, 5, 50, 500])
        x += rng.choice([0, 0, 10, -30, 700])
        kind = rng.integers(6)
        if kind == 0:
            x = np.rint(x / 3)  # ties
        elif kind == 1:
            x = np.where(rng.random(n) < 0.4, -INF, x)  # masks
        elif kind == 2:
            x = np.where(rng.random(n) < 0.2, rng.choice(special, n), x)
        tau = float(formats.round_to(rng.choice([1, 1, 1, 0.5, 2, 0.7, 0.1, 10]), name))
        rows.append((formats.round_to(x, name).tolist(), tau, int(rng.integers(n))))
    return rows


def every_special_row(name: str) -> list[tuple[list[float], float, int]]:
    special = special_values(name)
    pairs = [([a, b], 1.0, y) for a, b in product(special, repeat=2) for y in (0, 1)]
    return [([a], 1.0, 0) for a in special] + pairs


ROWS = {name: logits(name, 2000, seed) + every_special_row(name) for seed, name in enumerate(NAMES)}


class Arithmetic:
    """A format's operations on float64 that hold its numbers; exp, log and log1p rounded once."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.exp, self.log, self.log1p = (
            functools.partial(self.function, f) for f in ("exp", "log", "log1p")
        )

    def round(self, x: Any) -> Any:
        return x if self.name == "float64" else formats.round_to(x, self.name)

    def function(self, function: str, x: Any) -> Any:
        return np.array([rounded(function, float(v), self.name) for v in np.ravel(x)])

    def total(self, terms: Any) -> Any:
        total = terms[0]
        for term in terms[1:]:
            total = self.round(total + term)
        return total


def by_definition(form: str, x: np.ndarray, tau: float, y: int, name: str) -> list[float]:
    """Compute a form in NumPy: p, log p, log-sum-exp, loss and gradient in one list."""
    F = Arithmetic(name)
    z = F.round(x / tau)
    q = np.eye(len(x))[y]
    k = int(np.argmax(z))
    m = z[k]
    if form == "textbook":
        e = F.exp(z)
        s = F.total(e)
        p = F.round(e / s)
        log_p = F.log(p)
        lse, loss = F.log(s)[0], -log_p[y]
    elif form == "shifted":
        d = F.round(z - m)
        e = F.exp(d)
        s = F.total(e)
        p = F.round(e / s)
        log_p = F.round(d - F.log(s)[0])
        lse, loss = F.round(m + F.log(s)[0]), -log_p[y]
    elif not np.isfinite(m):
        p = log_p = np.full(len(x), NAN)
        lse, loss = m, NAN
    else:
        d = F.round(z - m)
        e = F.exp(d)
        rest = F.total([0.0, *np.delete(e, k)])
        l = F.log1p(rest)[0]
        whole = F.round(1 + rest)
        p = F.round(e / whole)
        log_p = F.round(d - l)
        lse, loss = F.round(m + l), F.round(l - d[y])
    g = F.round(np.where(q == 1, F.round(p - 1), p) / tau)
    if form == "log1p" and y == k and np.isfinite(m):
        g[y] = F.round(-F.round(rest / whole) / tau)
    return [*p, *log_p, lse, loss, *g]


FLAT = """
    const flat = ({ p, logP, lse, loss, gradient }) => [...p, ...logP, lse, loss, ...gradient];
"""


@pytest.mark.parametrize("name", NAMES)
def test_each_form_rounds_after_every_operation(machine: Any, name: str) -> None:
    got = machine.evaluate(
        """([name, rows]) => {"""
        + FLAT
        + """
            const F = Softmax.formats.arithmetic(name);
            return rows.map(([x, tau, y]) =>
                Object.values(Softmax.forms.FORMS).map((form) => flat(form(x, tau, y, F))));
        }""",
        [name, ROWS[name]],
    )
    assert len(got) >= 2000
    with np.errstate(all="ignore"):
        for (x, tau, y), computed in zip(ROWS[name], got, strict=True):
            for form, answer in zip(FORMS, computed, strict=True):
                expected = by_definition(form, np.array(x), tau, y, name)
                assert same(answer, expected), (form, x, tau, y)


def exactly(x: list[float], tau: float, y: int) -> list[Any]:
    """Compute with mpmath what the playground calls exact, in one list."""
    row = np.array(x)
    if tau == 1:  # the oracle itself
        p, log_p = oracle.softmax(row), oracle.log_softmax(row)
        lse = oracle.logsumexp(row)
        loss = oracle.cross_entropy(row, np.array(y), reduction="none")
    elif np.isnan(row).any() or not np.isfinite(row.max()):
        return exactly(x, 1, y)
    else:
        z = [mpmath.mpf(v) / mpmath.mpf(tau) for v in x]
        top = max(z)
        terms = [mpmath.exp(v - top) for v in z]
        p = [term / mpmath.fsum(terms) for term in terms]
        rest = mpmath.fsum(sorted(terms)[:-1])
        log_p = [v - top - mpmath.log1p(rest) for v in z]
        lse, loss = top + mpmath.log1p(rest), -log_p[y]
    others = mpmath.fsum(value for i, value in enumerate(p) if i != y)
    g = [-others if i == y else value for i, value in enumerate(p)]
    if mpmath.isnan(p[y]):
        g = list(p)
    return [*p, *log_p, lse, loss, *(mpmath.mpf(v) / tau for v in g)]


@pytest.mark.parametrize("name", NAMES)
def test_the_exact_answers_have_sixty_digits(machine: Any, name: str) -> None:
    rows = ROWS[name]
    got = machine.evaluate(
        """(rows) => {"""
        + FLAT
        + """
            const { decimal } = Softmax.exact;
            const far = 2 ** 39;
            const write = (v) => {
                if (typeof v === "number") return `${v}`.replace("Infinity", "inf");
                if (Math.abs(v.e) > far) return v.e < 0 ? "tiny" : "huge";
                const { negative, digits, exponent } = decimal(v, 62);
                return `${negative ? "-" : ""}${digits[0]}.${digits.slice(1)}e${exponent}`;
            };
            return rows.map(([x, tau, y]) => flat(Softmax.forms.exact(x, tau, y)).map(write));
        }""",
        rows,
    )
    worst = mpmath.mpf(0)
    with mpmath.workdps(90):
        for (x, tau, y), written in zip(rows, got, strict=True):
            truths = with_all_digits(x, tau, y)
            for text, truth in zip(written, truths, strict=True):
                if text == "tiny":  # told apart from 0, and that is all
                    assert 0 < abs(truth) < mpmath.mpf("1e-400000000"), (x, tau, y)
                elif mpmath.isnan(truth) or mpmath.isinf(truth) or truth == 0:
                    assert same(
                        [float(text)], [abs(float(truth)) if truth == 0 else float(truth)]
                    ), (x, tau, y)
                else:
                    worst = max(worst, abs(mpmath.mpf(text) / truth - 1))
    assert worst < mpmath.mpf(10) ** -60


def with_all_digits(x: list[float], tau: float, y: int) -> list[Any]:
    """Compute as `exactly` does, in mpmath's precision, with no digit of a difference lost."""
    row = np.array(x)
    if np.isnan(row).any() or not np.isfinite(row.max()):
        return exactly(x, 1, y)
    with mpmath.workprec(2500):
        top = max(x)
        k = x.index(top)
        d = [(mpmath.mpf(v) - mpmath.mpf(top)) / mpmath.mpf(tau) for v in x]
    terms = [mpmath.exp(v) for v in d]
    rest = mpmath.fsum(term for i, term in enumerate(terms) if i != k)
    p = [term / (1 + rest) for term in terms]
    log_p = [v - mpmath.log1p(rest) for v in d]
    others = mpmath.fsum(value for i, value in enumerate(p) if i != y)
    g = [(-others if i == y else value) / mpmath.mpf(tau) for i, value in enumerate(p)]
    lse = mpmath.mpf(top) / mpmath.mpf(tau) + mpmath.log1p(rest)
    return [*p, *log_p, lse, -log_p[y], *g]


@pytest.mark.parametrize("name", NAMES)
def test_the_exact_answers_are_the_oracles(machine: Any, name: str) -> None:
    """To the last bit of float64, where the oracle's 60 digits are more than enough."""
    rows = [row for row in ROWS[name] if row[1] == 1]
    got = machine.evaluate(
        """(rows) => {"""
        + FLAT
        + """
            const round = (v) =>
                typeof v === "number" ? v : Softmax.formats.roundExact(v, "float64");
            return rows.map(([x, tau, y]) => flat(Softmax.forms.exact(x, tau, y)).map(round));
        }""",
        rows,
    )
    for (x, tau, y), computed in zip(rows, got, strict=True):
        n = len(x)
        expected = [float(formats.round_to(v, "float64")) for v in exactly(x, tau, y)]
        # The gradient at the target is −(the sum of the others), which the oracle does not give.
        computed = [float(value) for value in computed]
        for i in np.flatnonzero(np.array(computed) != expected)[: 2 * n + 2]:
            if not np.isnan(expected[i]) and i < 2 * n + 2:  # a near tie, where 60 digits end
                with mpmath.workdps(2500):
                    truth = with_all_digits(x, 1, y)[i]
                assert computed[i] == formats.round_to(truth, "float64"), (x, y)
        assert np.allclose(computed, expected, rtol=1e-15, atol=0, equal_nan=True), (x, y)


def test_a_tie_is_none_when_something_is_left_however_small(machine: Any) -> None:
    """log p = −4000 − 2⁻⁴² − e⁻⁴⁰⁰⁰…: a tie of float64, but for its last part."""
    log_p = machine.evaluate(
        """() => Softmax.formats.roundExact(
            Softmax.forms.exact([2 ** -42, -4000], 1, 1).logP[1], "float64")"""
    )
    assert log_p == -(4000 + 2**-41)
    with mpmath.workdps(1900):
        truth = (
            -4000 - mpmath.mpf(2) ** -42 - mpmath.log1p(mpmath.exp(-4000 - mpmath.mpf(2) ** -42))
        )
        assert log_p == formats.round_to(truth, "float64")


def test_the_log1p_form_is_that_of_the_kernels(machine: Any) -> None:
    """In float64, where a kernel rounds as often, within a few units in the last place."""
    rows = [row for row in ROWS["float64"] if row[1] == 1 and np.all(np.abs(row[0]) < 1e6)]
    assert len(rows) > 400
    got = machine.evaluate(
        """(rows) => {"""
        + FLAT
        + """
            const F = Softmax.formats.arithmetic("float64");
            return rows.map(([x, tau, y]) => flat(Softmax.forms.FORMS.log1p(x, tau, y, F)));
        }""",
        rows,
    )
    for (x, _, y), computed in zip(rows, got, strict=True):
        row, n = np.array(x), len(x)
        loss = kernels.cross_entropy(row, np.array(y))
        expected = [*kernels.log_softmax(row), kernels.logsumexp(row), loss]
        assert np.allclose(computed[n : 2 * n + 2], expected, rtol=1e-12, atol=0), (x, y)


# -- right digits, and what a cut keeps -----------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_right_digits_are_counted_by_the_relative_error(machine: Any, name: str) -> None:
    rows = ROWS[name][:120]
    got = machine.evaluate(
        """([name, rows]) => {"""
        + FLAT
        + """
            const F = Softmax.formats.arithmetic(name);
            return rows.map(([x, tau, y]) => {
                const truths = flat(Softmax.forms.exact(x, tau, y));
                return flat(Softmax.forms.FORMS.shifted(x, tau, y, F)).map((computed, i) => {
                    const { nearest, digits } = Softmax.forms.judge(computed, truths[i], name);
                    return [computed, nearest, digits];
                });
            });
        }""",
        [name, rows],
    )
    seen = set()
    for (x, tau, y), judged in zip(rows, got, strict=True):
        with mpmath.workdps(1500):  # a tie is none if 1e-1000 is missing
            truths = with_all_digits(x, tau, y)
        for (computed, nearest, digits), truth in zip(judged, truths, strict=True):
            value = float(computed)
            if mpmath.isnan(truth) or mpmath.isinf(truth):
                right = same([value], [float(truth)])
                assert (nearest, digits) == (right, INF if right else 0)
                continue
            assert nearest == (value == formats.round_to(truth, name)), (x, tau, y)
            if not np.isfinite(value) or (truth == 0 and value != 0):
                assert digits == 0
                continue
            error = abs(mpmath.mpf(value) - truth)
            if not error:  # none, or none in 1500 digits
                assert digits >= 70
                continue
            exact_digits = float(-mpmath.log10(2 * error / abs(truth)))
            if exact_digits > 70:  # more than the playground promises
                assert digits >= 70
            elif abs(exact_digits - round(exact_digits)) > 1e-9:
                assert digits == max(0, int(np.floor(exact_digits))), (x, tau, y)
            seen.add(digits)
    assert len(seen) > 2


CUTS = [("top-k", 1), ("top-k", 3), ("top-p", 0.5), ("top-p", 0.75), ("top-p", 1.0), ("min-p", 0.1)]


@pytest.mark.parametrize(("kind", "value"), CUTS)
def test_a_cut_keeps_what_the_kernels_keep(machine: Any, kind: str, value: float) -> None:
    rng = np.random.default_rng(6)
    rows = [rng.normal(size=rng.integers(1, 9)).tolist() for _ in range(300)]
    rows += [[1.0, 1.0, 1.0, 1.0], [0.0, 0.0], [2.0, -INF, 2.0, 2.0], [1.0, 1.0, 0.0, 0.0, 1.0]]
    got = machine.evaluate(
        """([rows, kind, value]) => rows.map((x) => {
            const { exact, kept, renormalised } = Softmax.forms;
            const p = exact(x, 1, 0).p;
            const keeps = kept(x, p, kind, value);
            const after = renormalised(p, keeps);
            return after.map((v) => Softmax.formats.roundExact(v, "float64"));
        })""",
        [rows, kind, value],
    )
    for x, computed in zip(rows, got, strict=True):
        row = np.array(x)
        p = oracle.softmax(row, as_float=True)
        if kind == "top-k":
            expected = kernels.topk_softmax(row, int(value))
        elif kind == "top-p":
            expected = kernels.top_p(p, value)
        else:
            expected = kernels.masked_softmax(row, p >= value * p.max())
        assert np.allclose(computed, expected, rtol=1e-12, atol=0), (x, kind, value)


# -- the page -------------------------------------------------------------------------------------


@pytest.fixture
def shown(chromium: Any, request: pytest.FixtureRequest) -> Iterator[Any]:
    """Open the playground; afterwards, hold that it asked nobody and did not fail."""
    settings = {"viewport": {"width": 1366, "height": 900}, **getattr(request, "param", {})}
    with watched(chromium, PAGE, PAGE.rpartition("/")[0], **settings) as page:
        yield page


def summary(page: Any) -> str:
    """Return what the live region says once things rest."""
    page.wait_for_timeout(450)
    return str(page.locator("#summary").inner_text())


def cell(page: Any, quantity: str, form: str) -> str:
    """Return a cell of the table as a screen reader reads it."""
    row = page.locator(f'tr:has(th:text-is("{quantity}"))')
    return " ".join(row.locator(f'td[data-form="{form}"]').text_content().split())


SIZES = [(1366, 900), (1920, 1080), (390, 844)]
LOOKS = [
    {"viewport": {"width": w, "height": h}, "color_scheme": scheme}
    for w, h in SIZES
    for scheme in ("light", "dark")
]


@pytest.mark.parametrize(
    "shown", LOOKS, indirect=True, ids=lambda s: f"{s['viewport']['width']}-{s['color_scheme']}"
)
def test_it_reads_well_at_every_size_in_both_themes(shown: Any) -> None:
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    for address in (
        "",
        "#x=0,-40",
        "#x=1000.25,-inf,1e-300,1,2,3,4,5&y=7&cut=top-p:0.9&f=bfloat16",
    ):
        shown.goto(f"{PAGE}{address}")
        summary(shown)
        wider = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        assert shown.evaluate(wider) <= 0
        assert findings(shown)[0] == []
    width = shown.viewport_size["width"]
    dark = shown.evaluate("matchMedia('(prefers-color-scheme: dark)').matches")
    name = f"playground-{width}-{'dark' if dark else 'light'}.png"
    shown.screenshot(path=str(SCREENSHOTS / name), full_page=True)


def test_the_presets_show_what_the_course_tells(shown: Any) -> None:
    def press(label: str) -> None:
        shown.get_by_role("button", name=label, exact=True).click()

    press("(1000, 0)")
    assert cell(shown, "p₁", "Textbook form") == "NaN no digit"
    assert cell(shown, "p₁", "Shifted form") == "1 ✓nearest"
    assert cell(shown, "p₂", "Exact answer").endswith("e−435")
    assert "Textbook form: NaN, though the answer is not: p₁" in summary(shown)
    press("(709.5, 709.5)")
    assert cell(shown, "p₁", "Textbook form") == "0 no digit"
    assert cell(shown, "log-sum-exp", "Textbook form") == "inf no digit"
    press("(0, −40)")
    assert cell(shown, "loss", "Shifted form") == "−0 no digit"
    assert cell(shown, "loss", "log1p form").startswith("4.24835425529158")
    press("four ties")
    assert cell(shown, "p₄", "Textbook form") == "0.25 ✓nearest"
    press("a mask")
    assert cell(shown, "log p₃", "log1p form") == "−inf ✓nearest"
    press("all masked")
    assert cell(shown, "log-sum-exp", "Shifted form") == "NaN no digit"
    assert cell(shown, "log-sum-exp", "log1p form") == "−inf ✓nearest"


def test_every_preset_can_be_pressed(shown: Any) -> None:
    buttons = shown.locator("#presets button")
    assert buttons.count() > 8
    for number in range(buttons.count()):
        buttons.nth(number).click()
        assert shown.locator("#table tbody tr").count() > 5


def test_the_keyboard_alone_does_it_all(shown: Any) -> None:
    shown.locator("#rows input[type=range]").first.focus()
    for _ in range(3):
        shown.keyboard.press("ArrowRight")
    assert shown.locator("#rows input[type=text]").first.input_value() == "2.3"
    shown.keyboard.press("Tab")
    shown.keyboard.press("Control+a")
    shown.keyboard.type("−1e3")
    shown.keyboard.press("Tab")
    shown.keyboard.press("Tab")  # over "masked" to "target"
    shown.keyboard.press("ArrowDown")  # the next target
    for locator, keys in ((shown.locator("#format"), "float32"), (shown.locator("#cut"), "top-k")):
        locator.focus()
        shown.keyboard.type(keys)
    summary(shown)
    assert shown.url.endswith("#x=-1000,1,0,-1&f=float32&y=1&cut=top-k:2")
    shown.locator("#rows li").nth(2).get_by_label("masked").focus()
    shown.keyboard.press("Space")
    assert shown.locator("#rows input[type=text]").nth(2).input_value() == "-inf"
    shown.keyboard.press("Space")
    assert shown.locator("#rows input[type=text]").nth(2).input_value() == "0"
    shown.locator("#more").focus()
    shown.keyboard.press("Enter")
    assert shown.locator("#rows li").count() == 5


def test_every_control_has_a_name_and_can_be_tabbed_to(shown: Any) -> None:
    reached = set()
    shown.locator("body").focus()
    controls = "button:enabled, select, input"
    for _ in range(80):
        shown.keyboard.press("Tab")
        place = "(c) => [...document.querySelectorAll(c)].indexOf(document.activeElement)"
        reached.add(shown.evaluate(place, controls))
    visible = shown.evaluate(
        """(controls) => [...document.querySelectorAll(controls)].map((c, i) => [c, i])
            .filter(([c]) => c.checkVisibility() && !(c.type === "radio" && !c.checked))
            .map(([, i]) => i)""",
        controls,
    )
    assert set(visible) <= reached


def test_a_logit_is_dragged_with_the_mouse(shown: Any) -> None:
    slider = shown.locator("#rows input[type=range]").nth(1)
    box = slider.bounding_box()
    shown.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    shown.mouse.down()
    shown.mouse.move(box["x"] + box["width"] - 2, box["y"] + box["height"] / 2, steps=5)
    shown.mouse.up()
    assert float(shown.locator("#rows input[type=text]").nth(1).input_value()) > 9
    assert shown.locator("#rows .share").nth(1).inner_text().startswith("99.9")


@pytest.mark.parametrize(
    "shown",
    [{"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}],
    indirect=True,
)
def test_a_logit_is_moved_by_touch(shown: Any) -> None:
    slider = shown.locator("#rows input[type=range]").nth(2)
    box = slider.bounding_box()
    slider.tap(position={"x": box["width"] - 3, "y": box["height"] / 2})
    assert float(shown.locator("#rows input[type=text]").nth(2).input_value()) > 9


def test_the_address_holds_the_state_and_brings_it_back(shown: Any) -> None:
    address = "#x=-0,nan,inf,-inf,5e-324,1000&t=0.7&f=bfloat16&y=2&cut=min-p:0.25"
    shown.goto(PAGE + address)
    summary(shown)
    assert shown.url == PAGE + address
    typed = shown.locator("#rows input[type=text]")
    assert [typed.nth(i).input_value() for i in range(6)] == [
        "-0",
        "nan",
        "inf",
        "-inf",
        "5e-324",
        "1000",
    ]
    assert shown.locator("#temperature-text").input_value() == "0.7"
    assert shown.locator("#format").input_value() == "bfloat16"
    shown.goto(f"{PAGE}#x=1,oops&t=-3&f=decimal&y=9&cut=top-z:1")
    summary(shown)
    assert shown.url == f"{PAGE}#x=2,1,0,-1", "what means nothing is as at the start"


def test_what_is_no_number_is_refused_and_said(shown: Any) -> None:
    typed = shown.locator("#rows input[type=text]").first
    before = shown.locator("#table").inner_text()
    typed.fill("2..5")
    assert typed.get_attribute("aria-invalid") == "true"
    assert shown.locator("#table").inner_text() == before
    typed.fill("2.5")
    assert typed.get_attribute("aria-invalid") == "false"
    assert shown.locator("#table").inner_text() != before


def test_what_a_format_does_to_a_logit_is_said(shown: Any) -> None:
    shown.goto(f"{PAGE}#x=40.1,1000,40&f=float8_e4m3fn")
    assert "float8 E4M3 cannot hold 1 of the logits: inf." in summary(shown)
    assert [shown.locator("#rows .held").nth(i).inner_text() for i in range(3)] == [
        "held as 40",
        "held as inf",
        "",
    ]


def test_the_live_region_is_one_and_polite(shown: Any) -> None:
    assert shown.locator("#summary").get_attribute("role") == "status"
    said = summary(shown)
    shown.locator("#rows input[type=range]").first.press("End")
    assert summary(shown) != said


def test_a_link_is_copied_or_shown(shown: Any) -> None:
    shown.goto(f"{PAGE}#x=1,2,3")
    shown.locator("#copy").click()
    shown.wait_for_function("document.getElementById('copied').textContent")
    assert shown.locator("#copied").inner_text() in ("Copied.", f"{PAGE}#x=1,2,3")


@pytest.mark.parametrize("shown", [{"java_script_enabled": False}], indirect=True)
def test_without_scripts_it_says_so(shown: Any) -> None:
    assert "needs JavaScript" in shown.locator("noscript").inner_text()
