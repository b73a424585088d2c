"""Programs of up to eight operations, drawn at random, give what plain numpy and scipy give.

Values, dtype, shape, order, labels and index; on the local engine in tiles of any size, on Spark in
partitions of any. Each number is a program, the same in every run: ``--programs 20`` runs twenty
times as many, and a failure names the number and the operations.
"""

from __future__ import annotations

import importlib.util
import itertools
import sys
from pathlib import Path

import numpy as np
import pytest

import thunderlike as tl
from thunderlike.engines.partitioning import Layout

PROGRAMS = {"local": 300, "spark": 5}  # in a run; four times as many with --slow
TOGETHER = {"local": 100, "spark": 5}  # in a test

SPEC = importlib.util.spec_from_file_location(
    "random_programs", Path(__file__).parent / "programs" / "__init__.py"
)
programs = sys.modules["random_programs"] = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(programs)


def pytest_generate_tests(metafunc):
    """Give each test some of the programs, and more tests with ``--programs``."""
    engine = metafunc.function.__name__.split("_")[1]
    options = metafunc.config.option
    count = int(PROGRAMS[engine] * options.programs * (4 if options.slow else 1))
    metafunc.parametrize("first", range(0, count, TOGETHER[engine]))


def test_local_is_numpy(first):
    for number in range(first, first + TOGETHER["local"]):
        rng = np.random.default_rng([number, 1])
        tile, workers = int(rng.choice([1, 100, 1000, 2**20])), int(rng.integers(1, 4))
        with tl.config(tile_bytes=tile, workers=workers):
            programs.run(number, "local")


@pytest.mark.spark
def test_spark_is_numpy(first, spark_context):
    from thunderlike.engines.spark import SparkEngine

    for number in range(first, first + TOGETHER["spark"]):
        plan = planner(np.random.default_rng([number, 2]))
        programs.run(number, SparkEngine(spark_context, plan))


def planner(rng):
    """Cut anything into a few uneven partitions, some of them empty, of small chunks."""
    rows, shares = int(rng.integers(1, 5)), np.sort(rng.random(int(rng.integers(0, 4))))

    def plan(spec, slots, npartitions, chunk_bytes):
        edges = [0, *(int(share * spec.count) for share in shares), spec.count]
        return Layout(
            tuple(
                tuple((i, min(i + rows, b)) for i in range(a, b, rows))
                for a, b in itertools.pairwise(edges)
            )
        )

    return plan
