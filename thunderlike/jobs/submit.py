"""``spark-submit`` command lines, and the archives sent to a cluster."""

from __future__ import annotations

import hashlib
import io
import os
import re
import shlex
import shutil
import socket
import sys
import tempfile
import uuid
import zipfile
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from stat import S_ISDIR
from typing import TYPE_CHECKING, Any

import thunderlike
from thunderlike._lazy import optional
from thunderlike._text import printable
from thunderlike.config import home
from thunderlike.errors import EngineError, SpecError, StorageError, ThunderlikeError
from thunderlike.progress import track
from thunderlike.storage.filesystem import failures

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

__all__ = [
    "MASTER",
    "PROFILES",
    "SHIPMENTS",
    "Submission",
    "cache",
    "check_no_secret",
    "check_options",
    "check_reachable",
    "environment",
    "line",
    "missing",
    "package",
    "package_archive",
    "profile_for",
    "settings_of",
    "shown",
    "spark_submit",
    "tried",
]


MASTER = re.compile(
    r"local(\[([1-9]\d*|\*)(,[1-9]\d*)?\])?|local-cluster\[\d+,\d+,\d+\]"
    r"|spark://[^:,/]+:\d{1,5}(,[^:,/]+:\d{1,5})*|yarn|k8s://.+"
)
_MEMORY = re.compile(r"[1-9]\d*[kmgt]b?", re.IGNORECASE)
# As Spark's `spark.redaction.regex`; settings that name a file hold no secret.
_SECRET = re.compile(r"secret|password|token|access[._]?key|credential", re.IGNORECASE)


def check_reachable(master: str) -> None:
    """Check that a Spark master answers, instead of failing after minutes of retries.

    Raises
    ------
    EngineError
        When no standalone master answers, or nothing says where YARN is.
    """
    if master.startswith("spark://"):
        tried = [_answer(place) for place in master.removeprefix("spark://").split(",")]
        if all(tried):
            raise EngineError(
                f"no Spark master answers: {'; '.join(map(str, tried))}: is it running?"
            )
    if master == "yarn" and not {"HADOOP_CONF_DIR", "YARN_CONF_DIR"} & os.environ.keys():
        raise EngineError("HADOOP_CONF_DIR is not set: set it to the configuration of YARN")


def _answer(place: str) -> str | None:
    """Return why an address does not answer; None if it does."""
    host, _, port = place.rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout=5).close()
    except (OSError, OverflowError, UnicodeError) as error:  # also: no such port, no name of a host
        return f"{place}: {getattr(error, 'strerror', None) or error}"
    return None


def check_options(options: Mapping[str, str], master: str) -> None:
    """Reject options that Spark or Java reject with a page of text."""
    for name, value in options.items():
        if name.endswith("-memory") and not _MEMORY.fullmatch(value):
            raise SpecError(f"--{name} {value}: give an amount of memory, such as 2g or 512m")
    where = options.get("deploy-mode", "client")
    if where not in ("client", "cluster"):
        raise SpecError(f"--deploy-mode {where}: the driver runs here (client) or there (cluster)")
    if where == "cluster" and master.startswith("spark://"):
        raise SpecError("--deploy-mode cluster: a standalone master starts no driver in Python")


def check_no_secret(words: Sequence[str]) -> None:
    """Reject a command line that contains secrets."""
    for word in words:
        name, equals, value = word.partition("=")
        file = name.lower().endswith(("file", "path"))
        if equals and value and name.startswith("spark.") and _SECRET.search(name) and not file:
            raise SpecError(
                f"{name} is a secret, and everybody here can read a command line: put it into "
                "spark-defaults.conf of your SPARK_CONF_DIR"
            )
    for name, value in os.environ.items():
        # Values of up to 7 characters, such as "true", occur in words by chance.
        if _SECRET.search(name) and len(value) > 7 and any(value in word for word in words):
            raise SpecError(
                f"the line would show the value of {name}, and everybody here can read a command "
                "line: let the workers find it in their own environment, role or ~/.aws"
            )


_LEFT_OUT = ("__pycache__", ".pyc", ".md")
_OF_THE_CLUSTER = ("pyspark", "py4j")  # brings its own, half a gigabyte of it
_THEN = (1980, 1, 1, 0, 0, 0)  # a zip of the same files has the same bytes


def cache() -> Path:
    """Cache folder of archives: ``$XDG_CACHE_HOME/thunderlike``, otherwise in ``~/.cache``.

    For a user without a home, a folder for temporary files, with the number of the user in its
    name.

    Raises
    ------
    StorageError
        When another user may write in that folder: what is kept there runs on a cluster.
    """
    if given := os.environ.get("XDG_CACHE_HOME"):
        return Path(given) / "thunderlike"
    if (folder := home()) and os.access(folder, os.W_OK | os.X_OK):
        return folder / ".cache" / "thunderlike"
    # Another user could have made this folder first, and put code in it.
    kept = Path(tempfile.gettempdir()) / f"thunderlike-cache-{os.getuid()}"
    with suppress(FileExistsError), failures(str(kept), "make"):
        kept.mkdir(mode=0o700)
    found = kept.lstat()
    if not S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o022:
        raise StorageError(f"{kept}: other users may write there; change XDG_CACHE_HOME")
    return kept


def package() -> Path:
    """Create a zip of this package for ``--py-files``, unless it exists.

    Returns
    -------
    Path
        In :func:`cache`, with the version and a hash of the content in its name.

    Raises
    ------
    StorageError
        When nothing can be written there.
    """
    # Zipped each time: a hash of the content finds out whether a checkout has changed.
    data = _zip(Path(thunderlike.__file__).parent)
    name = f"thunderlike-{thunderlike.__version__}-{_short(data)}.zip"
    return _kept(name, lambda file: file.write_bytes(data))


def environment(prefix: str | None = None) -> Path:
    """Create an archive of a Python environment for ``--archives``, unless it exists.

    Parameters
    ----------
    prefix : str, optional
        Of a virtual environment or one of conda; by default the one that runs this.

    Returns
    -------
    Path
        A ``.tar.gz`` in :func:`cache`, with a hash of the installed packages in its name. Spark is
        left out: a cluster brings its own.

    Raises
    ------
    MissingExtraError
        Without venv-pack; for an environment of conda, without conda-pack.
    StorageError
        When the environment cannot be packed, or nothing can be written.

    Notes
    -----
    Takes a minute for a gigabyte, as an event of progress. A virtual environment has no Python of
    its own: that of which it was made must be at the same path on every machine. One of conda is
    complete.
    """
    root = Path(prefix or sys.prefix)
    conda = (root / "conda-meta").is_dir()
    library = optional("conda_pack" if conda else "venv_pack", extra="submit")
    env: Any = library.CondaEnv if conda else library.Env

    def pack(file: Path) -> None:
        try:
            ignored = {"ignore_editable_packages": True, "ignore_missing_files": True}
            found = env.from_prefix(str(root), **ignored) if conda else env(str(root))
            for left in _OF_THE_CLUSTER:
                found = found.exclude(f"*/site-packages/{left}/*")
            with track("packing the environment", 1) as work, _room_for_drafts(file.parent):
                found.pack(str(file), format="tar.gz", force=True)
                work.advance(1)
        except Exception as error:  # of whichever library it was
            raise StorageError(f"{root}: cannot be packed: {error}") from error

    return _kept(package_archive(prefix).name, pack)


def package_archive(prefix: str | None = None) -> Path:
    """Path of the archive of :func:`environment`; it may not exist yet."""
    root = Path(prefix or sys.prefix)
    return cache() / f"environment-{root.name.strip('.')}-{_short(_installed(root))}.tar.gz"


@contextmanager
def _room_for_drafts(folder: Path) -> Iterator[None]:
    """Redirect the temporary files of a library to a folder removed even after Ctrl-C."""
    # The packers take no folder as an argument, only that of `tempfile`.
    before = tempfile.tempdir
    with tempfile.TemporaryDirectory(prefix=".packing-", dir=folder) as room:
        tempfile.tempdir = room
        try:
            yield
        finally:
            tempfile.tempdir = before


def _zip(folder: Path) -> bytes:
    """Zip all files that a worker needs, below the name of the folder."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        for path in sorted(folder.rglob("*")):
            name = path.relative_to(folder.parent)
            if path.is_file() and not any(left in str(name) for left in _LEFT_OUT):
                info = zipfile.ZipInfo(str(name), _THEN)
                archive.writestr(info, path.read_bytes(), zipfile.ZIP_DEFLATED)
    return target.getvalue()


def _installed(root: Path) -> bytes:
    """Names and versions of the packages of an environment."""
    folders = [str(found) for found in root.glob("lib/python*/site-packages")]
    found = metadata.distributions(path=folders)
    named = sorted(f"{one.metadata['Name']} {one.version}" for one in found)
    return "\n".join([str(root), sys.version, *named]).encode()


def _short(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:12]


def _kept(name: str, make: Callable[[Path], Any]) -> Path:
    """Return a file of the cache, created atomically."""
    file = cache() / name
    # Renamed when complete: another submission at the same time never ships half an archive.
    partial = file.with_name(f".{uuid.uuid4().hex}.partial")
    try:
        if file.exists():
            return file
        file.parent.mkdir(parents=True, exist_ok=True)
        make(partial)
        return partial.replace(file)
    except ThunderlikeError:
        raise
    except OSError as error:
        raise StorageError(
            f"{file}: cannot be made: {error}; another XDG_CACHE_HOME may help"
        ) from error
    finally:
        with suppress(OSError):
            partial.unlink()


PROFILES = ("standalone", "slurm", "yarn", "kubernetes", "emr", "databricks")
SHIPMENTS = ("zip", "env", "none")

_CONF = Path(thunderlike.__file__).parent / "conf"
_UNPACKED = "environment"  # folder in which each worker unpacks the archive


@dataclass(frozen=True)
class Submission:
    """Job for a Spark cluster.

    Parameters
    ----------
    script : str
        A file of Python, here or at an address that Spark reads.
    master : str
        ``local[2]``, ``spark://HOST:7077``, ``yarn``, ``k8s://https://HOST:PORT``; for ``slurm``
        see `thunderlike.jobs.slurm`.
    arguments : sequence of str
        Of the script.
    profile : str, optional
        One of `PROFILES`; by default by the master.
    ship : str, optional
        One of `SHIPMENTS`: this package in a zip, the environment in an archive and the package
        as well, or nothing. By default nothing to a local master, a zip to a standalone one, whose
        machines have an environment, and an archive elsewhere.
    python : str, optional
        That the workers run; by default the one in the archive, else the one that runs this.
    options : mapping
        Other options of ``spark-submit``, without their dashes.
    conf : sequence of str
        Settings as ``NAME=VALUE``; they come after, and so before, those of the profile.
    """

    script: str
    master: str
    arguments: Sequence[str] = ()
    profile: str | None = None
    ship: str | None = None
    python: str | None = None
    options: Mapping[str, str] | None = None
    conf: Sequence[str] = ()


def line(job: Submission, *, pack: bool = True) -> list[str]:
    """Build the command line, and the archives that it ships.

    Parameters
    ----------
    job : Submission
    pack : bool
        Make the archive of an environment as well, which takes minutes; else only name it.

    Returns
    -------
    list of str
        Its words.

    Raises
    ------
    SpecError
        For a master, an amount of memory or an invalid setting, and for a secret in a setting
        or argument: everybody on this machine could read it.
    EngineError
        Where there is no ``spark-submit``.
    StorageError, MissingExtraError
        When what is to be shipped cannot be made.

    Examples
    --------
    >>> words = line(Submission("job.py", "local[2]", ["--input", "a b"], python="python3"))
    >>> words[1:3], words[-3:]
    (['--master', 'local[2]'], ['job.py', '--input', 'a b'])
    """
    profile = profile_for(job.master, job.profile)
    check_options(job.options or {}, job.master)
    usual = "zip" if profile == "standalone" else "env"
    ship = job.ship or ("none" if job.master.startswith("local") else usual)
    words = [spark_submit(), "--master", job.master]
    for name, value in (job.options or {}).items():
        words += [f"--{name}", value]
    for setting in _settings(job, profile, ship):
        words += ["--conf", setting]
    words += [*_shipped(ship, pack=pack), job.script, *job.arguments]
    check_no_secret(words)  # last, since settings of profiles and the environment are in there too
    return words


def missing(words: Sequence[str]) -> list[Path]:
    """Archives of a command line that do not exist yet.

    Examples
    --------
    >>> missing(["spark-submit", "--archives", "/nowhere/env.tar.gz#environment", "job.py"])
    [PosixPath('/nowhere/env.tar.gz')]
    """
    files = [Path(word.partition("#")[0]) for word in words if word.endswith(f"#{_UNPACKED}")]
    return [file for file in files if not file.exists()]


def shown(words: Sequence[str]) -> str:
    r"""Write a line so that it reads well, and can be pasted into a shell.

    Examples
    --------
    >>> print(shown(["spark-submit", "--master", "local[2]", "job.py", "--input", "a b"]))
    spark-submit \
        --master 'local[2]' \
        job.py --input 'a b'
    """
    lines, rest = [_quoted(words[0])], list(words[1:])
    while rest[0].startswith("--"):
        lines.append(" ".join(map(_quoted, rest[:2])))
        rest = rest[2:]
    return " \\\n    ".join([*lines, *([" ".join(map(_quoted, rest))] if rest else [])])


def _quoted(word: str) -> str:
    """Quote a word for a shell, with escapes in place of control characters."""
    if word.isprintable():
        return shlex.quote(word)
    escaped = printable(word.replace("\\", r"\\").replace("'", r"\'"))
    return f"$'{escaped}'"


def profile_for(master: str, given: str | None = None) -> str | None:
    """Return the profile; None for a local master.

    Examples
    --------
    >>> profile_for("spark://head:7077"), profile_for("yarn"), profile_for("yarn", "emr")
    ('standalone', 'yarn', 'emr')
    """
    if given is not None and given not in PROFILES:
        raise SpecError(f"unknown profile {given!r}; expected one of {', '.join(PROFILES)}")
    kinds = {"spark://": "standalone", "yarn": "yarn", "k8s://": "kubernetes"}
    found = (kind for start, kind in kinds.items() if master.startswith(start))
    usual = next(found, None)
    if not MASTER.fullmatch(master):
        raise SpecError(
            f"no Spark is at {master!r}: give local[2], spark://HOST:7077, yarn, slurm "
            "or k8s://https://HOST:PORT as master"
        )
    return given or usual


def settings_of(name: str) -> dict[str, str]:
    """Settings of a file of ``conf/``.

    Examples
    --------
    >>> settings_of("standalone")["spark.submit.deployMode"]
    'client'
    """
    text = (_CONF / f"{name}.conf").read_text("utf-8")
    lines = [line.split(None, 1) for line in text.splitlines()]
    return {part[0]: part[1].strip() for part in lines if part and part[0] != "#"}


def tried(profile: str) -> bool:
    """Return whether a profile has been tried, from its first line."""
    return not (_CONF / f"{profile}.conf").read_text("utf-8").startswith("# Untested")


def spark_submit() -> str:
    """Find ``spark-submit``: of ``SPARK_HOME``, on the path, or of the installed pyspark.

    Raises
    ------
    EngineError
        When Spark is not installed, or not in ``SPARK_HOME``.
    """
    if home := os.environ.get("SPARK_HOME"):
        program = Path(home) / "bin" / "spark-submit"
        if not program.is_file():
            raise EngineError(f"SPARK_HOME={home} is not a Spark installation: unset or correct it")
        return str(program)
    if shutil.which("spark-submit"):
        return "spark-submit"
    pyspark = find_spec("pyspark")
    if pyspark is None or pyspark.origin is None:
        raise EngineError(
            "no spark-submit: set SPARK_HOME, put Spark's bin on the path, or "
            "pip install 'thunderlike[spark]'"
        )
    return str(Path(pyspark.origin).parent / "bin" / "spark-submit")


def _settings(job: Submission, profile: str | None, ship: str) -> Iterator[str]:
    """Settings as ``NAME=VALUE``, each name once; the last value wins."""
    found = settings_of("spark-defaults") | (settings_of(profile) if profile else {})
    if "deploy-mode" in (job.options or {}):
        # The option replaces the setting; a line with both would contradict itself.
        found.pop("spark.submit.deployMode", None)
    found |= _pythons(job, ship)
    for setting in job.conf:
        name, equals, value = setting.partition("=")
        if not equals or not name.startswith("spark."):
            raise SpecError(f"--conf {setting}: give a setting of Spark as spark.NAME=VALUE")
        found[name] = value
    return (f"{name}={value}" for name, value in found.items())


def _pythons(job: Submission, ship: str) -> dict[str, str]:
    """Settings of the Python of workers and driver."""
    shipped = f"./{_UNPACKED}/bin/python" if ship == "env" else None
    workers = job.python or shipped or os.environ.get("PYSPARK_PYTHON") or sys.executable
    # In cluster mode the driver runs on a worker, where this Python may not exist.
    away = (job.options or {}).get("deploy-mode") == "cluster"
    return {
        "spark.pyspark.python": workers,
        "spark.pyspark.driver.python": workers if away else sys.executable,
    }


def _shipped(ship: str, *, pack: bool) -> list[str]:
    if ship not in SHIPMENTS:
        raise SpecError(f"unknown shipment {ship!r}; expected one of {', '.join(SHIPMENTS)}")
    if ship == "none":
        return []
    # The package is shipped as well: in the environment it may be a link to a checkout.
    archive = []
    if ship == "env":
        packed = environment() if pack else package_archive()
        archive = ["--archives", f"{packed}#{_UNPACKED}"]
    return [*archive, "--py-files", str(package())]
