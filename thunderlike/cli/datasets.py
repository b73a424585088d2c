"""``thunderlike datasets``: inspect, verify, convert and create datasets of samples."""

from __future__ import annotations

import argparse
import dataclasses
import difflib
import json
import re
import sys
import time
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from thunderlike.cli.options import show

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from typing import TypeAlias

    from thunderlike.cli.options import Commands
    from thunderlike.datasets.folder import DirectoryReader, TarReader, ZipFileReader
    from thunderlike.datasets.reader import Reader
    from thunderlike.datasets.sets import SetSpec

    _Act: TypeAlias = Callable[[argparse.Namespace], int]

__all__ = ["add", "run"]


def _add_readers(commands: Commands) -> None:
    """Add the commands that read datasets to argparse."""
    cat = _reading(commands, "cat", _cat, "print samples")
    cat.add_argument("-s", "--maxstring", type=int, default=40, metavar="N", help="cut text to N")
    cat.add_argument("--keys", nargs="+", metavar="KEY", help="only the samples of these keys")
    for command in (cat, _reading(commands, "ls", _ls, "list keys and positions of samples")):
        command.add_argument("--start", type=int, default=0, metavar="N", help="from this one")
        command.add_argument("--stop", type=int, metavar="N", help="before this one")
    _reading(commands, "info", _info, "describe a dataset")
    verify = _reading(commands, "verify", _verify, "compare all files with their checksums")
    verify.add_argument("--samples", action="store_true", help="also read every sample")
    _reading(commands, "reindex", _reindex, "rebuild all index files from the data")
    convert = _reading(
        commands, "convert-index", _convert, "convert an old index file to the current ones"
    )
    convert.add_argument("-o", "--outdir", metavar="DIR", help="write it to this folder instead")
    convert.add_argument("--outfile", metavar="FILE", help="name it after this data file instead")
    bench = _reading(commands, "bench", _bench, "measure how fast samples are read")
    bench.add_argument("-r", "--raw", action="store_true", help="without unpacking")
    bench.add_argument("-s", "--shuffle", action="store_true", help="in random order")
    bench.add_argument(
        "-b", "--buffering", type=int, default=0, metavar="N", help="read buffer; without effect"
    )
    bench.add_argument("-n", "--batch", type=int, default=0, metavar="N", help="N at a time")
    bench.add_argument("--separator", default="\t", help="in a list of files")
    bench.add_argument("--root-dir", default="", metavar="DIR", help="of a list of files")
    bench.add_argument("--include", nargs="+", default=(), metavar="PATTERN")
    bench.add_argument("--exclude", nargs="+", default=(), metavar="PATTERN")


def _add_writers(commands: Commands) -> None:
    """Add the commands that write datasets to argparse."""
    _add_shuffle(commands)
    _add_merge(commands)
    split = _writing(commands, "split", _split, "write the parts between some samples")
    split.add_argument("infile", metavar="FILE")
    split.add_argument("split", nargs="+", type=int, metavar="N", help="where parts begin")
    split.add_argument("-o", "--outfiles", nargs="+", metavar="OUT", help="NAME-0.msgpack ...")
    sample = _writing(commands, "sample", _sample, "write some samples")
    sample.add_argument("infile", metavar="FILE")
    sample.add_argument("outfile", metavar="OUT")
    sample.add_argument("number", type=int, metavar="N")
    sample.add_argument("-s", "--strategy", choices=("sequential", "random"), default="sequential")
    _seed(sample)
    export = _writing(commands, "export", _export, "write a tar archive or a table")
    export.add_argument("infile", metavar="FILE")
    about = "a tar archive for webdataset, or a Parquet file (.parquet)"
    export.add_argument("outfile", metavar="OUT", help=about)
    _add_write(commands)


def _reading(commands: Commands, name: str, act: _Act, about: str) -> argparse.ArgumentParser:
    parser = commands.add_parser(name, help=about, description=about)
    parser.add_argument("infile", metavar="FILE")
    parser.set_defaults(act=act)
    return parser


def _writing(commands: Commands, name: str, act: _Act, about: str) -> argparse.ArgumentParser:
    parser = commands.add_parser(name, help=about, description=about)
    parser.add_argument("-y", "--no-confirm", action="store_true", help="replace without asking")
    parser.set_defaults(act=act)
    return parser


def _seed(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--seed", type=int, metavar="N", help="of the order; drawn and printed by default"
    )


def _add_shuffle(commands: Commands) -> None:
    parser = _writing(commands, "shuffle", _shuffle, "write a dataset in random order")
    parser.add_argument("infile", metavar="FILE")
    parser.add_argument("outfile", metavar="OUT")
    parser.add_argument("--true-shuffle", action="store_true", help="over the whole dataset")
    parser.add_argument(
        "--buf-size", type=float, default=0.01, metavar="F", help="draw among these (%(default)s)"
    )
    parser.add_argument(
        "--chunk-size", type=int, default=16, metavar="N", help="read together (%(default)s)"
    )
    _seed(parser)


def _add_merge(commands: Commands) -> None:
    parser = _writing(commands, "merge", _merge, "write several datasets as one")
    parser.add_argument("infile", nargs="+", metavar="FILE")
    parser.add_argument("outfile", metavar="OUT")
    parser.add_argument("-s", "--strategy", choices=("concat", "random"), default="concat")
    parser.add_argument("--shuffle", action="store_true", help="each of them, before that")
    parser.add_argument("--prefix-keys", action="store_true", help="put the file's name before")
    _seed(parser)


def _add_write(commands: Commands) -> None:
    parser = _writing(
        commands, "write", _write_files, "write files of folders or archives as a dataset"
    )
    parser.add_argument("patterns", nargs="+", metavar="PATTERN", help="such as 'in/{LABEL}/**'")
    parser.add_argument("-o", "--outfile", required=True, metavar="OUT")
    parser.add_argument("--archive", metavar="FILE", help="a zip or tar that the patterns look in")
    parser.add_argument("--labels", metavar="FILE", help="all labels, one on each line")
    parser.add_argument("--include", nargs="+", default=(), metavar="PATTERN")
    parser.add_argument("--exclude", nargs="+", default=(), metavar="PATTERN")
    parser.add_argument("--separator", default="\t", help="in a list of files")
    parser.add_argument("--root-dir", default="", metavar="DIR", help="of a list of files")
    parser.add_argument("--shuffle", action="store_true", help="in random order")
    _seed(parser)


def _report(args: argparse.Namespace, outcome: dict[str, Any]) -> None:
    """Print an outcome, one line per part, or as JSON."""
    if args.quiet:
        return
    if args.json:
        show(json.dumps(outcome))
        return
    for name, value in outcome.items():
        lines = value.items() if isinstance(value, dict) else [("", value)]
        for key, one in lines:
            label = f"{name} {key}".strip()
            show(f"{label:<16} {', '.join(map(str, one)) if isinstance(one, list) else one}")


def _cat(args: argparse.Namespace) -> int:
    from thunderlike.datasets import MsgpackReader

    reader = MsgpackReader(args.infile)
    if args.keys:
        found = iter(reader.get_many([reader.find_index(key) for key in args.keys]))
    else:
        found = reader.slice(args.start, args.stop)
    for sample in found:
        short = {str(name): _short(value, args.maxstring) for name, value in sample.items()}
        show(json.dumps(short) if args.json else "  ".join(f"{k}: {v}" for k, v in short.items()))
    return 0


def _short(value: object, most: int) -> str:
    text = repr(value).replace("\n", " ")
    return text if len(text) <= most else f"{text[: most - 3]}..."


def _ls(args: argparse.Namespace) -> int:
    from thunderlike.datasets import MsgpackReader
    from thunderlike.datasets.index import load_offsets

    reader = MsgpackReader(args.infile)
    offsets = load_offsets(args.infile).tolist()
    first, last, _ = slice(args.start, args.stop).indices(len(reader))
    for number in range(first, last):
        start, size = offsets[number], offsets[number + 1] - offsets[number]
        row = {"index": number, "offset": start, "bytes": size, "key": reader.find_key(number)}
        show(json.dumps(row) if args.json else "{:>10} {:>14} {:>10}  {}".format(*row.values()))
    return 0


def _info(args: argparse.Namespace) -> int:
    from thunderlike.datasets.operations import describe

    _report(args, describe(args.infile))
    return 0


def _verify(args: argparse.Namespace) -> int:
    from thunderlike.datasets import MsgpackReader

    found = MsgpackReader(args.infile).verify(samples=args.samples)
    _report(args, dataclasses.asdict(found))
    return 0 if found.ok else 1


def _reindex(args: argparse.Namespace) -> int:
    from thunderlike.datasets import reindex

    _report(args, {"samples": reindex(args.infile)})
    return 0


def _convert(args: argparse.Namespace) -> int:
    from thunderlike.datasets.operations import convert_index

    written = convert_index(args.infile, args.outfile, outdir=args.outdir)
    _report(args, {"written": written})
    return 0


def _bench(args: argparse.Namespace) -> int:
    from thunderlike.datasets import Shuffler
    from thunderlike.errors import SpecError

    if args.batch < 0:
        raise SpecError(f"--batch is {args.batch}; give at least 0")
    started, count, size = time.perf_counter(), 0, 0
    with _bench_reader(args) as reader:
        for sample in _read(Shuffler(reader) if args.shuffle else reader, args):
            count += 1
            size += len(sample) if args.raw else 0
    seconds = time.perf_counter() - started
    found = {"samples": count, "seconds": round(seconds, 3), "per second": round(count / seconds)}
    _report(args, {**found, "MB per second": round(size / seconds / 1e6)} if args.raw else found)
    return 0


def _read(reader: Reader, args: argparse.Namespace) -> Iterator[Any]:
    """Iterate over all samples, one at a time or in the batches of ``--batch``."""
    if not args.batch:
        return reader.slice(0, raw=args.raw)
    starts = range(0, len(reader), args.batch)
    batches = (range(at, min(at + args.batch, len(reader))) for at in starts)
    return (one for numbers in batches for one in reader.get_many(list(numbers), raw=args.raw))


def _bench_reader(args: argparse.Namespace) -> Reader:
    from thunderlike import datasets

    chosen = {"include": args.include, "exclude": args.exclude, "separator": args.separator}
    if args.infile.endswith(".zip"):
        return datasets.ZipFileReader(args.infile, "**", **chosen)
    if args.infile.endswith(".tar"):
        return datasets.TarReader(args.infile, "**", **chosen)
    if args.infile.endswith(".msgpack"):
        return datasets.MsgpackReader(args.infile, args.buffering)
    return datasets.DirectoryReader(args.infile, root_dir=args.root_dir, **chosen)


def _agreed(args: argparse.Namespace, paths: Sequence[str]) -> bool:
    """Ask before replacing files; raise an error without a terminal."""
    from thunderlike import storage
    from thunderlike.datasets.tools import query_user
    from thunderlike.errors import NonInteractiveError

    for path in paths:
        if storage.exists(path) and not args.no_confirm:
            try:
                answer = query_user(f"{path} exists, replace it?")
            except NonInteractiveError:
                raise NonInteractiveError(f"{path} exists; give -y to replace it") from None
            if answer != "yes":
                return False
    return True


def _drawn(args: argparse.Namespace) -> int:
    from thunderlike.datasets.operations import random_seed

    return random_seed() if args.seed is None else int(args.seed)


def _act(operation: str, *options: str) -> _Act:
    """Return an act that runs an operation on infile and outfile with these options."""

    def act(args: argparse.Namespace) -> int:
        from thunderlike.datasets import operations

        if not _agreed(args, [args.outfile]):
            return 2
        given = {option: getattr(args, option) for option in options}
        # Drawn here, not by the operation, so that the report can name the seed of the order.
        given |= {"seed": _drawn(args), "overwrite": True}
        count = getattr(operations, operation)(args.infile, args.outfile, **given)
        _report(args, {"samples": count, "seed": given["seed"]})
        return 0

    return act


_shuffle = _act("shuffle", "true_shuffle", "buf_size", "chunk_size")
_merge = _act("merge", "strategy", "shuffle", "prefix_keys")
_sample = _act("sample", "number", "strategy")


def _split(args: argparse.Namespace) -> int:
    from thunderlike.datasets.operations import split, split_names

    outfiles = args.outfiles or split_names(args.infile, args.split)
    if not _agreed(args, outfiles):
        return 2
    counts = split(args.infile, args.split, outfiles, overwrite=True)
    _report(args, {"samples": dict(zip(outfiles, counts, strict=True))})
    return 0


def _export(args: argparse.Namespace) -> int:
    from thunderlike.datasets import MsgpackReader
    from thunderlike.datasets.operations import export_parquet, export_tar

    if not _agreed(args, [args.outfile]):
        return 2
    export = export_parquet if args.outfile.endswith(".parquet") else export_tar
    _report(args, {"samples": export(MsgpackReader(args.infile), args.outfile)})
    return 0


def _write_files(args: argparse.Namespace) -> int:
    from thunderlike.datasets import FileWriter, Shuffler

    if not _agreed(args, [args.outfile]):
        return 2
    seed = _drawn(args)
    with _reader_of(args) as reader:
        ordered = Shuffler(reader, seed) if args.shuffle else reader
        with FileWriter(args.outfile, overwrite=True, total=len(reader)) as writer:
            writer.write_many(ordered.slice(0))
    _report(args, {"samples": len(reader), **({"seed": seed} if args.shuffle else {})})
    return 0


def _reader_of(args: argparse.Namespace) -> DirectoryReader | TarReader | ZipFileReader:
    from thunderlike.datasets import DirectoryReader, TarReader, ZipFileReader

    chosen = {
        "labels": args.labels,
        "include": args.include,
        "exclude": args.exclude,
        "separator": args.separator,
    }
    if args.archive is None:
        return DirectoryReader(args.patterns, root_dir=args.root_dir, **chosen)
    kind = ZipFileReader if args.archive.endswith(".zip") else TarReader
    return kind(args.archive, args.patterns, **chosen)


# Options of every set: the keyword of `sets.write`, and the arguments of argparse.
_COMMON: dict[str, tuple[tuple[str, ...], dict[str, Any]]] = {
    "indir": (("indir",), {"metavar": "INDIR", "nargs": "?", "default": ".", "help": "downloads"}),
    "outdir": (("-o", "--outdir"), {"metavar": "DIR", "help": "for the datasets; INDIR if none"}),
    "splits": (("--splits",), {"nargs": "+", "metavar": "SPLIT", "help": "only these"}),
    "seed": (("--seed",), {"type": int, "default": 0, "metavar": "N", "help": "of the order (0)"}),
    "workers": (("-t", "--threads"), {"type": int, "metavar": "N", "help": "all cores by default"}),
    "overwrite": (("-y", "--no-confirm"), {"action": "store_true", "help": "replace datasets"}),
    "verify": (("-s", "--skip-verification"), {"action": "store_false", "help": "of the md5"}),
    "shuffle": (("--shuffle",), {"choices": ("yes", "no"), "help": "write in random order"}),
    "check_images": (("--check-images",), {"choices": ("yes", "no"), "help": "decode each"}),
}


class _Write(argparse.ArgumentParser):
    """Parser of ``write``: without a word it lists the sets, a set adds its options, else files."""

    def __init__(self, files: argparse.ArgumentParser) -> None:
        super().__init__(prog=files.prog, add_help=False)
        self._files = files

    def add_argument(self, *names: str, **settings: Any) -> argparse.Action:
        """Add an argument, also to the parser for files."""
        # The constructor of argparse may add arguments before `_files` is set.
        if "_files" in self.__dict__:
            self._files.add_argument(*names, **settings)
        return super().add_argument(*names, **settings)

    def parse_known_args(
        self, args: Iterable[str] | None = None, namespace: object = None
    ) -> tuple[Any, list[str]]:
        """Parse with the parser that the first word selects."""
        from thunderlike.errors import KeyMissingError

        words = list(args or [])
        first = words[0] if words else ""
        if not first or (first.startswith("-") and not {"-h", "--help"} & set(words)):
            listing = argparse.ArgumentParser(prog=self.prog, parents=[self])
            listing.set_defaults(act=_list)
            return listing.parse_known_args(words, namespace)
        try:
            spec = _spec(first)
        except (KeyMissingError, ImportError) as error:
            # A word that could be a set is a misspelled one, unless a file has that name.
            if _NAME.fullmatch(first) and not Path(first).exists():
                self.error(_suggestion(first, error))
            return self._files.parse_known_args(words, namespace)
        return self._of_set(spec).parse_known_args(words[1:], namespace)

    def _of_set(self, spec: SetSpec) -> argparse.ArgumentParser:
        parser = argparse.ArgumentParser(
            prog=f"{self.prog} {spec.name}",
            description=spec.about,
            epilog=_epilog(spec),
            formatter_class=argparse.RawDescriptionHelpFormatter,
            parents=[self],
        )
        for keyword, (names, settings) in _COMMON.items():
            dest: dict[str, Any] = {} if names[0] == keyword else {"dest": keyword}
            parser.add_argument(*names, **dest, **settings)
        _add_own(parser, spec)
        parser.set_defaults(act=_write_set, spec=spec)
        return parser


def _spec(name: str) -> SetSpec:
    from thunderlike.datasets import sets
    from thunderlike.errors import KeyMissingError

    # "module:spec" names a set of the user; with a slash it is a path or a URL.
    if ":" in name and "/" in name:
        raise KeyMissingError(name)
    return sets.get(name)


def _suggestion(name: str, error: Exception) -> str:
    """Return the error for a word that is neither a set nor a file, with the closest names."""
    from thunderlike.datasets import sets

    known = {one.lower(): one for one in sets.names()}
    close = [known[one] for one in difflib.get_close_matches(name.lower(), known)]
    close += [one for low, one in known.items() if low.startswith(name.lower())]
    hint = f"; did you mean {' or '.join(dict.fromkeys(close))}?" if close else ""
    return f"{error}{hint}"


# Names of sets; patterns of files have a slash, a dot or a star.
_NAME = re.compile(r"\w+")


def _add_own(parser: argparse.ArgumentParser, spec: SetSpec) -> None:
    for option in spec.options:
        names = option.flags or (f"--{option.name.replace('_', '-')}",)
        given = {"dest": option.name, "default": option.default, "help": option.help}
        parser.add_argument(*names, **given, **option.settings)
    if spec.weights:
        names = ("--calculate-weights", "--class-counts")
        parser.add_argument(*names, action="store_true", help="count the pixels of each class")
    for what in spec.meta:
        about = f"print {what.replace('_', ' ')} and stop"
        name = f"--{what.replace('_', '-')}"
        parser.add_argument(name, action="append_const", dest="show", const=what, help=about)


def _epilog(spec: SetSpec) -> str:
    """Return source files and datasets of a set, for ``--help``."""
    from thunderlike.datasets.sets.spec import fields_of

    sources = spec.files(spec.chosen({})).values()
    lines = ["files, downloaded if missing, except those to download by hand (*):"]
    for one in sources:
        lines += [f"  {one.path}{'' if one.url else ' *'}{'' if one.md5 else ', md5 unknown'}"]
    lines += ["datasets:"]
    for split in spec.splits:
        fields = " ".join(fields_of(split.sample or spec.sample))
        lines.append(f"  {split.file}: {split.total or '?'} samples of {fields}")
    lines += [f"* {spec.manual}"] if spec.manual else []
    return "\n".join([*lines, *([f"see {spec.see}"] if spec.see else [])])


def _list(args: argparse.Namespace) -> int:
    """Print all public sets by kind."""
    from thunderlike.datasets import sets

    found = [sets.get(name) for name in sets.names()]
    if args.json:
        keys = ("name", "kind", "about", "size", "registration")
        listed = [{key: getattr(spec, key) for key in keys} for spec in found]
        show(*json.dumps(listed, indent=2).split("\n"))
        return 0
    for kind in sets.KINDS:
        show(f"{kind}:")
        for spec in (spec for spec in found if spec.kind == kind):
            asks = "registration" if spec.registration else ""
            show(f"  {spec.name:<15} {spec.size or '?':<16} {asks:<13} {spec.about}".rstrip())
    show("", "sizes of downloads are approximate, ? is unknown")
    show("thunderlike datasets write SET INDIR -o OUTDIR; SET -h shows details")
    return 0


def _write_set(args: argparse.Namespace) -> int:
    """Write a set, or print metadata of its archives."""
    from thunderlike.datasets import sets

    spec = args.spec
    own = {option.name: getattr(args, option.name) for option in spec.options}
    if wanted := getattr(args, "show", None):
        found = {w: sets.metadata(spec, w, args.indir, verify=args.verify, **own) for w in wanted}
        show(json.dumps(found))
        return 0
    common = {keyword: getattr(args, keyword) for keyword in _COMMON}
    for keyword in ("shuffle", "check_images"):
        common[keyword] = None if common[keyword] is None else common[keyword] == "yes"
    weights = bool(getattr(args, "calculate_weights", False))
    paths = sets.write(spec, **common, calculate_weights=weights, **own)
    _report(args, {split: str(path) for split, path in paths.items()})
    return 0


_EPILOG = """\
  thunderlike datasets info train.msgpack
  thunderlike datasets cat train.msgpack --start 5 --stop 8
  thunderlike datasets verify train.msgpack --samples
  thunderlike datasets shuffle train.msgpack shuffled.msgpack --seed 1
  thunderlike datasets split all.msgpack 8000 9000 -o train.msgpack val.msgpack test.msgpack
  thunderlike datasets write 'photos/{LABEL}/**' -o photos.msgpack
  thunderlike datasets write CIFAR10 downloads -o data

exit codes: 0 done, 1 a dataset is damaged, 2 failed (with the reason in one line)
"""


def add(commands: Commands) -> None:
    """Add the command and its subcommands to argparse."""
    parser = commands.add_parser(
        "datasets",
        help="inspect, verify, shuffle, merge, split and write datasets of samples",
        description="Work on datasets: keyed samples in msgpack files, also those of datadings.",
        epilog=_EPILOG,
    )
    parser.set_defaults(subcommand=None)
    below = parser.add_subparsers(title="commands", metavar="COMMAND", dest="subcommand")
    _add_readers(below)
    _add_writers(below)
    # `write` takes the name of a public set in place of files.
    below.choices["write"] = _Write(below.choices["write"])
    for command in below.choices.values():
        command.add_argument("--json", action="store_true", help="print the outcome as JSON")
        command.add_argument("--quiet", action="store_true", help="print nothing, show no progress")
    parser.set_defaults(help_of=parser.print_help)


def run(args: argparse.Namespace) -> int:
    """Run a subcommand; return 1 for a damaged dataset."""
    from thunderlike.errors import DatasetError, ExistsError, FormatError
    from thunderlike.progress import progress

    if args.subcommand is None:
        args.help_of(sys.stderr)
        return 2
    act: Callable[[argparse.Namespace], int] = args.act
    # Bars on a terminal only: a log of a thousand shards needs no lines.
    shown = progress() if sys.stderr.isatty() and not args.quiet else nullcontext()
    try:
        with shown:
            return act(args)
    except ExistsError as error:
        reason = str(error).partition("; give overwrite=True")[0]
        raise ExistsError(f"{reason}; give -y to replace it") from error
    except (DatasetError, FormatError) as error:
        # Exit code 1 means damage, so that scripts can distinguish it from a wrong command (2).
        if args.debug:
            raise
        sys.stderr.write(f"error: {error}\n")
        return 1
