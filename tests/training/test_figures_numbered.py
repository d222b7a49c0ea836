"""The numbers in numbered frames survive what video does to them."""

from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.figures.numbered import MAX_NUMBER, numbered_frame, numbered_frames, read_number


@given(number=st.integers(0, MAX_NUMBER), width=st.integers(48, 400), height=st.integers(32, 300))
def test_reads_back_any_number_at_any_size(number: int, width: int, height: int) -> None:
    """Drawing and reading are inverse at every size."""
    assert read_number(numbered_frame(number, (width, height))) == number


@pytest.mark.parametrize("interpolation", [cv2.INTER_AREA, cv2.INTER_NEAREST, cv2.INTER_CUBIC])
def test_survives_half_size(interpolation: int) -> None:
    """Scaling to half keeps the number, whatever the interpolation."""
    for number in range(0, MAX_NUMBER, 977):
        frame = numbered_frame(number, (160, 120))
        half = cv2.resize(frame, (80, 60), interpolation=interpolation)
        assert read_number(half.astype(np.uint8)) == number


def test_survives_h264_and_half_size(tmp_path: Path) -> None:
    """A poor H.264 picture scaled to half still gives its number."""
    path = tmp_path / "numbers.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"crf": "35", "bf": "0"})
        stream.width, stream.height, stream.pix_fmt = 160, 120, "yuv420p"
        for frame in numbered_frames(60, (160, 120), first=32740):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())
    with av.open(str(path)) as container:
        frames = [frame.reformat(80, 60, "rgb24") for frame in container.decode(video=0)]
    assert [read_number(np.asarray(frame.to_ndarray(), np.uint8)) for frame in frames] == list(
        range(32740, 32800)
    )


def test_numbers_wrap_round() -> None:
    """After the largest number comes zero."""
    numbers = [read_number(frame) for frame in numbered_frames(3, (64, 48), first=MAX_NUMBER - 1)]
    assert numbers == [MAX_NUMBER - 1, MAX_NUMBER, 0]


def test_refuses_other_pictures() -> None:
    """Grey and damaged pictures raise instead of giving a wrong number."""
    with pytest.raises(ValueError, match="neither dark nor light"):
        read_number(np.full((120, 160, 3), 128, dtype=np.uint8))
    damaged = numbered_frame(5, (60, 40))
    damaged[:10, :10] = 224
    with pytest.raises(ValueError, match="CRC"):
        read_number(damaged)


@pytest.mark.parametrize(("number", "size"), [(-1, (64, 48)), (MAX_NUMBER + 1, (64, 48))])
def test_refuses_numbers_out_of_range(number: int, size: tuple[int, int]) -> None:
    """Numbers that 16 bits cannot hold are refused."""
    with pytest.raises(ValueError, match="number must be"):
        numbered_frame(number, size)


def test_refuses_pictures_too_small() -> None:
    """Cells under eight pixels are refused."""
    with pytest.raises(ValueError, match="at least 48 x 32"):
        numbered_frame(1, (32, 32))
