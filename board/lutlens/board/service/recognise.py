"""From a client's file to an answer. Everything here blocks and runs in worker threads."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt
from lutlens.board import mnist, regions
from lutlens.board.pipeline import Detection
from lutlens.board.service import models, present, uploads
from lutlens.board.service.context import Context
from lutlens.board.service.errors import RequestError

Grey = npt.NDArray[np.uint8]

PAPER_GRAIN = 32  # grey levels above the paper that are not ink yet


def passes(core: Context, k: int | None) -> int:
    """The K to use. Raises RequestError if the overlay has no thresholds for it."""
    offered = sorted(core.pipeline.classifier.manifest.thresholds)
    if k is None:
        return core.pipeline.k
    if k not in offered:
        raise RequestError(422, f"k: {k}; this overlay has thresholds for K = {offered}")
    return k


def picture(core: Context, data: bytes, name: str, k: int) -> models.FileResult:
    """What is in one uploaded file. Raises RequestError."""
    image = uploads.decode(data, name, core.settings.max_pixels)
    height, width = image.shape[:2]
    geometry = core.pipeline.classifier.manifest.geometry
    direct = (height, width) == (geometry.image_height, geometry.image_width)
    if direct:
        grey = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
        boxes, views = [(0, 0, width, height)], np.asarray(grey, np.uint8)[np.newaxis]
    else:
        boxes, views = regions.propose(image)
    return models.FileResult(
        name=name,
        width=width,
        height=height,
        direct=direct,
        detections=[present.detection(d) for d in classify(core, boxes, views, k)],
    )


def drawing(core: Context, data: bytes, k: int) -> models.Recognition | None:
    """What a drawing is; None for empty paper. Raises RequestError."""
    image = uploads.decode(data, "drawing", core.settings.max_pixels)
    ink = np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), np.uint8)
    edge = np.concatenate([ink[0], ink[-1], ink[:, 0], ink[:, -1]])
    if np.median(edge) > 127:
        ink = 255 - ink
    view = mnist.normalise(np.where(ink > PAPER_GRAIN, ink, 0).astype(np.uint8))
    if not view.any():
        return None
    (found,) = classify(core, [(0, 0, *image.shape[1::-1])], view[np.newaxis], k)
    return models.Recognition.model_validate(present.recognition_fields(found))


def classify(
    core: Context, boxes: list[tuple[int, int, int, int]], views: Grey, k: int
) -> list[Detection]:
    """The core's answer to every view, uint8 `[n, 28, 28]`. Raises RequestError if none comes."""
    raise NotImplementedError
