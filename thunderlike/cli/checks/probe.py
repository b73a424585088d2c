"""Ask a Spark about itself and its workers: ``python -m thunderlike.cli.checks.probe [MASTER]``.

A program of its own, which prints what it was told as JSON.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any

__all__ = ["probe"]


def probe(context: Any) -> dict[str, Any]:
    """Run numpy in two tasks of a SparkContext, and tell on what.

    Returns
    -------
    dict
        ``version``, ``master`` and ``slots`` of Spark; ``driver`` and each of ``workers`` with the
        versions of ``python``, ``numpy`` and ``thunderlike``, None for what is not there; ``ran``,
        in seconds; ``driver_memory`` and ``local_dir`` as set, or None.
    """
    from thunderlike.engines import engine_for
    from thunderlike.engines.tasks import job

    engine_for(context)  # sees to the Python of local workers

    def tell(_: Any = None) -> dict[str, Any]:
        # Nested, so that it travels as code: the workers may have no thunderlike.
        import platform
        import sys
        from importlib import metadata

        def version(name: str) -> str | None:
            try:
                return metadata.version(name)
            except metadata.PackageNotFoundError:
                return None

        told = {name: version(name) for name in ("numpy", "thunderlike")}
        if told["numpy"]:
            import numpy as np

            assert np.arange(4.0).sum() == 6
        return {"python": platform.python_version(), "executable": sys.executable, **told}

    began = time.monotonic()
    with job(context, "doctor"):
        workers = context.parallelize(range(2), 2).map(tell).collect()
    return {
        "version": context.version,
        "master": context.master,
        "slots": context.defaultParallelism,
        "driver": tell(),
        "workers": workers,
        "ran": time.monotonic() - began,
        "driver_memory": context.getConf().get("spark.driver.memory"),
        "local_dir": context.getConf().get("spark.local.dir"),
    }


def _main(master: str | None = None) -> None:
    from thunderlike.engines.session import context

    began = time.monotonic()
    spark = context(master, spark__ui__enabled="false")
    started = time.monotonic() - began
    print(json.dumps({**probe(spark), "started": started}))
    spark.stop()


if __name__ == "__main__":
    _main(*sys.argv[1:])
