"""The one definition of class and margin."""

from __future__ import annotations

import numpy as np
import pytest
from lutlens.board.records import answers


@pytest.mark.parametrize(
    ("scores", "answer", "margin"),
    [
        ([1, 9, 4], 1, 5),
        ([7, 7, 7], 0, 0),
        ([3, 8, 8], 1, 0),
        ([0, 65535], 1, 65535),
        ([65535, 0], 0, 65535),
    ],
)
def test_best_class_and_distance_to_the_second(scores: list[int], answer: int, margin: int) -> None:
    classes, margins = answers(np.array(scores, np.uint16))
    assert (classes, margins) == (answer, margin)


def test_leading_dimensions_are_kept() -> None:
    scores = np.random.default_rng(0).integers(0, 9, (4, 2, 3, 10))
    classes, margins = answers(scores)
    assert classes.shape == margins.shape == (4, 2, 3)
    ordered = np.sort(scores, axis=-1)
    np.testing.assert_array_equal(margins, ordered[..., -1] - ordered[..., -2])
    np.testing.assert_array_equal(
        np.take_along_axis(scores, classes[..., None], -1)[..., 0], ordered[..., -1]
    )
