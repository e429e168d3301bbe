"""What the checker says to every mistake that the exercises declare: each is run through it.

A mistake is shown as a learner would have written it, and what is shown is what is run.
"""

from __future__ import annotations

import ast
import functools
import hashlib
import inspect
import json
import linecache
import re
import textwrap
import types
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from symptoms import symptoms

from helpers.checker import layout
from helpers.checker.cases import parted, sentence
from helpers.checker.declaration import Exercise, Mistake
from helpers.checker.judging import judge
from helpers.exercises import course

HERE = Path(__file__).resolve().parent
KEPT = HERE.parent / "build" / "verdicts"


@dataclass(frozen=True)
class Shown:
    """A mistake as the website shows it.

    Attributes
    ----------
    exercise, name : str
        The exercise's ID; the mistake's name.
    code : str
        A wrong answer that makes it, runnable beside the imports of the notebook.
    status : str
        "wrong", "unstable" or "error".
    recognised : str
        The mistake that the checker named.
    verdict : str
        Its verdict, as HTML.
    gist : str
        What the mistake is, in one sentence.
    symptoms : list of str
        See `symptoms`.
    """

    exercise: str
    name: str
    code: str
    status: str
    recognised: str
    verdict: str
    gist: str
    symptoms: list[str]


@functools.cache
def everything() -> dict[str, list[Shown]]:
    """Return all mistakes by the ID of their exercise, in the order of their declarations."""
    modules: dict[str, list[Exercise]] = {}
    for exercise in course.exercises().values():
        modules.setdefault(exercise.module, []).append(exercise)
    found = {name: shown for es in modules.values() for name, shown in _of_module(es).items()}
    return {name: found[name] for name in course.exercises()}


def _of_module(exercises: list[Exercise]) -> dict[str, list[Shown]]:
    """Return the mistakes of one notebook's exercises, from the last build where nothing moved."""
    kept = KEPT / f"{exercises[0].module}.json"
    key = _key(exercises[0])
    if kept.exists():
        known = json.loads(kept.read_text(encoding="utf-8"))
        if known["key"] == key:
            return {n: [Shown(**one) for one in shown] for n, shown in known["shown"].items()}
    found = {e.id: [run(e, mistake) for mistake in e.mistakes] for e in exercises}
    KEPT.mkdir(parents=True, exist_ok=True)
    plain = {name: [asdict(one) for one in shown] for name, shown in found.items()}
    kept.write_text(json.dumps({"key": key, "shown": plain}), encoding="utf-8")
    return found


def _key(exercise: Exercise) -> str:
    """Return a name for all that the verdicts of an exercise's notebook depend on."""
    declared = Path(inspect.getfile(exercise.reference))
    helpers = declared.parent.parent
    read = [
        declared,
        *helpers.glob("*.py"),
        *helpers.glob("checker/*.py"),
        HERE / "verdicts.py",
        HERE / "symptoms.py",
    ]
    state = hashlib.sha256(np.__version__.encode())
    for path in sorted(read):
        state.update(path.read_bytes())
    return state.hexdigest()


def run(exercise: Exercise, mistake: Mistake) -> Shown:
    """Let the checker judge a wrong answer as it judges a learner's."""
    code, name = learners(exercise, mistake)
    answer = executed(code, name, exercise, mistake)
    limit, exercise.time_limit = exercise.time_limit, 60.0  # however busy the machine is
    try:
        verdict = judge(exercise, answer)
    finally:
        exercise.time_limit = limit
    return Shown(
        exercise.id,
        mistake.name,
        code,
        verdict.status,
        verdict.mistake or "",
        layout.html(verdict.blocks(), verdict.colour),
        parted(sentence(mistake.sentence))[0],
        symptoms(exercise, mistake, verdict.status),
    )


def executed(code: str, name: str, exercise: Exercise, mistake: Mistake) -> Any:
    """Run a learner's cell, and return what its name then stands for."""
    cell = f"<cell of {exercise.id} {mistake.name}>"
    linecache.cache[cell] = (len(code), None, code.splitlines(keepends=True), cell)
    module = inspect.getmodule(exercise.reference)
    namespace = dict(vars(module)) if module else {}
    exec(compile(code, cell, "exec"), namespace)
    return namespace[name]


# -- a declaration as a learner's cell ------------------------------------------------------------


def learners(exercise: Exercise, mistake: Mistake) -> tuple[str, str]:
    """Return a cell with the wrong answer, and the name of the answer in it.

    A family is shown by its first member, with the other constants in a comment. What it uses of
    the module where it is declared comes first.
    """
    function = mistake.functions[0]
    constants: dict[str, str] = {}
    if isinstance(function, functools.partial):
        function, chosen = function.func, function.keywords
        for key in chosen:
            texts = [_text(member.keywords[key]) for member in mistake.functions]
            constants[key] = texts[0] + _comment(texts)
        values = list(chosen.values())
    else:
        values = []
    inner = _wrapped(function)
    module = inspect.getmodule(exercise.reference)
    assert module is not None
    first = [f for f in (function, inner) if f is not None]
    used = {name for f in first for name in _names(f.__code__)}
    used |= {name for value in values for name in _names_of(value)}
    parts, all_used = _called(used, module, set())
    # Where it calls the solution, that name is taken.
    name = mistake.name if exercise.name in all_used else exercise.name
    if inner is None:
        parts.append(_definition(function, name, constants))
    else:
        own = inspect.signature(function, follow_wrapped=False).parameters
        outside = {key: text for key, text in constants.items() if key in own}
        inside = {key: text for key, text in constants.items() if key not in own}
        parts.append(_definition(inner, inner.__name__, inside))
        parts.append(_definition(function, name, outside, calls=inner.__name__))
    if exercise.value:
        body = ast.parse(parts[-1]).body[0].body
        if len(parts) == len(body) == 1 and isinstance(body[0], ast.Return):
            value = textwrap.dedent("           " + parts[0].partition("return ")[2])
            return f"{name} = {value.strip()}\n", name
        parts[-1] = parts[-1].replace(f"def {name}(", f"def {mistake.name}(", 1)
        parts.append(f"{name} = {mistake.name}()\n")
    code = "\n\n".join(part.strip("\n") + "\n" for part in parts)
    for known, thing in vars(module).items():  # an exception of the module's own: what it is
        if isinstance(thing, type) and issubclass(thing, Exception) and _is_of(thing, module):
            code = re.sub(rf"\b{known}\b", thing.__bases__[0].__name__, code)
    return code, name


def _is_of(thing: Any, module: types.ModuleType) -> bool:
    """Whether a function or class is declared in a module."""
    return getattr(thing, "__module__", None) == module.__name__


def _wrapped(function: Any) -> Any:
    """Return the function around which another was declared, or None."""
    inner = getattr(function, "__wrapped__", None)
    return inner if inner is not None and function.__code__.co_freevars else None


def _definition(
    function: Callable[..., Any], name: str, constants: dict[str, str], *, calls: str = ""
) -> str:
    """Return a function's source under another name, its constants as its first lines."""
    lines = textwrap.dedent("".join(inspect.getsourcelines(function.__code__)[0])).splitlines()
    node = ast.parse("\n".join(lines)).body[0]
    assert isinstance(node, ast.FunctionDef)
    start = node.lineno - 1
    while not re.search(r":\s*(#.*)?$", lines[start]):
        start += 1
    body = "\n".join(lines[start + 1 :])
    if calls:  # a wrapper: what it calls has a name of its own, and takes no constants
        body = re.sub(rf"\b{'|'.join(function.__code__.co_freevars)}\b", calls, body)
        if node.args.kwarg is not None:
            body = body.replace(f", **{node.args.kwarg.arg}", "")
    arguments = node.args
    arguments.kwonlyargs, arguments.kw_defaults, arguments.kwarg = [], [], None
    first = "".join(f"    {key} = {text}\n" for key, text in constants.items())
    return f"def {name}({ast.unparse(arguments)}):\n{first}{body}\n"


def _called(
    names: set[str], module: types.ModuleType, seen: set[str]
) -> tuple[list[str], set[str]]:
    """Return the sources of what these names stand for in a module, and all names in them.

    What a source uses comes before it.
    """
    parts, used = [], set(names)
    for name in sorted(names & vars(module).keys() - seen):
        seen.add(name)
        thing = vars(module)[name]
        if isinstance(thing, type) and issubclass(thing, Exception):
            continue
        if isinstance(thing, types.FunctionType | type) and _is_of(thing, module):
            source = _undeclared(inspect.getsource(thing))
        elif isinstance(thing, int | float | str | tuple | list | dict | set | frozenset):
            source = _assignments(module).get(name, "")
        else:
            continue
        below, more = _called(_read_in(source), module, seen)
        parts += [*below, source]
        used |= more
    return parts, used


def _undeclared(source: str) -> str:
    """Return a function's source without the decorator that declares it as a mistake."""
    above, function, below = source.partition("\ndef ")
    return f"def {below}" if function and ".mistake(" in above else source


def _read_in(source: str) -> set[str]:
    """Return every name that a source reads."""
    return {node.id for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Name)}


@functools.cache
def _assignments(module: types.ModuleType) -> dict[str, str]:
    """Return the statements of a module that give names their values, by these names."""
    source = inspect.getsource(module)
    return {
        target.id: f"{ast.get_source_segment(source, node)}\n"
        for node in ast.parse(source).body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }


def _names(code: types.CodeType) -> set[str]:
    """Return the names that a function looks up outside itself."""
    inner = [_names(part) for part in code.co_consts if isinstance(part, types.CodeType)]
    return set(code.co_names).union(*inner)


def _names_of(value: Any) -> set[str]:
    """Return the names that a constant stands for, where it is a function or holds some."""
    if isinstance(value, tuple | list):
        return set().union(*map(_names_of, value))
    if isinstance(value, types.FunctionType):
        return _names(value.__code__) | {value.__name__}
    return set()


def _comment(texts: list[str]) -> str:
    """Return "  # or 2, or 3": the other values of a constant."""
    others = [text for text in dict.fromkeys(texts) if text not in (texts[0], "...")]
    words = ", ".join(f"or {text}" for text in others)
    return f"  # {words}" if words and len(words) <= 60 and "\n" not in words else ""


def _text(value: Any) -> str:
    """Return how a constant is written."""
    if isinstance(value, tuple):
        return f"({', '.join(map(_text, value))}{',' * (len(value) == 1)})"
    if isinstance(value, type):
        return f"np.{value.__name__}" if issubclass(value, np.generic) else value.__name__
    if isinstance(value, types.FunctionType) and value.__name__ == "<lambda>":
        return _lambda(value)
    if callable(value):
        name = str(value.__name__)
        return f"np.{name}" if getattr(np, name, None) is value else name
    if isinstance(value, float):
        return re.sub(r"^(-?)(inf|nan)$", r"\1np.\2", repr(float(value)))
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    return repr(value)


def _lambda(function: types.FunctionType) -> str:
    """Return the source of a lambda."""
    source = Path(inspect.getfile(function)).read_text(encoding="utf-8")
    found = [
        ast.unparse(node)
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Lambda) and node.lineno == function.__code__.co_firstlineno
    ]
    if len(found) > 1:  # several in a line
        code = function.__code__
        same = [text for text in found if eval(text).__code__.co_code == code.co_code]
        constants = [text for text in same if eval(text).__code__.co_consts == code.co_consts]
        found = constants or same or found
    return found[0]


def all_shown() -> Iterator[Shown]:
    """Yield every mistake of the course."""
    for shown in everything().values():
        yield from shown
