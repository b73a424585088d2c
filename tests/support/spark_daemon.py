"""Fork Python workers of Spark from a process that has imported the package.

Spark replaces the worker of a task that failed, and many tests make tasks fail: in a worker of
Spark's own daemon, importing numpy, pyspark and the package takes longer than such a test.
"""

from __future__ import annotations

import gc
import sys

import pyspark.worker  # noqa: F401
from pyspark.daemon import manager

import thunderlike.images
import thunderlike.series  # noqa: F401

if __name__ == "__main__":
    gc.freeze()  # collections in the forks skip the objects of modules
    sys.exit(manager())
