"""Padding and cropping, against NumPy's."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from alanet_core import FrameError
from alanet_core.frames import Canvas, check_frame


@given(st.integers(1, 130), st.integers(1, 130), st.sampled_from([1, 8, 16, 32]))
def test_padding_reflects_as_numpy_does_and_cropping_undoes_it(height: int, width: int, multiple: int) -> None:
    canvas = Canvas(height, width, multiple)
    frame = torch.rand(2, height, width)
    padded = canvas.pad(frame)
    assert padded.shape[1] % multiple == padded.shape[2] % multiple == 0
    assert padded.shape[1] - height < multiple
    assert torch.equal(canvas.crop(padded), frame)
    expected = frame.numpy()
    for axis, (now, then) in enumerate(zip(frame.shape[1:], padded.shape[1:], strict=True), 1):
        amounts = [(0, 0)] * 3
        amounts[axis] = (0, then - now)
        expected = np.pad(expected, amounts, mode="reflect" if then - now < now else "edge")
    assert np.array_equal(padded.numpy(), expected)


def test_a_picture_that_fits_is_not_copied() -> None:
    frame = torch.rand(3, 32, 64)
    assert Canvas(32, 64, 32).pad(frame).data_ptr() == frame.data_ptr()


@pytest.mark.parametrize(
    "wrong", [torch.rand(3, 4), torch.rand(1, 4, 4), torch.rand(3, 0, 4), torch.zeros(3, 4, 4).half()]
)
def test_what_is_no_frame_is_refused_in_words(wrong: torch.Tensor) -> None:
    with pytest.raises(FrameError, match=r"^frame must be .*, got .*; "):
        check_frame(wrong)
