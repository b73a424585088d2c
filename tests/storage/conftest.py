"""Servers that misbehave, for tests of what that does to us."""

from __future__ import annotations

import socket
import threading
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from bucket_server import ERROR, Faulty


@pytest.fixture
def answering():
    """A context manager: a server of canned answers. `serving` says more."""
    return serving


@pytest.fixture
def cutting():
    """A context manager: a proxy that cuts connections. `proxied` says more."""
    return proxied


@pytest.fixture(scope="session")
def faulty_server(plain_s3_server):
    """One proxy for all tests: a client of boto3 for each would take longer than most of them."""
    with Faulty(plain_s3_server) as proxy:
        yield proxy


@pytest.fixture
def faulty(faulty_server):
    """A proxy before the server of buckets that may change each answer. `Faulty` says more."""
    faulty_server.reset()
    yield faulty_server
    faulty_server.reset()


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
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
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
