"""What every store must do. A further store adds one line to STORES and nothing else."""

from __future__ import annotations

import pickle
import threading
import uuid

import pytest

from thunderlike.errors import Exists, NotFound, ThunderlikeError
from thunderlike.storage import Entry, store_for

# Each gives an address below which nothing is yet.
STORES = {
    "local": lambda tmp_path: f"{tmp_path}/store",
    "memory": lambda _: f"memory://{uuid.uuid4().hex}",
}


@pytest.fixture(params=STORES)
def root(request, tmp_path):
    """An empty place of each kind."""
    address = STORES[request.param](tmp_path)
    yield address
    store_for(address).delete(address)


@pytest.fixture
def store(root):
    return store_for(root)


def names(entries, root):
    return sorted(entry.path.removeprefix(root + "/") for entry in entries)


@pytest.mark.parametrize("data", [b"", b"a", bytes(range(256)) * 5000], ids=["0", "1", "1.3 MB"])
def test_reads_what_was_written(store, root, data):
    store.write(f"{root}/file", data)
    assert store.read(f"{root}/file") == data
    assert store.stat(f"{root}/file") == Entry(f"{root}/file", len(data))


@pytest.mark.parametrize("kind", [bytearray, memoryview])
def test_keeps_a_copy_of_what_the_writer_may_change(store, root, kind):
    buffer = bytearray(b"before")
    store.write(f"{root}/file", kind(buffer))
    buffer[:] = b"AFTER!"
    assert store.read(f"{root}/file") == b"before"
    assert type(store.read(f"{root}/file")) is bytes


@pytest.mark.parametrize("name", ["a b.tif", "Zürich/脳 №1.tif", "100%25.tif", "a[1]#x&y=z.tif"])
def test_any_name_comes_back_from_a_listing(store, root, name):
    store.write(f"{root}/{name}", b"x")
    (entry,) = store.list(root, recursive=True)
    assert entry.path == f"{root}/{name}"
    assert store.read(entry.path) == b"x"


def test_write_makes_folders_and_replaces(store, root):
    store.write(f"{root}/a/b/c", b"old")
    store.write(f"{root}/a/b/c", b"new")
    assert store.read(f"{root}/a/b/c") == b"new"
    assert names(store.list(root, recursive=True), root) == ["a/b/c"]


def test_list_stays_in_the_folder_unless_recursive(store, root):
    for name in ("one", ".hidden", "deep/two", "deep/er/three"):
        store.write(f"{root}/{name}", b"12")
    assert names(store.list(root, recursive=False), root) == [".hidden", "one"]
    everything = [".hidden", "deep/er/three", "deep/two", "one"]
    assert names(store.list(root, recursive=True), root) == everything
    assert {entry.size for entry in store.list(root, recursive=True)} == {2}


def test_a_folder_is_not_its_neighbour(store, root):
    store.write(f"{root}/day1/a", b"1")
    store.write(f"{root}/day10/b", b"2")
    assert names(store.list(f"{root}/day1", recursive=True), root) == ["day1/a"]
    store.delete(f"{root}/day1")
    assert names(store.list(root, recursive=True), root) == ["day10/b"]


def test_a_folder_of_folders_lists_no_file(store, root):
    store.write(f"{root}/deep/file", b"")
    assert list(store.list(root, recursive=False)) == []


@pytest.mark.parametrize(
    ("start", "length", "expected"),
    [(0, 3, b"012"), (7, 2, b"78"), (8, 100, b"89"), (10, 1, b""), (99, 5, b""), (3, 0, b"")],
)
def test_read_range_ends_with_the_file(store, root, start, length, expected):
    store.write(f"{root}/file", b"0123456789")
    assert store.read_range(f"{root}/file", start, length) == expected


def test_exists_for_files_and_folders(store, root):
    assert not store.exists(root)
    store.write(f"{root}/a/file", b"")
    assert [store.exists(f"{root}{end}") for end in ("", "/a", "/a/file")] == [True] * 3
    assert not store.exists(f"{root}/a/fil")
    assert not store.exists(f"{root}/a/file/below")


@pytest.mark.parametrize("verb", ["read", "stat", "read_range", "list"])
@pytest.mark.parametrize("name", ["nothing", "file/below"])
def test_what_is_not_there_is_not_found_by_name(store, root, verb, name):
    store.write(f"{root}/file", b"x")
    calls = {
        "read": lambda path: store.read(path),
        "stat": lambda path: store.stat(path),
        "read_range": lambda path: store.read_range(path, 0, 1),
        "list": lambda path: store.list(path, recursive=True),
    }
    with pytest.raises(NotFound, match=name) as caught:
        calls[verb](f"{root}/{name}")
    assert isinstance(caught.value, FileNotFoundError)
    assert str(caught.value).startswith(root)


def test_a_folder_is_no_file_and_a_file_no_folder(store, root):
    store.write(f"{root}/folder/file", b"x")
    for call in (store.read, store.stat, lambda path: store.read_range(path, 0, 1)):
        with pytest.raises(NotFound):
            call(f"{root}/folder")
    with pytest.raises(NotFound):
        store.list(f"{root}/folder/file", recursive=False)


def test_delete_takes_a_file_or_a_folder_or_nothing(store, root):
    for name in ("a/1", "a/2", "b"):
        store.write(f"{root}/{name}", b"")
    store.delete(f"{root}/b")
    assert names(store.list(root, recursive=True), root) == ["a/1", "a/2"]
    store.delete(f"{root}/a")
    assert not store.exists(f"{root}/a")
    store.delete(f"{root}/a")
    store.write(f"{root}/file", b"")
    store.delete(f"{root}/file/below")
    assert store.exists(f"{root}/file")


def test_move_renames_a_whole_folder(store, root):
    store.write(f"{root}/a/deep/1", b"one")
    store.write(f"{root}/a/2", b"two")
    store.move(f"{root}/a", f"{root}/new/b")
    assert names(store.list(root, recursive=True), root) == ["new/b/2", "new/b/deep/1"]
    assert store.read(f"{root}/new/b/deep/1") == b"one"


def test_move_replaces_nothing(store, root):
    store.write(f"{root}/a/1", b"one")
    store.write(f"{root}/b/2", b"two")
    store.write(f"{root}/c", b"three")
    for aim in ("b", "c"):
        with pytest.raises(Exists, match=aim):
            store.move(f"{root}/a", f"{root}/{aim}")
    with pytest.raises(NotFound, match="nothing"):
        store.move(f"{root}/nothing", f"{root}/d")
    assert names(store.list(root, recursive=True), root) == ["a/1", "b/2", "c"]


def test_address_is_one_spelling(store, root):
    spelled = [f"{root}/a", f"{root}/a/", f"{root}//a", f"{root}/./b/../a"]
    assert {store.address(path) for path in spelled} == {f"{root}/a"}
    assert store.address(store.address(f"{root}/a b%20c")) == f"{root}/a b%20c"


def test_no_ordinary_folder_is_protected(store, root):
    store.write(f"{root}/folder/file", b"")
    assert store.protected(f"{root}/folder") == ""


def test_travels_by_pickle(store, root):
    store.write(f"{root}/file", b"x")
    assert pickle.loads(pickle.dumps(store)).read(f"{root}/file") == b"x"


def test_errors_travel_by_pickle(store, root):
    with pytest.raises(ThunderlikeError) as caught:
        store.read(f"{root}/nothing")
    back = pickle.loads(pickle.dumps(caught.value))
    assert (type(back), str(back)) == (type(caught.value), str(caught.value))


def test_writers_of_one_file_never_mix(store, root):
    contents = [bytes([number]) * 200_000 for number in range(8)]
    path, seen = f"{root}/file", set()
    store.write(path, contents[0])

    def read_on():
        while not done.is_set():
            seen.add(store.read(path))

    done = threading.Event()
    reader = threading.Thread(target=read_on)
    writers = [threading.Thread(target=store.write, args=(path, data)) for data in contents * 3]
    for thread in (reader, *writers):
        thread.start()
    for thread in writers:
        thread.join()
    done.set()
    reader.join()
    assert seen <= set(contents)
    assert names(store.list(root, recursive=True), root) == ["file"]
