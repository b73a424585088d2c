"""Records that are one field of the samples of a dataset."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from thunderlike.data.accessed import decoded
from thunderlike.engines.base import SourceDefaults, Spec
from thunderlike.errors import FormatError, SpecError
from thunderlike.kernels._validation import same_values

if TYPE_CHECKING:
    from collections.abc import Iterator

    from thunderlike._typing import Array

__all__ = ["SampleSource", "Samples"]


class Samples(Protocol):
    """What is needed of a reader of ``thunderlike.datasets`` or a view of one."""

    def __len__(self) -> int:
        """How many samples there are."""

    def get(self, index: int) -> Any:
        """Return one."""

    def slice(self, start: int, stop: int) -> Iterator[Any]:
        """Iterate over some."""


@dataclass(frozen=True)
class SampleSource(SourceDefaults):
    """One field of each sample: an array, or the bytes of a TIFF, PNG or npy file.

    Parameters
    ----------
    spec : Spec
        All records.
    reader : Samples
        Pickled for workers elsewhere, which open it themselves.
    field : str
        Of each sample.
    """

    spec: Spec
    reader: Samples
    field: str

    @classmethod
    def of(cls, reader: Samples, field: str, naxes: range) -> SampleSource:
        """Look at the first sample for shape and dtype.

        Raises
        ------
        SpecError
            When there is none, or its field has another number of axes.
        """
        if not len(reader):
            raise SpecError("the dataset has no samples, of which there must be one to look at")
        first = _array(reader.get(0), field)
        if first.ndim not in naxes:
            raise SpecError(
                f"the first sample's {field!r} has shape {first.shape}, "
                f"and {naxes[0]} to {naxes[-1]} axes are needed"
            )
        dtype = first.dtype.newbyteorder("=")
        return cls(Spec(len(reader), first.shape, dtype), reader, field)

    def read(self, start: int, stop: int, out: Array) -> None:
        """Read the samples of a range, and of each the field."""
        for row, sample in enumerate(self.reader.slice(start, stop)):
            array = _array(sample, self.field)
            if array.shape != self.spec.shape:
                raise SpecError(
                    f"sample {start + row} ({sample.get('key')!r}): {self.field!r} has shape "
                    f"{array.shape}, in the first {self.spec.shape}: all must be equal"
                )
            found = same_values(array, self.spec.dtype)
            if found is None:
                raise SpecError(
                    f"sample {start + row} ({sample.get('key')!r}): {self.field!r} is "
                    f"{array.dtype}, in the first {self.spec.dtype}, which does not hold its values"
                )
            out[row] = found


def _array(sample: Any, field: str) -> Array:
    if field not in sample:
        names = ", ".join(map(repr, sample))
        raise SpecError(f"sample {sample.get('key')!r} has no field {field!r}; it has {names}")
    value = sample[field]
    if not isinstance(value, bytes):
        return np.asarray(value)
    try:
        return decoded(value)
    except FormatError as error:
        raise SpecError(f"sample {sample.get('key')!r}: {field!r} {error}") from error
