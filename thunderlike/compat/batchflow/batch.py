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
        **kwargs: Any,
    ) -> Any:
        """Call a function for each item: ``thunderlike.batches.Batch.apply_parallel``."""
        return self._applied(func, args, init=init, post=post, src=src, dst=dst, **kwargs)

    @action
    def to_array(
        self,
        comp: Any = None,
        dtype: Any = np.float32,
        channels: str | None = "last",
        src: Any = None,
        dst: Any = None,
        **how: Any,
    ) -> Any:
        """Cast items to a dtype: ``thunderlike.batches.Batch.to_array``; `comp` is its `src`."""
        chosen = comp if src is None else src
        return batches.Batch.to_array(self, chosen, dst, dtype=dtype, channels=channels, **how)

    @action
    def load(self, *args: Any, src: Any = None, fmt: Any = None, dst: Any = None, **kw: Any) -> Any:
        """Load components: ``thunderlike.batches.Batch.load``."""
        src, fmt, dst = (*args, *(src, fmt, dst)[len(args) :])[:3]
        return batches.Batch.load(self, src, fmt, dst, **kw)


class ImagesBatch(Batch):
    """A batch of images, labels and masks; actions on images are those that you write."""

    components = "images", "labels", "masks"
