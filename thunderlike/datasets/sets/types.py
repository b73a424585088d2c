"""The types of samples: one table, and a function for each that makes such a sample.

Examples
--------
>>> from thunderlike.datasets.sets import types
>>> types.ImageClassificationData("a.jpg", b"...", label=3)
{'key': 'a.jpg', 'image': b'...', 'label': 3}
"""

from __future__ import annotations

from inspect import Parameter, Signature
from typing import TYPE_CHECKING, Any

from thunderlike.errors import SpecError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["FIELDS", "TYPES", "fields_of", "ordered"]

# The fields of each type, in order.
TYPES = {
    "ImageData": "key image",
    "ImageClassificationData": "key image label",
    "ImageCoarseClassificationData": "key image label coarse_label",
    "ImageNet21kData": "key image label label_tree",
    "ImageSegmentationData": "key image label_image",
    "ImageInstanceSegmentationData": "key image label_image instance_image",
    "ImageDisparitySegmentationData": "key image label_image disparity_image",
    "MaskedImageSegmentationData": "key image label_image mask",
    "ADE20kData": "key image label label_image parts_images",
    "Places2017Data": "key image label label_image instance_image boundary",
    "SaliencyData": "key image experiments",
    "ANP460Data": "key image experiments anp type",
    "SaliencyExperiment": "locations map",
    "SaliencyTimeseriesExperiment": "locations map timestamps fixations",
    "ANP460Experiment": "locations map answer duration",
}

# What each field holds; images are encoded files, or arrays in the sets of satellites.
FIELDS: dict[str, Any] = {
    **dict.fromkeys(("key", "anp", "type", "answer"), str),
    **dict.fromkeys(("label", "coarse_label"), int),
    **dict.fromkeys(("image", "label_image"), "bytes | NDArray"),
    **dict.fromkeys(("instance_image", "disparity_image"), bytes),
    **dict.fromkeys(("mask", "timestamps", "fixations"), "NDArray"),
    **dict.fromkeys(("locations", "map"), "NDArray | None"),
    "label_tree": "list[int]",
    "parts_images": "list[bytes]",
    "boundary": "list[list[NDArray]]",
    "experiments": "list[dict[str, Any]]",
    "duration": float,
}


def fields_of(sample: str) -> list[str]:
    """The fields of a type, or those that are spelled out.

    Examples
    --------
    >>> fields_of("ImageData"), fields_of("key image caption")
    (['key', 'image'], ['key', 'image', 'caption'])
    """
    return TYPES.get(sample, sample).split()


def ordered(sample: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """A sample with the fields of its type, in their order; SpecError when they are others."""
    names = fields_of(sample)
    if set(names) != set(values):
        odd = ", ".join(sorted(set(names) ^ set(values)))
        raise SpecError(f"a sample of {sample!r} has the fields {names}; look at {odd}")
    return {name: values[name] for name in names}


def _maker(name: str) -> Callable[..., dict[str, Any]]:
    kinds = {field: FIELDS[field] for field in fields_of(name)}
    given = [Parameter(k, Parameter.POSITIONAL_OR_KEYWORD, annotation=v) for k, v in kinds.items()]
    signature = Signature(given, return_annotation="dict[str, Any]")

    def make(*args: Any, **kwargs: Any) -> dict[str, Any]:
        found = signature.bind(*args, **kwargs).arguments
        return {field: found[field] for field in kinds}

    make.__name__ = make.__qualname__ = name
    make.__doc__ = f"Make a sample, a dict of {', '.join(kinds)}."
    make.__annotations__ = {**kinds, "return": "dict[str, Any]"}
    make.__signature__ = signature  # type: ignore[attr-defined]  # what help() shows
    return make


globals().update({_name: _maker(_name) for _name in TYPES})
__all__ += list(TYPES)
