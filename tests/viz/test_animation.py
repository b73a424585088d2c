from __future__ import annotations

import io
import shutil

import numpy as np
import pytest
from PIL import Image, ImageSequence

from thunderlike.errors import EngineError, SpecError
from thunderlike.viz import clip


def frames_of(data):
    with Image.open(io.BytesIO(data)) as movie:
        return [np.array(frame.convert("L")) for frame in ImageSequence.Iterator(movie)]


def test_a_gif_has_the_frames_between_black_and_white_as_fast_as_asked():
    movie = np.random.default_rng(0).uniform(0, 100, (5, 6, 8))
    made = clip(iter(movie), (20, 80), fps=25)
    expected = np.rint(np.clip((movie - 20) / 60, 0, 1) * 255)
    np.testing.assert_array_equal(frames_of(made.data), expected)
    with Image.open(io.BytesIO(made.data)) as opened:
        assert (opened.info["duration"], opened.info["loop"]) == (40, 0)
    assert made.about == "5 frames, 25 a second, black 20 to white 80"


def test_nan_is_black_colour_stays_and_volumes_show_what_is_asked():
    hole = np.full((2, 2, 2), 5.0)
    hole[0, 0, 0] = np.nan
    assert frames_of(clip(hole, (0, 5)).data)[0][0, 0] == 0
    volumes = np.zeros((2, 3, 4, 4))
    volumes[:, 2] = 1
    volumes[1, 0, 0, 0] = 3
    assert frames_of(clip(volumes, (0, 1)).data)[0].min() == 255
    assert frames_of(clip(volumes, (0, 3), plane=0).data)[1].max() == 255
    colours = np.zeros((2, 4, 4, 3), np.uint8)
    colours[..., 0], colours[1, 0, 0] = 255, (0, 0, 255)
    with Image.open(io.BytesIO(clip(colours, (0, 255)).data)) as opened:
        assert opened.convert("RGB").getpixel((2, 2)) == (255, 0, 0)


def test_a_notebook_is_given_the_whole_movie_and_what_it_shows():
    page = clip(np.zeros((2, 4, 4)), (0, 1))._repr_html_()
    assert 'src="data:image/gif;base64,R0lGOD' in page
    assert "2 frames, 10 a second" in page


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"format": "avi"}, "as 'avi': name it .gif or .mp4"),
        ({"fps": 0}, "fps must be more than 0 and at most 50 in a GIF, not 0"),
        ({"fps": 60}, "at most 50"),
        ({"fps": -1, "format": "mp4"}, "fps must be more than 0, not -1"),
    ],
)
def test_what_cannot_be_written_is_refused(options, message):
    with pytest.raises(SpecError, match=message):
        clip(np.zeros((2, 4, 4)), (0, 1), **options)


def test_no_frames_make_no_movie():
    with pytest.raises(SpecError, match="a movie of no frames"):
        clip([], (0, 1))


def test_without_ffmpeg_mp4_says_what_to_do(monkeypatch):
    monkeypatch.setenv("PATH", "")
    with pytest.raises(EngineError, match="ffmpeg, which is not on this machine: install it"):
        clip(np.zeros((2, 4, 4)), (0, 1), format="mp4")


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="needs ffmpeg")
def test_mp4_is_a_video_that_notebooks_play():
    made = clip(np.random.default_rng(0).uniform(0, 1, (5, 31, 45)), (0, 1), format="mp4")
    assert made.data[4:8] == b"ftyp"
    assert "<video" in made._repr_html_()
