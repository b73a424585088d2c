"""The PySpark shell, explored by lines that are piped into the real one."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.spark, pytest.mark.slow]

LINES = """\
import numpy as np, thunderlike as tl
movie = tl.images.fromarray(np.arange(24.0).reshape(6, 2, 2), engine=sc)
movie
def half(x):
    return x / 2

print("sc:", movie.map(half).mean().toarray().tolist())
series = tl.images.fromarray(np.ones((3, 2, 2)), engine=spark).toseries()
print("spark:", series.map(lambda y: y.cumsum())[0, 0].toarray().tolist())
print("by name:", tl.images.fromrandom((3, 2, 2), engine="spark").mode, tl.spark.context() is sc)
movie.map(lambda x: x[:, 7])
"""


def test_the_shell_is_an_engine():
    import pyspark

    home = Path(pyspark.__file__).parent
    ran = subprocess.run(
        [home / "bin" / "pyspark", "--master", "local[2]", "--conf", "spark.ui.enabled=false"],
        input=LINES,
        env={
            **os.environ,
            "SPARK_HOME": str(home),
            "PYSPARK_PYTHON": sys.executable,
            "PYSPARK_DRIVER_PYTHON_OPTS": "-i",  # as at a terminal: with sc and spark
            "SPARK_LOCAL_IP": "127.0.0.1",
        },
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert "Images\nmode: spark\ndtype: float64\nshape: (6, 2, 2)\n" in ran.stdout, ran.stderr
    assert "sc: [[5.0, 5.5], [6.0, 6.5]]" in ran.stdout
    assert "spark: [1.0, 2.0, 3.0]" in ran.stdout
    assert "by name: spark True" in ran.stdout
    assert "index 7 is out of bounds" in ran.stderr  # said of the line that is wrong
