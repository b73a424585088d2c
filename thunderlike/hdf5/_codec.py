"""Contract of encoders and decoders: writer, reader, table of codecs, groups, trampoline.

An encoder writes a value as a node of the file; a decoder makes a value of a node. Both are
generators that yield the tasks for the values inside theirs (see :func:`run`). They enter
themselves in the table with :func:`encodes`, :func:`selects_encoder` and :func:`decodes`; this
module imports none of them.
"""

from __future__ import annotations

import dataclasses
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

import numpy as np
from h5py import h5g, h5l, h5o, h5p

from thunderlike.config import current
from thunderlike.errors import (
    GroupMissingError,
    Hdf5Error,
    RefusedError,
    SpecError,
    ThunderlikeError,
    UnreadableError,
)
from thunderlike.hdf5 import _attributes, _datasets, _limits, _pickles, compression, scalars
from thunderlike.hdf5._documents import NODE, Document
from thunderlike.hdf5._limits import Budget
from thunderlike.hdf5._pickles import Compression, ForcePickle

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Mapping, Sequence

    from h5py.h5d import DatasetID
    from h5py.h5g import GroupID

    from thunderlike.hdf5._pickles import Policy
    from thunderlike.hdf5.compression import Filters

__all__ = [
    "DECODERS",
    "SELECTABLE",
    "SELECTORS",
    "Decoder",
    "Deferred",
    "Destination",
    "Encoder",
    "Group",
    "Reader",
    "Task",
    "Writer",
    "decodes",
    "encoder_of",
    "encodes",
    "new_group",
    "resolved",
    "run",
    "selects_encoder",
]


Task: TypeAlias = "Generator[Task, Any, Any]"
Encoder: TypeAlias = "Callable[[Writer, Destination, Any], Task]"
Decoder: TypeAlias = "Callable[[Reader, Any, int, Any], Task]"
EncoderSelector: TypeAlias = "Callable[[type], Encoder | None]"
Place: TypeAlias = "Destination | tuple[str, tuple[Any, ...], Any]"
Entered = TypeVar("Entered")
AnyEncoder = TypeVar("AnyEncoder", bound="Encoder")
AnyDecoder = TypeVar("AnyDecoder", bound="Decoder")
AnySelector = TypeVar("AnySelector", bound="EncoderSelector")


# table of codecs

ENCODERS: dict[type, Encoder] = {}
SELECTORS: dict[type | str, EncoderSelector] = {}
DECODERS: dict[str | type, Decoder] = {}
SELECTABLE: set[str] = set()  # kinds of groups of which `sel` takes a part


def encodes(*classes: type, subclasses: bool = False) -> Callable[[AnyEncoder], AnyEncoder]:
    """Enter a function as the encoder of classes, perhaps with their subclasses."""

    def enter(encoder: AnyEncoder) -> AnyEncoder:
        ENCODERS.update(dict.fromkeys(classes, encoder))
        if subclasses:
            SELECTORS.update(dict.fromkeys(classes, lambda _: encoder))
        return encoder

    return enter


def selects_encoder(base: type | str) -> Callable[[AnySelector], AnySelector]:
    """Enter a function that returns the encoder of a subclass, or None.

    Parameters
    ----------
    base : type or str
        Class, or name of the module or package that defines classes: they are encoded without an
        import of it.
    """

    def enter(selector: AnySelector) -> AnySelector:
        SELECTORS[base] = selector
        return selector

    return enter


def decodes(*kinds: str | type, selectable: bool = False) -> Callable[[AnyDecoder], AnyDecoder]:
    """Enter a function as the decoder of kinds of groups, or of a class of nodes of h5py.

    Parameters
    ----------
    kinds : str or type
        For each group or node of them it is called with the reader, the group or node, its
        address in the file, and `sel` or None.
    selectable : bool
        `sel` may take a part of these kinds.
    """

    def enter(decoder: AnyDecoder) -> AnyDecoder:
        DECODERS.update(dict.fromkeys(kinds, decoder))
        if selectable:
            SELECTABLE.update(kind for kind in kinds if isinstance(kind, str))
        return decoder

    return enter


def encoder_of(kind: type) -> Encoder | None:
    """Return the encoder of a class: its own, else that of its nearest base; None without any."""
    if kind in ENCODERS:
        return ENCODERS[kind]
    for base in kind.__mro__:
        # Libraries are compared by name: to import them would slow down every `save`.
        module = f"{base.__module__}."
        for key, select in SELECTORS.items():
            matches = base is key if isinstance(key, type) else module.startswith(f"{key}.")
            if matches and (encoder := select(kind)) is not None:
                return encoder
    return None


# tasks

_TASKS_PER_LEVEL = 4  # the encoder of a list takes so many, that of a frame one more


def run(task: Task, depth: int) -> Any:
    """Run a task and the tasks that it yields, without recursion of Python.

    Parameters
    ----------
    task : generator
        ``found = yield other`` runs another task and evaluates to its result, as a call would.
    depth : int
        Maximum depth of nested containers.

    Returns
    -------
    object
        What the task returns.

    Raises
    ------
    SpecError
        If containers are nested deeper.

    Examples
    --------
    >>> def total(tree):
    ...     count = 0
    ...     for item in tree:
    ...         count += (yield total(item)) if isinstance(item, list) else item
    ...     return count
    >>> run(total([1, [2, [3, 4]]]), depth=3)
    10
    """
    waiting: list[Task] = [task]
    result: Any = None
    failure: Exception | None = None
    while waiting:
        try:
            top = waiting[-1]
            inner = top.send(result) if failure is None else top.throw(failure)
            waiting.append(inner)
            result = failure = None
        except StopIteration as done:
            waiting.pop()
            result, failure = done.value, None
        except Exception as error:
            waiting.pop()
            failure = error  # raised where the waiting task yielded, as a call would
            if not waiting:
                raise
        if len(waiting) > _TASKS_PER_LEVEL * depth:
            raise SpecError(
                f"nested more than {depth} deep; tl.config(hdf5_depth=...) allows for more"
            )
    return result


# places and groups


@dataclass(frozen=True, eq=False)
class Destination:
    """Name of a node in an open group, and the filters of the arrays below it.

    Attributes
    ----------
    parent : h5py.h5g.GroupID or None
        None for the root and for nodes that are written already.
    up : Destination or None
        Of the group that holds the node.
    """

    parent: Any
    name: str
    up: Destination | None
    filters: Filters

    @property
    def path(self) -> str:
        """Path from the root, as the target of a soft link."""
        parts, node = [], self
        while node.up is not None:
            parts.append(node.name)
            node = node.up
        return "/" + "/".join(reversed(parts))

    def within(self, group: GroupID, name: str) -> Destination:
        """Return the destination of an entry of the group that was created here."""
        return Destination(group, name, self, self.filters)


def new_group(dest: Destination, title: str) -> GroupID:
    """Create a group; deepdish reads from its title which type it had."""
    group = h5g.create(dest.parent, dest.name.encode(), None, _GROUP_PROPERTIES)
    _attributes.write(group, "TITLE", title)
    return group


_GROUP_PROPERTIES = _attributes.compact(h5p.create(h5p.GROUP_CREATE))


@dataclass
class Group:
    """Open group, with the names of its attributes and its metadata."""

    id: GroupID
    path: str
    attribute_names: list[str]
    metadata: dict[str, Any]
    attributes: dict[str, Any]  # those that have been read
    document: Document | None = None  # of small entries

    @cached_property
    def nodes(self) -> dict[str, int]:
        """Names of entries that are groups, arrays or links, each with the kind of its link."""
        kinds = _limits.kinds_of(self.id)
        hidden = self.document.hidden if self.document else ()
        return {n: kind for n, kind in kinds.items() if n not in hidden} if hidden else kinds

    @cached_property
    def scalars(self) -> list[str]:
        """Names of entries that are single values, without the attributes of the format."""
        system, hidden = _attributes.SYSTEM, _attributes.HIDDEN
        names = [n for n in self.attribute_names if n not in system and not n.startswith(hidden)]
        return [*names, *self._packed]

    @cached_property
    def _packed(self) -> dict[str, Any]:
        """Values in the metadata; an attribute of the same name was written later."""
        packed = self.metadata.get("values", {})
        if not isinstance(packed, dict):
            raise Hdf5Error("the values in its metadata are damaged")
        names = set(self.attribute_names)
        return {n: value for n, value in packed.items() if n not in names}

    def scalar(self, name: str) -> Any:
        """Read an entry that is a single value, as deepdish returns it."""
        if name in self._packed:
            return scalars.from_json(self._packed[name])
        return _attributes.read(self.id, name)

    def attribute(self, name: str, default: object = None) -> Any:
        """Read an attribute; return `default` if it does not exist."""
        if name not in self.attributes and name in self.attribute_names:
            self.attributes[name] = _attributes.read(self.id, name)
        return self.attributes.get(name, default)

    def ordered(self) -> list[str]:
        """Return the names of all entries: as saved, then other nodes by name, then attributes."""
        names = dict.fromkeys([*sorted(self.nodes), *sorted(self.scalars)])
        small = self.document.entries if self.document else {}
        saved = self.metadata.get("entries")
        if not isinstance(saved, dict):
            saved = {}
        first = [n for n, raw in small.items() if n in names or raw != NODE]
        listed = {*first} if first else ()
        first += [name for name in saved if name in names and name not in listed]
        return [*first, *(n for n in names if n not in saved and n not in listed)]

    @cached_property
    def small(self) -> dict[str, Any]:
        """JSON of the entries in the document; nodes and attributes were written later."""
        if self.document is None:
            return {}
        others = {*self.nodes, *self.scalars}
        return {n: r for n, r in self.document.entries.items() if r != NODE and n not in others}

    @property
    def is_small(self) -> bool:
        """True if all entries are in the document."""
        return self.document is not None and not self.nodes and not self.scalars

    def keys(self, policy: Policy) -> dict[str, Any]:
        """Return the keys that HDF5 does not take as names, by their names in the file."""
        keys = self._spelled_keys
        return {name: _attributes.key_from_json(spelled, policy) for name, spelled in keys.items()}

    def names_of_texts(self) -> dict[str, str]:
        """Return the names in the file of text keys that HDF5 does not take as names."""
        return {key: name for name, key in self._spelled_keys.items() if isinstance(key, str)}

    @property
    def _spelled_keys(self) -> dict[str, Any]:
        keys = self.metadata.get("keys", {})
        if not isinstance(keys, dict):
            raise Hdf5Error("the keys in its metadata are damaged")
        return keys


# deferred values


class Deferred:
    """Placeholder of an immutable value until the values inside it are decoded.

    Examples
    --------
    >>> outer = Deferred()
    >>> inner = Deferred().made_of([1, outer], tuple)
    >>> whole = outer.made_of([2], tuple)
    >>> resolved(inner), resolved(whole)
    ((1, (2,)), (2,))
    """

    def __init__(self) -> None:
        self._make: Callable[[], Any] | None = None
        self._values: list[Any] = []

    def made_of(self, values: list[Any], maker: Callable[[list[Any]], Any]) -> Any:
        """Return the value if all values inside it are decoded, else this placeholder."""
        if any(isinstance(value, Deferred) for value in values):
            self._make = lambda: maker([resolved(value) for value in values])
            return self
        self._values.append(maker(values))
        return self._values[0]

    def get(self) -> Any:
        """Return the value, which is made once."""
        if not self._values and self._make is not None:
            # Without `_make`, a tuple that holds itself is an error rather than endless recursion.
            make, self._make = self._make, None
            self._values.append(make())
        if not self._values:
            raise ValueError("a tuple holds itself, with no list or dict between")
        return self._values[0]


def resolved(value: object) -> Any:
    """Return the value of a placeholder, or any other value itself."""
    return value.get() if isinstance(value, Deferred) else value


# encoding


@dataclass
class Writer:
    """Encodes values below a group, each object once.

    Parameters
    ----------
    pickle : bool
        Pickle values of classes without an encoder.
    links : bool
        Write a soft link for an object that is in the file already; False writes it again.
    meta : bool
        Write metadata of Python, in attributes that other readers skip.
    compat : bool
        Write numbers and text as attributes, for other readers; False keeps them in the metadata.
    pack : bool
        Write small entries of wide groups as one document.
    seen : dict
        Objects by their id, with the place of each: a node, or the path of a document and the steps
        in it.
    """

    pickle: bool = False
    links: bool = True
    meta: bool = True
    compat: bool = True
    pack: bool = True
    here: Destination | None = None  # node that is being written, for messages
    check: Callable[[], None] = lambda: None  # raises if writing to the disk has failed
    seen: dict[int, tuple[object, Place]] = field(default_factory=dict)
    _open: set[int] = field(default_factory=set)

    def add_root(self, dest: Destination, value: object) -> None:
        """Enter the value of the file itself, which may contain itself."""
        self.seen[id(value)] = (value, dest)
        self._open.add(id(value))

    def is_open(self, value: object) -> bool:
        """Return True for a container whose entries are being written."""
        return id(value) in self._open

    def encode(self, dest: Destination, value: Any) -> Task:
        """Write a value that is not a scalar."""
        self.here = dest
        self.check()
        if isinstance(value, Compression):
            chosen = compression.Filters.of(value.compression, checksum=dest.filters.checksum)
            dest, value = dataclasses.replace(dest, filters=chosen), value.obj
        if self._linked(dest, value):
            return
        encoder = None if isinstance(value, ForcePickle) else encoder_of(type(value))
        if encoder is None:
            self._encode_pickle(dest, value)
            return
        self._open.add(id(value))
        yield encoder(self, dest, value)
        self._open.discard(id(value))

    def _linked(self, dest: Destination, value: object) -> bool:
        """Write a link if the object is in the file already; else remember its destination."""
        if id(value) not in self.seen:
            # With the object itself: an id is unique only while the object lives.
            self.seen[id(value)] = (value, Destination(None, dest.name, dest.up, dest.filters))
            return False
        if not self.links:
            if id(value) in self._open:
                raise SpecError("holds itself, which needs links=True")
            return False
        place = self.seen[id(value)][1]
        if isinstance(place, tuple):  # in a document, where no link of HDF5 leads
            path, steps, step = place
            metadata = {"kind": "same", "target": [path, [*steps, step]]}
            self.write_metadata(new_group(dest, "dict:0"), metadata)
        else:
            dest.parent.links.create_soft(dest.name.encode(), place.path.encode())
        return True

    def _encode_pickle(self, dest: Destination, value: object) -> None:
        if isinstance(value, ForcePickle):
            value = value.obj
        elif not self.pickle:
            raise SpecError(
                f"is a {type(value).__qualname__}, which HDF5 has no place for; pickle='allow' "
                "pickles it"
            )
        _datasets.write_pickle(dest.parent, dest.name, _pickles.dumps(value))

    def encode_entries(
        self, dest: Destination, group: GroupID, items: Iterable[tuple[str, Any]]
    ) -> Task:
        """Write the entries of a group, and return their metadata.

        Returns
        -------
        dict
            ``entries``: code of each entry, ``''`` for nodes; ``values``: values that are in the
            metadata only, if any.
        """
        codes: dict[str, str] = {}
        packed: dict[str, Any] = {}
        for name, value in items:
            scalar = scalars.encode(value.obj if isinstance(value, Compression) else value)
            if scalar is None:
                yield self.encode(dest.within(group, name), value)
                codes[name] = ""
                continue
            stored, codes[name] = scalar
            spelled = None if self.compat else scalars.to_json(stored)
            if spelled is not None:
                packed[name] = spelled
                continue
            try:
                _attributes.write(group, name, stored)
            except (OSError, RuntimeError, ValueError) as error:
                raise SpecError(f"{name!r:.60} cannot be written: {error}") from error
        return {"entries": codes, "values": packed} if packed else {"entries": codes}

    def write_metadata(self, node: GroupID, metadata: dict[str, Any]) -> None:
        """Write metadata, unless `meta` is False."""
        if self.meta:
            _attributes.write_metadata(node, metadata)

    def encode_mapping(
        self,
        dest: Destination,
        group: GroupID,
        value: Mapping[Any, Any],
        encode: Callable[..., Task] | None = None,
        /,
        **metadata: object,
    ) -> Task:
        """Write the entries of a mapping into an existing group, by default `encode_entries`."""
        named = _attributes.entry_names(value)
        keys = {
            name: _attributes.key_to_json(key, pickle=self.pickle)
            for name, key in named.items()
            if type(key) is not str or name != key
        }
        items = ((name, value[key]) for name, key in named.items())
        entries = yield (encode or Writer.encode_entries)(self, dest, group, items)
        self.write_metadata(group, {**entries, **({"keys": keys} if keys else {}), **metadata})


# decoding

# Attributes of the layouts of deepdish, PyTables and pandas.
_FORMAT_ATTRIBUTES = {
    *_attributes.SYSTEM,
    *(f"{_attributes.HIDDEN}{rest}" for rest in ("_VERSION", "_TL", "_ROOT_IS_SNS")),
    *("DEEPDISH_IO_DEEPDISH_IO_UNPACK", "strtype", "itemsize", "zeroarray_dtype", "PSEUDOATOM"),
    *("format", "pandas_type", "pandas_version", "encoding", "errors", "kind", "name"),
    *("value_type", "transposed", "tz", "nblocks", "ndim", "axis0_variety", "axis1_variety"),
}


@dataclass
class Reader:
    """Decodes nodes, each once: two links to one node give one object.

    Parameters
    ----------
    root : h5py.h5g.GroupID
        Root of the file.
    pickle : {'refuse', 'restricted', 'allow'}
        Policy for pickles.
    python : bool
        Restore Python's own types from the metadata.
    classes : mapping
        Classes that may be instantiated, by name.
    """

    root: Any
    pickle: Policy = "refuse"
    python: bool = True
    budget: Budget = field(default_factory=Budget)
    classes: Mapping[str, Any] = field(default_factory=dict)
    here: str = "/"  # node that is being read, for messages
    left_out: dict[str, str] = field(default_factory=dict)  # entries without a value, and why
    _decoded: dict[int, Any] = field(default_factory=dict)
    _documents: dict[int, Document] = field(default_factory=dict)
    _deferred: list[tuple[Callable[[Any, Any], None], object, Deferred]] = field(
        default_factory=list
    )

    @cached_property
    def has_cells(self) -> bool:
        """True if the file has the group of MATLAB for targets of cells."""
        return _attributes.MATLAB_GROUPS[0] in _limits.names_of(self.root)

    def open(self, parent: GroupID, path: str, name: str) -> tuple[Any, str]:
        """Open an entry of a group, and return it with its path after links."""
        self.here = _limits.join(path, name)
        return _limits.follow(self.root, parent, path, name)

    def group(self, node: GroupID, path: str) -> Group:
        """Read the attributes that describe a group."""
        names = _attributes.names_of(node)
        attributes = self.checked_attributes(node, names)
        metadata = _attributes.read_metadata(node, names)
        group = Group(node, path, names, metadata, attributes)
        if "packed" in metadata:
            group.document = self._document(node, path, metadata["packed"])
        return group

    def _document(self, node: GroupID, path: str, info: object) -> Document:
        """Return the document of a group, which is read once."""
        address = h5o.get_info(node).addr
        if address not in self._documents:
            self._documents[address] = Document(
                *(node, path, info, self.budget, self.classes, self.pickle, self._referred),
                python=self.python,
            )
        return self._documents[address]

    def document_at(self, path: str) -> Document:
        """Return the document of the group at a path; UnreadableError if it was replaced."""
        node, where = self._open_path(path)
        if isinstance(node, h5g.GroupID):
            document = self.group(node, where).document
            if document is not None:
                return document
        raise UnreadableError(f"leads to {path}, which was replaced")

    def _open_path(self, path: str) -> tuple[Any, str]:
        node, where = self.root, "/"
        try:
            for part in (part for part in path.split("/") if part):
                node, where = _limits.follow(self.root, node, where, part)
        except GroupMissingError as error:
            raise UnreadableError(str(error)) from error
        return node, where

    def _referred(self, path: str, steps: list[Any]) -> Any:
        """Return the value that a document refers to: in another one, or a node."""
        if steps:
            document = self.document_at(path)
            return document.value(document.at(steps))
        # A node that was complete before the document: it does not lead back to it.
        return resolved(run(self.decode(*self._open_path(path)), current().hdf5_depth))

    def checked_attributes(self, node: GroupID | DatasetID, names: list[str]) -> dict[str, Any]:
        """Read the attributes of the format, and refuse pickles in them.

        PyTables unpickles such attributes as soon as it opens the node.
        """
        attributes: dict[str, Any] = {}
        for name in _FORMAT_ATTRIBUTES.intersection(names):
            with suppress(UnreadableError):  # another program uses the name for something else
                attributes[name] = _attributes.read(node, name)
        if self.pickle == "allow":
            return attributes
        for name, stored in attributes.items():
            if isinstance(stored, bytes) and stored.endswith(b"."):
                try:
                    _pickles.from_attribute(bytes(stored), self.pickle)
                except RefusedError as error:
                    raise RefusedError(f"its attribute {name} {error}") from None
        return attributes

    def decode(self, node: GroupID | DatasetID, path: str, sel: object = None) -> Task:
        """Read a group or an array."""
        self.here = path
        address = h5o.get_info(node).addr
        if sel is None and address in self._decoded:
            return self._decoded[address]  # a part of it is another object
        decoder = DECODERS.get(type(node))
        if decoder is None:
            raise UnreadableError(
                "is a named type, neither a group nor an array, and holds no value"
            )
        try:
            value = yield decoder(self, node, address, sel)
        except ThunderlikeError:
            self._decoded.pop(address, None)  # no other link may lead to part of a value
            raise
        if sel is None:
            self._decoded[address] = value
        return value

    def decode_child(self, group: Group, name: str, sel: object = None) -> Task:
        """Read an entry that is a node."""
        if group.nodes.get(name) != h5l.TYPE_HARD:
            return self.decode(*self.open(group.id, group.path, name), sel)
        # Nearly all links are hard: nothing has to be followed.
        path = self.here = _limits.join(group.path, name)
        return self.decode(_limits.open_node(group.id, name), path, sel)

    def scalar(self, group: Group, name: str) -> Any:
        """Read an entry that is a single value."""
        self.here = _limits.join(group.path, name)
        stored = group.scalar(name)
        # PyTables pickles values for which HDF5 has no type; every pickle ends in a dot.
        if isinstance(stored, np.bytes_) and stored.endswith(b"."):
            value = _pickles.from_attribute(bytes(stored), self.pickle)
            if isinstance(value, np.ndarray) and not value.ndim:
                return value.item()  # deepdish wraps integers of more than 64 bits so
            return value
        code = group.metadata.get("entries", {}).get(name) if self.python else None
        return scalars.decode(stored, code, self.classes) if code else stored

    def decode_entries(self, group: Group, wanted: Sequence[str] | None = None) -> Task:
        """Read all entries of a group, in the order of :meth:`Group.ordered`."""
        if group.document is not None and group.is_small and wanted is None:
            return group.document.values()
        values = {}
        attrs = set(group.scalars)
        for name in group.ordered() if wanted is None else wanted:
            if name in attrs:
                values[name] = self.scalar(group, name)
            elif name in group.small:
                values[name] = self.small(group, [name])
            else:
                values[name] = yield self.decode_child(group, name)
        return values

    def small(self, group: Group, steps: list[str], sel: Any = None) -> Any:
        """Read an entry of a document, or an entry in it."""
        self.here = "/".join([group.path.rstrip("/"), *steps])
        assert group.document is not None
        return group.document.entry(steps, sel)

    def decode_items(self, group: Group) -> Task:
        """Read the entries i0, i1, ... in order."""
        if group.document is not None and group.is_small and group.document.is_list:
            return list(group.document.values().values())
        names = [name for name in group.ordered() if name[:1] == "i" and name[1:].isdecimal()]
        values = yield self.decode_entries(group, sorted(names, key=lambda name: int(name[1:])))
        return list(values.values())

    def decode_readable(self, group: Group) -> Task:
        """Read all entries of a group that can be read, and list the others in `left_out`.

        One reference or dangling link must not prevent reading the rest of a file. Entries that
        are refused (RefusedError) or damaged stay errors.
        """
        if group.document is not None and group.is_small:
            return group.document.values()
        values = {}
        attrs = set(group.scalars)
        hidden = _attributes.MATLAB_GROUPS if group.path == "/" else ()
        for name in group.ordered():
            if name in hidden:
                continue
            try:
                if name in attrs:
                    values[name] = self.scalar(group, name)
                    continue
                if name in group.small:
                    values[name] = self.small(group, [name])
                    continue
                task = self.decode_child(group, name)
            except (UnreadableError, GroupMissingError) as error:
                # GroupMissingError: a dangling link.
                self._leave_out(group, name, error)
                continue
            try:
                values[name] = yield task
            except (UnreadableError, SpecError) as error:
                # SpecError: a layout of pandas that is not supported.
                self._leave_out(group, name, error)
        return values

    def _leave_out(self, group: Group, name: str, error: Exception) -> None:
        self.left_out[_limits.join(group.path, name)] = str(error)

    def fill(self, values: Mapping[Any, Any], store: Callable[[Any, Any], None]) -> None:
        """Store entries in a container; placeholders again once their values are made."""
        for name, value in values.items():
            store(name, value)  # placeholders too: they keep the order
            if isinstance(value, Deferred):
                self._deferred.append((store, name, value))

    def enter(self, address: int, value: Entered) -> Entered:
        """Enter a container before its entries are read: they may contain it."""
        self._decoded[address] = value
        return value

    def defer(self, address: int) -> Deferred:
        """Enter a placeholder of an immutable value whose entries are not read yet."""
        deferred = Deferred()
        self._decoded[address] = deferred
        return deferred

    def finish(self, value: object) -> Any:
        """Replace all placeholders: tuples that contain themselves through a list."""
        for store, name, placeholder in self._deferred:
            store(name, placeholder.get())
        return resolved(value)
