"""Collections to tensors, by the real torch, when it is there."""

from __future__ import annotations

import numpy as np
import pytest

import thunderlike as tl

torch = pytest.importorskip("torch")

VALUES = np.random.default_rng(0).normal(size=(6, 4, 5))


def test_a_tensor_has_the_values_in_full_shape(engine):
    movie = tl.images.fromarray(VALUES[:1], engine=engine)
    tensor = movie.totorch()
    assert tensor.shape == (1, 4, 5)
    np.testing.assert_array_equal(tensor.numpy(), VALUES[:1], strict=True)


def test_memory_is_shared_also_by_dlpack():
    movie = tl.images.fromarray(VALUES)
    assert np.shares_memory(movie.totorch().numpy(), VALUES)
    assert np.shares_memory(torch.from_dlpack(movie.toarray()).numpy(), VALUES)


def test_what_may_not_be_written_to_is_copied():
    fixed = VALUES.copy()
    fixed.flags.writeable = False
    assert not np.shares_memory(tl.images.fromarray(fixed).totorch().numpy(), fixed)


def test_a_dtype_that_torch_has_not_is_refused():
    with pytest.raises(TypeError, match="torch has no"):
        tl.images.fromarray(VALUES.astype(np.longdouble)).totorch()
