"""Servers that misbehave, for tests of what that does to us."""

from __future__ import annotations

import http.client
import socket
import threading
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

ERROR = "<?xml version='1.0'?><Error><Code>{code}</Code><Message>no</Message></Error>"


@pytest.fixture
def answering():
    """A context manager: a server of canned answers. `serving` says more."""
    return serving


@pytest.fixture
def cutting():
    """A context manager: a proxy that cuts connections. `proxied` says more."""
    return proxied


@pytest.fixture
def faulty(s3_server):
    """A proxy before the server of buckets that may change each answer. `Faulty` says more."""
    with Faulty(s3_server) as proxy:
        yield proxy


@dataclass
class Request:
    """What was asked; the names of headers in lower case."""

    method: str
    path: str
    headers: dict
    body: bytes


@dataclass
class Answer:
    """What is sent back; `chunked` without a length."""

    status: int
    headers: dict
    body: bytes
    chunked: bool = False

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

    def __init__(self, target):
        self.rule, self.asked = None, []
        self.host, self.port = target.removeprefix("http://").split(":")
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self):
                proxy.handle(self)

            do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = answer  # noqa: N815

            def log_message(self, *_):
                """Say nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.server.handle_error = lambda *_: None  # a client that went away
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.over = threading.Event()
        self.thread = threading.Thread(target=self.server.serve_forever)

    def __enter__(self):
        self.thread.start()
        return self

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
        connection.request(request.method, request.path, request.body, headers)
        answer = connection.getresponse()
        found = Answer(answer.status, dict(answer.getheaders()), answer.read())
        connection.close()
        return found

    def send(self, handler, answer):
        dropped = {"connection", "transfer-encoding"}
        dropped |= {"content-length"} if answer.chunked else set()
        handler.send_response_only(answer.status)
        for name, value in answer.headers.items():
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
        else:
            handler.wfile.write(answer.body)


@contextmanager
def serving(answers):
    """Serve on loopback; yields its address and a list of the requests it got.

    `answers` takes the number of a request and returns ``(status, body)``; a body which is a name
    becomes an error of that name.
    """
    asked = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self):
            asked.append(f"{self.command} {self.path}")
            status, body = answers(len(asked))
            data = ERROR.format(code=body).encode() if isinstance(body, str) else body
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            if status == 200:
                self.send_header("ETag", f'"{hash(data):x}"')
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(data)

        do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = answer  # noqa: N815

        def log_message(self, *_):
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", asked
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def proxied(target, allowance, cuts):
    """Hand bytes on to a server and back, and cut the first answers off after so many bytes.

    Yields the address of the proxy and a list with an entry for each connection that was cut.
    """
    host, port = target.removeprefix("http://").split(":")
    listener = socket.create_server(("127.0.0.1", 0))
    cut, threads, over = [], [], threading.Event()

    def hand_on(source, aim):
        with suppress(OSError):
            while data := source.recv(65536):
                aim.sendall(data)
        with suppress(OSError):
            aim.shutdown(socket.SHUT_WR)

    def hand_back(source, aim):
        left = allowance
        with suppress(OSError):
            while data := source.recv(65536):
                if len(data) > left and len(cut) < cuts:
                    aim.sendall(data[:left])
                    cut.append(left)
                    break
                aim.sendall(data)
                left -= len(data)
        for end in (aim, source):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def serve(client):
        with client, socket.create_connection((host, int(port))) as server:
            ahead = threading.Thread(target=hand_on, args=(client, server))
            ahead.start()
            hand_back(server, client)
            ahead.join()

    def accept():
        while not over.is_set():
            with suppress(OSError):
                client, _ = listener.accept()
                threads.append(threading.Thread(target=serve, args=(client,)))
                threads[-1].start()

    acceptor = threading.Thread(target=accept)
    acceptor.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}", cut
    finally:
        over.set()
        with suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        acceptor.join()
