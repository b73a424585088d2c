"""Collections and readers as datasets, on every engine; pipelines over whole collections."""

from __future__ import annotations

import sys

import cloudpickle
import numpy as np
import pytest

import thunderlike as tl
from thunderlike.batches import Batch, Dataset, Pipeline, apply_parallel, map_batches
from thunderlike.errors import SpecError

MOVIE = np.random.default_rng(3).random((11, 4, 5))


@pytest.fixture
def movie(engine):
    return tl.images.fromarray(MOVIE, engine=engine)


def test_images_are_items_in_any_order(movie):
    dataset = Dataset(movie)
    for how in ({}, {"shuffle": 2, "prefetch": 2}):
        for batch in dataset.gen_batch(6, **how):
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


class Frames(Batch):
    components = ("image",)

    @apply_parallel(src="image", requires_rng=True)
    def crop(self, image, rng):
        y, x = rng.integers(0, 3, 2)
        return image[y : y + 2, x : x + 3]

    @apply_parallel(src="image")
    def normalise(self, image):
        return (image - image.mean()) / image.std()


def test_a_movie_becomes_the_same_file_in_batches_of_any_size_on_any_target(tmp_path):
    cloudpickle.register_pickle_by_value(sys.modules[__name__])
    dataset = Dataset(tl.images.fromarray(np.repeat(MOVIE, 2, axis=0)), Frames)
    written = set()
    for size, target in ((4, "for"), (7, "threads"), (64, "mpc")):
        path = tmp_path / f"{size}.msgpack"
        with tl.datasets.FileWriter(path) as writer:
            for batch in (
                dataset.p.crop(target=target).normalise(target=target).gen_batch(size, seed=1)
            ):
                for label, image in zip(batch.indices, batch.image, strict=True):
                    writer.write({"key": str(label), "image": image})
        written.add(path.read_bytes())
    cloudpickle.unregister_pickle_by_value(sys.modules[__name__])
    assert len(written) == 1
