"""Why a video is not scored: each with a status and a stable code of its own."""

from __future__ import annotations

from http import HTTPStatus

from contracts.errors import NotAVideoError, PictureTooLargeError, SourceError, VideoTooLongError
from inference.api.problems import ApiError
from inference.predictions.wire import CRASHED, TOO_MUCH_MEMORY, TOOK_TOO_LONG


class QueueFullError(ApiError):
    """As many videos wait as may wait."""

    code = "queue_full"
    status = HTTPStatus.TOO_MANY_REQUESTS


class TooLargeError(ApiError):
    """The request holds more bytes than are accepted."""

    code = "too_large"
    status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE


class TooManyVideosError(ApiError):
    """One request holds more videos than the queue has places."""

    code = "too_many_videos"
    status = HTTPStatus.UNPROCESSABLE_ENTITY


class SlowUploadError(ApiError):
    """The request came too slowly, or stopped coming."""

    code = "upload_too_slow"
    status = HTTPStatus.REQUEST_TIMEOUT


class DiskFullError(ApiError):
    """No room for the upload."""

    code = "disk_full"
    status = HTTPStatus.INSUFFICIENT_STORAGE


class BadRequestError(ApiError):
    """The request cannot be read."""

    code = "malformed_request"
    status = HTTPStatus.BAD_REQUEST


class InvalidRequestError(ApiError):
    """The request can be read but asks for something impossible."""

    code = "invalid_request"
    status = HTTPStatus.UNPROCESSABLE_ENTITY


class WrongContentTypeError(ApiError):
    """Neither a form nor JSON."""

    code = "unsupported_media_type"
    status = HTTPStatus.UNSUPPORTED_MEDIA_TYPE


class NoMediaRootError(ApiError):
    """The settings name no directory whose videos a request may name."""

    code = "no_media_root"
    status = HTTPStatus.FORBIDDEN


class OutsideMediaRootError(ApiError):
    """The path leads out of that directory."""

    code = "outside_media_root"
    status = HTTPStatus.FORBIDDEN


class NoSuchVideoError(ApiError):
    """Nothing of that name below the directory."""

    code = "source_not_found"
    status = HTTPStatus.NOT_FOUND


class NotAFileError(ApiError):
    """A directory, device, pipe or socket."""

    code = "not_a_file"
    status = HTTPStatus.UNPROCESSABLE_ENTITY


class UnknownJobError(ApiError):
    """No job of that id; it may have been forgotten."""

    code = "unknown_job"
    status = HTTPStatus.NOT_FOUND


class NoResultError(ApiError):
    """The job has no result: not yet, or it never will."""

    code = "no_result"
    status = HTTPStatus.CONFLICT


class KeyReusedError(ApiError):
    """The idempotency key came before, with another request."""

    code = "idempotency_key_reused"
    status = HTTPStatus.UNPROCESSABLE_ENTITY


class CancelledJobError(ApiError):
    """Somebody cancelled the job."""

    code = "cancelled"
    status = HTTPStatus.CONFLICT


class StoppingError(ApiError):
    """The service ends."""

    code = "stopping"
    status = HTTPStatus.SERVICE_UNAVAILABLE


class VideoRefusedError(ApiError):
    """The video itself is the reason; the code says which."""

    code = "source_failed"
    status = HTTPStatus.UNPROCESSABLE_ENTITY

    def __init__(self, message: str, code: str = "source_failed") -> None:
        """Store the text and the code."""
        super().__init__(message)
        self.code = code


class PredictionFailedError(ApiError):
    """The service could not do its work; the request is not to blame."""

    code = "failed"


REFUSALS = {
    *(kind.code for kind in (SourceError, NotAVideoError, VideoTooLongError, PictureTooLargeError)),
    TOOK_TOO_LONG,
    TOO_MUCH_MEMORY,
    CRASHED,
}
"""Codes of `VideoRefusedError`."""


def refusal(code: str, message: str) -> ApiError:
    """Make the error for what a child process says.

    Args:
        code: The child's code.
        message: The child's words.

    Returns:
        A refusal of the video, or our own failure where the code is none of those.
    """
    if code in REFUSALS:
        return VideoRefusedError(message, code)
    return PredictionFailedError(message)
