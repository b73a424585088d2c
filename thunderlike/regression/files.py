"""Files of fitted models: their results, and what predictions need."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from thunderlike.data.series import Series
from thunderlike.errors import FormatError
from thunderlike.hdf5.models import Model
from thunderlike.regression.glm import GLMModel
from thunderlike.regression.linear import LinearModel
from thunderlike.regression.model import Columns, MassRegressionModel
from thunderlike.regression.ridge import RidgeModel
from thunderlike.regression.tuning import Binned, Bins, TuningModel

if TYPE_CHECKING:
    from collections.abc import Mapping

    from thunderlike._typing import Array
    from thunderlike.storage import AnyPath

__all__ = ["SavedRegression", "SavedTuning", "load", "saved"]

_KINDS: tuple[type[MassRegressionModel], ...] = (
    MassRegressionModel,
    LinearModel,
    RidgeModel,
    GLMModel,
)
_CLASSES = {kind.__name__: kind for kind in _KINDS}


@dataclass(frozen=True, eq=False)
class SavedRegression(Model):
    """Fields of a fitted regression in a file.

    Parameters
    ----------
    kind : str
        Name of the class of the model.
    results : ndarray, shape (..., m)
        Of all records.
    index : list of str
        Names of the columns.
    fields : dict
        First and last column of each name.
    names : list of str
        Of the regressors.
    center, scale, origin, mean : ndarray, shape (p,)
        As of :class:`~thunderlike.regression.model.Columns`.
    facts : dict
        Further attributes of the model.
    named : bool
        Whether the names of the regressors were given.
    """

    version: ClassVar[int] = 2

    kind: str
    results: Array
    index: list[str]
    fields: dict[str, list[int]]
    names: list[str]
    center: Array
    scale: Array
    origin: Array
    mean: Array
    facts: dict[str, Any] = field(default_factory=dict)
    named: bool = True

    @classmethod
    def of(cls, model: MassRegressionModel) -> SavedRegression:
        """Collect the results of a model."""
        columns, results = model._columns, model.results
        return cls(
            type(model).__name__,
            results.toarray(squeeze=False),
            [str(name) for name in results.index],
            {name: [place.start, place.stop] for name, place in model._fields.items()},
            list(columns.names),
            *(columns.center, columns.scale, columns.origin, columns.mean),
            {name: getattr(model, name) for name in model._facts},
            columns.named,
        )

    @classmethod
    def from_fields(cls, version: int, fields: Mapping[str, Any]) -> SavedRegression:
        """Return the saved fields; version 1 did not have `named`."""
        if version == 1:
            made_up = [f"x{i}" for i in range(len(fields["names"]))]
            fields = {**fields, "named": fields["names"] != made_up}
        return cls(**fields)

    def restored(self) -> MassRegressionModel:
        """Return the model, with its results in memory."""
        if self.kind not in _CLASSES:
            raise FormatError(f"holds a model of the unknown kind {self.kind!r:.60}")
        names = tuple(self.names)
        columns = Columns(names, self.center, self.scale, self.origin, self.mean, self.named)
        places = {name: slice(*place) for name, place in self.fields.items()}
        results = Series(self.results, index=list(self.index))
        model = _CLASSES[self.kind](results, columns, places)
        for name in model._facts:
            setattr(model, name, self.facts[name])
        return model


@dataclass(frozen=True, eq=False)
class SavedTuning(Model):
    """Fields of tuning curves in a file.

    Parameters
    ----------
    results : ndarray, shape (..., m)
        Of all records.
    numbers, centers, period
        As of :class:`~thunderlike.regression.tuning.Bins`.
    statistic : str
        Of the curve.
    shifts : list of int
        Of the permutation test.
    """

    results: Array
    numbers: Array
    centers: Array
    period: float | None
    statistic: str
    shifts: list[int]

    @classmethod
    def of(cls, model: TuningModel) -> SavedTuning:
        """Collect the results of a model."""
        fit = model._fit
        results = model.results.toarray(squeeze=False)
        return cls(results, *fit.bins, fit.statistic, list(fit.shifts))

    def restored(self) -> TuningModel:
        """Return the model, with its results in memory."""
        bins = Bins(self.numbers, self.centers, self.period)
        return TuningModel(Series(self.results), Binned(bins, self.statistic, tuple(self.shifts)))


def saved(model: MassRegressionModel | TuningModel) -> Model:
    """Return the fields of a fitted model for a file."""
    if isinstance(model, TuningModel):
        return SavedTuning.of(model)
    return SavedRegression.of(model)


def load(path: AnyPath) -> MassRegressionModel | TuningModel:
    """Load a model that its method `save` wrote, with its results in memory.

    Parameters
    ----------
    path : str or PathLike
        A ``.json``, ``.h5`` or ``.hdf5`` file.

    Returns
    -------
    LinearModel, RidgeModel, GLMModel or TuningModel

    Raises
    ------
    NotFoundError
        If there is no such file.
    FormatError
        If the file is damaged, holds another content, or a model of a later version.

    Examples
    --------
    >>> import thunderlike as tl
    >>> model = tl.series.fromarray([[1, 3, 5, 8]]).regress({"speed": [0, 1, 2, 3]})
    >>> model.save("memory://model.json")
    >>> load("memory://model.json").betas.toarray().round(2)
    array([0.8, 2.3])
    """
    found = Model.load(path)
    if not isinstance(found, SavedRegression | SavedTuning):
        raise FormatError(f"{path}: holds a {type(found).__name__}, not a regression")
    try:
        return found.restored()
    except (TypeError, ValueError, LookupError, AttributeError) as error:
        raise FormatError(f"{path}: fields of the model are missing or invalid: {error}") from error
