"""Errors as programs read them: ``application/problem+json`` (RFC 9457) with a stable ``code``."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Annotated, ClassVar

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import Field, TypeAdapter
from pydantic.dataclasses import dataclass
from starlette.exceptions import HTTPException

from contracts.errors import ActionstreamError, redact
from inference.history.database import HistoryError
from inference.history.feedback import FeedbackFullError
from inference.worker import DuplicateStreamError, TooManyStreamsError

MEDIA_TYPE = "application/problem+json"


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a request, or a job, failed (RFC 9457).

    Attributes:
        type: Says nothing more than the status.
        title: The status in words.
        status: Of the answer.
        code: Stable identifier of the reason, for programs.
        detail: The reason in words, and what to do.
    """

    title: str
    status: Annotated[int, Field(ge=400, le=599)]
    code: Annotated[str, Field(examples=["not_a_video"])]
    detail: str
    type: str = "about:blank"


_PROBLEM = TypeAdapter(Problem)


class ApiError(ActionstreamError):
    """An error that a request may be answered with; each kind has a status of its own.

    Attributes:
        status: Of the answer.
        headers: Of the answer, beside those every problem has.
    """

    status: ClassVar[HTTPStatus] = HTTPStatus.INTERNAL_SERVER_ERROR

    def __init__(
        self, message: str, hint: str = "", headers: Mapping[str, str] | None = None
    ) -> None:
        """Store the text and the headers of the answer."""
        super().__init__(message, hint)
        self.headers = dict(headers or {})


class NoHistoryError(ApiError):
    """The worker keeps no history."""

    code = "no_history"
    status = HTTPStatus.SERVICE_UNAVAILABLE


class SpanError(ApiError):
    """The span cannot be meant."""

    code = "bad_span"
    status = HTTPStatus.UNPROCESSABLE_ENTITY


class UnknownStreamError(ApiError):
    """No stream of that name."""

    code = "unknown_stream"
    status = HTTPStatus.NOT_FOUND


_STATUS_OF: dict[type[ActionstreamError], HTTPStatus] = {
    DuplicateStreamError: HTTPStatus.CONFLICT,
    TooManyStreamsError: HTTPStatus.CONFLICT,
    FeedbackFullError: HTTPStatus.INSUFFICIENT_STORAGE,
    HistoryError: HTTPStatus.SERVICE_UNAVAILABLE,
}


def problem(
    status: HTTPStatus, code: str, detail: str, headers: Mapping[str, str] | None = None
) -> JSONResponse:
    """Make the answer to a request that fails.

    Args:
        status: Of the answer.
        code: Stable identifier for programs.
        detail: What is wrong, in words; credentials are left out.
        headers: Further headers.

    Returns:
        The answer.
    """
    content = Problem(status.phrase, status.value, code, redact(detail))
    return JSONResponse(_PROBLEM.dump_python(content), status.value, headers, media_type=MEDIA_TYPE)


def describe_error(error: ApiError) -> Problem:
    """Say what would be answered to a request that fails so."""
    return Problem(error.status.phrase, error.status.value, error.code, str(error))


def answer_errors(api: FastAPI) -> None:
    """Turn everything that goes wrong into a problem.

    Args:
        api: The application.
    """

    @api.exception_handler(ActionstreamError)
    def known(_: Request, error: ActionstreamError) -> JSONResponse:
        if isinstance(error, ApiError):
            return problem(error.status, error.code, str(error), error.headers)
        status = _STATUS_OF.get(type(error), HTTPStatus.INTERNAL_SERVER_ERROR)
        return problem(status, error.code, str(error))

    @api.exception_handler(RequestValidationError)
    def invalid(_: Request, error: RequestValidationError) -> JSONResponse:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        return problem(
            HTTPStatus.UNPROCESSABLE_ENTITY, "invalid_request", f"{where}: {first['msg']}"
        )

    @api.exception_handler(Exception)
    def unexpected(_: Request, error: Exception) -> JSONResponse:
        # The server logs the trace; a stranger is not told more than the kind.
        detail = f"An unexpected error: {type(error).__name__}. This is a defect; see the log."
        return problem(HTTPStatus.INTERNAL_SERVER_ERROR, "failed", detail)

    @api.exception_handler(HTTPException)
    def http(_: Request, error: HTTPException) -> JSONResponse:
        status = HTTPStatus(error.status_code)
        code = status.phrase.lower().replace(" ", "_")
        return problem(status, code, str(error.detail), error.headers)
