"""The signatures of the five older manuals, bound to the ones here.

``manuals/NAME.toml`` holds what a manual documents, as ``"module:name" = "arguments"``. What
differs on purpose stands in ``docs/coming-from/NAME.toml``, from which
``docs/make_differences.py`` makes a table of the coming-from page. A difference that is missing
there fails, and so does a row for something that binds.
"""

from __future__ import annotations

import argparse
import functools
import importlib
import inspect
import re
import runpy
import tomllib
from fnmatch import fnmatchcase
from inspect import Parameter
from pathlib import Path

import numpy as np
import pytest

from thunderlike.cli import main

MANUALS = {
    path.stem: tomllib.loads(path.read_text("utf-8"))
    for path in sorted((Path(__file__).parent / "manuals").glob("*.toml"))
}
PAGES = runpy.run_path(str(Path(__file__).parents[2] / "docs" / "make_differences.py"))
ROWS = {name: PAGES["rows"](name) for name in MANUALS}
MISSING = "is not there"
KINDS = {
    "attribute": lambda found: True,
    "callable": callable,
    "class": inspect.isclass,
    "module": inspect.ismodule,
}
VARIADIC = (Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD)


def documented(text):
    """The signature that a manual documents; a default of ``...`` is one that is not compared."""
    return inspect.signature(eval(f"lambda {text}: None", {"argparse": argparse, "numpy": np}))


def named(signature):
    return [p for p in signature.parameters.values() if p.kind not in VARIADIC]


def positional(signature):
    return [p for p in named(signature) if p.kind is not Parameter.KEYWORD_ONLY]


def partner(p, theirs, ours, spellings):
    """The parameter here that takes `p`: by its name, by an older spelling, or by its place."""
    name = spellings.get(p.name, p.name)
    if name in ours.parameters and ours.parameters[name].kind not in VARIADIC:
        return ours.parameters[name]
    if p not in positional(theirs) or p.name in spellings:
        return None
    place = positional(theirs).index(p)
    other = positional(ours)[place : place + 1]
    fits = other and (p.name == "_" or type(other[0].default) is type(p.default))
    return other[0] if fits and other[0].name not in theirs.parameters else None


def of_parameter(p, mine, before, ours, spellings):
    """How one parameter differs from `mine`, each as a phrase; `before` is what stands before."""
    if spellings.get(p.name, p.name) != mine.name and p.name != "_":
        yield f"`{p.name}` is called `{mine.name}`"
    if p.kind is not Parameter.KEYWORD_ONLY:
        place = positional(ours).index(mine) if mine in positional(ours) else None
        if place is None:
            yield f"`{p.name}` is given by name"
        elif before != positional(ours)[:place][-1:]:
            yield f"`{p.name}` comes after `{positional(ours)[place - 1].name}`"
    if p.default is Parameter.empty:
        return
    if mine.default is Parameter.empty:
        yield f"`{p.name}` must be given"
    elif p.default is not ... and (type(p.default), p.default) != (
        type(mine.default),
        mine.default,
    ):
        yield f"`{p.name}={getattr(mine.default, '__name__', repr(mine.default))}`"


def of_signature(theirs, ours, spellings):
    """Describe how a signature differs for a call that follows a manual."""
    before, taken = [], []
    for p in theirs.parameters.values():
        if p.kind in VARIADIC:
            if all(p.kind is not mine.kind for mine in ours.parameters.values()):
                yield f"`{p}` {MISSING}"
            continue
        mine = partner(p, theirs, ours, spellings)
        if mine is None:
            yield f"`{p.name}` {MISSING}"
            continue
        yield from of_parameter(p, mine, before, ours, spellings)
        before = [mine]
        taken.append(mine)
    for p in named(ours):
        if p.default is Parameter.empty and p not in taken:
            yield f"`{p.name}` must be given"


def found_here(manual, entry):
    """What a manual documents, as it is here, and what it is taken from."""
    module, _, name = entry.partition(":")
    owner = importlib.import_module(".".join(filter(None, [MANUALS[manual]["home"], module])))
    *outer, last = name.split(".")
    for part in outer:
        owner = getattr(owner, part)
    return (getattr(owner, last) if last else owner), owner


def signature_of(found, owner):
    """The signature of a function, a class or a method, as seen by who calls it."""
    signature = inspect.signature(found)
    if inspect.isclass(owner) and inspect.isfunction(found):
        return signature.replace(parameters=list(signature.parameters.values())[1:])
    return signature


def differences(manual, entry):
    """How something that a manual documents differs here; nothing if it does not."""
    text = MANUALS[manual]["signatures"][entry]
    try:
        found, owner = found_here(manual, entry)
    except (ImportError, AttributeError):
        return [MISSING]
    if text in KINDS:
        return [] if KINDS[text](found) else [f"is no {text}"]
    if text.startswith("= "):
        return [] if found == eval(text[2:]) else [f"is `{found!r}`"]
    spellings = getattr(found, "spellings", {})
    return list(of_signature(documented(text), signature_of(found, owner), spellings))


def about(row, entry):
    """Whether a row names an entry of the manual."""
    named, taken_out = (
        any(fnmatchcase(entry, name) for name in row.get(key, ())) for key in ("names", "except")
    )
    return named and not taken_out


@pytest.mark.parametrize("manual", MANUALS)
def test_every_signature_of_the_manual_binds_or_is_listed(manual):
    wrong = {}
    for entry in MANUALS[manual]["signatures"]:
        rows = [row for row in ROWS[manual] if about(row, entry)]
        listed = sorted(phrase for row in rows for phrase in row["differs"])
        if listed != sorted(differences(manual, entry)):
            wrong[entry] = {"found": sorted(differences(manual, entry)), "listed": listed}
    assert wrong == {}


@pytest.mark.parametrize("manual", MANUALS)
def test_a_call_by_position_is_the_call_by_name(manual):
    bound = 0
    for entry, text in MANUALS[manual]["signatures"].items():
        if text in KINDS or text.startswith("= ") or differences(manual, entry):
            continue
        found, owner = found_here(manual, entry)
        ours, theirs = signature_of(found, owner), documented(text)
        spellings = getattr(found, "spellings", {})
        call = {p: object() for p in named(theirs) if p.name != "_"}
        names = {spellings.get(p.name, p.name): marker for p, marker in call.items()}
        places = [marker for p, marker in call.items() if p in positional(theirs)]
        others = {p.name: marker for p, marker in call.items() if p not in positional(theirs)}
        assert ours.bind_partial(*places, **others).arguments == names, entry
        assert ours.bind_partial(**names).arguments == names, entry
        bound += 1
    assert bound > 5


COMMANDS = [(c, o) for found in MANUALS.values() for c, o in found.get("options", {}).items()]


@pytest.mark.parametrize(("command", "options"), COMMANDS)
def test_the_commands_take_the_options_of_the_manual(command, options, capsys):
    with pytest.raises(SystemExit):
        main([*command.split(), "--help"])
    taken = re.findall(r"(?<![\w-])--?[a-z][\w-]*", capsys.readouterr().out)
    assert set(options.split()) - set(taken) == set()


@pytest.mark.parametrize("manual", MANUALS)
def test_every_row_is_about_something_in_the_manual(manual):
    entries = MANUALS[manual]["signatures"]
    names = [
        name for row in ROWS[manual] for key in ("names", "except") for name in row.get(key, ())
    ]
    assert [name for name in names if not any(fnmatchcase(e, name) for e in entries)] == []
    assert all(row["why"].strip() for row in ROWS[manual])


@pytest.mark.parametrize("manual", MANUALS)
def test_the_page_shows_the_table(manual):
    text = PAGES["page"](manual).read_text("utf-8")
    assert PAGES["section"](manual) in text, "run docs/make_differences.py"


def renamed(found, old, new):
    """A function whose parameter `old` is called `new`."""
    parameters = [
        p.replace(name=new) if p.name == old else p
        for p in inspect.signature(found).parameters.values()
    ]

    @functools.wraps(found)
    def other(*args, **kwargs):
        raise AssertionError

    other.__signature__ = inspect.Signature(parameters)
    return other


@pytest.mark.parametrize(
    ("entry", "old"),
    [
        ("images:Images.subtract", "val"),
        ("images:fromtif", "nplanes"),
        ("series:Series.map", "index"),
    ],
)
def test_a_parameter_that_is_renamed_fails(entry, old, monkeypatch):
    before = differences("thunder", entry)
    found, owner = found_here("thunder", entry)
    monkeypatch.setattr(owner, found.__name__, renamed(found, old, f"{old}_"))
    assert set(differences("thunder", entry)) - set(before) != set()
