"""Buckets from every engine: keys reach the workers, or they find their own."""

from __future__ import annotations

import logging

import numpy as np
import pytest

import thunderlike as tl
from thunderlike.errors import DeniedError, ExistsError, NotFoundError
from thunderlike.storage import delete, exists, find, write

KEYS = {"access": "testing", "secret": "wJalrXUtnFEMI"}


@pytest.fixture
def array():
    return np.random.default_rng(1).integers(0, 255, (12, 6, 5)).astype(np.uint8)


READ = {
    "tobinary": tl.images.frombinary,
    "totif": tl.images.fromtif,
    "topng": tl.images.frompng,
}


@pytest.mark.parametrize(
    ("how", "given"), [("tobinary", None), ("totif", KEYS), ("topng", None)], ids=READ
)
def test_images_out_and_in_again(bucket, array, engine, how, given, s3_server):
    given = given and {**given, "endpoint_url": s3_server}
    images = tl.images.fromarray(array, engine=engine)
    getattr(images, how)(f"{bucket}/out", credentials=given)
    assert len(find(f"{bucket}/out", credentials=given)) == len(array) + 1 + (how == "tobinary")
    found = READ[how](f"{bucket}/out", engine=engine, credentials=given)
    np.testing.assert_array_equal(found.toarray(), array, strict=True)


@pytest.mark.parametrize("given", [None, KEYS], ids=["chain", "given"])
def test_series_out_and_in_again(bucket, array, engine, given, s3_server):
    given = given and {**given, "endpoint_url": s3_server}
    tl.series.fromarray(array, engine=engine).tobinary(f"{bucket}/out", credentials=given)
    found = tl.series.frombinary(f"{bucket}/out", engine=engine, credentials=given)
    np.testing.assert_array_equal(found.toarray(), array, strict=True)
    write(f"{bucket}/text/a.txt", b"1 2 3\n4,5,6")
    lines = tl.series.fromtext(f"{bucket}/text", engine=engine, credentials=given)
    np.testing.assert_array_equal(lines.toarray(), [[1, 2, 3], [4, 5, 6]])


def test_overwrite_replaces_what_we_wrote_and_nothing_else(bucket, array, engine):
    images = tl.images.fromarray(array, engine=engine)
    images.totif(f"{bucket}/out")
    with pytest.raises(ExistsError, match="overwrite=True"):
        images.totif(f"{bucket}/out")
    images[:3].totif(f"{bucket}/out", overwrite=True)
    assert len(find(f"{bucket}/out", "tif")) == 3
    write(f"{bucket}/out/thesis.tex", b"precious")
    with pytest.raises(OSError, match=r"was not written by us, since it holds 'thesis\.tex'"):
        images.totif(f"{bucket}/out", overwrite=True)
    assert exists(f"{bucket}/out/thesis.tex")


def test_the_endpoint_of_the_setting_reaches_the_workers(
    bucket, array, engine, monkeypatch, s3_server
):
    monkeypatch.delenv("AWS_ENDPOINT_URL_S3")
    with tl.config(endpoint_url=s3_server):
        tl.images.fromarray(array).totif(f"{bucket}/out")
        images = tl.images.fromtif(f"{bucket}/out", engine=engine)
    np.testing.assert_array_equal(images.toarray(), array)


@pytest.mark.spark
def test_a_worker_says_which_file_went_missing(bucket, array, spark_context):
    tl.images.fromarray(array).totif(f"{bucket}/out")
    images = tl.images.fromtif(f"{bucket}/out", engine=spark_context)
    delete(f"{bucket}/out/image-00007.tif")
    with pytest.raises(NotFoundError, match=r"s3://bucket-.*/out/image-00007\.tif: no such file"):
        images.toarray()


@pytest.mark.spark
def test_a_worker_without_a_key_says_so_without_showing_any(bucket, spark_context, s3_server):
    write(f"{bucket}/raw/a.bin", bytes(24))
    wrong = {**KEYS, "endpoint_url": f"{s3_server}", "profile": "lab"}
    with pytest.raises(DeniedError, match="unknown profile 'lab'") as caught:
        tl.images.frombinary(f"{bucket}/raw", (3, 4), engine=spark_context, credentials=wrong)
    assert KEYS["secret"] not in str(caught.value)


def test_no_secret_is_logged(bucket, array, s3_server, caplog):
    given = {**KEYS, "endpoint_url": s3_server}
    with caplog.at_level(logging.DEBUG):
        tl.images.fromarray(array).totif(f"{bucket}/out", credentials=given)
        tl.images.fromtif(f"{bucket}/out", credentials=given)
    assert len(caplog.records) > 100  # boto3 says a lot
    assert KEYS["secret"] not in caplog.text
