"""The laws of the house: public names, cheap imports, errors, and what only one room may do."""

from __future__ import annotations

import ast
import builtins
import importlib
import pickle
import pkgutil
import re
import subprocess
import sys
from functools import cache
from pathlib import Path
from types import FunctionType

import pytest

import thunderlike as tl
from thunderlike import errors

HOME = Path(tl.__file__).parent
HEAVY = ("boto3", "matplotlib", "mpi4py", "numba", "pandas", "pyspark", "scipy.signal", "tables")
MODULES = sorted(
    module.name
    for module in pkgutil.walk_packages(tl.__path__, "thunderlike.")
    if not module.name.endswith("__main__")
)


def imported_by(code):
    """Every module that a fresh Python has imported after some code."""
    ran = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", code],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return {line.rpartition("|")[2].strip() for line in ran.stderr.splitlines()}


@cache
def trees():
    """All modules, parsed, by path."""
    files = HOME.rglob("*.py")
    return {path.relative_to(HOME): ast.parse(path.read_text("utf-8")) for path in files}


def outside(*rooms):
    """The parsed modules of all other rooms, by path."""
    return [(path, tree) for path, tree in trees().items() if path.parts[0] not in rooms]


def calls(tree):
    """What is called in a module: the last name of each, ``c`` for ``a.b.c()``."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield getattr(node.func, "id", getattr(node.func, "attr", None)), node


def imports(tree):
    """Every module that is imported anywhere in a module, in functions and for types too."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module


# Names


def test_the_names_of_a_module_are_those_it_lists():
    for name in ("thunderlike", *MODULES):
        module = importlib.import_module(name)
        listed = getattr(module, "__all__", [])
        assert len(listed) == len(set(listed)), name
        assert [missing for missing in listed if not hasattr(module, missing)] == [], name
        defined = {
            key
            for key, value in vars(module).items()
            if isinstance(value, type | FunctionType)
            and value.__module__ == name
            and not key.startswith("_")
        }
        assert defined - set(listed) == set(), name


def test_the_package_shows_what_it_lists():
    assert dir(tl) == sorted(tl.__all__)
    with pytest.raises(AttributeError, match="no_such_name"):
        tl.no_such_name  # noqa: B018


# Imports


def test_importing_the_package_imports_only_the_standard_library_and_itself():
    found = imported_by("import thunderlike")
    assert "thunderlike.errors" in found
    roots = {name.partition(".")[0] for name in found}
    for name in ("numpy", "scipy", "tifffile", "PIL", "tqdm", "threadpoolctl", *HEAVY):
        assert name.partition(".")[0] not in roots


def test_naming_every_room_that_needs_no_spark_imports_nothing_heavy():
    names = [name for name in tl.__all__ if name != "spark"]
    found = imported_by(f"import thunderlike as tl; [getattr(tl, name) for name in {names}]")
    assert "numpy" in found
    heavy = [m for m in found for name in HEAVY if m == name or m.startswith(f"{name}.")]
    assert heavy == []


def test_pyspark_is_imported_in_engines_alone():
    users = {path for path, tree in trees().items() for m in imports(tree) if _is_pyspark(m)}
    assert Path("engines/spark.py") in users
    assert {path.parts[0] for path in users} == {"engines"}
    assert users.isdisjoint({Path("engines/base.py"), Path("engines/local.py")})


def test_boto3_is_imported_in_one_module_alone():
    wanted = re.compile(r"\b(import|from) boto|(optional|_module)\(\"boto")
    users = {path for path in trees() if wanted.search((HOME / path).read_text("utf-8"))}
    assert users == {Path("storage/s3.py")}


def _is_pyspark(module):
    return module is not None and module.partition(".")[0] in ("pyspark", "py4j")


# Errors

ERRORS = [getattr(errors, name) for name in errors.__all__]


def documented():
    """Parent and builtins of each error, as the tree in the docstring has it."""
    path, found = [], {}
    for line in errors.__doc__.splitlines():
        told = re.match(r"    ([│├└ ]*)(\w+)(?: \(([\w, ]+)\))?(?: |$)", line)
        if told:
            marks, name, also = told.groups(default="")
            path[len(marks) // 2 :] = [name]
            parent = path[-2] if len(path) > 1 else None
            found[name] = (parent, set(filter(None, also.split(", "))))
    return found


def test_the_tree_in_the_docstring_is_the_tree():
    tree = documented()
    assert set(tree) == set(errors.__all__)
    for name, (parent, also) in tree.items():
        bases = {base.__name__ for base in getattr(errors, name).__bases__}
        assert bases == ({parent} if parent else {"Exception"}) | also, name


def test_every_error_of_the_package_is_in_the_tree():
    for name in MODULES:
        importlib.import_module(name)
    grown, known = {errors.ThunderlikeError}, set()
    while grown - known:
        known |= grown
        grown = {child for error in known for child in error.__subclasses__()}
    # An engine that refuses to compute says so to tests alone.
    ours = {e for e in known if re.match(r"thunderlike\.(?!testing)", e.__module__)}
    assert ours == set(ERRORS)


def test_every_error_is_also_a_builtin():
    for error in ERRORS:
        plain = [base for base in error.__mro__ if getattr(builtins, base.__name__, None) is base]
        assert plain[0] is not Exception or error is errors.ThunderlikeError


def test_every_error_survives_pickling_and_prints_its_sentence():
    for error in ERRORS:
        sent = error("/data/a.tif: no such file")
        came = pickle.loads(pickle.dumps(sent))
        assert type(came) is error
        assert str(came) == str(sent) == "/data/a.tif: no such file"


def test_what_a_failed_worker_knows_survives_pickling():
    sent = errors.WorkerFailed("f raised", key=(3, 4), traceback="line 7")
    came = pickle.loads(pickle.dumps(sent))
    assert (str(came), came.key, came.traceback) == ("f raised", (3, 4), "line 7")


# What only one room may do


def test_no_method_asks_which_engine_it_is():
    for path, _ in outside("engines"):
        text = (HOME / path).read_text("utf-8")
        assert not re.search(r"\bmode\s*(==|!=|\bin\b|\bis\b)", text), path


def test_only_engines_know_the_classes_of_engines():
    ours = {"RDD", "SparkContext", "SparkEngine", "SparkRecords", "LocalEngine", "LocalRecords"}
    for path, tree in outside("engines", "testing"):
        for name, node in calls(tree):
            asked = {getattr(n, "id", getattr(n, "attr", "")) for n in ast.walk(node)}
            assert name != "isinstance" or not asked & ours, f"{path}:{node.lineno}"


def test_executors_are_made_in_parallel_alone():
    for path, tree in outside("parallel"):
        made = [name for name, _ in calls(tree) if name and re.search(r"Executor$|^Pool$", name)]
        assert made == [], path
        assert not any((m or "").startswith("multiprocessing") for m in imports(tree)), path


def test_only_the_command_line_prints():
    for path, tree in outside("cli"):
        assert "print" not in {name for name, _ in calls(tree)}, path


def test_nobody_configures_logging():
    for path, tree in trees().items():
        assert "basicConfig" not in {name for name, _ in calls(tree)}, path


def test_an_error_can_be_made_by_its_class_alone():
    for error in ERRORS:
        assert isinstance(error.__new__(error), error)  # as libraries do that pickle tracebacks
