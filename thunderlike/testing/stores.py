"""Contract of a store, as tests to inherit."""

from __future__ import annotations

import pickle
import threading
from typing import TYPE_CHECKING

import pytest

from thunderlike.errors import ExistsError, NotFoundError, StorageError, ThunderlikeError
from thunderlike.storage import Entry, Store, store_for

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["StoreSuite"]


class StoreSuite:
    """Tests of a store; a subclass has a fixture `root` that returns an empty folder of it.

    Examples
    --------
    A test file of a store that was added to ``thunderlike.storage.paths.STORES``::

        class TestMyStore(StoreSuite):
            @pytest.fixture
            def root(self):
                return f"mine://{uuid.uuid4().hex}"

    The name of each test says what it checks.

    >>> tests = [name for name in dir(StoreSuite) if name.startswith("test_")]
    >>> "test_reads_what_was_written" in tests, len(tests) > 10
    (True, True)
    """

    @pytest.fixture
    def root(self) -> str:
        """Return an address below which nothing is."""
        raise NotImplementedError("give a fixture `root` that returns the address of no file")

    @pytest.fixture
    def store(self, root: str) -> Store:
        """The store of `root`."""
        return store_for(root)

    @pytest.mark.parametrize(
        "data", [b"", b"a", bytes(range(256)) * 5000], ids=["0", "1", "1.3 MB"]
    )
    def test_reads_what_was_written(self, store: Store, root: str, data: bytes) -> None:
        store.write(f"{root}/file", data)
        assert store.read(f"{root}/file") == data
        assert store.stat(f"{root}/file") == Entry(f"{root}/file", len(data))

    @pytest.mark.parametrize("kind", [bytearray, memoryview])
    def test_keeps_a_copy_of_what_the_writer_may_change(
        self, store: Store, root: str, kind: type
    ) -> None:
        buffer = bytearray(b"before")
        store.write(f"{root}/file", kind(buffer))
        buffer[:] = b"AFTER!"
        assert store.read(f"{root}/file") == b"before"
        assert type(store.read(f"{root}/file")) is bytes

    @pytest.mark.parametrize(
        "name", ["a b.tif", "Zürich/脳 №1.tif", "100%25.tif", "a[1]#x&y=z.tif"]
    )
    def test_any_name_comes_back_from_a_listing(self, store: Store, root: str, name: str) -> None:
        store.write(f"{root}/{name}", b"x")
        (entry,) = store.list(root, recursive=True)
        assert entry.path == f"{root}/{name}"
        assert store.read(entry.path) == b"x"

    def test_write_makes_folders_and_replaces(self, store: Store, root: str) -> None:
        store.write(f"{root}/a/b/c", b"old")
        store.write(f"{root}/a/b/c", b"new")
        assert store.read(f"{root}/a/b/c") == b"new"
        assert _names(store.list(root, recursive=True), root) == ["a/b/c"]

    def test_list_stays_in_the_folder_unless_recursive(self, store: Store, root: str) -> None:
        for name in ("one", ".hidden", "deep/two", "deep/er/three"):
            store.write(f"{root}/{name}", b"12")
        assert _names(store.list(root, recursive=False), root) == [".hidden", "one"]
        everything = [".hidden", "deep/er/three", "deep/two", "one"]
        assert _names(store.list(root, recursive=True), root) == everything
        assert {entry.size for entry in store.list(root, recursive=True)} == {2}

    def test_a_folder_is_not_its_neighbour(self, store: Store, root: str) -> None:
        store.write(f"{root}/day1/a", b"1")
        store.write(f"{root}/day10/b", b"2")
        assert _names(store.list(f"{root}/day1", recursive=True), root) == ["day1/a"]
        store.delete(f"{root}/day1")
        assert _names(store.list(root, recursive=True), root) == ["day10/b"]

    def test_a_folder_of_folders_lists_no_file(self, store: Store, root: str) -> None:
        store.write(f"{root}/deep/file", b"")
        assert list(store.list(root, recursive=False)) == []

    @pytest.mark.parametrize(
        ("start", "length", "expected"),
        [(0, 3, b"012"), (7, 2, b"78"), (8, 100, b"89"), (10, 1, b""), (99, 5, b""), (3, 0, b"")],
    )
    def test_read_range_ends_with_the_file(
        self, store: Store, root: str, start: int, length: int, expected: bytes
    ) -> None:
        store.write(f"{root}/file", b"0123456789")
        assert store.read_range(f"{root}/file", start, length) == expected

    def test_a_version_is_read_in_ranges(self, store: Store, root: str) -> None:
        store.write(f"{root}/file", b"0123456789")
        with store.version(f"{root}/file") as file:
            assert file.read_range(2, 3) == b"234"
            assert file.read_range(8, 100) == b"89"
            assert file.read_range(10, 1) == file.read_range(99, 5) == file.read_range(3, 0) == b""
            assert file.read() == b"0123456789"
            assert (file.path, file.size) == (f"{root}/file", 10)
            assert file.identity == store.stat(f"{root}/file").identity
            file.check()

    def test_a_version_that_was_replaced_is_never_mixed_with_the_next(
        self, store: Store, root: str
    ) -> None:
        path = f"{root}/file"
        store.write(path, b"old header, old data")
        (listed,) = store.list(root, recursive=True)
        assert listed.identity == store.stat(path).identity
        with store.version(path) as file, store.version(path, listed.identity) as same:
            assert file.read_range(0, 10) == b"old header"
            store.write(path, b"new header, new data")
            for one in (file, same):
                for read in (lambda one=one: one.read_range(12, 8), one.read):
                    assert _old_or_replaced(read, path) in (b"old data", b"old header, old data")
            with pytest.raises(StorageError, match="was replaced while it was read"):
                file.check()
            assert store.stat(path).identity != listed.identity

    def test_a_version_is_opened_by_its_identity(self, store: Store, root: str) -> None:
        path = f"{root}/file"
        store.write(path, b"old")
        old = store.stat(path).identity
        store.write(path, b"new")
        with pytest.raises(StorageError, match="was replaced while it was read"):
            store.version(path, old).read_range(0, 3)
        with store.version(path, store.stat(path).identity) as file:
            assert file.read_range(0, 3) == b"new"

    def test_a_version_that_is_not_there_is_not_found(self, store: Store, root: str) -> None:
        with pytest.raises(NotFoundError, match="nothing"):
            store.version(f"{root}/nothing").read()
        store.write(f"{root}/file", b"x")
        with pytest.raises(NotFoundError), store.version(root) as folder:
            folder.read_range(0, 1)

    def test_exists_for_files_and_folders(self, store: Store, root: str) -> None:
        assert not store.exists(root)
        store.write(f"{root}/a/file", b"")
        assert [store.exists(f"{root}{end}") for end in ("", "/a", "/a/file")] == [True] * 3
        assert not store.exists(f"{root}/a/fil")
        assert not store.exists(f"{root}/a/file/below")

    @pytest.mark.parametrize("verb", ["read", "stat", "read_range", "list"])
    @pytest.mark.parametrize("name", ["nothing", "file/below"])
    def test_what_is_not_there_is_not_found_by_name(
        self, store: Store, root: str, verb: str, name: str
    ) -> None:
        store.write(f"{root}/file", b"x")
        calls: dict[str, Callable[[str], object]] = {
            "read": lambda path: store.read(path),
            "stat": lambda path: store.stat(path),
            "read_range": lambda path: store.read_range(path, 0, 1),
            "list": lambda path: store.list(path, recursive=True),
        }
        with pytest.raises(NotFoundError, match=name) as caught:
            calls[verb](f"{root}/{name}")
        assert isinstance(caught.value, FileNotFoundError)
        assert str(caught.value).startswith(root)

    def test_a_folder_is_no_file_and_a_file_no_folder(self, store: Store, root: str) -> None:
        store.write(f"{root}/folder/file", b"x")
        for call in (store.read, store.stat, lambda path: store.read_range(path, 0, 1)):
            with pytest.raises(NotFoundError):
                call(f"{root}/folder")
        with pytest.raises(NotFoundError):
            store.list(f"{root}/folder/file", recursive=False)

    def test_delete_takes_a_file_or_a_folder_or_nothing(self, store: Store, root: str) -> None:
        for name in ("a/1", "a/2", "b"):
            store.write(f"{root}/{name}", b"")
        store.delete(f"{root}/b")
        assert _names(store.list(root, recursive=True), root) == ["a/1", "a/2"]
        store.delete(f"{root}/a")
        assert not store.exists(f"{root}/a")
        store.delete(f"{root}/a")
        store.write(f"{root}/file", b"")
        store.delete(f"{root}/file/below")
        assert store.exists(f"{root}/file")

    def test_move_renames_a_whole_folder(self, store: Store, root: str) -> None:
        store.write(f"{root}/a/deep/1", b"one")
        store.write(f"{root}/a/2", b"two")
        store.move(f"{root}/a", f"{root}/new/b")
        assert _names(store.list(root, recursive=True), root) == ["new/b/2", "new/b/deep/1"]
        assert store.read(f"{root}/new/b/deep/1") == b"one"

    def test_move_replaces_nothing(self, store: Store, root: str) -> None:
        store.write(f"{root}/a/1", b"one")
        store.write(f"{root}/b/2", b"two")
        store.write(f"{root}/c", b"three")
        for aim in ("b", "c"):
            with pytest.raises(ExistsError, match=aim):
                store.move(f"{root}/a", f"{root}/{aim}")
        with pytest.raises(NotFoundError, match="nothing"):
            store.move(f"{root}/nothing", f"{root}/d")
        assert _names(store.list(root, recursive=True), root) == ["a/1", "b/2", "c"]

    def test_address_is_one_spelling(self, store: Store, root: str) -> None:
        spelled = [f"{root}/a", f"{root}/a/", f"{root}//a", f"{root}/./b/../a"]
        assert {store.address(path) for path in spelled} == {f"{root}/a"}
        assert store.address(store.address(f"{root}/a b%20c")) == f"{root}/a b%20c"

    def test_no_ordinary_folder_is_protected(self, store: Store, root: str) -> None:
        store.write(f"{root}/folder/file", b"")
        assert store.protected(f"{root}/folder") == ""

    def test_travels_by_pickle(self, store: Store, root: str) -> None:
        store.write(f"{root}/file", b"x")
        assert pickle.loads(pickle.dumps(store)).read(f"{root}/file") == b"x"

    def test_errors_travel_by_pickle(self, store: Store, root: str) -> None:
        with pytest.raises(ThunderlikeError) as caught:
            store.read(f"{root}/nothing")
        back = pickle.loads(pickle.dumps(caught.value))
        assert (type(back), str(back)) == (type(caught.value), str(caught.value))

    def test_writers_of_one_file_never_mix(self, store: Store, root: str) -> None:
        contents = [bytes([number]) * 200_000 for number in range(8)]
        path = f"{root}/file"
        seen: set[bytes] = set()
        store.write(path, contents[0])

        def read_on() -> None:
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
        assert _names(store.list(root, recursive=True), root) == ["file"]


def _old_or_replaced(read: Callable[[], bytes], path: str) -> bytes:
    """Read a replaced version; the error that says so counts as the old content."""
    try:
        return read()
    except StorageError as error:
        if str(error) != f"{path}: was replaced while it was read; read it again":
            raise
        return b"old data"


def _names(entries: Sequence[Entry], root: str) -> list[str]:
    return sorted(entry.path.removeprefix(root + "/") for entry in entries)
