"""How things are shown: the same words as HTML and as text, safe, and without colour."""

import html as html_module
import re
from html.parser import HTMLParser

import numpy as np
import pytest

from helpers.checker import layout
from helpers.checker.display import Hint, Solution
from helpers.checker.layout import Code, Folded, Paragraph, Table, Title, Values
from helpers.checker.verdict import SIGNS, Verdict
from helpers.exercises import check, course

KEPT_TAGS = {
    "div", "p", "strong", "code", "pre", "span", "table", "thead", "tbody", "tr", "th", "td",
    "details", "summary",
}  # fmt: skip
KEPT_ATTRIBUTES = {"class", "style", "scope"}
KEPT_STYLES = {
    "border-left", "padding", "margin", "text-align", "vertical-align", "white-space",
    "font-weight", "font-style",
}  # fmt: skip

VERDICT = Verdict(
    "wrong",
    "3.1",
    "all of it",
    mistake="global_maximum",
    headline="Wrong: `x` < y & <script>alert(1)</script>.",
    explanation="The maximum of the *whole batch*.",
    look="Look at `axis=-1`.",
    rows=(
        ("input", "x = [[1, 2],\n     [3, 4]]"),
        ("yours", "<b>1</b>"),
        ("expected", "[0.1, 0.9]"),
    ),
    notes=("RuntimeWarning: overflow",),
    remark="PyTorch does it so.",
)


class Reader(HTMLParser):
    def __init__(self, source):
        super().__init__()
        self.open, self.words = [], []
        self.feed(source)

    def handle_starttag(self, tag, attrs):
        assert tag in KEPT_TAGS
        assert {name for name, _ in attrs} <= KEPT_ATTRIBUTES
        styles = dict(attrs).get("style") or ""
        assert {s.partition(":")[0].strip() for s in styles.split(";") if s.strip()} <= KEPT_STYLES
        self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)


def shown_as_html(shown):
    source = shown._repr_html_()
    assert source is not None
    return source


@pytest.mark.parametrize("status", SIGNS)
def test_verdict_says_its_status_in_words(status):
    verdict = Verdict(status, "3.1", "A message.")
    assert status.capitalize() in repr(verdict)
    assert status.capitalize() in shown_as_html(verdict)


def test_verdict_html_survives_a_sanitiser_and_is_escaped():
    source = shown_as_html(VERDICT)
    reader = Reader(source)
    assert not reader.open
    assert "<script" not in source
    assert "<b>" not in source
    assert "<code>axis=-1</code>" in source


def test_html_and_text_say_the_same():
    def words(text):
        return re.findall(r"\w+", text)

    shown = html_module.unescape(" ".join(Reader(shown_as_html(VERDICT)).words))
    assert sorted(words(shown)) == sorted(words(repr(VERDICT)))


def test_text_is_aligned_and_narrow():
    lines = repr(VERDICT).splitlines()
    assert lines[0] == "✗ Wrong · exercise 3.1 · global maximum"
    assert "  input     x = [[1, 2]," in lines
    assert "                 [3, 4]]" in lines
    assert "  yours     <b>1</b>" in lines
    assert max(map(len, lines)) <= layout.WIDTH


def test_under_grading_the_points_are_shown(monkeypatch):
    monkeypatch.setenv("NBGRADER_EXECUTION", "autograde")
    assert repr(VERDICT) == "0.0"
    assert "global maximum" in shown_as_html(VERDICT)


def test_every_block_has_both_forms():
    blocks: list[layout.Block] = [
        Title("Title", "more"),
        Paragraph("words", "label"),
        Code("def f(x):\n    return 'ä' < x  # why"),
        Values((("yours", "1"), ("expected", "2"))),
        Table(("a", "b"), (("1", "2"),)),
        Folded("more", (Paragraph("hidden"),)),
    ]
    for block in blocks:
        assert not Reader(layout.html([block])).open
        assert layout.text([block])


def test_a_colour_is_never_set_on_text_or_background():
    for shown in (VERDICT, Solution("3.1", "def f(x):\n    return 1  # one", "why")):
        for style in re.findall(r'style="([^"]*)"', shown_as_html(shown)):
            assert not re.search(r"(^|[; ])(color|background)", style)


def test_hints_say_how_many_are_left():
    assert "2 more hints are left." in repr(Hint("3.1", 1, 3, "Think."))
    assert "One more hint is left." in repr(Hint("3.1", 2, 3, "Think."))
    assert 'solution("3.1")' in repr(Hint("3.1", 3, 3, "Think."))


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a string came back", "A string came back"),
        ("shape (2,) instead of (3,)", "Shape (2,) instead of (3,)"),
        ("p_i was meant", "p_i was meant"),
        ("dW is transposed", "dW is transposed"),
        ("np.exp overflows", "np.exp overflows"),
        ("exp(1000) is inf", "exp(1000) is inf"),
        ("axis=0 was meant", "axis=0 was meant"),
        ("τ is a factor", "τ is a factor"),
        ("", ""),
    ],
)
def test_words_are_capitalised_and_symbols_are_not(text, shown):
    assert layout.capitalised(text) == shown


# --- the verdict leads on -------------------------------------------------------------------------


@pytest.fixture
def own_state(tmp_path, monkeypatch):
    monkeypatch.setenv("SOFTMAX_COURSE_STATE", str(tmp_path))


def column_sums(p):
    return p.sum(axis=0)


def batch_maximum(x):
    e = np.exp(x - x.max())
    return e / e.sum(axis=-1, keepdims=True)


def test_a_mistake_is_named_first_and_its_remedy_waits_behind_hint(own_state):
    verdict = check("3.1", batch_maximum)
    assert verdict.mistake == "global_maximum"
    sentence = next(
        m.sentence for m in course.exercises()["3.1"].mistakes if m.name == verdict.mistake
    )
    assert verdict.explanation and verdict.remedy
    assert f"{verdict.explanation} {verdict.remedy}".startswith(layout.capitalised(sentence))
    assert verdict.remedy in verdict.message
    blocks = verdict.blocks()
    assert blocks[0] == Title("≈ Unstable", "exercise 3.1 · global maximum")
    assert blocks[1] == Paragraph(verdict.explanation)
    folded = [b for b in blocks if isinstance(b, Folded) and b.summary == "Hint"]
    assert folded[0].blocks[0] == Paragraph(verdict.remedy)
    source = shown_as_html(verdict)
    assert source.index("<summary>Hint</summary>") < source.index("<code>hint(&quot;3.1&quot;)")
    assert source.index(">expected</th>") < source.index("<summary>Hint</summary>")
    words = " ".join(repr(verdict).split())  # where nothing unfolds
    assert 'Next: hint("3.1")' in words
    assert verdict.remedy not in words
    outside = re.sub(r"<details>.*?</details>", "", source, flags=re.S)
    assert verdict.remedy[:20] not in html_module.unescape(outside)


def test_the_next_step_is_not_what_was_just_said(own_state):
    for identifier, answer in {"0.1": column_sums, "3.1": batch_maximum}.items():
        verdict = check(identifier, answer)
        assert not set(re.split(r"(?<=[.?!]) ", verdict.look)) & set(
            re.split(r"(?<=[.?!]) ", verdict.explanation)
        )


def test_a_label_is_told_to_be_one(own_state):
    verdict = check("3.1", batch_maximum)
    note = next(
        p.note for p in course.exercises()["3.1"].probes if p.arguments[0] is verdict.probe[0]
    )
    assert f"Smallest failing input, labelled “{note}”: " in verdict.headline


def test_a_right_answer_leads_on_to_the_next_exercise(own_state):
    names = [name for name in course.exercises() if name.startswith("1.")]
    answers = {name: course.exercises()[name].reference for name in names}
    first, second, third = names[:3]
    count = len(names)
    assert (
        check(first, answers[first]).standing == f"1 of {count} in this notebook; next: {second}."
    )
    last = check(names[-1], answers[names[-1]])
    assert last.standing == f"2 of {count} in this notebook; next: {second}."
    assert (
        check(second, answers[second]).standing == f"3 of {count} in this notebook; next: {third}."
    )
    for name in names[2:-1]:
        last = check(name, answers[name])
    assert last.standing == f"All {count} in this notebook are done."
    assert last.standing in repr(last) and last.standing in shown_as_html(last)
    assert check("0.1", lambda p: p.sum(axis=1)).standing == ""
    assert check("3.1", batch_maximum).standing == ""
