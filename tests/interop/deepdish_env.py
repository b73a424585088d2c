"""Make an environment with deepdish 0.3.7 and the libraries of its time, and what it writes.

It needs a Python 3.9, numpy below 1.23 and a package index:

    python tests/interop/deepdish_env.py /path/to/python3.9 /tmp/deepdish-env
    DEEPDISH_PYTHON=/tmp/deepdish-env/bin/python pytest tests/interop
    /tmp/deepdish-env/bin/python tests/interop/deepdish_peer.py write tests/interop/deepdish_files

The last line creates the committed files again.
"""

from __future__ import annotations

import subprocess
import sys

WHEELS = ["numpy==1.22.4", "pandas==1.3.5", "tables==3.7.0", "scipy==1.10.1", "deepdish==0.3.7"]


def main(python: str, folder: str) -> None:
    """Make it."""
    subprocess.run([python, "-m", "venv", folder], check=True)
    subprocess.run([f"{folder}/bin/pip", "install", *WHEELS], check=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
