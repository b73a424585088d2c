"""Credentials: where they would come from, and never what they are."""

from __future__ import annotations

import os

import pytest

from thunderlike.cli.doctor.installation import s3

SECRET = "wJalrXUtnFEMI"


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch, tmp_path):
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))


@pytest.fixture
def file(tmp_path):
    folder = tmp_path / ".aws"
    folder.mkdir()
    path = folder / "credentials"
    path.write_text(
        f"[default]\naws_secret_access_key = {SECRET}\n{SECRET} on a line of its own\n[ lab ]\n"
    )
    return path


def shown():
    """The finding, once it was seen to hold no secret."""
    finding = s3()
    assert SECRET not in repr(finding)
    return finding


def test_no_credentials_are_no_problem():
    finding = shown()
    assert finding.level == "ok"
    assert finding.details["credentials"] is None


def test_the_environment_goes_first(monkeypatch, file):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", SECRET)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    assert shown().details["credentials"] == "AWS_ACCESS_KEY_ID"


def test_half_of_them_is_worth_a_word(monkeypatch):
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    assert shown().level == "warn"


@pytest.mark.parametrize("profile", ["default", "lab"])
def test_then_a_profile_of_the_file(profile, monkeypatch, file):
    monkeypatch.setenv("AWS_PROFILE", profile)
    assert shown().details["credentials"] == f"profile {profile} in {file}"


def test_a_profile_that_is_nowhere(monkeypatch, file):
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    finding = shown()
    assert finding.level == "warn"
    assert finding.fix == "unset AWS_PROFILE"


def test_profiles_of_the_config_file_and_of_other_places(monkeypatch, tmp_path):
    config = tmp_path / "mine"
    config.write_text("[profile lab]\nregion = eu-north-1\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    monkeypatch.setenv("AWS_PROFILE", "lab")
    assert shown().details["credentials"] == f"profile lab in {config}"


def test_the_role_of_a_container_comes_last(monkeypatch):
    monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", f"http://127.0.0.1/{SECRET}")
    assert shown().details["credentials"] == "AWS_CONTAINER_CREDENTIALS_FULL_URI"


def test_the_endpoint_is_shown_without_its_password(monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"https://me:{SECRET}@minio.lab:9000/x")
    assert shown().details["endpoint"] == "minio.lab:9000"
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://[::1]:9000")
    assert shown().details["endpoint"] == "[::1]:9000"


def test_the_endpoint_of_the_setting_goes_first(monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://environment")
    monkeypatch.setenv("THUNDERLIKE_ENDPOINT_URL", "http://setting:9000")
    assert shown().details["endpoint"] == "setting:9000"
    monkeypatch.setenv("THUNDERLIKE_WORKERS", "many")  # which makes no sense
    assert shown().details["endpoint"] == "environment"


def test_a_profile_that_is_nowhere_is_a_problem_with_keys_too(monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AK")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    assert (shown().level, shown().fix) == ("warn", "unset AWS_PROFILE")
