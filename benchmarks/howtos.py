"""Write the running time and memory of its examples into each how-to guide.

    python benchmarks/howtos.py [NAME ...]

Examples run as doctests in a new process and an empty folder; pages without examples run their
shell commands. The time is CPU time, as the machine may be busy; the memory is that of the largest
process.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGES = ROOT / "docs" / "howto"
FIGURES = r"([\d.]+) s of CPU time and ([\d.]+) GB of memory"
LINE = re.compile(rf"^The examples of this page take {FIGURES}\.$")
RUN = """
import doctest, sys
options = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS
ran = doctest.testfile(sys.argv[1], module_relative=False, optionflags=options)
sys.exit(bool(ran.failed))
"""


def pages() -> list[Path]:
    """Return the guides with examples that run on one machine."""
    return sorted(path for path in PAGES.glob("*.md") if commands(path))


def commands(page: Path) -> list[list[str]]:
    """Return the commands that run the examples of a page."""
    text = page.read_text("utf-8")
    if ">>> " in text:
        return [[sys.executable, "-c", RUN, str(page)]]
    lines = re.findall(r"^```sh\n((?:python|spark-submit) .+)\n```", text, re.MULTILINE)
    return [shlex.split(line) for line in lines]


def measure(page: Path) -> tuple[float, float]:
    """Run the examples of a page; return CPU seconds, and the peak memory in bytes."""
    seconds, peak = 0.0, 0.0
    for command in commands(page):
        with tempfile.TemporaryDirectory() as folder:
            child = subprocess.Popen(command, cwd=place(command, folder), env=environment())
            _, status, usage = os.wait4(child.pid, 0)
            child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode:
            raise SystemExit(f"{page}: {shlex.join(command)} failed")
        seconds += usage.ru_utime + usage.ru_stime
        peak = max(peak, usage.ru_maxrss * 1024)
    return seconds, peak


def place(command: list[str], folder: str) -> str:
    """Return the working directory of a command: commands of a page name files of the checkout."""
    return folder if command[0] == sys.executable else str(ROOT)


def environment() -> dict[str, str]:
    """Return an environment in which commands find this Python, and draw without a screen."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return {**os.environ, "PATH": path, "MPLBACKEND": "agg", "PYTHONWARNINGS": "ignore"}


def write(page: Path, seconds: float, peak: float) -> str:
    """Replace the line of a page, or insert it after the first paragraph; return it."""
    figures = f"{seconds:.0f} s of CPU time and {peak / 1e9:.1f} GB of memory"
    line = f"The examples of this page take {figures}."
    lines = page.read_text("utf-8").split("\n")
    found = [number for number, text in enumerate(lines) if LINE.match(text)]
    if found:
        lines[found[0]] = line
    else:
        end = lines.index("", 2)  # after the heading, an empty line and the paragraph
        lines[end:end] = ["", line]
    page.write_text("\n".join(lines), "utf-8")
    return line


def main() -> None:
    """Measure the pages given by name, or all."""
    for page in pages():
        if not sys.argv[1:] or page.stem in sys.argv[1:]:
            sys.stdout.write(f"{page.stem}: {write(page, *measure(page))}\n")


if __name__ == "__main__":
    main()
