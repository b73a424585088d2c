"""The disk engine: memory, scratch files, kills, and the same values as on the local engine."""

from __future__ import annotations

import copy
import itertools
import os
import pickle
import re
import signal
import subprocess
import sys
import textwrap
import threading

import numpy as np
import pytest

import thunderlike as tl
from thunderlike.engines import ArraySource, Spec, engine_for
from thunderlike.engines.base import SourceDefaults
from thunderlike.errors import EngineError, StorageError
from thunderlike.progress import subscribe

SHAPE = (60, 12, 10)


class Numbers(SourceDefaults):
    """Records that are computed as they are read, in files of several, and counted."""

    spec = Spec(SHAPE[0], SHAPE[1:], np.dtype("int32"))

    def __init__(self, cuts=None, fails_at=None):
        self._cuts, self._fails_at = cuts, fails_at
        self.read_records = []

    @property
    def cuts(self):
        return self._cuts

    def read(self, start, stop, out):
        if self._fails_at is not None and start <= self._fails_at < stop:
            raise StorageError("frame-42.tif: cannot be read")
        self.read_records += range(start, stop)
        out[...] = values()[start:stop]


def values():
    count = np.prod(SHAPE)
    return (np.arange(count) * 7919 % 1009).astype("int32").reshape(SHAPE)


def movie(source):
    return tl.images.Images(engine_for("disk").load(source))


PIPELINES = {
    "std": lambda x: x.std(),
    "series": lambda x: x.toseries(),
    "there and back": lambda x: x.gaussian_filter(1).toseries().zscore().toimages(),
    "blocks": lambda x: x.toblocks((5, 4), padding=(1, 1)).map(np.negative).toimages(),
    "selection": lambda x: x[5:50:3, 2:, [1, 8]] * 2,
    "another order": lambda x: x[[40, 3, 3, 59]],
    "pairs": lambda x: (x - x.mean()) * x.toseries().toimages(),
    "joined": lambda x: tl.images.concatenate([x, x.median_filter(3)], axis=1).toseries(),
    "function": lambda x: x.map(lambda v: v[::2] + 0.5).toseries().map(np.cumsum),
    "processes": lambda x: x.map(np.sqrt, workers=2).sum(),
}


@pytest.mark.parametrize("cuts", [None, [0, 7, 8, 30, 60]], ids=["anywhere", "files"])
@pytest.mark.parametrize("piece_bytes", [None, 64, 2000], ids=["memory", "scratch", "joined"])
@pytest.mark.parametrize("name", PIPELINES)
def test_values_are_those_of_the_local_engine(name, piece_bytes, cuts, fill_memory):
    if piece_bytes:
        fill_memory()
    with tl.config(chunk_bytes=2000, piece_bytes=piece_bytes or 64):
        expected = PIPELINES[name](tl.images.fromarray(values(), engine="local"))
        result = PIPELINES[name](movie(Numbers(cuts)))
        found = result.toarray()
        streamed = np.concatenate([block for _, block in result._records.stream()])
    assert result.mode == ("disk" if result.count() > 1 else "local")  # a statistic is local
    assert found.dtype == expected.dtype
    np.testing.assert_array_equal(found, expected.toarray(), strict=True)
    np.testing.assert_array_equal(np.squeeze(streamed.reshape(result.shape)), found)


def test_a_sum_of_floats_is_equal_to_the_last_bit_in_any_division():
    array = np.random.default_rng(0).normal(size=(300, 40, 30)).astype("f4") * 1e3
    with tl.config(chunk_bytes=20_000):
        local = tl.images.fromarray(array, engine="local")
        there = tl.images.fromarray(array, engine="disk")
        for statistic in ("mean", "var", "std", "sum"):
            expected = getattr(local, statistic)().toarray()
            np.testing.assert_array_equal(getattr(there, statistic)().toarray(), expected)
            for workers in (1, 3):
                with tl.config(workers=workers):
                    np.testing.assert_array_equal(
                        getattr(there.map(np.copy, block=True), statistic)().toarray(), expected
                    )


def test_every_file_is_read_once_by_a_pass():
    source = Numbers([0, 7, 8, 30, 60])
    with tl.config(chunk_bytes=1000):
        movie(source).toseries().mean().toarray()
    assert sorted(source.read_records) == list(range(60))


def test_only_the_records_that_are_asked_for_are_read():
    source = Numbers()
    assert (movie(source)[[3, 40]].toarray() == values()[[3, 40]]).all()
    assert sorted(source.read_records) == [3, 40]


def test_cached_records_are_computed_once(fill_memory):
    for scattered in (False, True):
        if scattered:
            fill_memory()
        source = Numbers()
        kept = (movie(source) + 1).cache()
        assert not source.read_records
        assert kept.iscached()
        assert (kept.toarray() == values() + 1).all()
        assert kept.max().toarray().max() == values().max() + 1
        assert len(source.read_records) == 60
        kept.uncache()
        kept.toarray()
        assert len(source.read_records) == 120


def test_a_cached_function_is_called_once_for_each_record():
    calls = []

    def count(image):
        calls.append(1)
        return image

    kept = movie(Numbers()).map(count, value_shape=SHAPE[1:], dtype="int32").cache()
    for _ in range(3):
        assert (kept.toarray() == values()).all()
        kept.toseries().std()
        (kept + 1).max()
    assert len(calls) == 60


def test_statistics_of_small_results_do_not_compute_all_records_at_once():
    largest = []

    class Watched(Numbers):
        def read(self, start, stop, out):
            largest.append(stop - start)
            super().read(start, stop, out)

    with tl.config(chunk_bytes=2000):
        means = movie(Watched()).map(lambda x: x.mean(), value_shape=(), dtype="float64")
        found = means.std(), movie(Watched()).max_projection().sum()
        local = tl.images.fromarray(values(), engine="local")
        expected = local.map(lambda x: x.mean()).std(), local.max_projection().sum()
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one.toarray(), other.toarray())
    assert max(largest) == 4


def test_records_of_spark_and_others_are_copied(engine):
    there = tl.images.fromarray(values(), engine=engine).todisk()
    assert there.mode == "disk"
    assert (there.toseries().toarray() == values().transpose(1, 2, 0)).all()
    assert (tl.images.fromarray(values()) - there).toarray().any() == np.False_
    assert tl.images.concatenate([tl.images.fromarray(values()), there]).mode == "disk"


def test_a_user_function_runs_in_order_in_the_thread_of_the_caller():
    seen = []
    found = movie(Numbers()).map(
        lambda x: seen.append((threading.current_thread(), int(x[0, 0]))) or x,
        value_shape=SHAPE[1:], dtype="int32",
    )  # fmt: skip
    with tl.config(chunk_bytes=2000):
        found.toseries().std().toarray()
    assert [value for _, value in seen] == values()[:, 0, 0].tolist()
    assert {thread for thread, _ in seen} == {threading.current_thread()}


def test_two_threads_regroup_one_collection_and_others(fill_memory):
    fill_memory()
    series, results = movie(Numbers()).toseries(), []

    def run():
        with tl.config(chunk_bytes=500, piece_bytes=32):
            results.append(series.zscore().toarray())
            results.append(movie(Numbers()).toseries().zscore().toarray())

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 8
    assert all(np.array_equal(one, results[0]) for one in results)


@pytest.mark.parametrize("scattered", [False, True], ids=["memory", "scratch"])
@pytest.mark.parametrize("pipeline", ["std", "series", "there and back"])
def test_a_source_that_fails_is_the_error_and_the_next_call_tries_again(
    pipeline, scattered, fill_memory
):
    if scattered:
        fill_memory()
    source = Numbers(fails_at=42)
    with tl.config(chunk_bytes=1000):
        found = PIPELINES[pipeline](movie(source)) if pipeline != "std" else movie(source)
        act = found.std if pipeline == "std" else found.toarray
        with pytest.raises(StorageError, match=r"frame-42\.tif"):
            act()
        source._fails_at = None
        expected = PIPELINES[pipeline](tl.images.fromarray(values(), engine="local")).toarray()
        result = act()
        np.testing.assert_array_equal(result if pipeline != "std" else result.toarray(), expected)


def test_an_error_of_a_function_names_the_key():
    with pytest.raises(EngineError, match=r"key \(7,\)"):
        movie(Numbers()).map(lambda kv: 1 / (kv[0][0] - 7), with_keys=True).toarray()


def test_records_of_python_objects_stay_in_memory():
    rows = [np.arange(n) for n in (2, 3, 4)]
    array = np.empty(3, object)
    array[:] = rows
    records = engine_for("disk").load(ArraySource(array))
    assert [len(x) for x in records.take(np.array([2, 0])).collect()] == [4, 2]


def test_a_record_larger_than_the_memory_is_an_error_with_both_sizes():
    with tl.config(memory=100), pytest.raises(EngineError, match=r"480.*100"):
        movie(Numbers()).std()


# Scratch files


@pytest.mark.parametrize("state", ["missing", "full", "a file"])
def test_a_scratch_folder_that_cannot_be_used_is_named(state, tmp_path, monkeypatch, fill_memory):
    folder = tmp_path / "scratch"
    if state == "a file":
        folder.write_text("")
    if state == "full":
        folder.mkdir()
        usage = type("usage", (), {"free": 1000})
        monkeypatch.setattr("shutil.disk_usage", lambda _: usage)
    fill_memory()
    small = tl.config(scratch=str(folder), chunk_bytes=1000)
    with small, pytest.raises(EngineError, match=re.escape(str(folder)) + r".*set scratch"):
        movie(Numbers()).toseries().toarray()


def test_a_scratch_folder_that_fills_up_is_named_and_left_empty(tmp_path):
    words = ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", tmp_path]
    if subprocess.run(words, capture_output=True, check=False).returncode:
        pytest.skip("mounting a small disk takes root")
    try:
        large = tl.images.fromrandom((200, 100, 100), engine="disk").map(np.copy, block=True)
        small = tl.config(scratch=str(tmp_path), memory=2**20, chunk_bytes=2**17)
        with small, pytest.raises(EngineError, match=str(tmp_path)):
            large.toseries().toarray()
        assert not list(tmp_path.iterdir())
    finally:
        subprocess.run(["umount", "-l", tmp_path], check=True)


GENERATED = textwrap.dedent("""
    import resource, sys
    import numpy as np
    import thunderlike as tl
    from thunderlike.engines import Spec, engine_for
    from thunderlike.engines.base import SourceDefaults

    class Generated(SourceDefaults):
        spec = Spec(2048, (256, 256), np.dtype("int16"))  # 256 MiB

        def read(self, start, stop, out):
            frames = np.arange(start, stop, dtype="int16")
            out[...] = frames[:, None, None] * np.arange(256, dtype="int16")[:, None]

    movie = tl.images.Images(engine_for("disk").load(Generated()))
""")


def test_a_movie_four_times_the_memory_stays_below_it(tmp_path):
    script = GENERATED + textwrap.dedent("""
        movie.std(), movie.mean()  # what they import does not count
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        with tl.config(memory=64 * 2**20):
            found = movie.toseries().zscore().correlate(np.arange(2048.0)).toarray()
            movie.toseries().tobinary(sys.argv[1])
        assert abs(np.nanmin(found) - 1) < 2, found
        print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024)
    """)
    done = subprocess.run(
        [sys.executable, "-c", script, tmp_path / "series"],
        capture_output=True, text=True, check=True,
        env={**os.environ, "TMPDIR": str(tmp_path)},
    )  # fmt: skip
    assert float(done.stdout) < 64 + 32
    written = tl.series.frombinary(tmp_path / "series")
    assert written.shape == (256, 256, 2048)
    assert (written[3, :4].toarray() == np.arange(2048, dtype="int16") * np.int16(3)).all()
    assert {path.name for path in tmp_path.iterdir()} == {"series"}


@pytest.mark.parametrize("stop", [signal.SIGKILL, signal.SIGINT], ids=["kill", "Ctrl-C"])
@pytest.mark.parametrize("phase", ["cutting", "joining", "placing", "caching"])
def test_a_process_that_ends_leaves_nothing(stop, phase, tmp_path):
    script = GENERATED + textwrap.dedent("""
        import os, signal, thunderlike.engines.scratch as scratch
        calls, stop, phase = [], int(sys.argv[1]), sys.argv[2]
        method = {
            "cutting": "append", "joining": "append_bytes", "placing": "read", "caching": "write",
        }[phase]
        original = getattr(scratch.ScratchFile, method)

        def interrupted(*args):
            calls.append(1)
            if len(calls) == 20:
                os.kill(os.getpid(), stop)
            return original(*args)

        setattr(scratch.ScratchFile, method, interrupted)
        with tl.config(memory=(8 if phase == "joining" else 32) * 2**20):
            (movie.cache() if phase == "caching" else movie).toseries().zscore().std()
        print("not reached")
    """)
    done = subprocess.run(
        [sys.executable, "-c", script, str(int(stop)), phase],
        capture_output=True, text=True, check=False,
        env={**os.environ, "TMPDIR": str(tmp_path)},
    )  # fmt: skip
    assert done.returncode in (-stop, 1, 130)
    assert "not reached" not in done.stdout
    assert stop == signal.SIGKILL or "KeyboardInterrupt" in done.stderr
    assert not list(tmp_path.iterdir())


# Choice by size


def test_records_larger_than_half_the_memory_stay_on_the_disk(tmp_path, monkeypatch, caplog):
    array = values()
    tl.images.fromarray(array).tobinary(tmp_path / "movie")
    monkeypatch.setattr("thunderlike.engines.disk._SMALL", 1000)
    for free, mode in ((array.nbytes * 2, "local"), (array.nbytes * 2 - 2, "disk")):
        monkeypatch.setattr("thunderlike.engines.disk.available", lambda free=free: free)
        with caplog.at_level("INFO"):
            found = tl.images.frombinary(tmp_path / "movie")
        assert found.mode == mode
        assert (found.toarray() == array).all()
        assert engine_for("auto").sized(found._records.spec).name == mode
        assert ("they stay on the disk engine" in caplog.text) == (mode == "disk")
    assert tl.images.fromarray(array).mode == "local"  # is in memory already


def test_the_setting_is_the_engine_where_none_is_given():
    for name in ("local", "disk"):
        with tl.config(engine=name):
            assert tl.images.fromarray(values()).mode == name
            assert tl.images.fromarray(values(), engine="local").mode == "local"


def test_settings_that_make_no_sense():
    for settings in ({"engine": "dask"}, {"memory": -1}, {"memory": 1.5}, {"memory": "much"}):
        with (
            pytest.raises(tl.errors.ConfigError, match=next(iter(settings))),
            tl.config(**settings),
        ):
            pass


def test_progress_of_each_pass():
    seen = []
    with subscribe(seen.append):
        movie(Numbers()).toseries().zscore().std()
    labels = [label for label, _ in itertools.groupby(event.label for event in seen)]
    assert labels == ["regrouping", "reducing"]


@pytest.mark.parametrize("copied", [pickle.dumps, copy.deepcopy])
def test_what_is_on_the_disk_engine_is_not_pickled(copied):
    images = movie(Numbers())
    for one in (images, images.toseries().regress(np.arange(SHAPE[0]))):
        with pytest.raises(EngineError, match=r"cannot be pickled .* tolocal\(\)"):
            copied(one)
    assert pickle.loads(pickle.dumps(images.tolocal())).shape == SHAPE
