"""Reading many small objects from a bucket: ours against bare boto3 with as many threads.

    python benchmarks/storage.py [NAME ...]

The server is moto's, in a process of its own on this machine; ``far`` puts 20 ms before each of its
answers, as a server elsewhere has. ``spark`` is compared with the local engine.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import boto3
import numpy as np
from botocore.config import Config
from harness import Row, main

import thunderlike as tl

if TYPE_CHECKING:
    from collections.abc import Iterator

COUNT, SHAPE, THREADS = 500, (260, 250), 16  # of uint16: 130 kB
KEYS = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing"}


@contextmanager
def server() -> Iterator[str]:
    """A server of buckets; yields its address."""
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", "0"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
        lines = iter(process.stderr or ())
        found = next(filter(None, (re.search(rb"http://\S+", line) for line in lines)))
        threading.Thread(target=lambda: [None for _ in lines], daemon=True).start()
        try:
            yield found[0].decode()
        finally:
            process.terminate()


@contextmanager
def far(url: str, delay: float = 0.02) -> Iterator[str]:
    """A server that hands every request on after a while; yields its address."""
    host, port = url.removeprefix("http://").split(":")

    class Late(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            time.sleep(delay)
            link = vars(local).setdefault("link", HTTPConnection(host, int(port)))
            link.request(self.command, self.path, headers=dict(self.headers))
            answer = link.getresponse()
            data = answer.read()
            self.send_response(answer.status)
            for name in ("Content-Length", "Content-Type", "Content-Range", "ETag"):
                if name in answer.headers:
                    self.send_header(name, answer.headers[name])
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(data)

        do_HEAD = do_GET  # noqa: N815

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    local = threading.local()
    with ThreadingHTTPServer(("127.0.0.1", 0), Late) as proxy:
        threading.Thread(target=proxy.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{proxy.server_port}"
        finally:
            proxy.shutdown()


def client(url: str) -> Any:
    """Bare boto3, with a connection for each thread."""
    config = Config(max_pool_connections=THREADS)
    return boto3.client("s3", endpoint_url=url, config=config, region_name="us-east-1")


def bare(s3: Any, bucket: str) -> int:
    """List, then get every object."""
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix="raw/")
    keys = [one["Key"] for page in pages for one in page["Contents"]]

    def get(key: str) -> bytes:
        return s3.get_object(Bucket=bucket, Key=key)["Body"].read()

    with ThreadPoolExecutor(THREADS) as pool:
        return sum(len(data) for data in pool.map(get, keys))


def filled(s3: Any) -> str:
    """Make a bucket of objects that hold an image each."""
    bucket = f"bench-{uuid.uuid4().hex[:8]}"
    s3.create_bucket(Bucket=bucket)
    rng = np.random.default_rng(1)
    for number in range(COUNT):
        image = rng.integers(0, 2**16, SHAPE).astype(np.uint16)
        s3.put_object(Bucket=bucket, Key=f"raw/image-{number:05d}.bin", Body=image.tobytes())
    return bucket


def images(bucket: str, engine: Any = None) -> Any:
    """Read all objects as images."""
    return tl.images.frombinary(f"s3://{bucket}/raw", SHAPE, "uint16", engine=engine)


def row(name: str, url: str, bucket: str) -> Row:
    """Ours against boto3 on the same bytes, which only boto3 leaves as they are."""
    os.environ["AWS_ENDPOINT_URL_S3"] = url
    s3 = client(url)
    return Row(name, lambda: images(bucket), {"boto3": lambda: bare(s3, bucket)})


def rows() -> Iterator[Row]:
    """Each after the last is done: the address of the server is in the environment."""
    os.environ.update(KEYS)
    with server() as url, far(url) as slow:
        bucket = filled(client(url))
        yield row(f"read {COUNT}", url, bucket)
        yield row(f"read {COUNT} far", slow, bucket)
        for name, place in (("spark", url), ("spark far", slow)):
            yield on_spark(name, place, bucket)


def on_spark(name: str, url: str, bucket: str) -> Row:
    """Two workers against the local engine; both give the mean, so that nothing is collected."""
    os.environ["AWS_ENDPOINT_URL_S3"] = url
    spark = tl.spark.context()
    local = {"local engine": lambda: images(bucket).mean()}
    return Row(name, lambda: images(bucket, spark).mean(), local)


if __name__ == "__main__":
    main(rows, __doc__ or "")
