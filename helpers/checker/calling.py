"""Calling an answer on copies of a probe's arguments: what it returned, raised, changed, warned."""

from __future__ import annotations

import contextlib
import copy
import dataclasses
import sys
import tracemalloc
import warnings
from collections.abc import Callable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any

import numpy as np

from helpers.checker.declaration import Exercise, Probe

ARITHMETIC = (OverflowError, ZeroDivisionError, FloatingPointError)
"""Exceptions that say what an inf or NaN says in NumPy."""


Call = Callable[[Callable[..., Any], tuple[Any, ...]], Any]


def is_arithmetic(error: BaseException | None) -> bool:
    """Whether an exception says what an inf or NaN says in NumPy; math.log(0) raises such a one."""
    said = str(error)
    domain = "math domain error" in said or "expected a positive input" in said
    return isinstance(error, ARITHMETIC) or (isinstance(error, ValueError) and domain)


def refused_to_write(error: BaseException | None) -> bool:
    """Whether an array refused what was written into it: it is read-only, or holds integers."""
    said = str(error)
    refusals = ("read-only", "Cannot cast ufunc", "can't be cast to the desired output type")
    return error is not None and any(words in said for words in refusals)


class Unusable(Exception):  # noqa: N818
    """A result that cannot be compared; the message says what came back."""


@dataclass(frozen=True)
class Outcome:
    """What one call did: its value or its exception, and the arguments it changed.

    `value` is what is compared, `returned` what came back: they differ where an exercise declares
    a canonical form. `peak` are the bytes held at once, where the probe limits them.
    """

    value: Any = None
    error: BaseException | None = None
    modified: tuple[int, ...] = ()
    warnings: tuple[str, ...] = ()
    returned: Any = None
    peak: int = 0


def fresh(argument: Any) -> Any:
    """Return a copy that an answer may do what it likes with; read-only arrays stay read-only."""
    if isinstance(argument, np.ndarray):
        duplicate = argument.copy(order="K")
        duplicate.setflags(write=argument.flags.writeable)
        return duplicate
    return argument if callable(argument) else copy.deepcopy(argument)


def widened(argument: Any) -> Any:
    """Return a float16 or float32 argument as float64, so that its exact result is expected."""
    if isinstance(argument, np.ndarray | np.generic) and argument.dtype.kind == "f":
        return argument.astype(np.float64)
    return fresh(argument)


def as_tensor(argument: Any) -> Any:
    """Return an array as a torch tensor, for answers that take nothing else.

    Integers become int64: PyTorch takes no other type for labels and indices.
    """
    torch = sys.modules["torch"]
    if isinstance(argument, np.ndarray | np.generic):
        dtype = np.dtype(np.int64) if argument.dtype.kind in "iu" else argument.dtype
        return torch.tensor(np.array(argument, dtype=dtype.newbyteorder("="), order="C"))
    return fresh(argument)


def with_floats(exercise: Exercise, probe: Probe) -> Probe:
    """Return a probe with integers as float64 where the exercise's other probes have floats.

    Much of PyTorch takes floats alone; labels, which are integers in every probe, stay so.
    """
    floats = {
        i
        for other in exercise.probes
        for i, argument in enumerate(other.arguments)
        if isinstance(argument, np.ndarray) and argument.dtype.kind == "f"
    }
    arguments = tuple(
        argument.astype(np.float64)
        if i in floats and isinstance(argument, np.ndarray) and argument.dtype.kind in "iu"
        else argument
        for i, argument in enumerate(probe.arguments)
    )
    return dataclasses.replace(probe, arguments=arguments)


def directly(function: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
    """Call without any guard: for our own functions."""
    return function(*arguments)


def run(
    function: Callable[..., Any],
    probe: Probe,
    exercise: Exercise,
    *,
    prepare: Callable[[Any], Any] = fresh,
    call: Call = directly,
) -> Outcome:
    """Call `function` on copies of the probe's arguments, and say what came of it."""
    arguments = tuple(prepare(argument) for argument in probe.arguments)
    before = tuple(prepare(argument) for argument in probe.arguments)
    value, error, peak = None, None, 0
    with warnings.catch_warnings(record=True) as caught, np.errstate(all="warn", under="ignore"):
        warnings.simplefilter("always")
        measured = contextlib.nullcontext() if probe.memory is None else _memory()
        with measured as held:
            try:
                value = call(_settling(function), arguments)
            except BaseException as exception:  # whatever an answer raises is its outcome
                error = exception
        peak = held[0] if held else 0
    changed = tuple(
        i for i, (a, b) in enumerate(zip(arguments, before, strict=True)) if not identical(a, b)
    )
    returned = value
    said = tuple(dict.fromkeys(f"{w.category.__name__}: {w.message}" for w in caught))
    if error is None and exercise.canonical is not None and value is not None:
        value, error = _canonical(exercise, value, probe)
    return Outcome(value, error, changed, said, returned, peak)


@contextlib.contextmanager
def _memory() -> Iterator[list[int]]:
    """Yield a list, to which the bytes that are held at most within, beyond those before, come."""
    held: list[int] = []
    running = tracemalloc.is_tracing()
    if not running:
        tracemalloc.start()
    try:
        tracemalloc.reset_peak()
        before = tracemalloc.get_traced_memory()[0]
        yield held
        held.append(tracemalloc.get_traced_memory()[1] - before)
    finally:
        if not running:
            tracemalloc.stop()


def _settling(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return the function with its result settled: whatever came back is touched under guard."""
    return lambda *arguments: settled(function(*arguments))


def _canonical(exercise: Exercise, value: Any, probe: Probe) -> tuple[Any, Exception | None]:
    """Return what is compared in place of the result; a result it cannot read is unusable."""
    assert exercise.canonical is not None
    try:
        with np.errstate(all="ignore"):
            return settled(exercise.canonical(value, *map(fresh, probe.arguments))), None
    except Exception as error:
        return None, Unusable(
            f"{shown_type(value)} came back, which is not what was asked: {error}"
        )


def settled(value: Any) -> Any:
    """Return a result in the form in which results are compared.

    Numbers, lists of numbers and tensors become arrays; strings, None, sets, dicts and tuples of
    results stay what they are, with settled parts.
    """
    if value is None:
        return value
    if isinstance(value, str):
        return str(value)
    if is_tensor(value):
        return from_tensor(value)
    if isinstance(value, Mapping):
        return {_plain(key): settled(part) for key, part in value.items()}
    if isinstance(value, AbstractSet):
        return frozenset(_plain(element) for element in value)
    if isinstance(value, tuple):
        return tuple(settled(part) for part in value)
    if isinstance(value, list):
        return _from_list(value)
    if isinstance(value, bool | int | float | complex | np.generic | np.ndarray):
        array = np.asarray(value)
        if array.dtype.kind == "O":
            raise Unusable("an array of objects came back; return an array of numbers")
        return array
    raise Unusable(f"{shown_type(value)} came back; return an array or a number")


def _plain(element: Any) -> str | float:
    """Return an element of a set or a key of a dict, which has to be a string or a number."""
    if isinstance(element, str):
        return str(element)
    if isinstance(element, int | float | np.number):
        return element.item() if isinstance(element, np.number) else element
    raise Unusable(f"{shown_type(element)} is in it; strings or numbers are asked")


def from_tensor(tensor: Any) -> Any:
    """Return a tensor's values as an array; bfloat16, which NumPy lacks, as float32."""
    tensor = tensor.detach().cpu()
    wide = str(tensor.dtype) == "torch.bfloat16"
    return np.array((tensor.float() if wide else tensor).resolve_conj().numpy())


def _from_list(values: list[Any]) -> Any:
    parts = [
        settled(part) if isinstance(part, list) or is_tensor(part) else part for part in values
    ]
    if any(isinstance(part, str) for part in parts):
        return tuple(parts)
    try:
        array = np.array(parts)
    except (ValueError, TypeError):
        arrays = [isinstance(part, np.ndarray) for part in parts]
        if all(arrays) and (
            not all(isinstance(part, list) for part in values)
            or len({part.ndim for part in parts}) > 1
        ):
            return tuple(parts)  # several results, returned as a list
        raise Unusable("a ragged list came back: its rows differ in length") from None
    if array.dtype.kind == "O":
        raise Unusable("a list of objects came back; return an array of numbers")
    return array


def is_tensor(value: Any) -> bool:
    """Whether a value is a torch tensor, told without importing torch."""
    return hasattr(value, "detach") and hasattr(value, "numpy")


def shown_type(value: Any) -> str:
    """Return "a generator", "an int": the kind of thing that came back."""
    name = type(value).__name__
    plain = {"ndarray": "an array or a list", "NoneType": "None", "str": "a string"}
    return plain.get(name, f"{'an' if name[:1].lower() in 'aeiou' else 'a'} {name}")


def identical(a: Any, b: Any) -> bool:
    """Whether an argument is still what it was: type, shape and every value, NaN included.

    A reader that is used up was read, which is what it is for; what cannot be compared is taken
    for unchanged.
    """
    kind: Any = type(a)
    if callable(a) or hasattr(kind, "__next__") or kind.__eq__ is object.__eq__:
        return True
    if is_tensor(a):
        a, b = from_tensor(a), from_tensor(b)
    if isinstance(a, np.ndarray):
        if a.shape != b.shape or a.dtype != b.dtype:
            return False
        return bool(np.array_equal(a, b, equal_nan=a.dtype.kind in "fc"))
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(identical, a, b))
    return bool(a == b) or (a != a and b != b)
