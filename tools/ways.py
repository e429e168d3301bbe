"""What each notebook is good for, and two ways through them: what the syllabus cannot compute."""

from __future__ import annotations

from dataclasses import dataclass

# The first and the last notebook of each part.
PARTS = {
    "Part one: softmax, and how to compute it": (0, 10),
    "Part two: for people who ship models": (11, 19),
}

# What ends the sentence "Afterwards you can …", by the notebook's number.
AFTERWARDS = {
    0: "run a notebook, answer an exercise, and get help",
    1: "write softmax along the right axis, and say which of its properties rounding breaks",
    2: "say where exp ends in each format, and tell NaN, infinity and silent zeros apart",
    3: "write a softmax that no finite logits break, over any axis, with masks",
    4: "add numbers of which only the logarithms are at hand, to the last digit",
    5: "compute a loss from logits, and name the mistake behind one that is stuck",
    6: "write the backward pass of softmax without its matrix, and test one in a line",
    7: "derive p − q, and train a classifier with it from scratch",
    8: "set a temperature, mend a model's confidence with it, and distil",
    9: "cut a distribution by top-k, top-p or sparsemax, and train over the k largest",
    10: "put a prior into a classifier, take one out, and read attention's masks as priors",
    11: "say how many digits of a result to trust, and keep them in a narrow format",
    12: "name what changes the bits of a sum, test for it, and write one that no order changes",
    13: "write masked attention with several heads, and test that nothing leaks",
    14: "compute attention and its gradient in tiles, without ever holding the scores",
    15: "compute a loss over shards, streams and files, and tell a wrong one by its number",
    16: "draw from a softmax, the rare classes too, and test that the draws are right",
    17: "choose what takes softmax's place, and say what it learns instead",
    18: "fit a model of choices with its standard errors, and measure calibration without bias",
    19: "find the cause of an incident from its symptoms, and write the test that keeps it out",
}


@dataclass(frozen=True)
class Step:
    """A notebook on a way, or some of its sections.

    Attributes
    ----------
    number : int
        The notebook's.
    sections : tuple of str
        The ids of the cells with which they begin, in order. None: the whole notebook, with all its
        exercises.
    exercises : tuple of str
        Those to do in these sections.
    """

    number: int
    sections: tuple[str, ...] = ()
    exercises: tuple[str, ...] = ()


@dataclass(frozen=True)
class Way:
    """A way through the course for somebody whose time is short.

    Attributes
    ----------
    title, goal : str
        What it is called, and what people can do after it.
    most : int
        The minutes that it may take.
    days : tuple of tuple of Step
    """

    title: str
    goal: str
    most: int
    days: tuple[tuple[Step, ...], ...]


WAYS = (
    Way(
        "One evening",
        "compute softmax, its logarithm and its loss so that no finite logits break them",
        180,
        (
            (
                Step(0),
                Step(
                    1,
                    ("opening", "sec-scores", "sec-definition", "sec-axis", "sec-shift"),
                    ("1.1", "1.2", "1.3"),
                ),
                Step(2, ("opening", "sec-three", "sec-log")),
                Step(3, ("opening", "sec-proof", "sec-max"), ("3.1",)),
                Step(
                    4,
                    ("opening", "sec-identity", "sec-bounds", "sec-log-softmax", "sec-log1p"),
                    ("4.1", "4.4"),
                ),
                Step(
                    5,
                    ("opening", "sec-likelihood", "sec-from-logits", "sec-double"),
                    ("5.2",),
                ),
            ),
        ),
    ),
    Way(
        "One weekend",
        "write, differentiate and train with softmax, and find what is wrong where it fails",
        660,
        (
            (Step(0), Step(1), Step(2), Step(3), Step(4)),
            (Step(5), Step(6), Step(7)),
        ),
    ),
)
