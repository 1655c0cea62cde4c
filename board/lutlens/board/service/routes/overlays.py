"""The overlays offered, the one loaded, and its card."""

from __future__ import annotations

import asyncio
from typing import Annotated

from fastapi import APIRouter, Depends, Path
from lutlens.board.service import errors, models, present
from lutlens.board.service.auth import require_token
from lutlens.board.service.context import Core
from lutlens.board.service.errors import RequestError
from lutlens.board.service.overlays import OverlayBusy, OverlayFailed

router = APIRouter(prefix="/api/v1", tags=["overlays"])


@router.get("/overlays", responses=errors.responses())
async def overlays(core: Core) -> list[models.OverlayInfo]:
    """The overlays that can be loaded."""
    loaded = core.pipeline.classifier.manifest.build_id
    return [
        present.overlay(manifest, loaded=manifest.build_id == loaded)
        for manifest in core.overlays.manifests.values()
    ]


@router.post(
    "/overlays/{name}/load",
    dependencies=[Depends(require_token)],
    responses=errors.responses(401, 403, 404, 409, 502),
)
async def load_overlay(
    core: Core, name: Annotated[str, Path(max_length=64, examples=["digits"])]
) -> models.OverlayInfo:
    """Load an overlay and recognise with it; if its self-test fails, the former one runs on."""
    if name not in core.overlays.manifests:
        names = ", ".join(core.overlays.manifests)
        raise RequestError(404, f"overlay {name!r} is not offered; there are: {names}")
    try:
        classifier = await asyncio.to_thread(core.overlays.load, name, core.pipeline)
    except OverlayBusy as error:
        raise RequestError(409, str(error), {"Retry-After": "5"}) from error
    except OverlayFailed as error:
        raise RequestError(502, str(error)) from error
    return present.overlay(classifier.manifest, loaded=True)


@router.get("/overlay/card", responses=errors.responses())
async def overlay_card(core: Core) -> models.ModelCard:
    """The loaded overlay's figures and model card."""
    manifest = core.pipeline.classifier.manifest
    markdown = await asyncio.to_thread(core.overlays.card, manifest.name)
    return present.card(manifest, markdown)
