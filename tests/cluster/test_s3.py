"""A bucket whose server is busy, breaks off and stalls, read and written by the cluster."""

from __future__ import annotations

import http.client
import itertools
import threading
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

import numpy as np
import pytest

import thunderlike as tl

pytestmark = [pytest.mark.spark]

BUSY = b"<?xml version='1.0'?><Error><Code>SlowDown</Code><Message>Reduce it</Message></Error>"
FOREVER = 3600
SECRET = "wJalrXUtnFEMIK7MDENG"


@contextmanager
def before(server, misbehave):
    """A proxy that hands requests on to a server; its address, and the faults that it made.

    `misbehave` takes the number of a request and returns what becomes of it: ``busy``, answered by
    503; ``cut``, the connection ends in the middle of the answer; a number of seconds that it
    waits there; or nothing.
    """
    numbers, made, over = itertools.count(1), [], threading.Event()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self):
            fate = misbehave(next(numbers))
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            if fate:
                made.append(fate)
            if fate == "busy":
                return self.send(503, {"Content-Length": str(len(BUSY))}, [BUSY])
            status, headers, data = self.handed_on(body)
            half = len(data) // 2
            if fate == "cut":
                self.send(status, headers, [data[:half]])
                self.close_connection = True
                return None
            if fate:
                self.send(status, headers, [data[:half]])
                over.wait(fate)
                return self.wfile.write(data[half:])
            return self.send(status, headers, [data])

        def handed_on(self, body):
            connection = http.client.HTTPConnection(urlsplit(server).netloc)
            connection.request(self.command, self.path, body, dict(self.headers))
            answer = connection.getresponse()
            data = answer.read()
            connection.close()
            return answer.status, dict(answer.getheaders()), data

        def send(self, status, headers, parts):
            self.send_response_only(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            for part in parts:
                self.wfile.write(part)
            self.wfile.flush()

        do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = answer  # noqa: N815

        def log_message(self, *_):
            """Say nothing."""

        def handle(self):
            with suppress(OSError):  # the other side had enough
                super().handle()

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as proxy:
        proxy.daemon_threads = True
        thread = threading.Thread(target=proxy.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{proxy.server_port}", made
        finally:
            over.set()
            proxy.shutdown()
            thread.join()


def every(count, fate, most=FOREVER):
    """That fate for one request in so many, but not more often than that."""
    left = itertools.count()
    return lambda number: fate if number % count == 0 and next(left) < most else None


FAULTS = {
    "S3 server busy: 503 to a third": (every(3, "busy"), 0.3),
    "S3 connection cut in mid-body": (every(4, "cut"), 0.2),
    "S3 server pauses in mid-body": (every(10, 2.0), 0.05),
}


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=[pytest.mark.cluster] * ("503" not in n)) for n in FAULTS]
)
def test_a_server_that_misbehaves(
    cluster, driver, fault, recording, bucket, plain_s3_server, tmp_path, name
):
    misbehave, least = FAULTS[name]
    movie = tl.images.fromtif(recording)[:6]
    movie.totif(f"{bucket}/movie")
    counted = []

    def counting(number):
        counted.append(number)
        return misbehave(number)

    with before(plain_s3_server, counting) as (url, made), fault(name, "read, write and read"):
        given = {"access": "testing", "secret": SECRET, "endpoint_url": url}
        driver.ask(
            "copied", source=f"{bucket}/movie", target=f"{bucket}/copy",
            out=tmp_path / "found.npy", **given,
        )  # fmt: skip
        np.testing.assert_array_equal(np.load(tmp_path / "found.npy"), movie.toarray())
        written = tl.images.fromtif(f"{bucket}/copy")
        np.testing.assert_array_equal(written.toarray(), movie.toarray())
        assert len(made) >= least * len(counted)
    logs = "".join(
        [*cluster.logs().values(), *(log.read_text() for log in cluster.events.iterdir())]
    )
    assert "SparkListenerTaskEnd" in logs
    assert SECRET not in logs


@pytest.mark.cluster
def test_a_server_that_stalls_for_good(driver, fault, recording, bucket, plain_s3_server, tmp_path):
    """Twice an answer never ends: asked again after a minute, the time-out of boto3."""
    movie = tl.images.fromtif(recording)[:6]
    movie.totif(f"{bucket}/movie")
    with (
        before(plain_s3_server, every(10, FOREVER, most=2)) as (url, made),
        fault("S3 server stalls in mid-body", "read, write and read"),
    ):
        given = {"access": "testing", "secret": "testing", "endpoint_url": url}
        driver.ask(
            "copied", source=f"{bucket}/movie", target=f"{bucket}/copy",
            out=tmp_path / "found.npy", patience=400, **given,
        )  # fmt: skip
        assert len(made) == 2
        np.testing.assert_array_equal(np.load(tmp_path / "found.npy"), movie.toarray())
