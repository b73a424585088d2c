"""Datasets of images: the same shards on every engine, in any number of batches."""

from __future__ import annotations

import json

import numpy as np
import pytest

import thunderlike as tl
from thunderlike.errors import KeyMissingError, NotFoundError, SpecError
from thunderlike.jobs import make_dataset
from thunderlike.jobs.contents import look
from thunderlike.jobs.make_dataset import read_labels

MOVIE = np.random.default_rng(0).integers(0, 250, (9, 4, 5)).astype(np.uint8)
KINDS = ["cat", "dog", "cat", "eel", "dog", "cat", "ant", "ant", "bee"]


@pytest.fixture
def work(tmp_path, monkeypatch):
    tl.images.fromarray(MOVIE).topng(tmp_path / "cells")
    table = "".join(f"{i},{i / 2},{kind}\n" for i, kind in enumerate(KINDS))
    (tmp_path / "cells.csv").write_text(f"number,half,kind\n{table}")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("batch", [1000, 70])
def test_a_dataset_with_labels(engine, work, batch):
    plan = make_dataset.plan(look("cells"), "out", field="image", labels="cells.csv:kind", shard=60)
    summary = make_dataset.run(plan, tl.engines.engine_for(engine), batch=batch)
    reader = tl.datasets.ShardedReader("out")
    assert [sample["label"] for sample in reader] == KINDS
    np.testing.assert_array_equal([sample["image"] for sample in reader], MOVIE)
    assert summary["samples"] == 9
    assert summary["labels"]["first"] == ["ant", "bee", "cat", "dog", "eel"]
    assert json.loads((work / "out.summary.json").read_text()) == summary


def test_other_labels_begin_again(work, monkeypatch):
    from thunderlike.jobs.outputs import Messages

    with monkeypatch.context() as patch:
        patch.setattr(Messages, "finish", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            make_dataset.run(plan_with("kind"), tl.engines.local(), batch=20)
    assert (
        make_dataset.run(plan_with("number"), tl.engines.local(), batch=20)["batches_done_before"]
        == 0
    )
    assert [sample["label"] for sample in tl.datasets.ShardedReader("out")] == list(range(9))


def plan_with(labels):
    return make_dataset.plan(look("cells"), "out", labels=f"cells.csv:{labels}")


@pytest.mark.parametrize(
    ("name", "kind"), [("number", np.int64), ("half", np.float64), ("kind", np.str_)]
)
def test_numbers_stay_numbers(work, name, kind):
    assert read_labels(f"cells.csv:{name}", 9).dtype.type is kind


def test_labels_that_do_not_fit(work):
    with pytest.raises(SpecError, match=r"cells\.csv: 'kind' has 9 labels, for 8 records"):
        read_labels("cells.csv:kind", 8)
    with pytest.raises(
        KeyMissingError, match="no column named 'kin'; available: number, half, kind"
    ):
        read_labels("cells.csv:kin", 9)
    with pytest.raises(NotFoundError, match="no such file"):
        read_labels("cell.csv:kind", 9)


def test_what_makes_no_sense(work):
    with pytest.raises(SpecError, match="'key' is reserved in samples"):
        make_dataset.plan(look("cells"), "out", field="key")
    with pytest.raises(SpecError, match="1 byte or more"):
        make_dataset.plan(look("cells"), "out", shard=0)
