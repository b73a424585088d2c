from __future__ import annotations

import warnings

import pytest

from thunderlike.errors import NotFoundError, WorkerFailedError
from thunderlike.jobs.report import FAILED, INTERRUPTED, as_options, reported


def raising(error):
    def run():
        raise error

    return run


def test_the_exit_code_of_the_command_is_kept(capsys):
    assert reported(lambda: 1, debug=False) == 1
    assert capsys.readouterr().err == ""


def test_an_error_is_one_line_and_exit_code_2(capsys):
    error = WorkerFailedError("a: f raised\n  ValueError: bad", key=(1,), traceback="many\nlines")
    assert reported(raising(error), debug=False) == FAILED
    assert capsys.readouterr().err == "error: a: f raised ValueError: bad\n"


def test_a_warning_is_one_line(capsys):
    def run():
        warnings.warn("10 pixels are constant:\ngive valid=", stacklevel=1)
        return 0

    with warnings.catch_warnings():
        warnings.simplefilter("always")
        assert reported(run, debug=False) == 0
    assert capsys.readouterr().err == "warning: 10 pixels are constant: give valid=\n"


def test_arguments_are_shown_as_options_and_folders_unchanged():
    text = as_options(
        "/data/shape=3/order=C.tif: start=2 leaves none; (see recursive=True), dtype="
    )
    assert text == "/data/shape=3/order=C.tif: --start 2 leaves none; (see --recursive), --dtype"


def test_debug_lets_an_error_through():
    with pytest.raises(NotFoundError, match="movie: no such folder"):
        reported(raising(NotFoundError("movie: no such folder")), debug=True)


def test_an_interrupted_command_says_so(capsys):
    assert reported(raising(KeyboardInterrupt()), debug=False) == INTERRUPTED
    assert capsys.readouterr().err == "interrupted\n"


def test_a_bug_is_not_hidden():
    with pytest.raises(ZeroDivisionError):
        reported(raising(ZeroDivisionError()), debug=False)
