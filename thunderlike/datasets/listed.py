"""Samples that are a list in memory, and what readers of labelled samples share."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from thunderlike import storage
from thunderlike._arguments import checked_methods
from thunderlike.datasets.base import Reader
from thunderlike.errors import SpecError, WrongType
from thunderlike.formats.text import as_text

if TYPE_CHECKING:
    from thunderlike.storage import AnyPath

__all__ = ["ListReader", "noop"]

Sample: TypeAlias = dict[str, Any]
Function: TypeAlias = Callable[[Sample], Any]


def noop(sample: Sample) -> None:
    """Leave a sample as it is."""


@checked_methods
class ListReader(Reader):
    """Samples in memory, such as those of a list or of other readers.

    Parameters
    ----------
    samples : iterable of dict
        Copied, not changed. A sample without ``"key"`` gets its number in the list, as text.
    labels : sequence or path, optional
        All labels, in order, or a text file with one on each line; by default those of the samples,
        sorted naturally.
    numeric_labels : bool
        Give the position of a label among all in place of it, and the label as ``"_label"``.
    initfun : callable
        Called once with each sample, which it may change.
    convertfun : callable
        Called with a copy of the sample each time it is read, which it may change.

    Raises
    ------
    SpecError
        For a key that is there twice, and a label that is not among all.

    Examples
    --------
    >>> import thunderlike as tl
    >>> pets = [{"key": "rex", "label": "dog"}, {"key": "tom", "label": "cat"}]
    >>> tl.datasets.ListReader(pets).get(0)
    {'key': 'rex', 'label': 1, '_label': 'dog'}
    """

    def __init__(
        self,
        samples: Iterable[Sample],
        labels: Sequence[Any] | AnyPath | None = None,
        numeric_labels: bool = True,
        initfun: Function = noop,
        convertfun: Function = noop,
    ) -> None:
        if not isinstance(samples, Iterable):
            raise WrongType(f"samples is a list of dicts, not {samples!r:.60}")
        self._samples = [_with_key(sample, number) for number, sample in enumerate(samples)]
        for sample in self._samples:
            initfun(sample)
        self._convert = convertfun
        self._index = self._indexed()
        self._numeric = numeric_labels
        self._labels = self._numbered(labels) if numeric_labels else {}

    def _indexed(self) -> dict[str, int]:
        index: dict[str, int] = {}
        for number, sample in enumerate(self._samples):
            if index.setdefault(sample["key"], number) != number:
                first = index[sample["key"]]
                raise SpecError(f"samples {first} and {number} have the same key {sample['key']!r}")
        return index

    def _numbered(self, labels: Any) -> dict[Any, int]:
        """From each label to its number, and look whether every sample has one of them."""
        used = [sample["label"] for sample in self._samples if "label" in sample]
        known = sorted(set(used), key=storage.natural) if labels is None else _listed(labels)
        if labels is None and None in known:
            raise SpecError("a sample has the label None; give labels, or leave the label out")
        numbers = {label: number for number, label in enumerate(known)}
        numbers |= {str(label): number for label, number in numbers.items()}
        for sample in self._samples:
            if "label" in sample and _number(numbers, sample["label"]) is None:
                raise SpecError(f"sample {sample['key']!r}: no label {sample['label']!r} is known")
        return numbers

    def __len__(self) -> int:
        return len(self._samples)

    def find_key(self, index: int) -> str:
        """Return the key of a sample."""
        return str(self._samples[self._position(index)]["key"])

    def find_index(self, key: Any) -> int:
        """Return the number of a key."""
        try:
            return self._index[key]
        except (KeyError, TypeError):
            raise self._missing(key) from None

    def _one(self, index: int, raw: bool) -> Any:
        sample = dict(self._samples[index])
        if self._numeric and "label" in sample:
            sample["_label"] = sample["label"]
            sample["label"] = _number(self._labels, sample["label"])
        self._complete(index, sample)
        self._convert(sample)
        return self._packed(index, sample) if raw else sample

    def _complete(self, index: int, sample: Sample) -> None:
        """Add to a copy of a sample what is only read when it is asked for."""


def _number(numbers: dict[Any, int], label: Any) -> int | None:
    return numbers.get(label, numbers.get(str(label)))


def _listed(labels: Any) -> list[Any]:
    if isinstance(labels, Sequence) and not isinstance(labels, str):
        return list(labels)
    text = as_text(storage.read(labels), labels)
    return [line.strip() for line in text.splitlines() if line.strip()]


def _with_key(sample: Any, number: int) -> dict[str, Any]:
    if not isinstance(sample, Mapping):
        raise WrongType(f"sample {number} is a dict, not {sample!r:.60}")
    return {**sample, "key": str(sample.get("key", number))}
