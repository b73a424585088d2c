from __future__ import annotations

import json

import numpy as np
import pytest
from scipy.sparse import coo_array, csr_array

import thunderlike as tl
from thunderlike.errors import BadIndexError, FormatError, SpecError
from thunderlike.extraction import ExtractionModel, Regions, load


def cells(count=5, shape=(12, 16), seed=0):
    """A model of random overlapping cells with quality, choice, attrs and parameters."""
    rng = np.random.default_rng(seed)
    dense = rng.random((count, *shape)) * (rng.random((count, *shape)) < 0.1)
    dense[:, 0, 0] = 0.5  # none is empty
    return ExtractionModel(
        csr_array(dense.reshape(count, -1)),
        shape,
        quality={"snr": rng.random(count), "area": np.arange(count), "r": np.full(count, np.nan)},
        accepted=np.arange(count) % 2 == 0,
        attrs={"fs": 15.0, "tau": 0.7, "diameter": (9, 12)},
        parameters={"threshold": 6.0, "advanced": None},
    )


def test_weights_are_float32_rows_of_sum_1_with_ascending_indices():
    given = coo_array(([1, 3, 2, 0, 4], ([0, 0, 0, 0, 1], [7, 2, 2, 5, 1])), shape=(2, 8))
    model = ExtractionModel(given, (2, 4))
    assert model.weights.dtype == np.float32
    assert model.weights.indices.tolist() == [2, 7, 1]  # repeated pixels are added, zeros dropped
    assert model.weights.data.tolist() == pytest.approx([5 / 6, 1 / 6, 1])
    assert model.accepted.tolist() == [True, True]


def test_weights_of_a_model_make_the_same_model_again():
    model = cells(40)
    again = ExtractionModel(model.weights, model.shape)
    assert np.array_equal(again.weights.data, model.weights.data)


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ([[0.5, -0.1, 0, 0]], r"cell 0 has a weight of -0\.1"),
        ([[1, 0, 0, 0], [np.nan, 0, 0, 0]], "cell 1 has a weight of nan"),
        ([[1, 0, 0, 0], [0, 0, 0, 0]], "cell 1 has no pixels"),
        ([[1, 0, 0]], r"images of shape \(2, 2\) have 4 pixels"),
    ],
)
def test_invalid_weights_are_refused(weights, message):
    with pytest.raises(SpecError, match=message):
        ExtractionModel(np.array(weights), (2, 2))


def test_arguments_of_other_lengths_are_refused():
    with pytest.raises(SpecError, match="quality 'snr' has shape"):
        ExtractionModel([[[0, 0]]], quality={"snr": [1, 2]})
    with pytest.raises(SpecError, match="a mask of 1 cells"):
        ExtractionModel([[[0, 0]]], accepted=[True, False])
    with pytest.raises(SpecError, match="one of them"):
        ExtractionModel()
    with pytest.raises(SpecError, match="region 1 reaches"):
        ExtractionModel([[[0, 0]], [[4, 0]]], (3, 3))


def test_centers_are_weighted_means():
    weights = np.zeros((1, 4, 6))
    weights[0, 1, 2], weights[0, 3, 2] = 3, 1
    model = ExtractionModel(weights.reshape(1, -1), (4, 6))
    assert model.centers.tolist() == [[1.5, 2]]
    assert model.regions.center[0].tolist() == [2, 2]


def test_a_model_without_cells():
    model = ExtractionModel(csr_array((0, 20)), (4, 5))
    assert (model.count, model.centers.shape, len(model.regions)) == (0, (0, 2), 0)
    assert model.transform(np.ones((3, 4, 5))).shape == (0, 3)
    model.save("memory://empty.json")
    assert load("memory://empty.json") == model


def test_volumes():
    model = ExtractionModel([[[0, 1, 2], [1, 1, 2]]], (2, 3, 4))
    assert model.centers.tolist() == [[0.5, 1, 2]]
    movie = np.arange(48.0).reshape(2, 2, 3, 4)
    assert model.transform(movie).toarray(squeeze=False).tolist() == [[12, 36]]


def test_pixels_beyond_32_bits():
    model = ExtractionModel([[[50_000, 49_999], [50_000, 50_000]]], (60_000, 60_000))
    assert model.regions[0].coordinates.tolist() == [[50_000, 49_999], [50_000, 50_000]]
    assert model.centers.tolist() == [[50_000, 49_999.5]]


def test_select_changes_the_choice_alone():
    model = cells()
    chosen = model.select({"area": (1, 3)})
    assert chosen.accepted.tolist() == [False, True, True, True, False]
    assert chosen.select(model.accepted) == model
    assert not model.select({"r": 0}).accepted.any()  # NaN is outside
    assert model.select([]).accepted.sum() == 0
    with pytest.raises(SpecError, match="name one of 'snr', 'area', 'r'"):
        model.select({"contrast": 1})
    with pytest.raises(SpecError, match="numbered from 0 to 4"):
        model.select([5])


def test_parts_keep_what_belongs_to_their_cells():
    model = cells()
    part = model[model.accepted]
    assert part.count == 3
    assert part.quality["area"].tolist() == [0, 2, 4]
    assert np.array_equal(part.weights.toarray(), model.weights.toarray()[::2])
    assert model[1].count == 1
    for some in (model, model.regions):
        with pytest.raises(BadIndexError, match="position 999 is outside axis 0"):
            some[999]
    assert part.attrs == model.attrs


@pytest.mark.parametrize("suffix", ["json", "h5"])
def test_files_return_the_model_exactly(suffix):
    model = cells(30)
    model.save(f"memory://cells.{suffix}")
    assert load(f"memory://cells.{suffix}") == model
    assert ExtractionModel.load(f"memory://cells.{suffix}") == model


def test_files_of_thunder_extraction_load(tmp_path):
    path = tmp_path / "regions.json"
    path.write_text(
        '{"regions": [{"coordinates": [[0, 1], [0, 2]]}, {"coordinates": [[1, 2], [1, 3]]}]}'
    )
    model = load(path)
    assert np.array_equal(model.regions.coordinates, [[[0, 1], [0, 2]], [[1, 2], [1, 3]]])
    means = model.transform(np.arange(40).reshape(2, 4, 5)).toarray()
    assert means.tolist() == [[1.5, 21.5], [7.5, 27.5]]


def test_new_files_have_the_keys_of_thunder_extraction(tmp_path):
    cells(2).save(tmp_path / "cells.json")
    content = json.loads((tmp_path / "cells.json").read_text())
    assert [len(entry["coordinates"]) for entry in content["regions"]] == cells(2).areas.tolist()
    assert content["shape"] == [12, 16]


@pytest.mark.parametrize(
    "content",
    [
        "[]",
        "{}",
        '{"regions": [{}]}',
        '{"regions": [{"coordinates": [[0, -1]]}]}',
        '{"regions": [{"coordinates": [[0.5, 1]]}]}',
        '{"regions": [], "format": "other"}',
        "[" * 10**5,
    ],
)
def test_other_json_is_refused(content, tmp_path):
    (tmp_path / "bad.json").write_text(content)
    with pytest.raises(FormatError, match=r"bad\.json"):
        load(tmp_path / "bad.json")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("version", 2),
        ("version", None),
        ("shape", [3, 3]),
        ("shape", [2**40, 2**40]),
        ("shape", "ab"),
        ("weights", [[1.0]]),
        ("accepted", [True]),
        ("quality", {"dict": {"snr": [1]}}),
        ("attrs", 3),
    ],
)
def test_changed_json_is_refused(key, value, tmp_path):
    cells(2).save(tmp_path / "cells.json")
    content = json.loads((tmp_path / "cells.json").read_text())
    (tmp_path / "cells.json").write_text(json.dumps(content | {key: value}))
    with pytest.raises(FormatError, match=r"cells\.json"):
        load(tmp_path / "cells.json")


def test_transform_is_the_product_with_the_weights(engine):
    rng = np.random.default_rng(3)
    movie = rng.integers(0, 1000, (7, 12, 16)).astype("uint16")
    model = cells()
    means = model.transform(tl.images.fromarray(movie, engine=engine))
    expected = model.weights.astype("f8") @ movie.reshape(7, -1).T.astype("f8")
    assert means.dtype == np.float32
    assert np.array_equal(means.toarray(), expected.astype("f4"))


def test_traces_are_those_of_the_cells():
    rng = np.random.default_rng(4)
    movie = rng.integers(0, 1000, (40, 12, 16)).astype("uint16")
    model = cells(2)
    options = {"neuropil": "none", "demix": False}
    traces = model.traces(movie, **options)
    assert np.allclose(traces.F.toarray(), model.transform(movie).toarray(), rtol=1e-6)
    pixels = tl.images.fromarray(movie).toseries()
    assert np.allclose(model.traces(pixels, **options).F.toarray(), traces.F.toarray(), rtol=1e-6)
    with pytest.raises(SpecError, match="images of shape"):
        model.traces(movie[:, 1:])


def test_transform_of_the_tests_of_thunder_extraction(engine):
    movie = [[[0, 1], [1, 2]], [[3, 4], [5, 6]], [[7, 8], [9, 10]]]
    images = tl.images.fromarray(movie, engine=engine)
    for regions, expected in (
        ([[[0, 0], [0, 1]], [[1, 0], [1, 1]]], [[0.5, 3.5, 7.5], [1.5, 5.5, 9.5]]),
        ([[[0, 0], [0, 1]], [[1, 0]]], [[0.5, 3.5, 7.5], [1, 5, 9]]),
        ([[[0, 0], [0, 1]]], [[0.5, 3.5, 7.5]]),
    ):
        model = ExtractionModel(regions=Regions(regions))
        assert model.regions == Regions(regions)
        found = model.transform(images)
        assert found.shape == (len(regions), 3)
        assert np.allclose(found.toarray(squeeze=False), expected)


def test_transform_of_other_images_is_refused():
    with pytest.raises(SpecError, match=r"images of shape \(12, 16\), these have \(12, 15\)"):
        cells().transform(np.zeros((2, 12, 15)))
    with pytest.raises(SpecError, match=r"need images of shape \(1, 3\) or larger"):
        ExtractionModel([[[0, 2]]]).transform(np.zeros((2, 2, 2)))


def test_embedding_keeps_the_pixels():
    model = cells()
    larger = model.embed((20, 30))
    assert np.array_equal(larger.masks()[:, :12, :16], model.masks())
    assert larger.embed((12, 16)) == model
