"""How an exercise is declared: its reference solution, its probes, hints and wrong answers.

From one declaration follow the check, the diagnosis, the solution and the tests. Nothing is
computed when a declaration is imported.
"""

from __future__ import annotations

import ast
import inspect
import itertools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any, TypeVar

import numpy as np

Function = TypeVar("Function", bound=Callable[..., Any])
ROUNDING = 64.0
"""The accepted error in units of eps, where nothing else is declared."""

ErrorTypes = type[BaseException] | tuple[type[BaseException], ...]


@dataclass(frozen=True)
class Probe:
    """One call that an answer has to get right.

    Attributes
    ----------
    arguments : tuple
        What the answer is called with; every call gets a fresh copy.
    extreme : bool
        Wrong on extreme probes only makes an answer "unstable", not "wrong".
    note : str
        What this probe looks at, in a few words.
    raises : exception class, tuple of them, or None
        What has to be raised, ``Exception`` for any; None where a value is expected.
    memory : int or None
        The bytes that the call may hold at once, as ``tracemalloc`` sees them.
    tolerance, relative_tolerance, rounding : float or None
        As of `exercise`, for this probe alone.
    """

    arguments: tuple[Any, ...]
    extreme: bool = False
    note: str = ""
    raises: ErrorTypes | None = None
    memory: int | None = None
    tolerance: float | None = None
    relative_tolerance: float | None = None
    rounding: float | None = None

    @cached_property
    def width(self) -> int:
        """The bytes of the narrowest float passed; the 8 of float64 where none is narrower."""
        dtypes = [a.dtype for a in self.arguments if isinstance(a, np.ndarray | np.generic)]
        return min([8, *(dtype.itemsize for dtype in dtypes if dtype.kind == "f")])


def ordinary(*arguments: Any, **options: Any) -> Probe:
    """Return a probe on which every correct formula is right, stable or not.

    The options are the attributes of `Probe`: ``note``, ``raises``, ``memory``, ``tolerance``, ….
    """
    return Probe(arguments, extreme=False, **options)


def extreme(*arguments: Any, **options: Any) -> Probe:
    """Return a probe that only a stable answer gets right; options as in `ordinary`."""
    return Probe(arguments, extreme=True, **options)


@dataclass(frozen=True)
class Mistake:
    """A wrong answer that people give: running code, and the sentence that explains it."""

    name: str
    sentence: str
    functions: tuple[Callable[..., Any], ...]


@dataclass
class Exercise:
    """Everything the course knows about one exercise; calling it calls the reference solution."""

    id: str
    minutes: int
    reference: Callable[..., Any]
    probes: tuple[Probe, ...]
    truth: Callable[..., Any]
    scale: Callable[..., Any] | None = None
    relative: Callable[..., Any] | None = None
    tolerance: float | None = None
    relative_tolerance: float | None = None
    rounding: float = ROUNDING
    canonical: Callable[..., Any] | None = None
    library: tuple[str, ...] = ()
    value: bool = False
    quiet: bool = False
    time_limit: float = 5.0
    remark: str = ""
    mistakes: list[Mistake] = field(default_factory=list)
    hint_texts: tuple[str, ...] = ()
    reasoning_text: str = ""

    def __call__(self, *arguments: Any) -> Any:
        """Call the reference solution."""
        return self.reference(*arguments)

    @property
    def name(self) -> str:
        """The name of the function (or value) that the learner supplies."""
        return self.reference.__name__

    @property
    def module(self) -> str:
        """The set this exercise belongs to: the last part of its module's name."""
        return self.reference.__module__.rpartition(".")[2]

    @property
    def package(self) -> str:
        """The package of the course's declarations."""
        return self.reference.__module__.rpartition(".")[0]

    def is_read(self, probe: Probe) -> bool:
        """Whether diagnosis reads a probe: one of the widest format that this exercise has."""
        return probe.width == max(other.width for other in self.probes)

    @property
    def statement(self) -> str:
        """The task: the reference's docstring, which is the stub's too."""
        return inspect.cleandoc(self.reference.__doc__ or "")

    @cached_property
    def signature(self) -> inspect.Signature:
        """The arguments of the learner's function."""
        return inspect.signature(self.reference)

    @property
    def source(self) -> str:
        """The reference solution's source, without its decorator."""
        lines = inspect.getsource(self.reference).splitlines()
        start = next(i for i, line in enumerate(lines) if line.startswith("def "))
        return "\n".join(lines[start:]) + "\n"

    @property
    def stub(self) -> str:
        """The unsolved cell: the first line of the definition, the statement, three dots."""
        number = self.id.replace(".", "_")
        if self.value:
            return f"answer_{number} = ..."
        definition = ast.parse(self.source).body[0]
        assert isinstance(definition, ast.FunctionDef)
        first, *others = self.statement.splitlines()
        statement = "\n".join([f'    """{first}', *(f"    {line}".rstrip() for line in others)])
        closing = '\n    """' if others else '"""'
        arguments = ast.unparse(definition.args)
        return f"def {self.name}({arguments}):\n{statement}{closing}\n    ..."

    def hints(self, *texts: str) -> None:
        """Declare the hints, each more telling than the one before; at least three."""
        self.hint_texts = texts

    def reasoning(self, text: str) -> None:
        """Declare why the solution works, shown under its source."""
        self.reasoning_text = text

    def mistake(self, sentence: str, **constants: Sequence[Any]) -> Callable[[Function], Function]:
        """Declare the decorated function as a wrong answer of this exercise.

        Its name is the mistake's name; `sentence` explains it and says what to look at. Free
        constants make it a family: each keyword lists the values that its keyword-only argument
        takes.
        """

        def declare(function: Function) -> Function:
            choices = itertools.product(*constants.values())
            members = [partial(function, **dict(zip(constants, c, strict=True))) for c in choices]
            functions: Iterable[Callable[..., Any]] = members if constants else [function]
            self.mistakes.append(Mistake(function.__name__, sentence, tuple(functions)))
            return function

        return declare


def exercise(
    identifier: str,
    *,
    minutes: int,
    probes: Sequence[Probe] = (),
    truth: Callable[..., Any],
    **options: Any,
) -> Callable[[Callable[..., Any]], Exercise]:
    """Declare the decorated function as the reference solution of an exercise.

    Parameters
    ----------
    identifier : str
        Notebook number, dot, running number: ``"3.1"``.
    minutes : int
        The time it takes a learner.
    probes : sequence of Probe
        The calls an answer must get right, each by `ordinary(*args)` or `extreme(*args)`.
    truth : callable
        An independent way to the same result (oracle, SciPy, autograd), for the tests alone.
    scale : callable, optional
        ``scale(*arguments, expected=...)``: size of the intermediate terms; an error up to
        64 · eps · max(|expected|, scale) is accepted.
    relative : callable, optional
        ``relative(*arguments)``: further relative tolerance, in units of eps.
    tolerance : float, optional
        Accept |error| ≤ tolerance · max(1, |expected|) instead.
    relative_tolerance : float, optional
        Accept |error| ≤ relative_tolerance · |expected| instead.
    rounding : float, optional
        Another number than 64 in `scale`: units of eps, of the narrowest float that is passed.
    canonical : callable, optional
        ``canonical(result, *arguments)``: what is compared in place of the result.
    library : tuple of str, optional
        Names of the functions that are this exercise, whose use is the mistake "library call";
        "logaddexp.reduce" is that attribute taken from that function.
    value : bool, optional
        The answer is a value; the reference takes no argument and returns it.
    quiet : bool, optional
        A warning is a mistake.
    time_limit : float, optional
        Seconds for the whole check.
    remark : str, optional
        Shown with a right answer.
    """

    def declare(reference: Callable[..., Any]) -> Exercise:
        cases = tuple(probes) or (ordinary(),)
        return Exercise(identifier, minutes, reference, cases, truth, **options)

    return declare


def spread(x: Any) -> Any:
    """Return max |x − max x| per row over finite entries: the condition of exp, for `relative`.

    Examples
    --------
    >>> spread(np.array([[1.0, 4.0, -np.inf], [0.0, 0.0, 0.0]]))
    array([[3.],
           [0.]])
    """
    x = np.asarray(x, dtype=np.float64)
    finite = np.isfinite(x)
    largest = np.max(x, axis=-1, keepdims=True, where=finite, initial=-np.inf)
    smallest = np.min(x, axis=-1, keepdims=True, where=finite, initial=np.inf)
    return np.where(finite.any(axis=-1, keepdims=True), largest - smallest, 0.0)
