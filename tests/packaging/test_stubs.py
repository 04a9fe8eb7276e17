"""Every compiled module has a stub beside it that says what is really there.

Nothing else would notice a stub that lies: a type checker never sees the compiled half. Compared
are names, bases, whether a class can be subclassed, members and their kind, and the names, kinds
and defaults of parameters. The types themselves have no counterpart at run time.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import re
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import connectors._speedups

FOLDER = Path(connectors._speedups.__file__).parent
COMPILED = sorted(
    {path.name.split(".")[0] for suffix in EXTENSION_SUFFIXES for path in FOLDER.glob(f"*{suffix}")}
)
# Special methods that change what a user can write.
SPECIAL = {"__bool__", "__contains__", "__eq__", "__getitem__", "__hash__", "__iter__", "__len__"}
POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
REQUIRED = object()

Parameters = list[tuple[str, Any, Any]]  # name, kind, default


def stub(name: str) -> ast.Module:
    return ast.parse((FOLDER / f"{name}.pyi").read_text(encoding="utf-8"))


def parameters_of(node: ast.FunctionDef | ast.Lambda) -> Parameters:
    """Parameters of a definition in a stub, without self."""
    a = node.args
    out: Parameters = []
    positional = [*a.posonlyargs, *a.args]
    defaults = [None] * (len(positional) - len(a.defaults)) + list(a.defaults)
    for i, (arg, default) in enumerate(zip(positional, defaults, strict=True)):
        kind = POSITIONAL[0] if i < len(a.posonlyargs) else POSITIONAL[1]
        out.append((arg.arg, kind, REQUIRED if default is None else ast.literal_eval(default)))
    for arg, default in zip(a.kwonlyargs, a.kw_defaults, strict=True):
        value = REQUIRED if default is None else ast.literal_eval(default)
        out.append((arg.arg, inspect.Parameter.KEYWORD_ONLY, value))
    assert a.vararg is None
    assert a.kwarg is None
    return [p for p in out if p[0] != "self"]


def embedded(doc: str) -> Parameters:
    """Parameters from the signature that Cython puts in front of a docstring."""
    text = doc.split("\n", 1)[0]
    inside = text[text.index("(") + 1 : text.rindex(")")]
    # `const uint8_t[::1] data` and `str alias=None`: only the name and the default count.
    plain = [re.sub(r"^.*?(\w+\s*(=.*)?|[*/])$", r"\1", part.strip()) for part in inside.split(",")]
    if plain[-1] == "*":  # misplaced behind the only parameter it should stand before
        plain.pop()
    expression = ast.parse(f"lambda {', '.join(p for p in plain if p)}: 0", mode="eval").body
    assert isinstance(expression, ast.Lambda)
    return parameters_of(expression)


def actual(function: Any) -> tuple[Parameters, bool]:
    """Parameters of a compiled function, without self, and whether their kinds are certain."""
    try:
        signature = inspect.signature(function)
    except ValueError:  # compiled without binding: only the embedded signature is left
        return embedded(function.__doc__), False
    out = [
        (p.name, p.kind, REQUIRED if p.default is inspect.Parameter.empty else p.default)
        for p in signature.parameters.values()
    ]
    return [p for p in out if p[0] != "self"], True


def definitions(body: list[ast.stmt]) -> dict[str, list[ast.FunctionDef]]:
    found: dict[str, list[ast.FunctionDef]] = {}
    for node in body:
        if isinstance(node, ast.FunctionDef):
            found.setdefault(node.name, []).append(node)
    return found


def decorated(node: ast.FunctionDef | ast.ClassDef, name: str) -> bool:
    return any(isinstance(d, ast.Name) and d.id == name for d in node.decorator_list)


def compare(where: str, written: list[ast.FunctionDef], function: Any) -> None:
    real, certain = actual(function)
    for node in written:
        claimed = parameters_of(node)
        assert [p[0] for p in claimed] == [p[0] for p in real], where
        overloaded = decorated(node, "overload")
        for (name, kind, default), (_, real_kind, real_default) in zip(claimed, real, strict=True):
            if certain or kind not in POSITIONAL:
                assert kind == real_kind, f"{where}: {name}"
            if not (overloaded and default is REQUIRED):  # one overload may demand what another
                assert default == real_default, f"{where}: {name}"  # leaves out


def constructor(where: str, node: ast.FunctionDef, cls: type) -> None:
    """`__init__` of a compiled class has no signature of its own, only the class docstring.

    Cython misplaces the `*` there, and leaves it out for `__cinit__`; so what is taken by position
    is tried out. Arguments are counted before any of them is looked at.
    """
    claimed = parameters_of(node)
    if "__init__" in cls.__dict__:
        real = embedded(cls.__doc__ or "")
        assert [(p[0], p[2]) for p in claimed] == [(p[0], p[2]) for p in real], where
    positional = [object() for _, kind, _ in claimed if kind in POSITIONAL]
    named = {p[0]: object() for p in claimed if p[1] not in POSITIONAL}
    with pytest.raises(TypeError, match="positional argument"):
        cls(*positional, object(), **named)
    with pytest.raises(TypeError, match="no_such_parameter"):
        cls(*positional, **named, no_such_parameter=1)


def subclassable(cls: type) -> bool:
    try:
        type("Derived", (cls,), {})
    except TypeError:
        return False
    return True


def public(names: Any) -> set[str]:
    return {name for name in names if not name.startswith("_")}


def compare_class(where: str, node: ast.ClassDef, cls: Any) -> None:
    functions = definitions(node.body)
    constants = {
        target.id: ast.literal_eval(statement.value)
        for statement in node.body
        if isinstance(statement, ast.Assign)
        for target in statement.targets
        if isinstance(target, ast.Name)
    }
    bases = {ast.unparse(base) for base in node.bases}
    if "IntEnum" in bases:
        assert {name: member.value for name, member in cls.__members__.items()} == constants, where
        return
    assert bases == {base.__name__ for base in cls.__bases__ if base is not object}, where
    assert decorated(node, "final") == (not subclassable(cls)), f"{where}: @final"
    own = dict(cls.__dict__)
    declared = {ast.unparse(s.target) for s in node.body if isinstance(s, ast.AnnAssign)}
    # A dataclass says by itself which fields it has, also where classes below it hold them.
    fields = set(own.get("__dataclass_fields__", ()))
    assert public(functions) | public(declared) == public(own) | fields, where
    unhashable = {"__hash__"} if own.get("__hash__", 0) is None else set()
    assert SPECIAL & set(functions) == (SPECIAL & set(own)) - unhashable, where
    assert "__init__" in functions or "__init__" not in own, f"{where}.__init__"
    for name, written in functions.items():
        if name == "__init__":
            constructor(f"{where}.__init__", written[0], cls)
        elif decorated(written[0], "property"):
            assert inspect.isdatadescriptor(own[name]), f"{where}.{name} is not an attribute"
        elif not name.startswith("__"):
            assert callable(own[name]), f"{where}.{name} is not callable"
            compare(f"{where}.{name}", written, own[name])


def load(name: str) -> ModuleType:
    return importlib.import_module(f"connectors._speedups.{name}")


def test_compiled_modules_were_found():
    assert {"binance", "dedup", "events", "feed", "scan", "symbols", "ticks"} <= set(COMPILED)


@pytest.mark.parametrize("name", COMPILED)
def test_stub_tells_the_truth(name):
    module, tree = load(name), stub(name)
    functions = definitions(tree.body)
    classes = {node.name: node for node in tree.body if isinstance(node, ast.ClassDef)}
    values = {
        target.id
        for node in tree.body
        if isinstance(node, ast.Assign)
        or (isinstance(node, ast.AnnAssign) and ast.unparse(node.annotation) != "TypeAlias")
        for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
        if isinstance(target, ast.Name)
    }
    (exported,) = (
        ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__"
    )
    assert exported == module.__all__
    assert public(functions) | public(classes) | public(values) == set(exported)
    for function, written in functions.items():
        compare(f"{name}.{function}", written, getattr(module, function))
    for cls, node in classes.items():
        if not cls.startswith("_"):
            compare_class(f"{name}.{cls}", node, getattr(module, cls))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("value: _Exact, *", "worth: _Exact, *"),
        ("rounding: None = None", 'rounding: None = "up"'),
        ('rounding: _Rounding = "half_even"', '*, rounding: _Rounding = "half_even"'),
        ("def to_decimal(self", "def as_decimal(self"),
        ("class TickScale", "@final\nclass TickScale"),
        ("increment: _Exact) -> None", "increment: _Exact, scale: int) -> None"),
        ('__all__ = ["TickScale"]', '__all__ = ["TickScale", "Other"]'),
        ("def __hash__(self) -> int: ...", ""),
    ],
)
def test_a_stub_that_lies_is_caught(old, new, tmp_path, monkeypatch):
    text = (FOLDER / "ticks.pyi").read_text(encoding="utf-8")
    assert old in text
    (tmp_path / "ticks.pyi").write_text(text.replace(old, new), encoding="utf-8")
    monkeypatch.setitem(globals(), "FOLDER", tmp_path)
    with pytest.raises(AssertionError):
        test_stub_tells_the_truth("ticks")
