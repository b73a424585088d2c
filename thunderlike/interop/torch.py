"""PyTorch tensors that share memory with arrays."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from thunderlike._lazy import optional
from thunderlike.errors import WrongTypeError

if TYPE_CHECKING:
    from thunderlike._typing import Array

__all__ = ["totorch"]


def totorch(values: Array) -> Any:
    """Make a tensor that shares the memory of an array; a read-only array is copied.

    Raises
    ------
    WrongTypeError
        If torch does not support the dtype.
    """
    torch = optional("torch", extra="torch")
    try:
        return torch.from_numpy(values if values.flags.writeable else values.copy())
    except TypeError as error:
        raise WrongTypeError(
            f"torch has no {values.dtype}: call .astype before ({error})"
        ) from None
