"""Nested settings with paths as keys: ``config['model/rate']``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from thunderlike.errors import KeyMissingError, SpecError, WrongTypeError

if TYPE_CHECKING:
    from collections.abc import Callable

    from thunderlike.batches import Pipeline

__all__ = ["Config"]


class Config(dict[str, Any]):
    """Settings by name, or by path: ``'model/rate'`` is ``rate`` of ``model``.

    Parameters
    ----------
    config : mapping or sequence of pairs, optional
        Initial settings; nested dicts become settings, and keys may be paths.
    **settings
        Further settings.

    Examples
    --------
    >>> config = Config({"model/rate": 0.1, "model": {"depth": 3}})
    >>> config["model/depth"], config.flatten()
    (3, {'model/rate': 0.1, 'model/depth': 3})
    """

    def __init__(self, config: object = None, **settings: object) -> None:
        super().__init__()
        for key, value in [*_pairs(config), *settings.items()]:
            self.put(key, value)

    @property
    def config(self) -> Config:
        """The same object, as in batchflow."""
        return self

    def put(self, variable: str, value: object) -> None:
        """Set a value by its path; dicts are merged into existing settings."""
        if not isinstance(variable, str):
            raise WrongTypeError(f"the name of a setting is {variable!r:.80}; expected a string")
        name, *rest = [part for part in variable.split("/") if part] or [variable]
        held = dict.get(self, name)
        if rest:
            inner = held if isinstance(held, Config) else Config()
            inner.put("/".join(rest), value)
            value = inner
        elif isinstance(value, Mapping):
            # Its keys may be paths too, which Config takes apart before the merge.
            value = Config({**held, **Config(value)} if isinstance(held, Config) else value)
        dict.__setitem__(self, name, value)

    def _holder(self, path: object) -> tuple[Any, str]:
        """Return the dict that holds an entry, or None, and the name of the entry."""
        *folders, name = [part for part in str(path).split("/") if part] or [str(path)]
        held: Any = self
        for folder in folders:
            held = dict.get(held, folder) if isinstance(held, dict) else None
        return (held if isinstance(held, dict) else None), name

    def _several(self, variables: object, one: Callable[[object], Any]) -> Any:
        if isinstance(variables, list | tuple):
            return tuple(one(variable) for variable in variables)
        return one(variables)

    def get(self, variables: object, default: object = None) -> Any:
        """Return a value, or one for each of several paths."""

        def one(path: object) -> Any:
            held, name = self._holder(path)
            return default if held is None else dict.get(held, name, default)

        return self._several(variables, one)

    def pop(self, variables: object, *default: object, **named: object) -> Any:
        """Remove and return one value or several; `default` if missing."""
        fallback = (*default, *named.values())

        def one(path: object) -> Any:
            held, name = self._holder(path)
            if held is not None and name in dict.keys(held):
                return dict.pop(held, name)
            if fallback:
                return fallback[0]
            raise KeyMissingError(f"the config has no {path!r}; it has {', '.join(self)}")

        return self._several(variables, one)

    def __getitem__(self, variables: object) -> Any:
        def one(path: object) -> Any:
            held, name = self._holder(path)
            if held is None or name not in dict.keys(held):
                raise KeyMissingError(f"the config has no {path!r}; it has {', '.join(self)}")
            return dict.__getitem__(held, name)

        return self._several(variables, one)

    def __setitem__(self, variable: str, value: object) -> None:
        self.pop(variable, None)  # replaced, where put() would merge dicts
        self.put(variable, value)

    def __delitem__(self, variable: str) -> None:
        self.pop(variable)

    def __contains__(self, variable: object) -> bool:
        held, name = self._holder(variable)
        return held is not None and name in dict.keys(held)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or name not in self:
            raise AttributeError(name)
        return self[name]

    def flatten(self, config: object = None) -> dict[str, Any]:
        """Return all settings by their paths."""
        found: dict[str, Any] = {}
        for key, value in (self if config is None else Config(config)).items():
            if isinstance(value, Config) and value:
                found |= {f"{key}/{inner}": v for inner, v in value.flatten().items()}
            else:
                found[key] = value
        return found

    def items(self, flatten: bool = False) -> Any:
        """Return pairs, by path if `flatten`."""
        return self.flatten().items() if flatten else dict.items(self)

    def keys(self, flatten: bool = False) -> Any:
        """Return names, or paths if `flatten`."""
        return self.flatten().keys() if flatten else dict.keys(self)

    def values(self, flatten: bool = False) -> Any:
        """Return values; those of all levels if `flatten`."""
        return self.flatten().values() if flatten else dict.values(self)

    def update(self, other: object = None, **settings: object) -> None:  # type: ignore[override]
        """Set several values."""
        for key, value in [*_pairs(other), *settings.items()]:
            self.put(key, value)

    def copy(self) -> Config:
        """Return a copy, nested settings included."""
        return Config(self)

    __copy__ = copy

    def __add__(self, other: object) -> Config:
        made = self.copy()
        made.update(other)
        return made

    def __radd__(self, other: object) -> Config:
        return Config(other) + self

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Mapping) and self.flatten() == Config(other).flatten()

    def __ne__(self, other: object) -> bool:
        return not self == other

    __hash__ = None

    def __rshift__(self, pipeline: Pipeline) -> Pipeline:
        return pipeline << self

    def __repr__(self) -> str:
        return f"Config({dict.__repr__(self)})"


def _pairs(config: object) -> Iterable[tuple[str, Any]]:
    if config is None:
        return []
    if isinstance(config, Mapping):
        return list(config.items())
    if not isinstance(config, list | tuple):
        raise WrongTypeError(
            f"settings are a {type(config).__name__}; expected a dict or a list of pairs"
        )
    for pair in config:
        if len(pair) != 2:
            raise SpecError(
                f"settings have the item {pair!r:.80}; expected pairs of a name and a value"
            )
    return list(config)
