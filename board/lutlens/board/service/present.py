"""The core's objects as wire models."""

from __future__ import annotations

import base64
import time
from datetime import datetime, timedelta, timezone

from lutlens.board.manifest import Cells, Manifest
from lutlens.board.pipeline import Detection, FrameResult
from lutlens.board.service import models


def recognition_fields(detection: Detection) -> dict[str, object]:
    return {
        "digit": detection.digit,
        "label": detection.label,
        "margin": detection.margin,
        "scores": None if detection.scores is None else list(detection.scores),
        "view": base64.b64encode(detection.view.tobytes()).decode("ascii"),
    }


def box(corners: tuple[int, int, int, int]) -> models.Box:
    x, y, width, height = corners
    return models.Box(x=x, y=y, width=width, height=height)


def detection(found: Detection) -> models.Detection:
    return models.Detection.model_validate(
        recognition_fields(found) | {"box": box(found.box), "track": found.track}
    )


def result(frame: FrameResult, skipped: int = 0) -> models.Result:
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
        detections=[detection(found) for found in frame.detections],
        truth=None
        if truth is None
        else [models.Truth(box=box(where), digit=digit) for where, digit in truth],
        skipped=skipped,
    )


def overlay(manifest: Manifest, *, loaded: bool) -> models.OverlayInfo:
    return models.OverlayInfo(
        name=manifest.name,
        description=manifest.description,
        build_id=manifest.build_id,
        classes=manifest.geometry.classes,
        bits_per_class=manifest.geometry.bits_per_class,
        passes=sorted(manifest.thresholds),
        loaded=loaded,
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
