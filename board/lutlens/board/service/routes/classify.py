"""Images that a client brings: photographs, digits as files, a drawing."""

from __future__ import annotations

import asyncio
from typing import Annotated

from fastapi import APIRouter, File, Query, Request, UploadFile
from lutlens.board.service import errors, models, recognise
from lutlens.board.service.context import Core
from lutlens.board.service.errors import RequestError

router = APIRouter(prefix="/api/v1", tags=["classify"])

PassesQuery = Annotated[
    int | None,
    Query(ge=1, le=16, description="K; left out, the one in the settings.", examples=[3]),
]
IMAGE_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            kind: {"schema": {"type": "string", "format": "binary"}}
            for kind in ("image/png", "image/jpeg")
        },
    }
}


@router.post("/classify", responses=errors.responses(413, 415, 422, 503))
async def classify(
    core: Core,
    files: Annotated[list[UploadFile], File(description="PNG or JPEG, one or many.")],
    k: PassesQuery = None,
) -> models.Classified:
    """What is in these pictures.

    A picture of exactly the network's input size (28x28, where it reads digits) is classified as it is, light
    ink on dark paper. In any other one, regions that may hold a digit are looked for first. A network that reads
    pictures as they are (`reads` in the overlay's figures) looks at the middle of it.
    """
    if len(files) > core.settings.max_files:
        detail = f"files: {len(files)}, at most {core.settings.max_files} in one request"
        raise RequestError(413, detail)
    passes = recognise.passes(core, k)
    classifier = core.pipeline.classifier
    results = []
    for number, upload in enumerate(files, 1):
        name = upload.filename or f"file {number}"
        data = await upload.read()
        async with core.decoders:
            found = await asyncio.to_thread(recognise.picture, core, data, name, passes)
        results.append(found)
    return models.Classified(
        k=passes,
        overlay=classifier.manifest.name,
        device=classifier.device_name,
        files=results,
    )


@router.post("/pad", openapi_extra=IMAGE_BODY, responses=errors.responses(409, 413, 415, 422, 503))
async def classify_drawing(request: Request, core: Core, k: PassesQuery = None) -> models.Drawing:
    """What this drawing is: one PNG or JPEG of any size, light ink on dark paper or the reverse.

    It is centred and scaled as MNIST was made, then classified. Networks that read pictures take no drawings.
    """
    passes = recognise.passes(core, k)
    data = await request.body()
    async with core.decoders:
        recognition = await asyncio.to_thread(recognise.drawing, core, data, passes)
    return models.Drawing(k=passes, recognition=recognition)
