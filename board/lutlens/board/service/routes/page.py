"""The live page, the API's reference, and their files."""

from __future__ import annotations

from pathlib import Path

from fastapi import APIRouter
from fastapi.responses import FileResponse
from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

WEB = Path(__file__).resolve().parents[2] / "web"
# Files change with the installed version: a browser may keep them, but has to ask each time.
REVALIDATE = {"Cache-Control": "no-cache"}

router = APIRouter(include_in_schema=False)


@router.get("/")
async def index() -> FileResponse:
    return FileResponse(WEB / "index.html", headers=REVALIDATE)


@router.get("/docs")
async def reference() -> FileResponse:
    return FileResponse(WEB / "docs.html", headers=REVALIDATE)


class PageFiles(StaticFiles):
    """The page's scripts and styles; pages themselves have routes."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        response.headers.update(REVALIDATE)
        return response


def files() -> PageFiles:
    return PageFiles(directory=WEB)
