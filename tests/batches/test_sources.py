"""Collections and readers as datasets, on every engine; pipelines over whole collections."""

from __future__ import annotations

import numpy as np
import pytest

import thunderlike as tl
from thunderlike.batches import Dataset, Pipeline, map_batches
from thunderlike.errors import SpecError

MOVIE = np.random.default_rng(3).random((11, 4, 5))


@pytest.fixture
def movie(engine):
    return tl.images.fromarray(MOVIE, engine=engine)


def test_images_are_items_in_any_order(movie):
    dataset = Dataset(movie)
    for how in ({}, {"shuffle": 2}, {"prefetch": 2}):
        for batch in dataset.gen_batch(4, **how):
            np.testing.assert_array_equal(batch.image, MOVIE[batch.indices])
    np.testing.assert_array_equal(dataset.create_batch([7, 7 - 5, 0]).image, MOVIE[[7, 2, 0]])


def test_local_images_are_not_copied():
    movie = tl.images.fromarray(MOVIE)
    (batch,) = Dataset(movie).gen_batch(20)
    assert np.shares_memory(batch.image, movie.toarray(squeeze=False))


def test_series_are_items_too(engine):
    series = tl.series.fromarray(MOVIE, engine=engine)
    (batch,) = Dataset(series).gen_batch(100)
    np.testing.assert_array_equal(batch.series, MOVIE.reshape(44, 5))


def test_a_component_becomes_images_or_series_again():
    (batch,) = Dataset(tl.images.fromarray(MOVIE)).gen_batch(20)
    np.testing.assert_array_equal(batch.to_images("image").toarray(), MOVIE)
    assert batch.to_series("image").shape == (11, 4, 5)


def test_samples_of_a_reader_are_items(tmp_path):
    samples = [{"key": f"s{k}", "image": MOVIE[k], "label": k} for k in range(11)]
    with tl.datasets.FileWriter(tmp_path / "x.msgpack") as writer:
        for sample in samples:
            writer.write(sample)
    with tl.datasets.MsgpackReader(tmp_path / "x.msgpack") as reader:
        dataset = Dataset(reader)
        batch = dataset.create_batch(["s7", "s2"])
        np.testing.assert_array_equal(batch.image, MOVIE[[7, 2]])
        assert batch.label.tolist() == [7, 2]
        dataset.split(0.8)
        (test,) = dataset.test.gen_batch(9)
        np.testing.assert_array_equal(test.image, MOVIE[:2])


def test_a_pipeline_runs_over_a_collection_where_it_is(movie, engine):
    pipeline = Pipeline(config={"seed": 4}).apply_parallel(
        lambda image, rng: (image + rng.random())[:2], src="image", requires_rng=True, target="for"
    )
    found = map_batches(movie, pipeline, "image")
    assert found.engine == movie.engine
    (batch,) = (Pipeline(Dataset(tl.images.fromarray(MOVIE))) + pipeline).gen_batch(20, seed=4)
    np.testing.assert_array_equal(found.toarray(), batch.image)
    again = Dataset(movie).map_batches(pipeline)
    np.testing.assert_array_equal(again.toarray(), batch.image)
    with pytest.raises(SpecError, match="made of Images"):
        Dataset(3).map_batches(pipeline)


def test_a_pipeline_with_a_memory_cannot(movie):
    for wrong in (Pipeline().init_variable("n", 0), Pipeline().rebatch(3)):
        with pytest.raises(SpecError, match="variables"):
            map_batches(movie, wrong, "image")
