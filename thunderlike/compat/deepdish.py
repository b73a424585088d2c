"""``import thunderlike.compat.deepdish as dd``: deepdish's names, for scripts written for it.

>>> import thunderlike.compat.deepdish as dd
>>> dd.io.save("memory://compat/test.h5", {"foo": [1, 2], "bar": "text"})
>>> dd.io.load("memory://compat/test.h5", "/foo")
[1, 2]
>>> dd.humanize_bytesize(1536)
'1.5 KB'
"""

from __future__ import annotations

from thunderlike import hdf5 as io
from thunderlike import parallel, util
from thunderlike.util import (
    apply_once,
    aslice,
    bytesize,
    humanize_bytesize,
    memsize,
    multi_range,
    span,
    timed,
    tupled_argmax,
)
from thunderlike.util import images as image

__all__ = [
    "apply_once",
    "aslice",
    "bytesize",
    "humanize_bytesize",
    "image",
    "io",
    "memsize",
    "multi_range",
    "parallel",
    "span",
    "timed",
    "tupled_argmax",
    "util",
]
