"""Lessons of 45 and 90 minutes: which sections of which notebooks, and which exercises."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Plan:
    """A lesson.

    Attributes
    ----------
    minutes : int
        45 or 90.
    title, goal : str
        What it is called, and what people can do after it.
    steps : tuple of (notebook, sections, exercises)
        The notebook's number, the ids of the cells with which its sections begin, in order, and the
        exercises done in the room; what else stands there is left for afterwards.
    """

    minutes: int
    title: str
    goal: str
    steps: tuple[tuple[int, tuple[str, ...], tuple[str, ...]], ...]


PLANS = (
    Plan(
        45,
        "Why the maximum is subtracted",
        "write a softmax that no logits break, and say why it is right",
        (
            (2, ("opening",), ()),
            (
                3,
                ("opening", "sec-proof", "sec-max", "sec-constants", "sec-share", "recap", "quiz"),
                ("3.1", "3.2", "3.3"),
            ),
        ),
    ),
    Plan(
        45,
        "Log-sum-exp",
        "add numbers of which only the logarithms are at hand, to the last digit",
        (
            (
                4,
                ("opening", "sec-identity", "sec-log-softmax", "sec-log1p", "recap", "quiz"),
                ("4.1", "4.4"),
            ),
        ),
    ),
    Plan(
        45,
        "A loss from logits",
        "compute the cross-entropy from logits, and recognise a loss that is stuck",
        (
            (
                5,
                ("opening", "sec-likelihood", "sec-from-logits", "sec-double", "sec-fingerprints"),
                ("5.1", "5.2"),
            ),
        ),
    ),
    Plan(
        45,
        "Where p − q comes from",
        "derive the gradient of softmax and cross-entropy, and say why the two stay together",
        (
            (
                7,
                ("opening", "sec-dldp", "sec-chain", "sec-coupled", "sec-digits", "recap", "quiz"),
                ("7.1", "7.2"),
            ),
        ),
    ),
    Plan(
        45,
        "Temperature and confidence",
        "scale logits without losing them, and measure whether a model's confidence is deserved",
        (
            (
                8,
                ("opening", "sec-definition", "sec-multiply", "sec-tiny", "sec-confidence"),
                ("8.1", "8.4"),
            ),
        ),
    ),
    Plan(
        90,
        "What softmax is",
        "define softmax, and tell which of the things said about it are true",
        (
            (
                1,
                (
                    "opening", "sec-scores", "sec-definition", "sec-axis", "sec-shift",
                    "sec-why-exp", "sec-argmax", "sec-two", "sec-wrong", "recap", "quiz-1",
                ),
                ("1.1", "1.2", "1.3", "1.4", "1.5"),
            ),
        ),
    ),
    Plan(
        90,
        "Stability",
        "predict where exp fails in each format, and mend softmax and log-sum-exp",
        (
            (2, ("opening", "sec-formats", "sec-edge", "sec-three"), ("2.1", "2.2")),
            (3, ("opening", "sec-proof", "sec-max", "sec-constants", "sec-share"), ("3.1", "3.2")),
            (4, ("opening", "sec-identity"), ("4.1",)),
        ),
    ),
    Plan(
        90,
        "Training with softmax",
        "write a loss and its gradient by hand, and average over batches without bias",
        (
            (5, ("opening", "sec-likelihood", "sec-from-logits", "sec-double"), ("5.1", "5.2")),
            (
                7,
                ("opening", "sec-dldp", "sec-chain", "sec-coupled", "sec-mean"),
                ("7.1", "7.2", "7.4"),
            ),
        ),
    ),
    Plan(
        90,
        "Attention",
        "compute masked attention that survives empty rows, and say what softmax does in it",
        (
            (
                13,
                (
                    "opening", "sec-dictionary", "sec-root", "sec-learn", "sec-masks", "sec-sinks",
                    "sec-longer", "recap", "quiz",
                ),
                ("13.1", "13.2", "13.3", "13.4"),
            ),
        ),
    ),
)  # fmt: skip
"""What fits, by the same estimate as the syllabus; the tests hold it."""
