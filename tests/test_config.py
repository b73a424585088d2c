"""Settings and where they come from."""

from __future__ import annotations

import pytest

import thunderlike as tl
from thunderlike.config import Settings, current
from thunderlike.errors import ConfigError


@pytest.fixture(autouse=True)
def nowhere(tmp_path, monkeypatch):
    monkeypatch.setenv("THUNDERLIKE_CONFIG", str(tmp_path / "thunderlike.toml"))
    monkeypatch.delenv("THUNDERLIKE_PROGRESS")  # set for the tests
    return tmp_path / "thunderlike.toml"


def test_defaults():
    assert current() == Settings()
    assert current().nworkers() >= 1


def test_with_goes_before_environment_goes_before_file(nowhere, monkeypatch):
    nowhere.write_text("workers = 2\ntile_bytes = 5\n")
    assert current().workers == 2
    monkeypatch.setenv("THUNDERLIKE_WORKERS", "3")
    assert (current().workers, current().tile_bytes) == (3, 5)
    with tl.config(workers=4):
        assert (current().workers, current().nworkers(), current().tile_bytes) == (4, 4, 5)
        with tl.config(tile_bytes=6):
            assert (current().workers, current().tile_bytes) == (4, 6)
    assert current().workers == 3


@pytest.mark.parametrize("value", [-1, "many", 1.5, None])
def test_values_that_make_no_sense(value):
    with pytest.raises(ConfigError, match="workers"), tl.config(workers=value):
        pass


@pytest.mark.parametrize(
    ("text", "nbytes"),
    [("64 KiB", 2**16), ("8GB", 8 * 10**9), ("1.5 MiB", 3 * 2**19), ("2e3", 2000), ("1_000", 1000)],
)
def test_bytes_have_units(nowhere, monkeypatch, text, nbytes):
    nowhere.write_text(f'memory = "{text}"')
    assert current().memory == nbytes
    monkeypatch.setenv("THUNDERLIKE_CHUNK_BYTES", text)
    assert current().chunk_bytes == nbytes


@pytest.mark.parametrize("value", ["8 PB", "5 i", "KiB", "-1 MB", "1..5", "0.5 B", "1.00001 kB"])
def test_bytes_that_make_no_sense(value):
    pattern = r"tile_bytes .*'64 KiB'"
    with pytest.raises(ConfigError, match=pattern), tl.config(tile_bytes=value):
        pass


def test_an_unknown_name_lists_the_known_ones(nowhere, monkeypatch):
    with pytest.raises(ConfigError, match=r"no_such.*workers"), tl.config(no_such=2):
        pass
    nowhere.write_text("no_such = 2")
    with pytest.raises(ConfigError, match=r"thunderlike\.toml.*no_such"):
        current()


def test_a_file_that_is_no_toml_is_named(nowhere):
    nowhere.write_text("workers = = 2")
    with pytest.raises(ConfigError, match=r"thunderlike\.toml: not a TOML file"):
        current()


def test_the_environment_says_where_a_bad_value_is(monkeypatch):
    monkeypatch.setenv("THUNDERLIKE_TILE_BYTES", "0")
    with pytest.raises(ConfigError, match=r"environment.*tile_bytes"):
        current()


@pytest.mark.parametrize("value", ["minio:9000", 9000, None, "ftp://host"])
def test_an_endpoint_that_is_no_address(value):
    with (
        pytest.raises(ConfigError, match="endpoint_url must be like"),
        tl.config(endpoint_url=value),
    ):
        pass


def test_an_endpoint_may_be_an_address_or_nothing(nowhere, monkeypatch):
    nowhere.write_text('endpoint_url = "http://file:9000"')
    assert current().endpoint_url == "http://file:9000"
    monkeypatch.setenv("THUNDERLIKE_ENDPOINT_URL", "https://environment")
    assert current().endpoint_url == "https://environment"
    with tl.config(endpoint_url=""):
        assert current().endpoint_url == ""
