"""Downloads from a server on this machine: whole, cut, wrong, over TLS."""

from __future__ import annotations

import datetime
import hashlib
import ipaddress
import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from thunderlike.datasets.download import Source, download, locate
from thunderlike.datasets.tools import download_files_if_not_found
from thunderlike.errors import DownloadError, NotFoundError, VerifyError

BODY = bytes(range(256)) * 4000
MD5 = hashlib.md5(BODY, usedforsecurity=False).hexdigest()


class Handler(BaseHTTPRequestHandler):
    """Serves BODY with ranges; cuts the connection after `cut` bytes as often as is set."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        server = self.server
        requested = self.headers.get("Range") if server.ranges else None
        server.asked.append(requested)
        if self.path == "/missing":
            return self.answer(404, b"", "text/plain")
        if self.path == "/page":
            return self.answer(200, b"<html>sign in</html>", "text/html; charset=utf-8")
        start = int(requested.removeprefix("bytes=").removesuffix("-")) if requested else 0
        if start >= len(BODY):
            return self.answer(416, b"", "text/plain")
        return self.answer(206 if requested else 200, BODY[start:], "application/zip")

    def answer(self, status, data, kind):
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.server.cuts and status < 300:
            self.server.cuts -= 1
            self.wfile.write(data[: self.server.cut])
            self.close_connection = True
        else:
            self.wfile.write(data)

    def log_message(self, *args):
        pass


@pytest.fixture
def server():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.asked, server.cuts, server.cut, server.ranges = [], 0, 300_000, True
    server.address = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_file_is_fetched_and_verified(server, tmp_path):
    place = tmp_path / "new" / "a.zip"
    download(f"{server.address}/a.zip", place, MD5)
    assert place.read_bytes() == BODY
    assert [path.name for path in place.parent.iterdir()] == ["a.zip"]


def test_a_file_that_is_cut_is_gone_on_with(server, tmp_path):
    server.cuts = 2
    download(f"{server.address}/a.zip", tmp_path / "a.zip", MD5)
    assert (tmp_path / "a.zip").read_bytes() == BODY
    assert server.asked == [None, "bytes=300000-", "bytes=600000-"]


def test_a_later_run_goes_on_where_an_earlier_one_gave_up(server, tmp_path):
    server.cuts = 2
    with pytest.raises(DownloadError, match="run it again"):
        download(f"{server.address}/a.zip", tmp_path / "a.zip", MD5, tries=2)
    assert [path.name for path in tmp_path.iterdir()] == ["a.zip.part"]
    download(f"{server.address}/a.zip", tmp_path / "a.zip", MD5)
    assert (tmp_path / "a.zip").read_bytes() == BODY
    assert server.asked[-1] == "bytes=600000-"


def test_a_part_that_is_whole_already_is_accepted(server, tmp_path):
    (tmp_path / "a.zip.part").write_bytes(BODY)
    download(f"{server.address}/a.zip", tmp_path / "a.zip", MD5)
    assert (tmp_path / "a.zip").read_bytes() == BODY


def test_a_server_without_ranges_begins_again(server, tmp_path):
    server.ranges, server.cuts = False, 1
    download(f"{server.address}/a.zip", tmp_path / "a.zip", MD5)
    assert (tmp_path / "a.zip").read_bytes() == BODY


def test_without_md5_an_old_part_is_not_gone_on_with(server, tmp_path):
    (tmp_path / "a.zip.part").write_bytes(b"of another file")
    download(f"{server.address}/a.zip", tmp_path / "a.zip")
    assert (tmp_path / "a.zip").read_bytes() == BODY
    assert server.asked == [None]


def test_another_md5_leaves_no_file(server, tmp_path):
    with pytest.raises(VerifyError, match=f"md5 {MD5}, expected 0000"):
        download(f"{server.address}/a.zip", tmp_path / "a.zip", "0" * 32)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("page", "text"), [("missing", "404"), ("page", "browser")])
def test_what_cannot_be_fetched_is_said_at_once(server, tmp_path, page, text):
    with pytest.raises(DownloadError, match=text):
        download(f"{server.address}/{page}", tmp_path / "a.zip", MD5)
    assert len(server.asked) == 1
    assert not (tmp_path / "a.zip").exists()


def test_nobody_there(tmp_path):
    with pytest.raises(DownloadError, match="save it by hand"):
        download("http://127.0.0.1:9/a.zip", tmp_path / "a.zip", MD5, tries=2)


def test_a_certificate_that_nobody_vouches_for_is_refused(server, tmp_path):
    certificate = tmp_path / "self-signed.pem"
    certificate.write_bytes(_self_signed())
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    server.handle_error = lambda *_: None  # it is the server that hears of the refusal
    with pytest.raises(DownloadError, match=r"(?i)certificate verify failed"):
        download(f"https://127.0.0.1:{server.server_port}/a.zip", tmp_path / "a.zip", MD5)
    assert not (tmp_path / "a.zip").exists()
    assert server.asked == []


def _self_signed():
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.UTC)
    address = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    built = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(address, critical=False)
        .sign(key, hashes.SHA256())
    )
    plain = serialization.NoEncryption()
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
    return key.private_bytes(*form) + built.public_bytes(serialization.Encoding.PEM)


def test_files_by_hand_are_asked_for_before_anything_is_fetched(server, tmp_path):
    sources = {
        "a": Source("a.zip", MD5, f"{server.address}/a.zip"),
        "b": Source("b.zip", MD5),
    }
    with pytest.raises(NotFoundError, match="by hand: ask them"):
        locate(sources, tmp_path, manual="ask them")
    assert server.asked == []
    (tmp_path / "b.zip").write_bytes(BODY)
    found = locate(sources, tmp_path)
    assert found == {"a": tmp_path / "a.zip", "b": tmp_path / "b.zip"}


def test_files_of_a_table_are_fetched_unless_they_are_there(server, tmp_path):
    files = {
        "one": {"path": "a.zip", "url": f"{server.address}/a.zip", "md5": MD5},
        "two": {"path": "by hand"},
    }
    for _ in range(2):
        download_files_if_not_found(files, tmp_path)
    assert (tmp_path / "a.zip").read_bytes() == BODY
    assert server.asked == [None]
