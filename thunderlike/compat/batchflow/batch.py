"""Batches with batchflow's order of arguments."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from thunderlike import batches
from thunderlike.batches import action

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Batch", "ImagesBatch"]


class Batch(batches.Batch):
    """``thunderlike.batches.Batch``, whose actions take their arguments in batchflow's order."""

    @property  # type: ignore[override]
    def random_seed(self) -> np.random.SeedSequence:
        """The seed as a seed sequence; a number may be set."""
        return np.random.SeedSequence(super().random_seed)

    @random_seed.setter
    def random_seed(self, seed: Any) -> None:
        batches.Batch.random_seed.fset(self, seed)  # type: ignore[attr-defined]

    @action
    def apply_parallel(
        self,
        func: Callable[..., Any],
        init: Any = None,
        post: Any = None,
        src: Any = None,
        dst: Any = None,
        *args: Any,
        p: Any = None,
        target: str | None = None,
        requires_rng: bool = False,
        rng_seeds: Any = None,
        **kwargs: Any,
    ) -> Any:
        """Call a function for each item: ``thunderlike.batches.Batch.apply_parallel``."""
        how = {"p": p, "target": target, "requires_rng": requires_rng, "rng_seeds": rng_seeds}
        return self._applied(func, args, init=init, post=post, src=src, dst=dst, **how, **kwargs)

    @action
    def to_array(
        self,
        comp: Any = None,
        dtype: Any = np.float32,
        channels: str | None = "last",
        src: Any = None,
        dst: Any = None,
        **kwargs: Any,
    ) -> Any:
        """Cast items to a dtype: ``thunderlike.batches.Batch.to_array``; `comp` is its `src`."""
        chosen = comp if src is None else src
        return batches.Batch.to_array(self, chosen, dst, dtype=dtype, channels=channels, **kwargs)

    @action
    def load(
        self, *args: Any, src: Any = None, fmt: Any = None, dst: Any = None, **kwargs: Any
    ) -> Any:
        """Load components: ``thunderlike.batches.Batch.load``."""
        names = ("src", "fmt", "dst")
        given = dict(zip(names, (src, fmt, dst), strict=True))
        return batches.Batch.load(self, **given | dict(zip(names, args, strict=False)), **kwargs)

    @action
    def dump(
        self, *args: Any, dst: Any = None, fmt: Any = None, components: Any = None, **kwargs: Any
    ) -> Any:
        """Write components: ``thunderlike.batches.Batch.dump``."""
        names = ("dst", "fmt", "components")
        given = dict(zip(names, (dst, fmt, components), strict=True))
        return batches.Batch.dump(self, **given | dict(zip(names, args, strict=False)), **kwargs)

    save = dump

    def get_errors(self, all_res: Any) -> list[Exception] | None:  # type: ignore[override]
        """Return the exceptions among results, or None."""
        return batches.Batch.get_errors(all_res)


class ImagesBatch(Batch):
    """A batch of images, labels and masks; actions on images are those that you write."""

    components = "images", "labels", "masks"
