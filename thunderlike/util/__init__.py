"""Helpers for arrays and images, timing, and registries of classes, with deepdish's names.

Imports no other package. `Saveable` and `SaveableRegistry` need HDF5 files: they are defined in
``thunderlike.hdf5.saveable`` and available here too.
"""

from __future__ import annotations

from thunderlike._lazy import attributes as _attributes

__all__ = [
    "NamedRegistry",
    "Saveable",
    "SaveableRegistry",
    "apply_once",
    "apply_whitening_matrix",
    "aslice",
    "bytesize",
    "humanize_bytesize",
    "images",
    "memsize",
    "multi_range",
    "pad",
    "pad_repeat_border",
    "pad_repeat_border_corner",
    "pad_to_size",
    "span",
    "timed",
    "tupled_argmax",
    "whiten",
    "zca_whitening_matrix",
]

_HOMES = {
    "arrays": (
        "apply_once",
        "aslice",
        "bytesize",
        "humanize_bytesize",
        "memsize",
        "multi_range",
        "span",
        "tupled_argmax",
        "pad",
        "pad_repeat_border",
        "pad_repeat_border_corner",
        "pad_to_size",
        "apply_whitening_matrix",
        "whiten",
        "zca_whitening_matrix",
    ),
    "registry": ("NamedRegistry", "timed"),
}

__getattr__ = _attributes(
    __name__,
    {
        "images": "thunderlike.util.images",
        "Saveable": "thunderlike.hdf5.saveable:Saveable",
        "SaveableRegistry": "thunderlike.hdf5.saveable:SaveableRegistry",
        **{
            name: f"thunderlike.util.{home}:{name}"
            for home, names in _HOMES.items()
            for name in names
        },
    },
)
