"""Round trips: values, types, dtypes, order of keys and axes, shared objects."""

from __future__ import annotations

import collections
import copy
import datetime as dt
import enum
import uuid
import zoneinfo
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path, PurePosixPath, PureWindowsPath
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import thunderlike as tl

Point = collections.namedtuple("Point", "x y")


class Colour(enum.Enum):
    RED = "red"


class Level(enum.IntEnum):
    HIGH = 3


@dataclass
class Cell:
    area: int
    trace: list


SCALARS = [
    0, -1, 2**63 - 1, -(2**63), 2**63, 2**64 - 1, 2**64, -(2**70), 10**5000,
    0.0, -0.0, 1e308, float("inf"), float("nan"), True, False, None, 3 + 4j, ...,
    "", "text", "naïve ☃", "a\0b", "ends\0", "x" * 70_000, "\ud800 alone", "ends.",
    b"", b"bytes", b"a\0", b"N.", b"I5\n.", b"hello.", b"x" * 70_000,
    np.int8(5), np.uint64(2**64 - 1), np.float16(0.5), np.float32(1.5), np.longdouble(1) / 3,
    np.complex64(1j), np.bool_(True), np.str_("np"), np.bytes_(b"np"),
    np.datetime64("2020-01-01", "D"), np.timedelta64(5, "ms"), np.datetime64("NaT", "ns"),
    dt.date(2020, 2, 29), dt.time(1, 2, 3, 4), dt.timedelta(-1, 2, 3),
    dt.datetime(2020, 1, 1, 5), dt.datetime(2020, 1, 1, tzinfo=dt.UTC),
    dt.datetime(2020, 7, 1, tzinfo=zoneinfo.ZoneInfo("Europe/Paris")),
    dt.datetime(2020, 10, 25, 2, 30, fold=1, tzinfo=zoneinfo.ZoneInfo("Europe/Paris")),
    Decimal("1.10"), Path("a/b"), PurePosixPath("a/b"), PureWindowsPath("c:/a"),
    uuid.UUID(int=5), range(3, 10, 2),
]  # fmt: skip


@pytest.mark.parametrize("value", SCALARS, ids=lambda value: f"{type(value).__name__}")
def test_single_values_keep_their_type(back, same, value):
    packed = back([value], compat=False)[0]
    for found in (back({"v": value})["v"], back([value])[0], back(value), packed):
        assert same(value, found), repr(found)[:100]


def test_an_hour_that_clocks_show_twice(back):
    value = dt.datetime(2020, 10, 25, 2, 30, fold=1, tzinfo=zoneinfo.ZoneInfo("Europe/Paris"))
    assert back([value])[0].utcoffset() == dt.timedelta(hours=1)


ARRAYS = [
    np.arange(5), np.arange(6, dtype=">i4").reshape(2, 3), np.zeros((0, 3)), np.zeros((3, 0), "U5"),
    np.asfortranarray(np.arange(6.0).reshape(2, 3)), np.array([True, False]), np.array(5.0),
    np.array("text"), np.array(["a", "longer", ""]), np.array(["é☃"], ">U4"),
    np.asfortranarray(np.array([["a", "b"], ["c", "dd"]])), np.array(["x", "yy"])[::-1],
    np.array([b"a", b"bc\0d"]), np.array([], "S3"), np.arange(10)[::3], np.array(["a"], "U0"),
    np.array(["2020-01-01", "NaT"], "M8[ns]"), np.array([1, 2], ">m8[s]"), np.array(3, "M8[D]"),
    np.array([1 + 2j], "c8"), np.array([1.5], "f2"), np.array([1], np.longdouble),
    np.array([(1, 2.5)], [("a", "i4"), ("b", ">f8")]),
    np.array([(1, "x")], [("a", "i1"), ("b", "U3")]),
    np.array([(1, (2, 3))], [("a", "i4"), ("b", "i4", (2,))]), np.array([], [("a", "i4")]),
    np.array((1, 2.5), [("a", "i4"), ("b", "f8")]), np.array([b"ab", b"cd"], "V2"),
    np.array([("2020", True)], [("when", "M8[s]"), ("ok", "?")]),
    np.array([1, "a", None, [2]], object), np.array([[None, 1]], object), np.array([], object),
    np.ma.masked_array([1, 2, 3], [0, 1, 0]), np.ma.masked_array([[1.0]], False),
    np.array(["short", "rather long text"], np.dtypes.StringDType()),
    np.arange(100_000), np.tile(np.array([0, 1], bool), 5000), np.array(["ab"] * 1000),
]  # fmt: skip


@pytest.mark.parametrize("array", ARRAYS, ids=lambda a: f"{a.dtype.str[:4]}{a.shape}")
def test_arrays_keep_dtype_order_and_bytes(back, same, array):
    for found in (back({"v": array})["v"], back(array)):
        assert same(array, found), found


@pytest.mark.filterwarnings("ignore:the matrix subclass:PendingDeprecationWarning")
def test_a_matrix_and_a_record_array_keep_their_class(back):
    matrix, records = np.matrix([[1, 2]]), np.rec.array([(1, 2.0)], names="a,b")
    found = back([matrix, records])
    assert type(found[0]) is np.matrix
    assert type(found[1]) is np.recarray
    assert found[1].b == 2.0


def test_an_element_of_a_structured_array(back):
    value = np.array([(1, "x")], [("a", int), ("b", "U3")])[0]
    found = back({"v": value})["v"]
    assert type(found) is np.void
    assert (found == value).all()


CONTAINERS = [
    {}, [], (), set(), frozenset(), {"a": {}}, [[]], ((),), {1, "a", None}, frozenset({(1, 2)}),
    collections.OrderedDict(b=1, a=2), collections.Counter("hello"), collections.deque([1, [2]]),
    collections.defaultdict(list, a=[1]), SimpleNamespace(a=1, b=[SimpleNamespace()]),
    {5: "a", 2.5: "b", None: "c", True: 0, b"k": 1, (1, ("a", 2.5)): 3, 2**80: 4},
    {1 + 1j: 0, frozenset({1, frozenset()}): 1, (frozenset("a"), 2j): 2, dt.date(2020, 2, 29): 3},
    {Path("a/b"): 0, Decimal("1.10"): 1, uuid.UUID(int=5): 2, dt.timedelta(1): 3, range(3): 4},
    {"TITLE": 1, "CLASS": [1], "a/b": 2, ".": 3, "": 4, "_v_x": 5, "DEEPDISH_IO_VERSION": 6},
    {"PYTABLES_FORMAT_VERSION": 1, "FILTERS": 2, "__pair1": np.arange(3), "%": 1, "%x": [2]},
    {"x\0y": 1, "\ud800": 2, "é ☃": 3, "1": 4, "pandas_type": 5, "key with spaces": [6]},
    {"k" * 500: 1, "k" * 501: [2]}, {"a": 1, "%a": 2, "_v_a": 3}, {"root": 1, "_f_close": [1]},
    list(range(1000)), [0.5] * 300, [True] * 256, tuple(map(str, range(500))), set(range(400)),
    [1j] * 300, [1, 2.0] * 200, [2**64] * 300, ["a\0"] * 300, ["", "x" * 5000] * 200, [None] * 300,
    {str(i): i for i in range(1000)}, {i: [i] for i in range(300)},
]  # fmt: skip


@pytest.mark.parametrize("value", CONTAINERS, ids=lambda v: f"{type(v).__name__}{len(str(v))}")
def test_containers_keep_type_order_and_keys(back, same, value):
    for found in (back(value), back({"v": value})["v"], back(value, compat=False)):
        assert same(value, found), repr(found)[:200]


def test_all_values_among_many_keep_their_type(back, same):
    wide = [copy.deepcopy(v) for v in [*SCALARS, *ARRAYS, *CONTAINERS]]
    wide += [{"in": copy.deepcopy(v)} for v in wide] + [[i] for i in range(300)]
    for value in (wide, dict(enumerate(wide)), {"l": tuple(wide)}):
        found = back(value)
        if isinstance(value, dict) and len(value) > 1:
            assert list(found) == list(value)
            value, found = list(value.values()), list(found.values())
        if isinstance(value, dict):
            value, found = value["l"], found["l"]
        for one, other in zip(value, found, strict=True):
            assert same(one, other), (one, other)


def test_numpys_numbers_as_keys_are_saved_as_pythons(back, same):
    labels = np.array([0, 1, 1, 2])
    found = back({label: np.flatnonzero(labels == label) for label in np.unique(labels)})
    assert same(list(found), [0, 1, 2])
    assert found[1].tolist() == [1, 2]
    keys = [np.float32(0.5), np.bool_(True), np.str_("a/b"), np.bytes_(b"c"), np.complex64(2j)]
    assert same(list(back(dict.fromkeys(keys, 0))), [0.5, True, "a/b", b"c", 2j])


def test_other_keys_are_pickled_if_that_is_allowed(back):
    value = {Point(1, 2): [1], Level.HIGH: 2, (1, len): 3}
    with pytest.raises(tl.errors.SpecError, match=r"the key Point\(x=1, y=2\) is a Point.*pickle="):
        tl.save("memory://keys.h5", {"v": value})
    assert back({"v": value}, pickle="allow") == {"v": value}
    with pytest.raises(tl.errors.RefusedError, match="asks for"):
        back_refused(value)
    tl.save("memory://keys.h5", {"v": value, "w": 1}, pickle="allow")
    assert tl.load("memory://keys.h5", "/w") == 1
    assert len(str(tl.hdf5.ls("memory://keys.h5")).splitlines()) == 6


def back_refused(value):
    tl.save("memory://refused.h5", value, pickle="allow")
    return tl.load("memory://refused.h5")


def test_a_record_array_of_text_stays_one(back):
    value = np.rec.array([(1, "x")], dtype=[("a", "i4"), ("b", "U3")])
    found = back({"v": value})["v"]
    assert type(found) is np.recarray
    assert (found.b.tolist(), found.dtype) == (["x"], value.dtype)


def test_a_default_dictionary_still_makes_defaults(back):
    assert back(collections.defaultdict(list))["new"] == []


def test_a_class_comes_back_only_when_it_is_passed(back):
    value = {"p": Point(1, [2]), "c": Cell(5, [1.5]), "e": Colour.RED, "i": Level.HIGH}
    found = back(value, classes=[Point, Cell, Colour, Level])
    assert found == value
    assert [type(v) for v in found.values()] == [Point, Cell, Colour, Level]
    plain = back(value)
    assert type(plain["p"]).__name__ == "Point"
    assert plain["p"].y == [2]
    assert plain["c"] == {"area": 5, "trace": [1.5]}
    assert plain["e"] == "red"
    assert plain["i"] == 3


def test_what_is_shared_stays_shared(back):
    inner, array, none = [1], np.arange(3), None
    found = back({"a": inner, "b": (inner, array), "c": array, "d": [none, none]})
    assert found["a"] is found["b"][0]
    assert found["c"] is found["b"][1]
    apart = back([inner, inner], links=False)
    assert apart[0] is not apart[1]


def test_what_holds_itself_does_so_again(back):
    whole = {"list": [], "space": SimpleNamespace()}
    whole["self"] = whole
    whole["list"].append(whole["list"])
    whole["space"].me = whole["space"]
    whole["tuple"] = ([],)
    whole["tuple"][0].append((whole["tuple"], 5))
    whole["object"] = np.empty(1, object)
    whole["object"][0] = whole["object"]
    found = back(whole)
    assert found["self"] is found
    assert found["list"][0] is found["list"]
    assert found["space"].me is found["space"]
    assert found["tuple"][0][0][0] is found["tuple"]
    assert found["tuple"][0][0][1] == 5
    assert found["object"][0] is found["object"]
    assert list(found) == list(whole)


def test_what_holds_itself_needs_links(back):
    whole = []
    whole.append(whole)
    with pytest.raises(tl.errors.SpecError, match="holds itself"):
        back(whole, links=False)


def test_nesting_is_as_deep_as_the_setting(back):
    deep = []
    for _ in range(1200):
        deep = [deep]
    found = back(deep)
    for _ in range(1200):
        (found,) = found
    assert found == []
    with tl.config(hdf5_depth=100), pytest.raises(tl.errors.SpecError, match="more than 100 deep"):
        back(deep)


def test_without_metadata_it_is_what_deepdish_gives(back):
    found = back({"b": 1, "a": [True, "x"], "c": (1.5,)}, meta=False)
    assert list(found) == ["a", "c", "b"]
    assert type(found["b"]) is np.int64
    assert type(found["a"][1]) is np.str_
    assert found["c"] == (1.5,)


def test_numpy_types_when_asked(back):
    found = back({"b": 1, "a": True}, types="numpy")
    assert type(found["b"]) is np.int64
    assert type(found["a"]) is np.bool_


def test_what_has_no_place_is_an_error_that_says_where(tmp_path):
    with pytest.raises(tl.errors.SpecError, match=r"x\.h5: /a/i1/b: is a function"):
        tl.save(tmp_path / "x.h5", {"a": [0, {"b": lambda: 0}]})
    assert list(tmp_path.iterdir()) == []


def test_pickle_allow_pickles_what_has_no_place(back):
    assert back({"f": len}, pickle="allow")["f"] is len
    tl.save("memory://refused.h5", {"f": len}, pickle="allow")
    with pytest.raises(tl.errors.RefusedError, match=r"builtins\.len"):
        tl.load("memory://refused.h5")


KEYS = st.one_of(
    st.text(max_size=8),
    st.integers(),
    st.floats(allow_nan=False),
    st.booleans(),
    st.none(),
    st.binary(max_size=5),
    st.tuples(st.integers(), st.text(max_size=3)),
)
LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.complex_numbers(),
    st.text(st.characters(), max_size=20),
    st.binary(max_size=20),
    st.datetimes(timezones=st.just(dt.UTC) | st.none()),
    st.dates(),
    st.timedeltas(),
    st.decimals(allow_nan=False),
    st.uuids(),
    hnp.arrays(
        st.one_of(
            hnp.boolean_dtypes(),
            hnp.integer_dtypes(endianness="?"),
            hnp.floating_dtypes(endianness="?", sizes=(16, 32, 64)),
            hnp.complex_number_dtypes(endianness="?"),
            hnp.datetime64_dtypes(endianness="?"),
            hnp.timedelta64_dtypes(endianness="?"),
            hnp.unicode_string_dtypes(endianness="?", min_len=1, max_len=5),
            hnp.byte_string_dtypes(endianness="?", min_len=1, max_len=5),
        ),
        hnp.array_shapes(min_dims=0, min_side=0, max_dims=3, max_side=4),
    ).flatmap(lambda a: st.sampled_from([a, np.asfortranarray(a), a[::-1] if a.ndim else a])),
    hnp.array_dtypes(max_size=3).flatmap(lambda d: hnp.arrays(d, hnp.array_shapes(max_side=3))),
)
NESTED = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.lists(inner, max_size=3).map(tuple),
        st.dictionaries(KEYS, inner, max_size=4),
        st.dictionaries(st.text("ab/._%", max_size=3), inner, max_size=4).map(
            lambda d: SimpleNamespace(**d)
        ),
        inner.map(lambda shared: [shared, {"again": shared}]),
    ),
    max_leaves=12,
)


@settings(suppress_health_check=list(HealthCheck))
@given(NESTED, st.booleans())
def test_any_structure_comes_back_as_it_was(tmp_path_factory, same, value, compat):
    path = tmp_path_factory.getbasetemp() / "any.h5"
    tl.save(path, value, atomic=False, compat=compat)
    found = tl.load(path)
    assert same(value, found), (value, found)


@settings(suppress_health_check=list(HealthCheck))
@given(NESTED)
def test_any_structure_among_many_comes_back_as_it_was(tmp_path_factory, same, value):
    path = tmp_path_factory.getbasetemp() / "many.h5"
    wide = [value, {"in": [value]}, *([i] for i in range(300))]
    tl.save(path, wide, atomic=False)
    found = tl.load(path)
    assert same(wide[:2], found[:2]), (wide[:2], found[:2])
    assert len(found) == len(wide)
