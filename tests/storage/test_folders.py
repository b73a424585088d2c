"""A folder of results that appears whole or not at all."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from contextlib import suppress

import pytest

from thunderlike import _system
from thunderlike.errors import DeniedError, ExistsError, NotFoundError, StorageError
from thunderlike.storage import delete, exists, find, join, output, read, store_for, write

OURS = ["image-*.bin", "conf.json"]


ABOVE = {
    "local": lambda request: request.getfixturevalue("tmp_path"),
    "memory": lambda request: f"memory://{request.getfixturevalue('tmp_path').name}",
    "s3": lambda request: f"{request.getfixturevalue('bucket')}/above",
}


@pytest.fixture(params=ABOVE)
def target(request):
    """A path at which nothing is, in a folder of its own, in each store."""
    above = ABOVE[request.param](request)
    yield f"{above}/out"
    delete(f"{above}/out")


def fill(folder, text=b"new", count=2):
    for number in range(count):
        write(join(folder, f"image-{number:05d}.bin"), text)
    write(join(folder, "conf.json"), text)


def attempt(target, error, text=b"new", **options):
    """Write results, and raise before they are finished."""
    with output(target, OURS, **options) as folder:
        fill(folder, text)
        raise error


def find_names(folder):
    return [entry.path.rpartition("/")[2] for entry in find(folder)]


def content(target):
    """Return every file at and next to the target, hidden ones too."""
    store, above = store_for(target), target.rpartition("/")[0]
    entries = store.list(above, recursive=True) if store.exists(above) else []
    return {entry.path.removeprefix(above + "/"): store.read(entry.path) for entry in entries}


NEW = {
    "out/SUCCESS": b"",
    "out/conf.json": b"new",
    "out/image-00000.bin": b"new",
    "out/image-00001.bin": b"new",
}


def test_appears_when_the_block_ends(target):
    with output(target, OURS) as folder:
        fill(folder)
        assert not exists(target)
    assert content(target) == NEW


def test_the_marker_is_written_last(target, monkeypatch):
    seen = []
    store = type(store_for(target))
    move = store.move

    def spy(self, path, aim):
        seen.append(sorted(find_names(path)))
        move(self, path, aim)

    monkeypatch.setattr(store, "move", spy)
    with output(target, OURS) as folder:
        fill(folder)
        assert "SUCCESS" not in find_names(folder)
    assert seen == [sorted(name.removeprefix("out/") for name in NEW)]


def test_a_finished_folder_is_found_like_any_other(target):
    with output(target, OURS) as folder:
        fill(folder)
    assert [entry.path for entry in find(target, "bin")] == [
        f"{target}/image-00000.bin",
        f"{target}/image-00001.bin",
    ]


@pytest.mark.parametrize("error", [ValueError("user"), KeyboardInterrupt()], ids=["raise", "^C"])
@pytest.mark.parametrize("overwrite", [False, True])
def test_a_failing_block_leaves_nothing(target, error, overwrite):
    with pytest.raises(type(error)):
        attempt(target, error, overwrite=overwrite)
    assert content(target) == {}


def broken(target, monkeypatch, verb):
    """Begin results, then have the store fail at a verb."""

    def fail(_, path, *__):
        raise StorageError(f"{path}: the disk is full")

    with monkeypatch.context() as patched, output(target, OURS) as folder:
        patched.setattr(type(store_for(target)), verb, fail)
        write(join(folder, "image-00000.bin"), b"new")
        raise ValueError("user")


def test_a_worker_that_outlives_its_results_does_not_make_their_folder_again(tmp_path):
    for folder in (attempted(tmp_path / "given-up"), finished(tmp_path / "done")):
        for name in ("image-00007.bin", "deep/image-00007.bin"):
            with pytest.raises(NotFoundError, match="is finished, or was given up"):
                write(join(folder, name), b"late")
    assert find_names(tmp_path / "done") == ["SUCCESS", "conf.json"]
    assert [path.name for path in tmp_path.iterdir()] == ["done"]


def attempted(target):
    with suppress(ValueError), output(target, OURS) as folder:
        raise ValueError
    return folder


def finished(target):
    with output(target, OURS) as folder:
        write(join(folder, "conf.json"), b"x")
    return folder


def test_what_a_worker_left_that_died_is_cleared_away(target):
    with output(target, OURS) as folder:
        fill(folder)
        write(join(folder, f".{'0' * 32}.partial"), b"half")
    assert content(target) == NEW


def test_a_failure_to_write_names_the_target_and_no_hidden_folder(target, monkeypatch):
    with pytest.raises(StorageError, match=r"out/image-00000\.bin: the disk is full") as caught:
        broken(target, monkeypatch, "write")
    assert str(caught.value).startswith(target)
    assert content(target) == {}


def test_a_failure_to_clean_up_does_not_hide_the_first(target, monkeypatch):
    with pytest.raises(ValueError, match="user"):
        broken(target, monkeypatch, "delete")


def test_a_failing_overwrite_leaves_the_old_results(target):
    with output(target, OURS) as folder:
        fill(folder)
    with pytest.raises(ValueError, match="user"):
        attempt(target, ValueError("user"), b"newer", overwrite=True)
    assert content(target) == NEW


def test_overwrite_leaves_nothing_of_the_old_results(target):
    with output(target, OURS) as folder:
        fill(folder, b"old", count=5)
    with output(target, OURS, overwrite=True) as folder:
        fill(folder)
    assert content(target) == NEW


def test_overwrite_of_nothing_is_fine(target):
    with output(target, OURS, overwrite=True) as folder:
        fill(folder)
    assert content(target) == NEW


def test_files_at_the_target_are_refused_before_the_block_runs(target):
    write(f"{target}/mine.txt", b"x")
    with pytest.raises(ExistsError, match=r"out: is not empty .*mine\.txt.*overwrite=True"):
        output(target, OURS).__enter__()
    assert content(target) == {"out/mine.txt": b"x"}


@pytest.mark.parametrize(
    ("names", "found"),
    [
        (["SUCCESS", "image-00000.bin", "thesis.tex"], "thesis.tex"),
        (["image-00000.bin", "image-00001.bin", "conf.json"], "no file 'SUCCESS'"),
        (["SUCCESS", "image-0/deep.bin"], "image-0/deep.bin"),
        (["SUCCESS", ".git/HEAD"], ".git/HEAD"),
        (["SUCCESS", "xconf.json"], "xconf.json"),
    ],
)
def test_overwrite_refuses_what_we_did_not_write(target, names, found):
    for name in names:
        write(f"{target}/{name}", b"precious")
    with pytest.raises(StorageError, match=f"not written by us.*{found}"):
        output(target, OURS, overwrite=True).__enter__()
    assert content(target) == {f"out/{name}": b"precious" for name in names}


def test_what_a_killed_writer_left_is_ours(target):
    with output(target, OURS) as folder:
        fill(folder)
        write(join(folder, ".0123.partial"), b"half")
    with output(target, OURS, overwrite=True) as folder:
        fill(folder)
    assert content(target) == NEW


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_file_at_the_target_is_refused(target, overwrite):
    write(target, b"x")
    with pytest.raises(ExistsError, match="out: is a file"):
        output(target, OURS, overwrite=overwrite).__enter__()
    assert read(target) == b"x"


def test_who_writes_there_meanwhile_is_not_overwritten(target):
    results = output(target, OURS)
    fill(results.__enter__())
    write(f"{target}/theirs", b"x")
    with pytest.raises(ExistsError, match="not empty"):
        results.__exit__(None, None, None)
    assert content(target) == {"out/theirs": b"x"}


def test_a_rename_that_fails_puts_the_old_results_back(target, monkeypatch):
    with output(target, OURS) as folder:
        fill(folder)
    store = type(store_for(target))
    move, calls = store.move, []

    def second_fails(self, path, aim):
        calls.append(path)
        if len(calls) == 2:
            raise StorageError("broken")
        move(self, path, aim)

    monkeypatch.setattr(store, "move", second_fails)
    monkeypatch.setattr(store, "exchange", lambda *_: False)
    with (
        pytest.raises(StorageError, match="broken"),
        output(target, OURS, overwrite=True) as folder,
    ):
        fill(folder, b"newer")
    assert content(target) == NEW


def test_an_empty_folder_and_empty_folders_in_it_are_no_results(tmp_path):
    (tmp_path / "out/empty").mkdir(parents=True)
    with output(tmp_path / "out", OURS) as folder:
        fill(folder)
    assert content(f"{tmp_path}/out") == NEW


def test_folders_above_are_made(tmp_path):
    with output(tmp_path / "a/b/out", OURS) as folder:
        fill(folder)
    assert len(find(tmp_path / "a/b/out")) == 4


@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize(
    ("place", "why"), [("/", "home"), ("~", "home"), (".", "current"), ("/dev", "mounted")]
)
def test_places_that_are_never_replaced(tmp_path, monkeypatch, place, why, overwrite):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(StorageError, match=f"cannot become an output folder: .*{why}"):
        output(place, ["*"], overwrite=overwrite).__enter__()


def test_a_place_that_cannot_be_written_is_named_before_the_block_runs(tmp_path):
    write(tmp_path / "file", b"x")
    with pytest.raises(StorageError, match=r"file/out: cannot write next to it: .*file"):
        output(tmp_path / "file/out", OURS).__enter__()


def test_the_memory_root_is_never_replaced():
    with pytest.raises(StorageError, match="root"):
        output("memory://", ["*"], overwrite=True).__enter__()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_place_without_permission_is_refused_before_the_block_runs(tmp_path):
    (tmp_path / "closed").mkdir(mode=0o500)
    with pytest.raises(DeniedError, match="closed"):
        output(tmp_path / "closed/out", OURS).__enter__()


KILLED = """
import os, signal, sys
from thunderlike.storage import join, output, store_for, write

target, verb, at, calls = sys.argv[1], sys.argv[2], int(sys.argv[3]), []
store = type(store_for(target))
step = getattr(store, verb)

def dying(self, *args):
    calls.append(args)
    if len(calls) == at:
        os.kill(os.getpid(), signal.SIGKILL)
    return step(self, *args)

setattr(store, verb, dying)
if verb == "move":
    store.exchange = lambda *_: False  # as on disks that cannot swap folders
with output(target, ["image-*.bin"], overwrite=True) as folder:
    for number in range(3):
        write(join(folder, f"image-{number:05d}.bin"), b"new")
"""


def killed(target, verb, at):
    """What can be read after a writer of b"new" over b"old" was killed at its n-th `verb`."""
    with output(target, ["image-*.bin"]) as folder:
        for number in range(2):
            write(join(folder, f"image-{number:05d}.bin"), b"old")
    command = [sys.executable, "-c", KILLED, target, verb, str(at)]
    assert subprocess.run(command, check=False).returncode == -signal.SIGKILL
    try:
        return {(read(entry.path), len(find(target, "bin"))) for entry in find(target, "bin")}
    except StorageError as error:
        if not isinstance(error, NotFoundError) and "is not whole" not in str(error):
            raise
        return "absent"


OLD_ONE, NEW_ONE = {(b"old", 2)}, {(b"new", 3)}


@pytest.mark.parametrize(
    ("verb", "at", "after"),
    [
        ("write", 1, OLD_ONE),
        ("write", 3, OLD_ONE),
        ("write", 5, OLD_ONE),
        ("move", 1, OLD_ONE),
        ("move", 2, "absent"),
        ("exchange", 1, OLD_ONE),
        ("delete", 2, NEW_ONE),
    ],
)
def test_a_kill_at_any_step_never_leaves_a_mix(tmp_path, verb, at, after):
    assert killed(str(tmp_path / "out"), verb, at) == after


@pytest.mark.parametrize(
    ("verb", "at", "after"),
    [
        ("_copy", 1, OLD_ONE),  # of the old ones, away
        ("_remove", 3, "absent"),  # of the old ones
        ("_copy", 7, "absent"),  # of SUCCESS
        ("_remove", 6, NEW_ONE),  # of the files next to it
    ],
)
def test_a_kill_at_any_step_in_a_bucket_never_leaves_a_mix(bucket, verb, at, after):
    target = f"{bucket}/out"
    assert killed(target, verb, at) == after
    with output(target, ["image-*.bin"], overwrite=True) as folder:
        write(join(folder, "image-00000.bin"), b"newer")
    assert {read(entry.path) for entry in find(target, "bin")} == {b"newer"}


@pytest.mark.skipif(not _system.SWAPS, reason="folders are replaced by two renames")
def test_a_folder_is_at_its_path_at_every_moment_of_an_overwrite(tmp_path, monkeypatch):
    """Two folders are swapped in one step: there is no moment in which neither is there."""
    target = str(tmp_path / "out")
    with output(target, OURS) as folder:
        fill(folder)
    store = type(store_for(target))
    monkeypatch.setattr(store, "move", None)
    with output(target, OURS, overwrite=True) as folder:
        fill(folder, b"newer")
    assert content(target)["out/image-00000.bin"] == b"newer"
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


@pytest.mark.parametrize("swap", [True, False], ids=["in one step", "in two"])
def test_two_writers_of_one_folder_end_with_the_result_of_one(tmp_path, monkeypatch, swap):
    target = str(tmp_path / "out")
    store = type(store_for(target))
    if not swap:
        monkeypatch.setattr(store, "exchange", lambda *_: False)
    failures = []

    def write_often(data):
        for _ in range(15):
            try:
                with output(target, OURS, overwrite=True) as folder:
                    fill(folder, data)
            except StorageError as error:
                failures.append(error)

    writers = [threading.Thread(target=write_often, args=(data,)) for data in (b"one", b"two")]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    found = content(target)
    assert set(found) == set(NEW)
    assert len({data for name, data in found.items() if name.endswith(".bin")}) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_a_folder_that_is_replaced_while_it_is_listed_is_listed_again(tmp_path, monkeypatch):
    target = str(tmp_path / "out")
    with output(target, OURS) as folder:
        fill(folder)
    scandir, swapped = os.scandir, []

    def away(place):
        if not swapped:
            swapped.append(place)
            (tmp_path / "out").rename(tmp_path / "old")
            (tmp_path / "out").mkdir()
            (tmp_path / "out" / "other.bin").write_bytes(b"other")
        return scandir(place)

    monkeypatch.setattr(os, "scandir", away)
    assert [entry.size for entry in find(target)] == [5]
