"""Files damaged at random, in every format: a value or an error of ours, and nothing else happens.

FUZZ_MINUTES=10 pytest tests/security/test_fuzz.py searches that long, with other damage each time.
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parent / "fuzzing.py"
SPEC = importlib.util.spec_from_file_location("seeds", SCRIPT.parent / "seeds.py")
seeds = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(seeds)
MINUTES = float(os.environ.get("FUZZ_MINUTES", "0"))
EXAMPLES = 100  # of each format: some three seconds

pytestmark = pytest.mark.timeout(600 + 60 * MINUTES)


def fuzzed(name, examples, seed):
    """Run the script; its last line, which says what came out."""
    command = [sys.executable, SCRIPT, name, str(examples), str(seed)]
    ran = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    assert ran.returncode == 0, f"{' '.join(map(str, command))}\n{ran.stdout}{ran.stderr}"[-8000:]
    return ran.stdout


@pytest.mark.parametrize("name", seeds.SEEDS)
def test_damaged_files_are_read_or_refused_and_nothing_else(name):
    assert "refused=" in fuzzed(name, EXAMPLES, seed=1)
    end = time.monotonic() + 60 * MINUTES / len(seeds.SEEDS)
    while time.monotonic() < end:
        fuzzed(name, 1000, seed=time.time_ns())
