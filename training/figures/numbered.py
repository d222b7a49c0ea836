"""Video whose pixels carry the frame number, for tests of everything that moves frames.

The whole picture is a grid of 6 x 4 black and white cells: sixteen bits of number, then eight bits
of CRC. Because the cells are fractions of the picture, the number survives scaling; because a cell
is read as the mean of its middle, it survives lossy compression.
"""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

COLUMNS = 6
ROWS = 4
MAX_NUMBER = (1 << 16) - 1

# Not full black and white: limited-range video and ringing then clip nothing.
_DARK = 32
_LIGHT = 224
# A cell is dark or light only when its mean lies this far from the middle grey.
_MARGIN = 24.0

Frame = npt.NDArray[np.uint8]


def _crc8(number: int) -> int:
    """CRC-8 (polynomial 0x07, start 0xFF) of a 16-bit number, high byte first."""
    crc = 0xFF
    for byte in (number >> 8, number & 0xFF):
        crc ^= byte
        for _ in range(8):
            crc = ((crc << 1) ^ 0x07) & 0xFF if crc & 0x80 else crc << 1
    return crc


def numbered_frame(number: int, size: tuple[int, int]) -> Frame:
    """Draw one frame that carries `number`.

    Args:
        number: 0 to `MAX_NUMBER`.
        size: width and height in pixels, at least 48 x 32.

    Returns:
        Frame (H, W, 3), uint8 RGB.

    Raises:
        ValueError: the number or the size is out of range.
    """
    width, height = size
    if not 0 <= number <= MAX_NUMBER:
        raise ValueError(f"number must be 0 to {MAX_NUMBER}, not {number}")
    if width < 8 * COLUMNS or height < 8 * ROWS:
        raise ValueError(f"size must be at least 48 x 32, not {width} x {height}")
    word = number << 8 | _crc8(number)
    shifts = np.arange(COLUMNS * ROWS - 1, -1, -1)
    bits = (word >> shifts & 1).astype(bool).reshape(ROWS, COLUMNS)
    cells = np.where(bits, _LIGHT, _DARK).astype(np.uint8)
    rows = np.arange(height) * ROWS // height
    columns = np.arange(width) * COLUMNS // width
    grey = cells[rows[:, None], columns[None, :]]
    return np.repeat(grey[:, :, None], 3, axis=2)


def numbered_frames(count: int, size: tuple[int, int], first: int = 0) -> Iterator[Frame]:
    """Draw `count` frames numbered from `first` on; after `MAX_NUMBER` comes 0 again.

    Args:
        count: how many frames.
        size: width and height in pixels, at least 48 x 32.
        first: number of the first frame.

    Yields:
        Frames (H, W, 3), uint8 RGB.
    """
    for index in range(count):
        yield numbered_frame((first + index) % (MAX_NUMBER + 1), size)


def read_number(frame: Frame) -> int:
    """Read the number out of a decoded, possibly scaled frame.

    Args:
        frame: (H, W, 3) or (H, W) uint8, whole picture (uncropped), any size from about 24 x 16.

    Returns:
        The number.

    Raises:
        ValueError: no readable number: a cell is neither dark nor light, or the CRC disagrees.
    """
    grey = frame.mean(axis=2) if frame.ndim == 3 else frame.astype(np.float64)
    height, width = grey.shape
    means = np.array(
        [
            _middle(grey, (row / ROWS * height, (row + 1) / ROWS * height), span)
            for row in range(ROWS)
            for span in ((c / COLUMNS * width, (c + 1) / COLUMNS * width) for c in range(COLUMNS))
        ]
    )
    middle = (_DARK + _LIGHT) / 2
    if np.abs(means - middle).min() < _MARGIN:
        raise ValueError("not a numbered frame: a cell is neither dark nor light")
    word = 0
    for bit in means > middle:
        word = word << 1 | int(bit)
    number, crc = word >> 8, word & 0xFF
    if crc != _crc8(number):
        raise ValueError(f"damaged frame: number {number} does not fit its CRC")
    return number


def _middle(
    grey: npt.NDArray[np.float64], rows: tuple[float, float], columns: tuple[float, float]
) -> float:
    """Mean of the middle half of a cell; its edges bleed into the neighbours."""
    (top, bottom), (left, right) = rows, columns
    inset_y, inset_x = (bottom - top) / 4, (right - left) / 4
    y0, x0 = int(top + inset_y), int(left + inset_x)
    y1, x1 = max(y0 + 1, int(bottom - inset_y)), max(x0 + 1, int(right - inset_x))
    return float(grey[y0:y1, x0:x1].mean())
