"""One error form for everything: `application/problem+json`, RFC 9457."""

from __future__ import annotations

import http
from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import FastAPI, HTTPException, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from lutlens.board.service import models
from lutlens.board.service.headers import SECURITY_HEADERS
from starlette.exceptions import HTTPException as StarletteHTTPException

MEDIA_TYPE = "application/problem+json"
# HTTPStatus calls these by the names of older RFCs; RFC 9110 renamed them.
TITLES = {413: "Content Too Large", 422: "Unprocessable Content"}


def title(status: int) -> str:
    """The status code's name in RFC 9110."""
    return TITLES.get(status) or http.HTTPStatus(status).phrase


def problem(
    status: int,
    detail: str,
    instance: str,
    *,
    errors: Sequence[models.InvalidField] = (),
    headers: Mapping[str, str] | None = None,
) -> JSONResponse:
    """The response for an error; `detail` says what is wrong and what would be right."""
    body = models.Problem(
        title=title(status), status=status, detail=detail, instance=instance, errors=list(errors)
    )
    return JSONResponse(
        body.model_dump(mode="json"), status, headers=headers, media_type=MEDIA_TYPE
    )


def responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The OpenAPI entries of a route that can fail so; `default` covers the rest."""
    content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    known: dict[int | str, dict[str, Any]] = {
        status: {"description": title(status), "content": content} for status in statuses
    }
    return known | {"default": {"description": "Any other error", "content": content}}


def install(app: FastAPI) -> None:
    """Make every error of the application a problem."""

    @app.exception_handler(StarletteHTTPException)
    async def http_error(request: Request, error: StarletteHTTPException) -> JSONResponse:
        detail = error.detail
        if detail == http.HTTPStatus(error.status_code).phrase:  # raised by the framework, bare
            detail = _framework_detail(request, error.status_code)
        return problem(error.status_code, detail, request.url.path, headers=error.headers)

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> JSONResponse:
        fields = [
            models.InvalidField(
                where=".".join(str(part) for part in e["loc"]), detail=str(e["msg"])
            )
            for e in error.errors()
        ]
        first = fields[0]
        return problem(422, f"{first.where}: {first.detail}", request.url.path, errors=fields)

    @app.exception_handler(Exception)
    async def unexpected(request: Request, error: Exception) -> JSONResponse:
        # What happened is for the log, where the server puts it; it may name paths. And this answer
        # is made outside of all middleware.
        detail = "The service failed on this request; its log says why."
        return problem(500, detail, request.url.path, headers=SECURITY_HEADERS)


def _framework_detail(request: Request, status: int) -> str:
    if status == 404:
        return f"Nothing is at {request.url.path}; /docs lists what there is."
    if status == 405:
        return f"{request.method} is not possible here; the Allow header says what is."
    return title(status)


class RequestError(HTTPException):
    """A request that cannot be served as it is; becomes a problem with this status and detail."""

    def __init__(self, status: int, detail: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(status, detail, dict(headers) if headers else None)
