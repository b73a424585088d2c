"""The modules of datadings: ``datadings.reader`` is ``thunderlike.compat.datadings.reader``.

Names, order of arguments and order of files are those of datadings, also where
:mod:`thunderlike.datasets` differs. The page *Coming from datadings* lists what is not supported.

A module of a set has its ``CLASSES``, and its ``COLORS`` if it has label images;
``python -m thunderlike.compat.datadings.sets.VOC2012_write`` is ``thunderlike datasets write
VOC2012``, and ``python -m thunderlike.compat.datadings.commands.merge`` is ``thunderlike datasets
merge``.

>>> from thunderlike.compat.datadings.reader import Cycler, ListReader, Shuffler
>>> letters = ListReader([{"key": k} for k in "abc"])
>>> endless = Cycler(Shuffler(letters, seed=1)).iter(True)
>>> next(endless)
('b', {'key': 'b'})
>>> from thunderlike.compat.datadings.sets import VOC2012
>>> VOC2012.CLASSES[15], VOC2012.index_to_color([15]).tolist()
('person', [[192, 128, 128]])
"""

from __future__ import annotations

from thunderlike.compat.aliases import submodules as _submodules

# Modules by name, not imported: `datadings.writer` loads neither PyTorch nor the command line.
_READERS = "thunderlike.compat.datadings._readers"
_MODULES = "thunderlike.compat.datadings._modules"
_DATASETS = "thunderlike.datasets"
_TOOLS = "thunderlike.datasets.tools"

_submodules(
    __name__,
    {
        # One module a command and a set: the functions find them by name.
        "commands": {_MODULES: "command"},
        "commands.*": f"{_MODULES}:command_module",
        "index": {
            "thunderlike.datasets.index": "SUFFIX_FILTER SUFFIX_KEYS SUFFIX_KEY_HASHES "
            "SUFFIX_LEGACY_INDEX SUFFIX_OFFSETS hash_keys keys_len legacy_index_len "
            "legacy_load_index load_filter load_key_hashes load_keys load_offsets write_filter "
            "write_key_hashes write_keys write_offsets"
        },
        "reader": {
            _DATASETS: "DirectoryReader ListReader MsgpackReader Reader ZipFileReader",
            # Views of datadings, whose `iter` begins with `yield_key`; ours begins with `start`.
            _READERS: "Augment Cycler QuasiShuffler Range Repeater ShardedReader Shuffler",
        },
        "reader.augment": {_READERS: "Augment Cycler QuasiShuffler Range Repeater Shuffler"},
        "reader.directory": {_DATASETS: "DirectoryReader", _READERS: "check_included"},
        "reader.list": {
            _DATASETS: "ListReader",
            "thunderlike.datasets.folder": "noop",
            _READERS: "load_lines sorted_labels",
        },
        "reader.msgpack": {_DATASETS: "MsgpackReader"},
        "reader.reader": {_DATASETS: "Reader"},
        "reader.sharded": {_READERS: "ShardedReader"},
        "reader.zipfile": {_DATASETS: "ZipFileReader"},
        "sets": {},
        "sets.*": f"{_MODULES}:set_module",
        "tools": {
            _TOOLS: "ProgressPrinter document_keys download_files_if_not_found "
            "download_if_not_found hash_md5hex hash_string hash_string_bytes load_md5file "
            "locate_files make_printer path_append path_append_suffix prepare_indir print_over "
            "query_user split_array tiff_to_nd_array verify_file verify_files yield_process "
            "yield_threaded"
        },
        "tools.argparse": {
            "thunderlike.datasets.scripts": "MinMaxAction YesNoAction "
            "argument_calculate_weights argument_indir argument_infile argument_no_confirm "
            "argument_outdir argument_outfile argument_outfile_positional argument_outfiles "
            "argument_shuffle argument_skip_verification argument_threads make_parser "
            "make_parser_simple"
        },
        "tools.cached_property": {"functools": "cached_property"},
        "tools.compression": {_TOOLS: "open_comp"},
        "tools.matlab": {_TOOLS: "iter_fields loadmat"},
        "tools.msgpack": {
            "thunderlike.datasets.packing": "make_packer make_unpacker pack packb unpack unpackb"
        },
        "torch": {
            "thunderlike.datasets.torch": "Compose CompressedToPIL Dataset DatasetBase "
            "IterableDataset dict2tuple no_rng"
        },
        "writer": {_DATASETS: "FileWriter RawWriter Writer"},
    },
)
