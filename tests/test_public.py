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
        timeout=300,
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
        matched = re.match(r"    ([│├└ ]*)(\w+)(?: \(([\w, ]+)\))?(?: |$)", line)
        if matched:
            marks, name, also = matched.groups(default="")
            path[len(marks) // 2 :] = [name]
            parent = path[-2] if len(path) > 1 else None
            found[name] = (parent, set(filter(None, also.split(", "))))
    return found


def test_the_tree_in_the_docstring_is_the_tree():
    tree = documented()
    aliases = {n for n in errors.__all__ if getattr(errors, n).__name__ != n}
    assert {f"{name}Error" for name in aliases} <= set(tree)
    assert set(tree) == set(errors.__all__) - aliases
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
    sent = errors.WorkerFailedError("f raised", key=(3, 4), traceback="line 7")
    came = pickle.loads(pickle.dumps(sent))
    assert (str(came), came.key, came.traceback) == ("f raised", (3, 4), "line 7")


# What only one room may do


ENGINES = {"LocalEngine", "LocalRecords", "DeferredEngine", "DeferredRecords", "RDD"}
ENGINES |= {"SparkContext", "SparkEngine", "SparkRecords", "SparkSession"}
ARRAYS = {"ndarray", "DistributedArray"}
OF_ONE_ENGINE = {"context", "layout", "mapPartitions", "mapPartitionsWithIndex", "rdd"}


class Questions(ast.NodeVisitor):
    """Collects the lines on which a module asks which engine it has.

    Three kinds of values tell: the name of an engine (``x.mode``, ``engine.name``), a certain
    engine (``local()``), and all values of a collection (``x.values``, ``records.array(shape)``),
    an ndarray on some engines only. Variables that such values are assigned to tell as well.
    """

    def __init__(self, tree):
        self.lines, self.variables = set(), {}
        self.visit(tree)

    def visit_FunctionDef(self, node):
        outer, self.variables = self.variables, dict(self.variables)
        self.generic_visit(node)
        self.variables = outer

    def visit_Assign(self, node):
        for target in node.targets:
            self._remember(target, node.value)
        self.generic_visit(node)

    def visit_NamedExpr(self, node):
        self._remember(node.target, node.value)
        self.generic_visit(node)

    def _remember(self, target, value):
        if isinstance(target, ast.Name) and (kind := self.kind(value)):
            self.variables[target.id] = kind

    def kind(self, node):
        """What a value tells of its engine: ``'name'``, ``'engine'``, ``'array'`` or nothing."""
        name = last_name(node)
        if isinstance(node, ast.NamedExpr):
            return self.kind(node.value)
        if isinstance(node, ast.Name):
            return self.variables.get(name)
        if isinstance(node, ast.Call):
            called = last_name(node.func)
            if called in ("local", "engine_for", "engine_of", *ENGINES):
                return "engine"
            owner = last_name(getattr(node.func, "value", None))
            return "array" if called == "array" and owner not in ("np", "numpy") else None
        if not isinstance(node, ast.Attribute):
            return None
        if name == "mode" or (name == "name" and last_name(node.value) == "engine"):
            return "name"
        return "array" if name == "values" else None

    def _ask(self, node, asks):
        if asks:
            self.lines.add(node.lineno)

    def visit_Compare(self, node):
        sides = [node.left, *node.comparators]
        parts = [part for side in sides for part in (side, *getattr(side, "elts", ()))]
        named = {last_name(part) for part in parts}
        words = {part.value for part in parts if isinstance(part, ast.Constant)}
        self._ask(node, {self.kind(part) for part in parts} & {"name", "engine"} or named & ENGINES)
        self._ask(node, named & {"engine", "mode"} and words & {"local", "spark"})
        self.generic_visit(node)

    def visit_Match(self, node):
        self._ask(node.subject, self.kind(node.subject))
        self.generic_visit(node)

    def visit_Subscript(self, node):
        self._ask(node, self.kind(node.slice) == "name")
        self.generic_visit(node)

    def visit_ExceptHandler(self, node):
        caught = {last_name(one) for one in (node.type, *getattr(node.type, "elts", ()))}
        self._ask(node, "NotOnEngineError" in caught)
        self.generic_visit(node)

    def visit_Attribute(self, node):
        self._ask(node, node.attr == "rdd")
        self._ask(node, node.attr in OF_ONE_ENGINE and last_name(node.value) == "engine")
        self.generic_visit(node)

    def visit_Call(self, node):
        name = last_name(node.func)
        if name in ("isinstance", "issubclass"):
            classes = {last_name(part) for part in ast.walk(node.args[1])}
            self._ask(node, classes & ENGINES)
            self._ask(node, classes & ARRAYS and self.kind(node.args[0]) == "array")
        elif name in ("getattr", "hasattr"):
            words = {part.value for part in node.args if isinstance(part, ast.Constant)}
            self._ask(node, words & OF_ONE_ENGINE)
        elif isinstance(node.func, ast.Attribute):
            self._ask(node, self.kind(node.func.value) == "name")  # a method of the text
        self._ask(node, re.fullmatch(r"_?(is|on)_?(rdd|spark|local)", name or ""))
        self.generic_visit(node)


def last_name(node):
    """``c`` of ``a.b.c``, the name of a variable, and None for anything else."""
    return getattr(node, "id", getattr(node, "attr", None))


# What was written once, and what else would ask the same.
ASKED = [
    "if isinstance(records.array(key_shape), np.ndarray): pass",
    "values = self.values\nif not isinstance(values, np.ndarray) or not self.count(): pass",
    "values = self.values\nif not isinstance(values, np.ndarray) or len(shape) not in (2, 3): pass",
    "if other.engine != local(): raise NotOnEngineError",
    "if engine.name == self.mode: pass",
    "if is_rdd(items) and not storage.store_for(target).shared: pass",
    "if x.mode == 'spark': pass",
    "if 'spark' != x.mode: pass",
    "if x.mode in ('local', 'planned'): pass",
    "if engine == 'local': pass",
    "mode = x.mode\nif mode == wanted: pass",
    "if (name := engine.name) == 'local': pass",
    "if x.engine.name.startswith('sp'): pass",
    "WRITERS[self.mode](self)",
    "match x.mode:\n    case 'spark': pass",
    "if isinstance(x.engine, LocalEngine): pass",
    "if type(x.engine) is SparkEngine: pass",
    "if isinstance(x._records, base.Records | spark.SparkRecords): pass",
    "if isinstance(x.values, DistributedArray): pass",
    "blocks = getattr(records, 'rdd', None) or records.stream()",
    "context = getattr(engine, 'context', None)",
    "engine.context.parallelize(items)",
    "if hasattr(items, 'mapPartitionsWithIndex'): pass",
    "try: records.native(shape)\nexcept NotOnEngineError: pass",
    "try: records.native(shape)\nexcept (TypeError, errors.NotOnEngineError): pass",
]
NOT_ASKED = [
    "if one.engine != other.engine: raise NotOnEngineError(one.mode)",
    "if records.in_memory or engine.lazy: pass",
    "engine_for(engine).load(source)",
    "engine_for(rdd.context).adopt(rdd)",
    "if isinstance(values, DistributedArray): pass",
    "values = np.array(x)\nif isinstance(values, np.ndarray): pass",
    "if 'w' in mode: pass",
    "facts = {'mode': self.mode}",
]


@pytest.mark.parametrize("code", ASKED)
def test_a_question_which_engine_it_is_is_found(code):
    assert Questions(ast.parse(code)).lines


@pytest.mark.parametrize("code", NOT_ASKED)
def test_what_does_not_ask_is_let_through(code):
    assert not Questions(ast.parse(code)).lines


def test_no_method_asks_which_engine_it_is():
    # The words of a command line say which engine to start; the tools of tests make engines.
    asked = [
        f"{path}:{line}"
        for path, tree in outside("engines", "testing", "cli")
        for line in sorted(Questions(tree).lines)
    ]
    assert asked == []


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
