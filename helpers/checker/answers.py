"""Reading an answer without running it: is it still the stub, which names does it use."""

from __future__ import annotations

import ast
import contextlib
import dis
import functools
import importlib
import inspect
import itertools
import linecache
import sys
import textwrap
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import CodeType, FunctionType, MethodType
from typing import Any

_IDLE = {
    "RESUME", "NOP", "CACHE", "PUSH_NULL", "PRECALL", "CALL", "CALL_FUNCTION", "LOAD_GLOBAL",
    "LOAD_CONST", "LOAD_COMMON_CONSTANT", "POP_TOP", "RAISE_VARARGS", "RETURN_CONST",
    "RETURN_VALUE", "NOT_TAKEN",
}  # fmt: skip
_LIBRARIES = {"scipy", "torch", "sklearn", "jax", "tensorflow", "keras"}
# These parts of PyTorch import its compiler when they are first used, which takes seconds.
_LATE_IMPORTS = {"torch.optim.": "torch._dynamo", "torch.func.": "torch._dynamo"}


def underlying(answer: Any) -> FunctionType | None:
    """Return the Python function behind an answer (a partial, a method), or None."""
    while isinstance(answer, functools.partial):
        answer = answer.func
    if isinstance(answer, MethodType):
        answer = answer.__func__
    if not isinstance(answer, FunctionType | type):
        answer = inspect.getattr_static(type(answer), "__call__", None)
    return answer if isinstance(answer, FunctionType) else None


def is_stub(answer: Any) -> bool:
    """Whether nothing was written yet: the body is `...`, `pass` or `NotImplementedError`."""
    if answer is None or answer is ...:
        return True
    function = underlying(answer)
    if function is None or not _does_nothing(function.__code__):
        return False
    if function.__code__.co_name == "<lambda>":
        return Ellipsis in function.__code__.co_consts
    body = _body(function)
    return body is None or all(_is_placeholder(statement) for statement in body)


def _does_nothing(code: CodeType) -> bool:
    return set(code.co_names) <= {"NotImplementedError"} and all(
        instruction.opname in _IDLE
        and (instruction.opname != "LOAD_CONST" or _is_idle_constant(instruction.argval))
        for instruction in dis.get_instructions(code)
        if instruction.opname != "RETURN_CONST" or not _is_idle_constant(instruction.argval)
    )


def _is_idle_constant(value: Any) -> bool:
    return value is None or value is ... or isinstance(value, str)


def _body(function: FunctionType) -> list[ast.stmt] | None:
    """Return the statements of a function's source, where it can be had."""
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    except (OSError, TypeError, SyntaxError, ValueError):
        return None
    first = tree.body[0] if tree.body else None
    return first.body if isinstance(first, ast.FunctionDef) else None


def _is_placeholder(statement: ast.stmt) -> bool:
    if isinstance(statement, ast.Return):
        return isinstance(statement.value, ast.Constant) and statement.value.value is ...
    if isinstance(statement, ast.Expr):
        return isinstance(statement.value, ast.Constant)
    return isinstance(statement, ast.Pass | ast.Raise)


# --- names ---------------------------------------------------------------------------------------


def library_call(answer: Any, names: tuple[str, ...], package: str) -> str | None:
    """Return the name of a library's function that does the exercise for the answer, or None.

    A name with a dot, "logaddexp.reduce", is an attribute taken straight from that function. A
    learner's own function of the same name is none; its body is read instead. The course's own
    modules are a library like any other, but for its declarations in `package`.
    """
    wanted = _Wanted(frozenset(map(_plain, names)), package)
    while isinstance(answer, functools.partial):
        answer = answer.func
    found = wanted.found_in(answer)
    if found is not None:
        return found
    function = underlying(answer)
    return None if function is None or not names else _search(function, wanted, set())


@dataclass(frozen=True)
class _Wanted:
    """The library functions to look for, by their plain names."""

    names: frozenset[str]
    package: str

    def found_in(self, value: Any) -> str | None:
        """Return the name by which a value is one of them, or None."""
        if not (callable(value) and self.foreign(value)):
            return None
        name, owner = getattr(value, "__name__", None), getattr(value, "__self__", None)
        dotted = f"{getattr(owner, '__name__', '')}.{name}"
        for known in (name, dotted):
            if isinstance(known, str) and _plain(known) in self.names:
                return known
        return None

    def foreign(self, value: Any) -> bool:
        """Whether a value comes from a library."""
        # the built-ins of PyTorch and NumPy name no module
        own = "" if isinstance(value, FunctionType) else "torch"
        module = str(getattr(value, "__module__", None) or own)
        libraries = {*_LIBRARIES, _top(self.package)}
        return _top(module) in libraries and not module.startswith(self.package)


def _search(function: FunctionType, wanted: _Wanted, seen: set[CodeType]) -> str | None:
    scope = function.__globals__ | _closure(function)
    for code in _codes(function.__code__):
        if code in seen:
            continue
        seen.add(code)
        imported: dict[str, str] = {}  # within the function, by the name it has there
        before = ""
        for instruction in dis.get_instructions(code):
            found = _named(instruction, before, scope, wanted, seen)
            if found is not None:
                return found
            name = str(instruction.argval)
            if instruction.opname.startswith("STORE_") and before.startswith("import "):
                imported[name] = before.removeprefix("import ")
            if instruction.opname.startswith("IMPORT_FROM"):
                before = f"import {name}"
            elif instruction.opname.startswith("LOAD_"):
                before = imported.get(name) or str(getattr(scope.get(name), "__name__", name))
            else:
                before = ""
    return None


def _named(
    instruction: dis.Instruction,
    before: str,
    scope: dict[str, Any],
    wanted: _Wanted,
    seen: set[CodeType],
) -> str | None:
    """Return the library function that an instruction refers to, by attribute or by name.

    `before` is what the instruction before it loaded, of which this one may take an attribute.
    """
    name = instruction.argval
    if not isinstance(name, str):
        return None
    if instruction.opname.startswith(("LOAD_ATTR", "LOAD_METHOD", "IMPORT_FROM")):
        names = (name, f"{before}.{name}")
        return next((known for known in names if _plain(known) in wanted.names), None)
    if instruction.opname not in ("LOAD_GLOBAL", "LOAD_NAME", "LOAD_DEREF"):
        return None
    value = scope.get(name)
    found = wanted.found_in(value)
    if found is None and isinstance(value, FunctionType) and not wanted.foreign(value):
        return _search(value, wanted, seen)
    return found


def _codes(code: CodeType) -> Iterator[CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _codes(constant)


def _closure(function: FunctionType) -> dict[str, Any]:
    """Return the variables that a function closes over; a cell may still be empty."""
    cells = zip(function.__code__.co_freevars, function.__closure__ or (), strict=True)
    values = {}
    for name, cell in cells:
        try:
            values[name] = cell.cell_contents
        except ValueError:
            continue
    return values


def _plain(name: str) -> str:
    """Return "LogCosh" and "log_cosh" as the same name."""
    return name.replace("_", "").lower()


def import_libraries(answer: Any) -> None:
    """Import the libraries that an answer imports in its body.

    This happens before its clock runs: importing PyTorch can take longer than the answer may, and
    a library that is stopped half way cannot be imported again in the same kernel.
    """
    function = underlying(answer)
    if function is None:
        return
    wanted = []
    for instruction in itertools.chain.from_iterable(
        map(dis.get_instructions, _codes(function.__code__))
    ):
        name, part = instruction.argval, ""
        if instruction.opname == "IMPORT_NAME" and _top(name) in _LIBRARIES:
            wanted.append(name)
            part = name
        elif instruction.opname == "LOAD_GLOBAL":
            origin = function.__globals__.get(name)
            part = str(getattr(origin, "__module__", None) or getattr(origin, "__name__", ""))
        elif instruction.opname in ("LOAD_ATTR", "LOAD_METHOD", "IMPORT_FROM"):
            part = f"torch.{name}" if "torch" in sys.modules else ""
        wanted += [late for of, late in _LATE_IMPORTS.items() if f"{part}.".startswith(of)]
    for name in dict.fromkeys(wanted):
        with contextlib.suppress(Exception):
            importlib.import_module(name)


def _top(module: str) -> str:
    """Return "scipy" for "scipy.special"."""
    return module.partition(".")[0]


# --- where it went wrong -------------------------------------------------------------------------


def own_line(answer: Any, error: BaseException) -> tuple[int, str] | None:
    """Return number and text of the last line of the learner's own file that `error` passed."""
    function = underlying(answer)
    if function is None:
        return None
    found, traceback = None, error.__traceback__
    while traceback is not None:
        if traceback.tb_frame.f_code.co_filename == function.__code__.co_filename:
            found = traceback.tb_lineno
        traceback = traceback.tb_next
    if found is None:
        return None
    return found, linecache.getline(function.__code__.co_filename, found).strip()


def misfit(answer: Callable[..., Any], arguments: tuple[Any, ...]) -> str | None:
    """Return the signature of an answer that cannot take these positional arguments, or None."""
    try:
        signature = inspect.signature(answer)
    except (TypeError, ValueError):
        return None
    try:
        signature.bind(*arguments)
    except TypeError:
        return str(signature)
    return None
