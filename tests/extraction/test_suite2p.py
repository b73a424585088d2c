"""Folders of suite2p: real ones in small, hostile ones, and ours."""

from __future__ import annotations

import io
import os
import pickle

import numpy as np
import pytest

import thunderlike as tl
from thunderlike.errors import ExistsError, FormatError, NotFoundError, RefusedError, SpecError
from thunderlike.extraction import ExtractionModel


def roi(**changes):
    """An entry of stat.npy, with the kinds of values that suite2p stores."""
    one = {
        "ypix": np.array([3, 3, 4]),
        "xpix": np.array([5, 6, 6]),
        "lam": np.array([1.0, 2.0, 1.0], "float32"),
        "med": [np.int64(3), np.int64(6)],
        "overlap": np.array([False, False, True]),
        "neuropil_mask": np.arange(9),
        "footprint": np.float64(1.5),
        "npix": 3,
        "skew": np.float32(2.25),
        "aspect_ratio": 1.1,
        "soma_crop": np.array([True, True, True]),
    }
    return one | changes


def written(folder, cells, ops=None, iscell=None):
    """Write the files as suite2p does."""
    folder.mkdir(exist_ok=True)
    stat = np.empty(len(cells), object)
    stat[:] = cells
    np.save(folder / "stat.npy", stat, allow_pickle=True)
    if ops is not None:
        np.save(folder / "ops.npy", np.array(ops, object), allow_pickle=True)
    if iscell is not None:
        np.save(folder / "iscell.npy", np.array(iscell, float))
    return folder


OPS = {"Ly": 10, "Lx": np.int64(12), "fs": 15.0, "nframes": 3, "data_path": ["x"]}


def test_a_plane_is_read(tmp_path):
    other = roi(ypix=np.array([0]), xpix=np.array([0]), lam=np.array([0.1]), npix=1)
    model = tl.extraction.fromsuite2p(
        written(tmp_path / "plane0", [roi(), other], OPS, [[1, 0.9], [0, 0.2]])
    )
    assert model.shape == (10, 12)
    assert model.centers.tolist() == [[3.25, 5.75], [0, 0]]
    assert model.accepted.tolist() == [True, False]
    assert model.quality["probability"].tolist() == [0.9, 0.2]
    assert model.quality["npix"].tolist() == [3, 1]
    assert set(model.quality) == {"footprint", "npix", "skew", "aspect_ratio", "probability"}
    assert model.attrs == {"fs": 15.0}


def test_without_ops_the_shape_is_given(tmp_path):
    folder = written(tmp_path, [roi()])
    assert tl.extraction.fromsuite2p(folder, (9, 9)).shape == (9, 9)
    with pytest.raises(SpecError, match="give shape="):
        tl.extraction.fromsuite2p(folder)
    with pytest.raises(NotFoundError):
        tl.extraction.fromsuite2p(tmp_path / "nowhere", (9, 9))


def test_weights_that_are_not_positive_are_left_out(tmp_path):
    cells = [roi(lam=np.array([-1.0, 0, 2])), roi(lam=np.zeros(3))]
    model = tl.extraction.fromsuite2p(written(tmp_path, cells, OPS))
    assert model.areas.tolist() == [1, 3]


@pytest.mark.parametrize("protocol", [2, 3, 4])
def test_pickles_of_every_protocol_are_read(protocol, tmp_path):
    folder = written(tmp_path, [roi(lam=np.array([1.0, 1, 2], ">f4"))], OPS)
    stat = np.load(folder / "stat.npy", allow_pickle=True)
    start = (folder / "stat.npy").read_bytes().split(b"\n")[0] + b"\n"
    (folder / "stat.npy").write_bytes(start + pickle.dumps(stat, protocol=protocol))
    assert tl.extraction.fromsuite2p(folder).centers.tolist() == [[3.5, 5.75]]


def test_names_of_numpy_1_are_known(tmp_path):
    folder = written(tmp_path, [roi()], OPS)
    data = (folder / "stat.npy").read_bytes()
    start, content = data.split(b"\n", 1)
    old = pickle.dumps(pickle.loads(content), protocol=2).replace(b"numpy._core", b"numpy.core")
    (folder / "stat.npy").write_bytes(start + b"\n" + old)
    assert tl.extraction.fromsuite2p(folder).count == 1


class Attack:
    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize(
    "attack",
    [
        Attack(os.system, "touch {}"),
        Attack(eval, "open('{}', 'w')"),
        Attack(getattr, np, "load"),
        Attack(np.load, "{}"),
        Attack(io.open, "{}", "w"),
    ],
)
@pytest.mark.parametrize("where", ["entry", "value"])
def test_code_in_a_pickle_is_refused_and_not_run(attack, where, tmp_path):
    proof = tmp_path / "proof"
    function, arguments = attack.call
    filled = [a.format(proof) if isinstance(a, str) else a for a in arguments]
    if function is getattr:
        filled = ["", "upper"]
    found = Attack(function, *filled)
    folder = written(tmp_path / "plane0", [found if where == "entry" else roi(extra=found)], OPS)
    with pytest.raises(RefusedError, match=r"stat\.npy.*asks for"):
        tl.extraction.fromsuite2p(folder)
    assert not proof.exists()


@pytest.mark.parametrize(
    "cells",
    [
        [roi(ypix=np.array([3, 3]))],
        [roi(ypix=np.array([3, 3, 10]))],
        [roi(xpix=np.array([3, 3, -1]))],
        [roi(xpix=np.array([3, 3, 2**40]))],
        [roi(lam=np.array([1, np.nan, 1]))],
        [roi(lam=None)],
        [roi(ypix=np.array([0.5, 1, 2]))],
        [roi(ypix=np.zeros(0, int), xpix=np.zeros(0, int), lam=np.zeros(0))],
        [{"xpix": np.array([1])}],
        [3],
    ],
)
def test_masks_that_do_not_fit_are_refused(cells, tmp_path):
    folder = written(tmp_path, [roi(), *cells], OPS)
    with pytest.raises(FormatError, match=r"stat\.npy"):
        tl.extraction.fromsuite2p(folder)


def test_damaged_files_are_refused(tmp_path):
    folder = written(tmp_path, [roi()], OPS, [[1, 0.9], [0, 0.2]])
    with pytest.raises(FormatError, match=r"iscell\.npy has shape \(2, 2\), not \(1, 2\)"):
        tl.extraction.fromsuite2p(folder)
    data = (folder / "stat.npy").read_bytes()
    for content in (data[:200], data[:8], b"", b"text", data[:-20]):
        (folder / "stat.npy").write_bytes(content)
        with pytest.raises(FormatError, match=r"stat\.npy"):
            tl.extraction.fromsuite2p(folder)


def test_an_array_of_objects_shorter_than_its_shape_is_refused(tmp_path):
    folder = written(tmp_path, [roi(), roi()], OPS)
    data = (folder / "stat.npy").read_bytes()
    start, content = data.split(b"\n", 1)
    array = pickle.loads(content)
    state = (1, (10**6,), np.dtype(object), False, list(array))
    function, arguments, _ = array.__reduce__()

    class Longer:
        def __reduce__(self):
            return function, arguments, state

    (folder / "stat.npy").write_bytes(start + b"\n" + pickle.dumps(Longer(), protocol=4))
    with pytest.raises(FormatError, match="without its 1000000 values"):
        tl.extraction.fromsuite2p(folder)


# Ours


def cells(count=5, shape=(12, 16)):
    rng = np.random.default_rng(0)
    stack = rng.random((count, *shape)) * (rng.random((count, *shape)) < 0.2)
    return ExtractionModel(
        stack.reshape(count, -1),
        shape,
        quality={"probability": rng.random(count), "skew": rng.random(count)},
        accepted=np.arange(count) != 2,
        attrs={"fs": 30.0},
    )


@pytest.mark.parametrize("allowed", ["refuse", "allow"])
def test_a_folder_returns_the_masks_exactly(allowed, tmp_path):
    model = cells()
    traces = np.random.default_rng(1).random((5, 20)).astype("float32")
    given = {"F": tl.series.fromarray(traces), "neuropil": traces * 2, "spikes": traces * 3}
    model.tosuite2p(tmp_path / "plane0", traces=given, pickle=allowed)
    again = tl.extraction.fromsuite2p(tmp_path / "plane0")
    assert np.array_equal(again.weights.toarray(), model.weights.toarray())
    assert (again.shape, again.accepted.tolist()) == (model.shape, model.accepted.tolist())
    assert np.array_equal(again.quality["probability"], model.quality["probability"])
    for factor, name in ((1, "F"), (2, "Fneu"), (3, "spks")):
        found = np.load(tmp_path / "plane0" / f"{name}.npy")
        np.testing.assert_array_equal(found, traces * np.float32(factor), strict=True)
        assert tl.series.fromnpy(tmp_path / "plane0" / f"{name}.npy").shape == (5, 20)
    objects = []
    for path in (tmp_path / "plane0").glob("*.npy"):
        try:
            np.load(path, allow_pickle=False)
        except ValueError:
            objects.append(path.name)
    assert sorted(objects) == (["ops.npy", "stat.npy"] if allowed == "allow" else [])


def test_stat_has_what_suite2p_uses(tmp_path):
    model = cells()
    model.tosuite2p(tmp_path / "plane0", pickle="allow")
    stat = np.load(tmp_path / "plane0" / "stat.npy", allow_pickle=True)
    ops = np.load(tmp_path / "plane0" / "ops.npy", allow_pickle=True).item()
    assert (ops["Ly"], ops["Lx"], ops["fs"]) == (12, 16, 30)
    taken = np.zeros((12, 16), int)
    for one in stat:
        taken[one["ypix"], one["xpix"]] += 1
    for one in stat:
        assert np.array_equal(one["overlap"], taken[one["ypix"], one["xpix"]] > 1)
    assert tl.extraction.fromsuite2p(tmp_path / "plane0").quality["skew"].tolist() == (
        model.quality["skew"].tolist()
    )


def test_nothing_of_others_is_replaced(tmp_path):
    (tmp_path / "plane0").mkdir()
    (tmp_path / "plane0" / "data.bin").write_bytes(b"movie")
    with pytest.raises(ExistsError):
        cells().tosuite2p(tmp_path / "plane0")
    cells().tosuite2p(tmp_path / "other")
    cells(3).tosuite2p(tmp_path / "other", overwrite=True)
    assert tl.extraction.fromsuite2p(tmp_path / "other").count == 3
    with pytest.raises(SpecError, match="there are 5 cells"):
        cells().tosuite2p(tmp_path / "new", traces={"F": np.zeros((4, 3))})
    with pytest.raises(SpecError, match="pickle is"):
        cells().tosuite2p(tmp_path / "new", pickle="yes")


def test_plain_masks_that_do_not_fit_are_refused(tmp_path):
    cells().tosuite2p(tmp_path / "plane0")
    for name, value in (
        ("roi", np.array([1, 0])),
        ("ypix", np.array([3])),
        ("shape", np.array([2, 2])),
        ("shape", np.array([2.5, 2])),
        ("iscell", np.zeros((2, 2))),
    ):
        path = tmp_path / "plane0" / f"{name}.npy"
        kept = path.read_bytes()
        np.save(path, value)
        with pytest.raises(FormatError):
            tl.extraction.fromsuite2p(tmp_path / "plane0")
        path.write_bytes(kept)
    assert tl.extraction.fromsuite2p(tmp_path / "plane0").count == 5
