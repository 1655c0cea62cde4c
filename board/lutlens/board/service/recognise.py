"""From a client's file to an answer. Everything here blocks and runs in worker threads."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import cv2
import numpy as np
import numpy.typing as npt
from lutlens.board import detection, mnist, pictures, regions, scan_detection
from lutlens.board.driver import CoreError
from lutlens.board.scanner import Scanner
from lutlens.board.service import models, present, uploads
from lutlens.board.service.context import Context
from lutlens.board.service.errors import RequestError
from lutlens.board.sources import Box

Grey = npt.NDArray[np.uint8]

PAPER_GRAIN = 32  # grey levels above the paper that are not ink yet
PROPOSAL_SIDE = 960  # larger photographs are searched at this size


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
    overlay = core.pipeline.classifier
    with _answering():
        if direct:
            views = pictures.in_channels(image, geometry)[np.newaxis]
            found = detection.recognise(overlay, [(0, 0, width, height)], views, k)
        elif isinstance(overlay, Scanner):
            found = list(scan_detection.search(overlay, image, k).detections)
        elif geometry.reads_ink:
            found = detection.recognise(overlay, *_regions(image), k)
        else:
            box, view = pictures.middle(image, geometry)
            found = detection.recognise(overlay, [box], view[np.newaxis], k)
    return models.FileResult(
        name=name,
        width=width,
        height=height,
        direct=direct,
        detections=[present.detection(one) for one in found],
    )


def drawing(core: Context, data: bytes, k: int) -> models.Recognition | None:
    """What a drawing is; None for empty paper. Raises RequestError."""
    image = uploads.decode(data, "drawing", core.settings.max_pixels)
    overlay = core.pipeline.classifier
    if not overlay.manifest.geometry.reads_ink:
        detail = (
            f"overlay {overlay.name} reads pictures, not drawings; POST /api/v1/classify takes them"
        )
        raise RequestError(409, detail)
    ink = np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), np.uint8)
    edge = np.concatenate([ink[0], ink[-1], ink[:, 0], ink[:, -1]])
    if np.median(edge) > 127:
        ink = cv2.bitwise_not(ink).astype(np.uint8)
    view = mnist.normalise(np.where(ink > PAPER_GRAIN, ink, 0).astype(np.uint8))
    if not view.any():
        return None
    height, width = ink.shape
    box = (0, 0, width, height)
    with _answering():
        (found,) = detection.recognise(overlay, [box], view[np.newaxis], k)
    return models.Recognition.model_validate(present.recognition_fields(found))


def _regions(image: npt.NDArray[np.uint8]) -> tuple[list[Box], Grey]:
    """Boxes in a photograph and what is in them; its middle, if nothing else looks like a digit."""
    height, width = image.shape[:2]
    scale = min(1.0, PROPOSAL_SIDE / max(height, width))
    if scale < 1:
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        image = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
    boxes, views = regions.propose(image)
    if not boxes:
        boxes, views = regions.propose(image, centre_box=True)
    whole = [
        (round(x / scale), round(y / scale), round(wide / scale), round(high / scale))
        for x, y, wide, high in boxes
    ]
    return whole, views


@contextmanager
def _answering() -> Iterator[None]:
    try:
        yield
    except CoreError as error:
        raise RequestError(
            503, f"The core does not answer: {error}", {"Retry-After": "2"}
        ) from error
