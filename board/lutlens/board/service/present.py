"""The core's objects as wire models."""

from __future__ import annotations

import base64
import time
from datetime import datetime, timedelta, timezone

import numpy as np
import numpy.typing as npt
from lutlens.board import scanning
from lutlens.board.detection import ClassMap, Detection
from lutlens.board.manifest import Cells, Manifest
from lutlens.board.results import FrameResult
from lutlens.board.service import models

MAX_BYTE = 255


def recognition_fields(detection: Detection, *, view: bool = True) -> dict[str, object]:
    return {
        "digit": detection.digit,
        "label": detection.label,
        "margin": detection.margin,
        "scores": None if detection.scores is None else list(detection.scores),
        "view": _base64(detection.view) if view else None,
        "output": None if detection.output is None or not view else _base64(detection.output),
    }


def box(corners: tuple[int, int, int, int]) -> models.Box:
    x, y, width, height = corners
    return models.Box(x=x, y=y, width=width, height=height)


def detection(found: Detection, *, view: bool = True) -> models.Detection:
    return models.Detection.model_validate(
        recognition_fields(found, view=view) | {"box": box(found.box), "track": found.track}
    )


def class_map(found: ClassMap) -> models.ClassMap:
    rows, columns = found.cells.shape
    cells = np.empty((rows, columns, 2), np.uint8)
    cells[..., 0] = scanning.cell_class(found.cells)
    cells[..., 1] = np.minimum(scanning.cell_margin(found.cells), MAX_BYTE)
    (x, y), (step_x, step_y) = found.origin, found.pitch
    return models.ClassMap(
        rows=rows,
        columns=columns,
        x=x,
        y=y,
        step_x=step_x,
        step_y=step_y,
        background=found.background,
        cells=_base64(cells),
    )


def result(frame: FrameResult, *, views: bool = True, with_map: bool = False) -> models.Result:
    """A frame's result; the monotonic clock of its capture becomes UTC."""
    age = timedelta(seconds=time.monotonic() - frame.captured_at)
    height, width = frame.image.shape[:2]
    truth = frame.truth
    return models.Result(
        sequence=frame.sequence,
        captured_at=datetime.now(timezone.utc) - age,
        latency_ms=frame.latency_ms,
        width=width,
        height=height,
        detections=[detection(found, view=views) for found in frame.detections],
        truth=None
        if truth is None
        else [models.Truth(box=box(where), digit=digit) for where, digit in truth],
        class_map=class_map(frame.class_map) if with_map and frame.class_map else None,
    )


def overlay(manifest: Manifest, *, loaded: bool) -> models.OverlayInfo:
    geometry = manifest.geometry
    return models.OverlayInfo.model_validate(
        {
            "name": manifest.name,
            "description": manifest.description,
            "build_id": manifest.build_id,
            "classes": geometry.classes,
            "image_width": geometry.image_width,
            "image_height": geometry.image_height,
            "channels": geometry.channels,
            "reads": "ink" if geometry.reads_ink else "pictures",
            "gives": geometry.gives,
            "bits_per_class": geometry.bits_per_class,
            "scans": geometry.scan is not None,
            "passes": sorted(manifest.thresholds),
            "loaded": loaded,
        }
    )


def cells(counted: Cells) -> models.Cells:
    return models.Cells.model_validate(counted.model_dump())


def card(manifest: Manifest, markdown: str) -> models.ModelCard:
    resources = manifest.resources
    return models.ModelCard(
        overlay=overlay(manifest, loaded=True),
        clock_mhz=manifest.clock_mhz,
        accuracy=dict(sorted(manifest.accuracy.items())),
        core=cells(resources.core) if resources else None,
        pl=cells(resources.pl) if resources else None,
        bitstream=manifest.bitstream.toolchain if manifest.bitstream else None,
        run_on_hardware=manifest.run_on_hardware,
        tool_versions=manifest.tool_versions,
        markdown=markdown,
    )


def _base64(data: npt.NDArray[np.uint8]) -> str:
    return base64.b64encode(data.tobytes()).decode("ascii")
