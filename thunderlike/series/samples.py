"""Series from the samples of a dataset."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from thunderlike.data.samples import Samples, SampleSource
from thunderlike.data.series import Series
from thunderlike.engines import engine_for
from thunderlike.kernels._validation import checked_arguments

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["fromdataset"]


@checked_arguments
def fromdataset(
    reader: Samples,
    field: str = "data",
    index: Any = None,
    labels: Sequence[Any] | None = None,
    npartitions: int | None = None,
    engine: Any = None,
) -> Series:
    """Make series of one field of each sample of a dataset.

    Parameters
    ----------
    reader : Reader
        Of ``tl.datasets``, or a view; series come in its order.
    field : str
        An array of one axis in each sample.
    index, labels, npartitions, engine
        As in :func:`~thunderlike.series.construct.fromarray`.

    Raises
    ------
    SpecError
        For a field that is not there, has more axes, or is not of one length.

    Notes
    -----
    One sample is read here; the others are where the engine runs, each worker its ranges.

    Examples
    --------
    >>> import numpy as np
    >>> import thunderlike as tl
    >>> traces = tl.datasets.ListReader([{"key": k, "trace": np.arange(4)} for k in "ab"])
    >>> tl.series.fromdataset(traces, field="trace").shape
    (2, 4)
    """
    source = SampleSource.of(reader, field, range(1, 2))
    records = engine_for(engine).load(source, npartitions)
    return Series(records, index=index, labels=labels)
