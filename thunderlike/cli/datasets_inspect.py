"""Commands of ``thunderlike datasets`` that read: cat, ls, info, verify, bench, reindex."""

from __future__ import annotations

import dataclasses
import json
import time
from typing import TYPE_CHECKING, Any

from thunderlike.cli.options import show

if TYPE_CHECKING:
    import argparse

__all__ = ["add", "report"]


def add(commands: Any) -> None:
    """Add the commands to argparse."""
    cat = _command(commands, "cat", _cat, "print samples")
    cat.add_argument("-s", "--maxstring", type=int, default=40, metavar="N", help="cut text to N")
    cat.add_argument("--keys", nargs="+", metavar="KEY", help="only the samples of these keys")
    for command in (cat, _command(commands, "ls", _ls, "list keys and positions of samples")):
        command.add_argument("--start", type=int, default=0, metavar="N", help="from this one")
        command.add_argument("--stop", type=int, metavar="N", help="before this one")
    _command(commands, "info", _info, "describe a dataset")
    verify = _command(commands, "verify", _verify, "compare all files with their checksums")
    verify.add_argument("--samples", action="store_true", help="also read every sample")
    _command(commands, "reindex", _reindex, "rebuild all index files from the data")
    convert = _command(
        commands, "convert-index", _convert, "convert an old index file to the current ones"
    )
    convert.add_argument("-o", "--outdir", metavar="DIR", help="write it to this folder instead")
    convert.add_argument("--outfile", metavar="FILE", help="name it after this data file instead")
    bench = _command(commands, "bench", _bench, "measure how fast samples are read")
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


def _command(commands: Any, name: str, act: Any, about: str) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(name, help=about, description=about)
    parser.add_argument("infile", metavar="FILE")
    parser.set_defaults(act=act)
    return parser


def report(args: argparse.Namespace, outcome: dict[str, Any]) -> None:
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


def _short(value: Any, most: int) -> str:
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

    report(args, describe(args.infile))
    return 0


def _verify(args: argparse.Namespace) -> int:
    from thunderlike.datasets import MsgpackReader

    found = MsgpackReader(args.infile).verify(samples=args.samples)
    report(args, dataclasses.asdict(found))
    return 0 if found.ok else 1


def _reindex(args: argparse.Namespace) -> int:
    from thunderlike.datasets import reindex

    report(args, {"samples": reindex(args.infile)})
    return 0


def _convert(args: argparse.Namespace) -> int:
    from thunderlike.datasets.operations import convert_index

    written = convert_index(args.infile, args.outfile, outdir=args.outdir)
    report(args, {"written": written})
    return 0


def _bench(args: argparse.Namespace) -> int:
    from thunderlike.datasets import Shuffler
    from thunderlike.errors import SpecError

    if args.batch < 0:
        raise SpecError(f"--batch is {args.batch}; give at least 0")
    started, count, size = time.perf_counter(), 0, 0
    with _reader_of(args) as reader:
        for sample in _read(Shuffler(reader) if args.shuffle else reader, args):
            count += 1
            size += len(sample) if args.raw else 0
    seconds = time.perf_counter() - started
    found = {"samples": count, "seconds": round(seconds, 3), "per second": round(count / seconds)}
    report(args, {**found, "MB per second": round(size / seconds / 1e6)} if args.raw else found)
    return 0


def _read(reader: Any, args: argparse.Namespace) -> Any:
    if not args.batch:
        return reader.slice(0, raw=args.raw)
    starts = range(0, len(reader), args.batch)
    batches = (range(at, min(at + args.batch, len(reader))) for at in starts)
    return (one for numbers in batches for one in reader.get_many(list(numbers), raw=args.raw))


def _reader_of(args: argparse.Namespace) -> Any:
    from thunderlike import datasets

    chosen = {"include": args.include, "exclude": args.exclude, "separator": args.separator}
    if args.infile.endswith(".zip"):
        return datasets.ZipFileReader(args.infile, "**", **chosen)
    if args.infile.endswith(".tar"):
        return datasets.TarReader(args.infile, "**", **chosen)
    if args.infile.endswith(".msgpack"):
        return datasets.MsgpackReader(args.infile, args.buffering)
    return datasets.DirectoryReader(args.infile, root_dir=args.root_dir, **chosen)
