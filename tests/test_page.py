"""The printed page: every line of code on it is executed, and every name on it means one thing."""

from __future__ import annotations

import ast
import builtins
import re
from collections import Counter
from collections.abc import Sequence
from itertools import accumulate, combinations
from typing import Any

import numpy as np
import pytest
import torch
from mpmath import mp
from scipy.special import expit, rel_entr
from scipy.stats import gumbel_r

from helpers import gradients, kernels, oracle
from helpers.formats import COMPUTING
from tools import page

TEXT = page.SOURCE.read_text(encoding="utf-8")
SECTIONS = {section.heading: section for section in page.sections(TEXT)}
NAMES = [section for heading, section in SECTIONS.items() if heading.startswith("Names")]
CODE = "\n".join(section.code for section in NAMES)
FORMULAS = {
    row[0]: row[1:]
    for section in SECTIONS.values()
    if section.head == ["what", "how", "what goes wrong instead"]
    for row in section.rows
}
SYMPTOMS = [row for s in SECTIONS.values() if s.head[:1] == ["what you see"] for row in s.rows]
FUNCTIONS = {
    "np": np,
    "expit": expit,
    "softmax": kernels.softmax,
    "log_softmax": kernels.log_softmax,
    "logsumexp": kernels.logsumexp,
    "cross_entropy": kernels.cross_entropy,
}
# They break the textbook forms: a row far above 0, a sure one, one far below with a tie, a plain
# one.
ROWS = np.array([[1000, 999, -1000], [-40, 0, -41], [-900, -900, -901.5], [3, 1, 2]])


def given() -> dict[str, Any]:
    """Return a value for each name that the page's lines are given."""
    rng = np.random.default_rng(1)
    q, prior, old, new = rng.dirichlet(np.ones(3), size=4)
    query, key = np.indices((3, 3))
    log_teacher = kernels.log_softmax(np.array([1.0, 0.5, 0.0]))
    log_student = kernels.log_softmax(np.array([2.0, 0.0, -1.0]))
    return {
        **{"n": 3, "y": 1, "q": q, "i": 0, "j": 2, "N": 5, "g": rng.normal(size=3)},
        **{"X": rng.normal(size=(5, 4)), "G": rng.normal(size=(5, 3))},
        **{"keep": np.array([True, False, True]), "alpha": 3.0, "base": 10, "single": -40.0},
        **{"events": rng.uniform(size=20), "eps": 0.1, "tau": 0.01},
        **{"scores": np.array([8.0, -16.0, 0.0]), "d": 64},
        **{"log_teacher": log_teacher, "log_student": log_student},
        "teacher": np.exp(log_teacher),
        **{"loss": 1e-9, "k": 1, "mass": 0.9, "least": 0.1, "lam": 0.25},
        **{"prior": prior, "old": old, "new": new},
        **{"query": query, "key": key, "slope": 0.5, "sink": 2.0},
        **dict(zip(("Q", "K", "V", "dO"), attention(), strict=True)),
        **{"mask": np.array([[True, False, True], [True, True, False]]), "cap": 5.0},
        **{"unit": 2.0**-24, "u": 0.9, "v": np.array([0.3, 0.5, 0.01]), "tail": 1e-3},
        **{"draft": rng.dirichlet(np.ones(3)), "labels": np.array([1, 0, 0])},
        **{"drawn": np.array([0, 2, 2]), "log_q": np.log([0.5, 0.3, 0.3])},
        **{"among": np.array([False, True, True]), "off": np.array([0.1, -0.8, 0.3, 0.05])},
    }


def attention() -> tuple[np.ndarray, ...]:
    """Return queries, keys, values and the gradient of what comes out of them."""
    rng = np.random.default_rng(2)
    shapes = (2, 64), (3, 64), (3, 5), (2, 5)
    return tuple(rng.normal(size=shape) for shape in shapes)


def by_torch(mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the output of PyTorch's attention, and its gradient by the queries."""
    query, key, value, upstream = map(torch.tensor, attention())
    query.requires_grad_()
    attend = torch.nn.functional.scaled_dot_product_attention
    out = attend(query, key, value, attn_mask=torch.tensor(mask))
    (gradient,) = torch.autograd.grad(out, query, upstream)
    return out.detach().numpy(), gradient.numpy()


def first_above(sums: Sequence[mp.mpf], height: mp.mpf) -> int:
    """Return the first class whose exact sum is above a height."""
    return next(place for place, total in enumerate(sums) if total > height)


def with_names(x: np.ndarray) -> dict[str, Any]:
    """Return all that the page's lines use, for one row of logits."""
    values = {**FUNCTIONS, **given(), "x": x, "top": x[:2], "low": x[2:]}
    exec(CODE, values)
    return values


def truths(v: dict[str, Any]) -> dict[str, Any]:
    """Return what each line must equal: exact, by a kernel, or by another way to the number."""
    x, n, y, p, k = (v[name] for name in ("x", "n", "y", "p", "k"))
    largest = sorted({*np.argsort(-x, kind="stable")[:k].tolist(), y})
    attended, gradient = by_torch(v["mask"])
    exact = [mp.mpf(float(logit)) for logit in x]
    terms = [mp.exp(logit - max(exact)) for logit in exact]
    lse = max(exact) + mp.log(mp.fsum(terms))
    kept = list(accumulate(term * bool(keep) for term, keep in zip(terms, v["keep"], strict=True)))
    draft = [mp.mpf(float(q)) for q in v["draft"]]
    missing = [max(t / mp.fsum(terms) - q, 0) for t, q in zip(terms, draft, strict=True)]
    noise = gumbel_r.isf(v["v"])
    drawn = zip(v["drawn"], v["log_q"], strict=True)
    estimate = mp.fsum(mp.exp(exact[s] - exact[y] - mp.mpf(float(q))) for s, q in drawn)
    pairs = np.outer(v["off"], v["off"])[~np.eye(v["off"].size, dtype=bool)]
    return {
        "softmax": oracle.softmax(x, as_float=True),
        "log-softmax": oracle.log_softmax(x, as_float=True),
        "log-sum-exp": oracle.logsumexp(x, as_float=True),
        "log of a mean": oracle.logsumexp(x, as_float=True) - np.log(n),
        "smooth maximum": oracle.logsumexp(v["alpha"] * x, as_float=True) / v["alpha"],
        "masked softmax": kernels.masked_softmax(x, v["keep"]),
        "log-odds": np.subtract(*oracle.log_softmax(x, as_float=True)[[v["i"], v["j"]]]),
        "another base": kernels.softmax_temperature(x, 1 / np.log(v["base"])),
        "two classes": expit(v["single"]),
        "log of a product": np.log(v["events"].prod()),
        "cross-entropy, label": oracle.cross_entropy(x, y, as_float=True),
        "cross-entropy, targets": kernels.cross_entropy(x, v["q"]),
        "smoothed labels": kernels.label_smoothing(y, n, v["eps"]),
        "Jacobian of softmax": gradients.softmax_jacobian(x),
        "backward through it": v["g"] @ gradients.softmax_jacobian(x),
        "Jacobian of log-softmax": gradients.log_softmax_jacobian(x),
        "and backward": v["g"] @ gradients.log_softmax_jacobian(x),
        "gradient of the mean": gradients.cross_entropy_grad(x, y) / v["N"],
        "last layer": np.einsum("rf,rc->fc", np.c_[v["X"], np.ones(v["N"])], v["G"]),
        "temperature": kernels.softmax_temperature(x, v["tau"]),
        "entropy": -(p @ oracle.log_softmax(x, as_float=True)),
        "attention": kernels.softmax_temperature(v["scores"], np.sqrt(v["d"])),
        "distillation": v["tau"] ** 2 * rel_entr(v["teacher"], np.exp(v["log_student"])).sum(),
        "gap a loss needs": np.log((n - 1) / np.expm1(v["loss"])),
        "top-k": kernels.topk_softmax(x, k),
        "top-k loss": oracle.cross_entropy(x[largest], largest.index(y), as_float=True),
        "top-p": kernels.top_p(p, v["mass"]),
        "min-p": kernels.masked_softmax(x, x >= v["m"] + np.log(v["least"])),
        "sparsemax": kernels.sparsemax(x),
        "Bayes": kernels.posterior(x, v["prior"]),
        "another prior": kernels.posterior(x, v["new"] / v["old"]),
        "prior in the loss": oracle.cross_entropy(x + np.log(v["prior"]), y, as_float=True),
        "mixture": np.average([p, v["prior"]], axis=0, weights=[1 - v["lam"], v["lam"]]),
        "causal, distance": np.where(
            np.tri(3, dtype=bool), -v["slope"] * abs(v["query"] - v["key"]), -np.inf
        ),
        "sink": kernels.softmax(np.append(x, v["sink"]))[:-1],
        "error of log p, at least": abs(v["unit"] * gradients.log_softmax_jacobian(x)) @ abs(x),
        "error of LSE, at most": float(v["unit"] * (abs(lse) + lse + n - 1 - min(exact))),
        "sum without an order": float(mp.fsum(mp.nint(t * 2**30) for t in terms) / 2**30),
        "attention, masked": attended,
        "causal mask, cached": [[True, True, False], [True, True, True]],
        "cap, then mask": [
            float(v["cap"] * mp.tanh(logit / v["cap"])) if keep else -np.inf
            for logit, keep in zip(exact, v["keep"], strict=True)
        ],
        "largest weight possible": float(1 / (1 + (n - 1) * mp.exp(min(exact) - max(exact)))),
        "gradient by Q": gradient,
        "LSE of two parts": float(lse),
        "attention of two parts": oracle.softmax(x, as_float=True) @ v["V"],
        "inverse CDF": first_above(kept, mp.mpf(v["u"]) * kept[-1]),
        "Gumbel-max": np.argmax(x + noise),
        "speculative redraw": [float(part / mp.fsum(missing)) for part in missing],
        "draws to see a tail": float(mp.log(mp.mpf("0.01")) / mp.log(1 - mp.mpf(v["tail"]))),
        "loss of several labels": [
            float(mp.log1p(mp.exp(-logit if label else logit)))
            for logit, label in zip(exact, v["labels"], strict=True)
        ],
        "sampled loss": float(mp.log1p(estimate / len(v["drawn"]))),
        "log-odds of an event": float(
            mp.log(mp.fsum(t for t, a in zip(terms, v["among"], strict=True) if a))
            - mp.log(mp.fsum(t for t, a in zip(terms, v["among"], strict=True) if not a))
        ),
        "calibration, squared": pairs.mean(),
    }


def same(a: Any, b: Any) -> bool:
    """Tell whether two results agree to 12 digits."""
    a, b = np.ravel(a), np.ravel(b)
    return a.shape == b.shape and np.allclose(a, b, rtol=1e-12, atol=0)


def value(code: str, values: dict[str, Any]) -> Any:
    """Return what a line of the page computes; the wrong ones overflow."""
    with np.errstate(all="ignore"):
        return eval(code, dict(values))


def test_every_line_has_a_truth() -> None:
    assert sorted(FORMULAS) == sorted(truths(with_names(ROWS[0])))
    assert len(FORMULAS) == sum(
        len(section.rows) for section in SECTIONS.values() if "how" in section.head
    ), "two lines with one name"


@pytest.mark.parametrize("row", ROWS, ids=str)
@pytest.mark.parametrize("what", FORMULAS)
def test_every_line_is_right_to_12_digits(what: str, row: np.ndarray) -> None:
    (code,) = page.code_in(FORMULAS[what][0])
    values = with_names(row)
    with mp.workdps(60):
        assert same(value(code, values), truths(values)[what])


WRONG = [(what, code) for what, (_, wrong) in FORMULAS.items() for code in page.code_in(wrong)]


@pytest.mark.parametrize(("what", "code"), WRONG)
def test_every_wrong_form_goes_wrong_on_some_row(what: str, code: str) -> None:
    everything = [with_names(row) for row in ROWS]
    assert not all(same(value(code, values), truths(values)[what]) for values in everything)


# -- names --------------------------------------------------------------------------------------


def names_in(code: str) -> set[str]:
    """Return the names that Python code reads."""
    return {
        node.id
        for node in ast.walk(ast.parse(code))
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)
    } - set(dir(builtins))


def assigned(code: str) -> list[str]:
    """Return the names that Python code assigns at its top level, with repetitions."""
    return [
        node.id
        for statement in ast.parse(code).body
        if isinstance(statement, ast.Assign)
        for target in statement.targets
        for node in ast.walk(target)
        if isinstance(node, ast.Name)
    ]


ROWS_OF_NAMES = [row for section in NAMES for row in section.rows]
DECLARED = [name for row in ROWS_OF_NAMES for name in page.code_in(row[0])] + assigned(CODE)
USED = [
    code
    for section in SECTIONS.values()
    if len(section.head) == 3
    for row in section.rows
    for cell in row[1:]
    for code in page.code_in(cell)
]


def test_each_name_is_declared_once_and_used() -> None:
    assert [name for name, count in Counter(DECLARED).items() if count > 1] == []
    assert not set(DECLARED) & set(FUNCTIONS)
    used = set().union(*map(names_in, [*USED, CODE]))
    assert sorted(set(DECLARED) - used) == []


def test_no_line_uses_a_name_that_is_not_declared() -> None:
    known = {*DECLARED, *FUNCTIONS}
    loops = {"r", "part"}  # in the names' own code
    strange = {code: names_in(code) - known for code in USED if names_in(code) - known}
    assert strange == {}
    assert names_in(CODE) - known - loops == set()


# -- what does not come from formulas -----------------------------------------------------------


def test_the_formats_end_where_the_page_says() -> None:
    """Rounded outwards, so that each statement holds."""
    stated = {name: numbers for name, *numbers in SECTIONS["Where the formats end (02, 04)"].rows}
    computed = {}
    for name, known in COMPUTING.items():
        exact = [known.exp_last_finite, -known.exp_last_nonzero, -np.log(known.unit_roundoff)]
        above, below, gap = np.ceil(100 * np.array(exact)) / 100
        computed[name] = [f"{above:.2f}", f"{-below:.2f}", f"{gap:.2f}"]
    assert stated == computed


@pytest.mark.parametrize(("seen", "how"), [row[:2] for row in SYMPTOMS])
def test_the_symptoms_are_the_numbers_that_are_seen(seen: str, how: str) -> None:
    (code,) = page.code_in(how)
    x, n = np.array([1000.0, 0.0]), 10
    computed = np.max(value(code, {**FUNCTIONS, "x": x, "n": n, "y": 1}))
    told = float(re.split("[ ,]+", seen)[1])
    assert np.isclose(computed, told, atol=5e-4, equal_nan=True)


# -- the drawing --------------------------------------------------------------------------------


def test_what_is_drawn_is_of_this_source() -> None:
    mark = page.fingerprint(TEXT).encode()
    for path in (page.PDF, *page.PNGS):
        assert mark in path.read_bytes(), f"{path.name}: run `make page`"


@pytest.mark.parametrize("number", [0, 1])
def test_no_text_runs_into_its_neighbour_or_over_the_edge(number: int) -> None:
    fig = page.sides(TEXT)[number]
    fig.set_dpi(300)  # few dots make words narrower than they are in print
    renderer = fig.canvas.get_renderer()
    fig.draw(renderer)
    boxes = [
        (text.get_text(), text.get_window_extent(renderer))
        for text in fig.axes[0].texts
        if text.get_text()
    ]
    inside = fig.bbox
    for words, box in boxes:
        assert inside.x0 < box.x0 and box.x1 < inside.x1, f"{words!r} is over the edge"
        assert inside.y0 < box.y0 and box.y1 < inside.y1, f"{words!r} is over the edge"
    for (words, box), (others, other) in combinations(boxes, 2):
        side = box.x0 < other.x1 and other.x0 < box.x1
        level = min(box.y1, other.y1) - max(box.y0, other.y0) > 6
        assert not (side and level), f"{words!r} runs into {others!r}"


def test_a_bar_in_code_does_not_end_its_cell() -> None:
    assert page.cells(r"| a | `b \| c` | d |") == ["a", "`b | c`", "d"]
