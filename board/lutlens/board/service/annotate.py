"""The annotated picture, for viewers without a page: boxes, digits and margins in the frame."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt
from lutlens.board.results import FrameResult

# The resistor colour code, RGB; tokens.css has the same values.
DIGIT_COLOURS = (
    0x1B1D20,
    0x8B5A2B,
    0xE0344B,
    0xF58A1F,
    0xF7D038,
    0x35B35A,
    0x3B7DED,
    0xA15EE6,
    0x98A1AB,
    0xFBFBF8,
)
DARK = frozenset({0, 1, 2, 6, 7})  # colours on which text is white
HALO = (16, 12, 8)
FONT = cv2.FONT_HERSHEY_SIMPLEX


def colour_of(digit: int) -> tuple[int, int, int]:
    """BGR of a class; classes past the tenth begin again."""
    rgb = DIGIT_COLOURS[digit % len(DIGIT_COLOURS)]
    return rgb & 255, rgb >> 8 & 255, rgb >> 16


def annotated(result: FrameResult) -> npt.NDArray[np.uint8]:
    """A copy of the frame, BGR uint8 `[h, w, 3]`, with what was found in it."""
    image = result.image.copy()
    for detection in result.detections:
        x, y, width, height = detection.box
        colour = colour_of(detection.digit)
        text = (255, 255, 255) if detection.digit % len(DIGIT_COLOURS) in DARK else (20, 20, 20)
        cv2.rectangle(image, (x, y), (x + width, y + height), HALO, 4)
        cv2.rectangle(image, (x, y), (x + width, y + height), colour, 2)
        if detection.output is not None:
            continue
        label = f"{detection.label}  +{detection.margin}"
        (label_width, label_height), _ = cv2.getTextSize(label, FONT, 0.5, 1)
        top = y - label_height - 8 if y > label_height + 8 else y + height
        left = max(0, min(x, image.shape[1] - label_width - 8))
        corner = (left + label_width + 8, top + label_height + 8)
        cv2.rectangle(image, (left, top), corner, colour, cv2.FILLED)
        at = (left + 4, top + label_height + 3)
        cv2.putText(image, label, at, FONT, 0.5, text, 1, cv2.LINE_AA)
    return image


def to_jpeg(image: npt.NDArray[np.uint8], quality: int) -> bytes:
    """JPEG of a BGR picture. Blocking."""
    ok, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])
    if not ok:
        raise ValueError(f"cannot encode a picture of shape {image.shape}")
    return data.tobytes()
