"""Pipelines with batchflow's names for what they do."""

from __future__ import annotations

from typing import Any, Self

from thunderlike import batches
from thunderlike.batches._steps import Call
from thunderlike.compat.batchflow.config import Config
from thunderlike.errors import KeyMissing

__all__ = ["Pipeline"]


class Pipeline(batches.Pipeline):
    """``thunderlike.batches.Pipeline`` with batchflow's names and a :class:`Config`.

    Examples
    --------
    >>> from thunderlike.compat.batchflow import B, C, Dataset, V
    >>> pipeline = Dataset(4).pipeline({"step/size": 2}).init_variables("a", "b")
    >>> pipeline = pipeline.call(max, 1, C("step/size"), save_to=V("a")).run(4)
    >>> pipeline.get_variable("a")
    2
    """

    def __post_init__(self) -> None:
        object.__setattr__(self, "config", Config(self.config))

    def call(self, fn: Any, *args: Any, save_to: Any = None, **kwargs: Any) -> Self:  # type: ignore[override]
        """Call a function with these arguments alone; ``B()`` is the batch."""
        return self._with(Call(fn, args, kwargs, first=False, save_to=save_to))

    def save_to(self, dst: Any, value: Any = None) -> Self:
        """Store a value: :meth:`update`."""
        return self.update(dst, value)

    def init_variable(self, name: str, default: Any = None, lock: bool = True) -> Self:
        """Give the pipeline a variable; updates of it are always locked."""
        del lock
        return super().init_variable(name, default)

    def init_variables(self, *variables: Any) -> Self:
        """Give the pipeline several variables: names, or a dict of names and their arguments."""
        first = variables[0] if len(variables) == 1 else variables
        named = (
            first
            if isinstance(first, dict)
            else dict.fromkeys(variables if isinstance(first, str) else first)
        )
        made = self
        for name, how in named.items():
            made = made.init_variable(name, **(how or {}))
        return made

    def has_variable(self, name: str) -> bool:
        """Whether there is a variable."""
        return name in self._defaults or name in self._state.variables

    def get_variable(self, name: str, default: Any = None, *, create: bool = False) -> Any:
        """Return the value of a variable; `create` makes one that is missing."""
        if create and not self.has_variable(name):
            self._state.variables[name] = default
        return self.v(name)

    def set_variable(self, name: str, value: Any, mode: str = "w", batch: Any = None) -> None:
        """Set a variable now."""
        batches.V(name, mode).set(batch, value, pipeline=self)

    def assign_variable(self, name: str, value: Any) -> None:
        """Set a variable now."""
        self.assign(name, value)

    def update_variable(self, name: str, value: Any = None, mode: str = "w") -> Self:
        """Set a variable for each batch: ``update(V(name, mode), value)``."""
        return self.update(batches.V(name, mode), value)

    def delete_variable(self, name: str) -> Self:
        """Forget the value of a variable.

        Raises
        ------
        KeyMissing
            When there is no such variable.
        """
        if not self.has_variable(name):
            raise KeyMissing(f"no variable {name!r} to delete")
        self._state.variables.pop(name, None)
        self._defaults.pop(name, None)
        return self

    del_variable = delete_variable

    def update_config(self, config: Any) -> Self:
        """Change entries of the config."""
        return self.set_config(config)

    def run_now(self, *args: Any, **kwargs: Any) -> Self:
        """Run on all batches."""
        return self.run(*args, **kwargs, lazy=False)

    def run_later(self, *args: Any, **kwargs: Any) -> Self:
        """Remember how to run."""
        return self.run(*args, **kwargs, lazy=True)

    @property
    def num_actions(self) -> int:
        """Number of steps."""
        return len(self._steps)
