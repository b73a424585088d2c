"""Servers of buckets for tests: a right one, one that answers oddly, and proxies that misbehave.

``python bucket_server.py`` runs the first two in one process and prints their addresses.
"""

from __future__ import annotations

import http.client
import itertools
import os
import re
import socket
import subprocess
import sys
import threading
import uuid
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

ERROR = "<?xml version='1.0'?><Error><Code>{code}</Code><Message>no</Message></Error>"
PAGE = b"<!DOCTYPE html><html><head><title>Sign in</title></head><body>Wi-Fi</body></html>"
XML_PAGE = b"<html><head><title>Sign in</title></head><body>Wi-Fi</body></html>"

# What a worker finds for itself; before Spark starts, and instead of anybody's own.
AWS = {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
}


# Proxies


@dataclass
class Request:
    """A request; the names of its headers in lower case."""

    method: str
    path: str
    headers: dict
    body: bytes

    @property
    def is_listing(self):
        """Whether it asks for the names in a folder."""
        return self.method == "GET" and "list-type" in self.path

    @property
    def is_object(self):
        """Whether it asks for an object or a range of one."""
        return self.method == "GET" and not self.is_listing


@dataclass
class Answer:
    """An answer; `chunked` without a length, or `cut` after so many bytes of its body."""

    status: int
    headers: dict
    body: bytes
    chunked: bool = False
    cut: int | None = None
    extra: dict = field(default_factory=dict)

    def replaced(self, status, body, headers=None):
        """Return an answer of other content, with its length."""
        kept = {
            k: v for k, v in self.headers.items() if k.lower() not in ("content-length", "etag")
        }
        return Answer(status, {**kept, **(headers or {}), "Content-Length": str(len(body))}, body)

    def error(self, status, code):
        """Return an error as servers of buckets send it."""
        return self.replaced(status, ERROR.format(code=code).encode())


class Faulty:
    """A proxy on loopback whose `rule` decides on every request.

    The rule takes a `Request` and a function that forwards it, less the header `without`, and
    returns an `Answer`, None for that of the server, ``"close"`` to close the connection, or
    ``"wait"`` to be silent until the client gives up.
    """

    def __init__(self, target, rule=None):
        self.rule, self.asked = rule, []
        self.host, self.port = target.removeprefix("http://").split(":")
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def answer(self):
                proxy.handle(self)

            do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = answer  # noqa: N815

            def log_message(self, *_):
                """Say nothing."""

        class Server(ThreadingHTTPServer):
            request_queue_size = 128
            daemon_threads = True

        self.server = Server(("127.0.0.1", 0), Handler)
        self.server.handle_error = lambda *_: None  # a client that went away
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.over = threading.Event()
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.05,))

    def __enter__(self):
        self.thread.start()
        return self

    def reset(self):
        """Forget the rule and the requests, and end the silence of requests that wait."""
        self.over.set()
        self.rule, self.asked, self.over = None, [], threading.Event()

    def __exit__(self, *_):
        self.over.set()
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

    def handle(self, handler):
        headers = {name.lower(): value for name, value in handler.headers.items()}
        body = handler.rfile.read(int(headers.get("content-length", 0)))
        request = Request(handler.command, handler.path, headers, body)
        self.asked.append(request)

        def forward(without=""):
            return self.forwarded(request, without)

        answer = self.rule(request, forward) if self.rule else None
        if answer == "wait":
            self.over.wait(20)
        if answer in ("wait", "close"):
            handler.close_connection = True
            handler.connection.shutdown(socket.SHUT_RDWR)
            return
        self.send(handler, answer or forward())

    def forwarded(self, request, without):
        # Signed for the proxy's own address, which the server does not look at.
        headers = {k: v for k, v in request.headers.items() if k not in (without, "connection")}
        connection = http.client.HTTPConnection(self.host, int(self.port), timeout=60)
        # The server may break a body off: whatever happens, no socket stays open.
        with closing(connection):
            connection.request(request.method, request.path, request.body, headers)
            with closing(connection.getresponse()) as answer:
                return Answer(answer.status, dict(answer.getheaders()), answer.read())

    def send(self, handler, answer):
        dropped = {"connection", "transfer-encoding"}
        dropped |= {"content-length"} if answer.chunked else set()
        handler.send_response_only(answer.status)
        for name, value in {**answer.headers, **answer.extra}.items():
            if name.lower() not in dropped:
                handler.send_header(name, value)
        if answer.chunked:
            handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        if handler.command == "HEAD":
            return
        if answer.chunked:
            size = f"{len(answer.body):x}\r\n".encode()
            last = b"0\r\n\r\n"
            handler.wfile.write((size + answer.body + b"\r\n" if answer.body else b"") + last)
        elif answer.cut is not None:
            handler.wfile.write(answer.body[: answer.cut])
            handler.close_connection = True
        else:
            handler.wfile.write(answer.body)


# Answers after which the right result or an error of ours has to come


def without(name):
    """Leave a header out of an answer."""

    def rule(request, forward):
        answer = forward()
        answer.headers = {k: v for k, v in answer.headers.items() if k.lower() != name}
        return answer

    return rule


def page(body):
    """Answer with a page, as a proxy does that wants a password."""

    def rule(request, forward):
        return forward().replaced(200, body, {"Content-Type": "text/html"})

    return rule


def whole_instead_of_range(request, forward):
    """Ignore Range."""
    if not request.is_object or "range" not in request.headers:
        return None
    return forward(without="range")


def another_range(request, forward):
    """Name another range than the one that was asked for."""
    if not request.is_object or "range" not in request.headers:
        return None
    answer = forward()
    answer.headers["content-range"] = "bytes 1-2/77"
    return answer


def chunked(request, forward):
    """Send no length."""
    answer = forward() if request.method != "HEAD" else None
    if answer is not None:
        answer.chunked = True
    return answer


def truncated(request, forward):
    """Break off in the middle of a body."""
    answer = forward() if request.method == "GET" else None
    if answer is not None and len(answer.body) > 1:
        answer.cut = len(answer.body) // 2
    return answer


def short(request, forward):
    """Send half of a body as if it were all."""
    answer = forward() if request.is_object else None
    if answer is None or answer.status >= 300:
        return answer
    etag = {k: v for k, v in answer.headers.items() if k.lower() == "etag"}
    return answer.replaced(answer.status, answer.body[: len(answer.body) // 2], etag)


def no_key_count(request, forward):
    """Leave out the number of names in a listing."""
    answer = forward()
    return answer.replaced(answer.status, re.sub(rb"<KeyCount>.*?</KeyCount>", b"", answer.body))


def no_truncation(request, forward):
    """Leave out whether a listing goes on."""
    answer = forward()
    body = re.sub(rb"<IsTruncated>.*?</IsTruncated>", b"", answer.body)
    return answer.replaced(answer.status, body)


def endless(request, forward):
    """Say of each page of a listing that there are more."""
    if not request.is_listing:
        return None
    request.path = re.sub("continuation-token=[^&]*&?", "", request.path)
    answer = forward()
    more = b"<IsTruncated>true</IsTruncated><NextContinuationToken>x</NextContinuationToken>"
    body = re.sub(rb"<IsTruncated>.*?</IsTruncated>", more, answer.body)
    return answer.replaced(answer.status, body)


def refused(status, code):
    """Answer with an error."""

    def rule(request, forward):
        return forward().error(status, code)

    return rule


def closed(request, forward):
    """Close the connection instead of answering."""
    return "close"


FAULTS = {
    "no ETag": without("etag"),
    "no Content-Range": without("content-range"),
    "a page": page(PAGE),
    "a page that is XML": page(XML_PAGE),
    "nothing": page(b""),
    "not XML": page(b"\x00\x01 hello"),
    "the whole instead of a range": whole_instead_of_range,
    "another range": another_range,
    "chunked": chunked,
    "no KeyCount": no_key_count,
    "no IsTruncated": no_truncation,
    "a listing without an end": endless,
    "403": refused(403, "AccessDenied"),
    "404": refused(404, "NoSuchKey"),
    "no bucket": refused(404, "NoSuchBucket"),
    "503": refused(503, "SlowDown"),
    "500": refused(500, "InternalError"),
    "closed": closed,
}


# Answers that are odd, and nevertheless right


class Odd:
    """A rule that varies the answers in ways that servers and proxies have, from one to the next.

    After each of them the right result has to come. A connection breaks off once for each request,
    so that asking again helps.
    """

    def __init__(self):
        self._numbers, self._cut = itertools.count(), set()
        self._variants = (
            self._plain, self._no_key_count, self._chunked, self._cut_once, self._as_html,
            self._other_case, self._more_headers,
        )  # fmt: skip

    def __call__(self, request, forward):
        if request.path.startswith("/moto-api"):
            return None
        answer = forward()
        return self._variants[next(self._numbers) % len(self._variants)](request, answer)

    def _plain(self, request, answer):
        return answer

    def _no_key_count(self, request, answer):
        return no_key_count(request, lambda: answer) if request.is_listing else answer

    def _chunked(self, request, answer):
        """Return a body without a length, except for those of objects."""
        answer.chunked = request.method != "HEAD" and not request.is_object
        answer.chunked = answer.chunked and answer.status not in (204, 304)
        return answer

    def _cut_once(self, request, answer):
        key = (request.path, request.headers.get("range"))
        if answer.status >= 300 or not request.is_object:
            return answer
        if key not in self._cut and 1 < len(answer.body) < 2**20:
            self._cut.add(key)
            answer.cut = len(answer.body) // 2
        return answer

    def _as_html(self, request, answer):
        """Call everything a page: some servers of buckets do."""
        headers = {k: v for k, v in answer.headers.items() if k.lower() != "content-type"}
        answer.headers = headers | {"Content-Type": "text/html; charset=utf-8"}
        return answer

    def _other_case(self, request, answer):
        answer.headers = {name.lower(): value for name, value in answer.headers.items()}
        return answer

    def _more_headers(self, request, answer):
        answer.extra = {"Via": "1.1 proxy", "X-Cache": "MISS", "Age": "0"}
        return answer


# Processes


@contextmanager
def serving_buckets():
    """Run a server that speaks S3 in a process of its own.

    Yields the address at which it answers as it should, and one at which it answers oddly.
    """
    command = [sys.executable, __file__]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stdin=subprocess.PIPE) as server:
        try:
            plain, odd = server.stdout.readline().decode().split()
            yield plain, odd
        finally:
            server.terminate()


@contextmanager
def new_bucket():
    """Run a server with one bucket, to which ``s3://`` leads; yields the bucket's address."""
    import boto3

    os.environ.update(AWS)
    with serving_buckets() as (plain, _):
        os.environ["AWS_ENDPOINT_URL_S3"] = plain
        name = f"bucket-{uuid.uuid4().hex[:12]}"
        boto3.client("s3", endpoint_url=plain).create_bucket(Bucket=name)
        yield f"s3://{name}"


def main():
    import logging

    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    plain = f"http://{host}:{port}"
    with Faulty(plain, Odd()) as proxy:
        proxy.asked = _Nothing()
        print(plain, proxy.url, flush=True)
        sys.stdin.read()  # until the tests are over


class _Nothing(list):
    def append(self, item):
        """Keep nothing of the requests of a whole run."""


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        main()
