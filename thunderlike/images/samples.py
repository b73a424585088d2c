"""Images from the samples of a dataset."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from thunderlike.data.images import Images
from thunderlike.data.samples import Samples, SampleSource
from thunderlike.engines import engine_for
from thunderlike.kernels._validation import checked_arguments

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["fromdataset"]


@checked_arguments
def fromdataset(
    reader: Samples,
    field: str = "data",
    labels: Sequence[Any] | None = None,
    npartitions: int | None = None,
    engine: Any = None,
) -> Images:
    """Make images of one field of each sample of a dataset.

    Parameters
    ----------
    reader : Reader
        Of ``tl.datasets``, or a view; images come in its order.
    field : str
        An array in each sample, or the bytes of a TIFF, PNG or npy file.
    labels : sequence, optional
        What each image is called, such as ``list(reader.keys())``.
    npartitions, engine
        As in :func:`~thunderlike.images.construct.fromarray`.

    Raises
    ------
    SpecError
        For a field that is not there, is no image, or is not of one shape.

    Notes
    -----
    One sample is read here; the others are where the engine runs, each worker its ranges.

    Examples
    --------
    >>> import numpy as np
    >>> import thunderlike as tl
    >>> faces = tl.datasets.ListReader([{"key": k, "image": np.eye(3)} for k in "ab"])
    >>> tl.images.fromdataset(faces, field="image").shape
    (2, 3, 3)
    """
    source = SampleSource.of(reader, field, range(1, 5))
    return Images(engine_for(engine).load(source, npartitions), labels=labels)
