"""Damaged and hostile files, odd arguments, functions and workers that fail: typed errors all."""

from __future__ import annotations

import contextlib
import os
import random
import sys
import threading
import warnings
from pathlib import Path

import cloudpickle
import numpy as np
import pytest

from thunderlike.batches import PP, B, Batch, C, D, Dataset, DatasetIndex, FilesIndex, I, L, P, R, V
from thunderlike.batches import io as batch_files
from thunderlike.errors import RefusedError, SpecError, ThunderlikeError, WorkerFailedError

LIBRARIES = {"feather": "pyarrow", "zarr": "zarr", "blosc": "blosc2", "csv": "pandas"}


@pytest.fixture(params=["csv", "feather", "hdf5", "npz", "msgpack", "zarr", "blosc"])
def fmt(request):
    if request.param in LIBRARIES:
        pytest.importorskip(LIBRARIES[request.param])
    return request.param


def batch():
    return Batch.from_data(data={"a": np.arange(3.0), "b": np.ones((3, 2, 2))})


# files


def damaged(data, rng, kind):
    data = bytearray(data)
    place = rng.randrange(len(data))
    if kind == "cut":
        return data[:place]
    if kind == "junk":
        return data[:place] + rng.randbytes(20)
    size = 8 if kind == "huge" else 2
    data[place : place + size] = b"\xff" * min(size, len(data) - place)
    return data


@pytest.mark.filterwarnings("ignore")
def test_a_damaged_file_is_read_or_refused(fmt, tmp_path):
    place, rng = tmp_path / "f", random.Random(3)
    text = np.array(["a", "bc", "d"])
    Batch.from_data(data={"x": np.arange(12.0).reshape(3, 4), "t": text}).dump(place, fmt)
    parts = [path for path in sorted(tmp_path.rglob("*")) if path.is_file() and path.stat().st_size]
    whole = {path: path.read_bytes() for path in parts}
    for turn in range(24):
        path = rng.choice(parts)
        path.write_bytes(damaged(whole[path], rng, ("cut", "junk", "huge", "bits")[turn % 4]))
        with contextlib.suppress(ThunderlikeError):
            Batch(3).load(place, fmt)
        path.write_bytes(whole[path])
    assert Batch(3).load(place, fmt).x[2, 3] == 11


def test_what_a_file_announces_fits_into_memory(fmt, tmp_path, monkeypatch):
    if fmt not in ("npz", "zarr", "blosc"):
        pytest.skip("its reader keeps a budget of its own")
    Batch.from_data(data={"x": np.zeros((2, 1000))}).dump(tmp_path / "f", fmt)
    monkeypatch.setattr(batch_files, "_SMALL", 0)
    monkeypatch.setattr("thunderlike.util.memory.available", lambda: 100)
    with pytest.raises(RefusedError, match="more than the memory"):
        Batch(2).load(tmp_path / "f", fmt)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no FIFOs here")
def test_a_fifo_is_neither_read_nor_replaced(fmt, tmp_path):
    if fmt == "zarr":
        pytest.skip("a folder")
    place = tmp_path / "f"
    fifo = place / "0.blosc" if fmt == "blosc" else place
    fifo.parent.mkdir(exist_ok=True)
    os.mkfifo(fifo)
    for call in (lambda: Batch(1).load(place, fmt), lambda: batch().dump(place, fmt)):
        with pytest.raises(ThunderlikeError, match=r"f"):
            call()
    assert fifo.is_fifo()


def test_a_file_that_is_replaced_keeps_mode_and_link(fmt, tmp_path):
    if fmt in ("zarr", "blosc", "msgpack"):
        pytest.skip("a folder, or several files")
    real, link = tmp_path / "real", tmp_path / "link"
    batch().dump(real, fmt)
    real.chmod(0o600)
    link.symlink_to(real)
    Batch.from_data(data={"a": np.full(3, 7.0)}).dump(link, fmt)
    assert link.is_symlink()
    assert real.stat().st_mode & 0o777 == 0o600
    assert Batch(3).load(real, fmt, dst="a").a.tolist() == [7, 7, 7]


@pytest.mark.parametrize("label", ["../x", "/x", "a/../../x", "a\0b"])
def test_a_label_leads_to_no_file_outside(label, tmp_path):
    pytest.importorskip("blosc2")
    for call in (
        lambda: Batch.from_data([label], {"v": np.ones(1)}).dump(tmp_path / "in", "blosc"),
        lambda: Batch([label]).load(tmp_path / "in", "blosc"),
    ):
        with pytest.raises(ThunderlikeError):
            call()
    assert list(tmp_path.rglob("*.blosc")) == []


def test_a_dump_that_fails_leaves_the_old_file(fmt, tmp_path, monkeypatch):
    if fmt in ("zarr", "blosc", "msgpack"):
        pytest.skip("a folder, or a writer with tests of its own")
    batch().dump(tmp_path / "f", fmt)
    ragged = np.empty(3, object)
    ragged[:] = [np.zeros(1), np.zeros(2), threading.Lock()]
    with pytest.raises(ThunderlikeError):
        Batch.from_data(data={"r": ragged}).dump(tmp_path / "f", fmt)
    assert Batch(3).load(tmp_path / "f", fmt, dst="a").a.tolist() == [0, 1, 2]
    assert [path.name for path in tmp_path.iterdir()] == ["f"]


# functions and workers


def dies(x):
    if x == 2:
        os._exit(3)
    return x


@pytest.fixture
def by_value():
    cloudpickle.register_pickle_by_value(sys.modules[__name__])
    yield
    cloudpickle.unregister_pickle_by_value(sys.modules[__name__])


@pytest.mark.usefixtures("by_value")
def test_a_worker_that_dies_is_reported_with_its_items():
    items = Batch(list("uvwx"), preloaded={"x": np.arange(4.0)})
    with pytest.raises(WorkerFailedError, match=r"while dies ran on item 'w'") as caught:
        items.apply_parallel(dies, src="x", target="mpc")
    assert caught.value.key == ("w",)
    assert items.x.tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize("what", ["closure", "argument", "result"])
def test_an_unsendable_value_is_reported_with_the_function(what, by_value):
    lock = threading.Lock()

    held = lock if what == "closure" else None

    def mine(x, other=None):
        return threading.Lock() if what == "result" else held or x

    how = {"other": lock} if what == "argument" else {}
    with pytest.raises(SpecError, match=r"mine, an argument.*cannot be sent.*target='threads'"):
        batch().apply_parallel(mine, src="a", dst="c", target="mpc", **how)


# arguments


class Odd:
    def __repr__(self):
        return "Odd()"


ODD = [
    None,
    True,
    -1,
    2.5,
    float("nan"),
    "x",
    "",
    b"x",
    [],
    ["a", 3],
    ("a", 3),
    {1: 2},
    set(),
    np.array(3),
    np.zeros(0),
    np.zeros((2, 2)),
    np.array([object()]),
    Odd(),
    B.size,
    slice(None),
    range(3),
    1j,
    np.datetime64("2020"),
]


def dataset():
    return Dataset(3, preloaded={"a": np.arange(3.0), "b": np.ones((3, 2, 2))})


def applied(name):
    return lambda odd: batch().apply_parallel(lambda x: x, **{"src": "a", name: odd})


CALLS = {
    "index": DatasetIndex,
    "files": FilesIndex,
    "get_pos": lambda odd: DatasetIndex(3).get_pos(odd),
    "in": lambda odd: odd in DatasetIndex(3),
    "subset_by_pos": lambda odd: DatasetIndex(3).subset_by_pos(odd),
    "split": lambda odd: DatasetIndex(3).split(odd),
    "shuffle": lambda odd: DatasetIndex(3).split(0.5, odd),
    "next_batch": lambda odd: DatasetIndex(3).next_batch(odd),
    "n_epochs": lambda odd: DatasetIndex(3).next_batch(2, n_epochs=odd),
    "drop_last": lambda odd: DatasetIndex(3).next_batch(2, drop_last=odd),
    "preloaded": lambda odd: Dataset(3, preloaded=odd).create_batch([0, 1]).data,
    "batch_class": lambda odd: Dataset(3, odd),
    "create_batch": lambda odd: dataset().create_batch(odd, pos=True),
    "cv_split": lambda odd: dataset().cv_split(n_splits=odd),
    "batch": Batch,
    "from_data": lambda odd: Batch.from_data(data=odd).data,
    "component": lambda odd: setattr(batch(), "a", odd),
    "data": lambda odd: setattr(batch(), "data", odd),
    "item": lambda odd: batch()[odd],
    "get": lambda odd: batch().get(component=odd),
    "names": lambda odd: batch().add_components(odd),
    "init": lambda odd: batch().add_components(["c", "d"], odd),
    "seed": lambda odd: setattr(batch(), "random_seed", odd),
    "merge": Batch.merge,
    "merge size": lambda odd: Batch.merge([batch()], odd),
    "merge names": lambda odd: Batch.merge([batch()], components=odd),
    "merge class": lambda odd: Batch.merge([batch()], batch_class=odd),
    "merge_component": lambda odd: Batch.merge_component("a", odd),
    "as_dataset": lambda odd: batch().as_dataset(odd),
    "load": lambda odd: batch().load(odd),
    "load dst": lambda odd: batch().load(np.arange(3), dst=odd),
    "load fmt": lambda odd: batch().load("x", odd),
    "load npz": lambda odd: batch().load(odd, "npz"),
    "dump": lambda odd: batch().dump(odd),
    "dump names": lambda odd: batch().dump("memory://odd.npz", "npz", odd),
    "to_array": lambda odd: batch().to_array(odd),
    "to_array dst": lambda odd: batch().to_array("a", odd),
    "to_array dtype": lambda odd: batch().to_array("a", dtype=odd),
    "to_array channels": lambda odd: batch().to_array("a", channels=odd),
    "to_images": lambda odd: batch().to_images(odd),
    "func": lambda odd: batch().apply_parallel(odd, src="a"),
    **{
        name: applied(name)
        for name in (
            "init",
            "post",
            "src",
            "dst",
            "p",
            "target",
            "requires_rng",
            "n_workers",
            "timeout",
            "on_error",
        )
    },
    "rng_seeds": lambda odd: batch().apply_parallel(
        lambda x, rng: x, src="a", requires_rng=True, rng_seeds=odd
    ),
    "call": lambda odd: dataset().p.call(odd).run(2),
    "update": lambda odd: dataset().p.update(odd, 1).run(2),
    "variable": lambda odd: dataset().p.init_variable(odd, 1).v(odd),
    "append": lambda odd: dataset().p.init_variable("x", odd).append("x", 1),
    "rebatch": lambda odd: dataset().p.rebatch(odd).run(2),
    "rebatch merge": lambda odd: dataset().p.rebatch(2, odd).run(2),
    "times": lambda odd: (dataset().p * odd).run(2),
    "odds": lambda odd: (dataset().p @ odd).run(2),
    "config": lambda odd: dataset().p.set_config(odd),
    "pipeline config": lambda odd: type(dataset().p)(dataset(), odd),
    "namespace": lambda odd: dataset().p.add_namespace(odd),
    "reset": lambda odd: dataset().p.reset(odd),
    "run": lambda odd: dataset().p.run(odd, n_iters=1),
    "execute": lambda odd: dataset().p.execute_for(odd),
    **{
        f"gen {name}": lambda odd, name=name: next(dataset().p.gen_batch(2, **{name: odd}), None)
        for name in ("shuffle", "seed", "prefetch", "target", "on_error", "wrap", "notifier")
    },
    **{kind.__name__: lambda odd, kind=kind: kind(odd).get(batch()) for kind in (B, P, PP, I, L)},
    "C": lambda odd: C(odd).get(pipeline=dataset().p),
    "V": lambda odd: V(odd).get(pipeline=dataset().p),
    "D": lambda odd: D(odd).get(dataset().create_batch([0])),
    "R seed": lambda odd: R("normal", seed=odd).get(batch()),
    "mode": lambda odd: V("x", odd),
    "L set": lambda odd: L("a").real.set(batch(), odd),
}


@pytest.mark.parametrize("name", CALLS)
def test_odd_arguments_fail_with_an_error_of_ours_if_they_fail(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    wrong = []
    for odd in ODD:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                CALLS[name](odd)
        except (ThunderlikeError, StopIteration):
            continue
        except Exception as error:  # whatever it is
            wrong.append((repr(odd), repr(error)))
    assert wrong == []
    assert Path.cwd() == tmp_path
