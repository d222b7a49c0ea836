"""From the body of a request to videos: forms and JSON, read as they come."""

from __future__ import annotations

import asyncio
import binascii
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import PurePosixPath, PureWindowsPath
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import ClientDisconnect, Request

from inference.predictions.errors import (
    BadRequestError,
    InvalidRequestError,
    SlowUploadError,
    TooLargeError,
    WrongContentTypeError,
)
from inference.predictions.intake import Intake, Upload, too_large

FORM: Final = "multipart/form-data"
JSON: Final = "application/json"
MAX_JSON: Final = 64 * 2**20
"""Bytes of the largest JSON body: base64 cannot be decoded without holding it."""
# Boundaries and headers of a form, generously.
_FORM_OVERHEAD = 2**20
_IDLE_S = 30.0


class VideoRequest(BaseModel):
    """A request in JSON: exactly one of its fields."""

    model_config = ConfigDict(extra="forbid")

    path: str | None = Field(
        None, min_length=1, max_length=4096, description="a video below the media root"
    )
    paths: list[Annotated[str, Field(min_length=1, max_length=4096)]] | None = Field(
        None, min_length=1, max_length=10_000, description="several of them: a batch"
    )
    video: str | None = Field(None, min_length=1, description="a whole video file in base64")

    @model_validator(mode="after")
    def _one(self) -> VideoRequest:
        if sum(field is not None for field in (self.path, self.paths, self.video)) != 1:
            raise ValueError("exactly one of `path`, `paths` and `video` is needed")
        return self


@dataclass(frozen=True, slots=True)
class Body:
    """The body of a request, with its bounds.

    Attributes:
        request: The request.
        patience_s: Longest time for all of it.
        parsing: Lets few bodies of JSON be parsed at once: each takes a few times its size in
            memory.
    """

    request: Request
    patience_s: float
    parsing: asyncio.Semaphore

    async def chunks(self, max_bytes: int) -> AsyncIterator[bytes]:
        """Read it as it comes.

        Args:
            max_bytes: Most bytes of it.

        Yields:
            Its parts.

        Raises:
            TooLargeError: It states or brings more.
            SlowUploadError: It stops coming, or takes too long.
            BadRequestError: The client went away.
        """
        stated = self.request.headers.get("content-length", "")
        if stated.isascii() and stated.isdigit() and int(stated) > max_bytes:
            raise too_large(max_bytes)
        count, stream = 0, self.request.stream()
        deadline_s = time.monotonic() + self.patience_s
        try:
            while True:
                # Not around the whole loop: a generator's time-out would strike its caller.
                async with asyncio.timeout(min(_IDLE_S, deadline_s - time.monotonic())):
                    chunk = await anext(stream, None)
                if chunk is None:
                    return
                if (count := count + len(chunk)) > max_bytes:
                    raise too_large(max_bytes)
                yield chunk
        except TimeoutError:
            raise SlowUploadError(
                f"The request stopped coming for {_IDLE_S:g} s, or took more than "
                f"{self.patience_s:g} s."
            ) from None
        except ClientDisconnect as exc:
            raise BadRequestError("The client went away.") from exc


async def receive_videos(body: Body, intake: Intake) -> bool:
    """Take the videos of a request in.

    Args:
        body: The request.
        intake: Where they go.

    Returns:
        Whether it is a batch, to be answered with a list.

    Raises:
        ApiError: It cannot be taken; the code says why.
    """
    kind, options = parse_options_header(body.request.headers.get("content-type"))
    # Before the first byte: who waits for a place need not send anything.
    intake.reserve(1)
    if kind == FORM.encode():
        return await _receive_form(body, options.get(b"boundary", b""), intake)
    if kind == JSON.encode():
        return await _receive_json(body, intake)
    raise WrongContentTypeError(f"Send {FORM} with `file`, or {JSON}.")


async def _receive_form(body: Body, boundary: bytes, intake: Intake) -> bool:
    if not boundary:
        raise BadRequestError("The form names no boundary.")
    try:
        form = _Form(boundary, intake)
        async for chunk in body.chunks(intake.rules.max_bytes + _FORM_OVERHEAD):
            # Writing may wait for the disk.
            await asyncio.to_thread(form.feed, chunk)
        form.end()
    except FormParserError as exc:
        raise BadRequestError(f"The form cannot be read: {exc}.") from exc
    return intake.begun > 1


class _Form:
    """A form whose parts are files called ``file``, written as they come."""

    def __init__(self, boundary: bytes, intake: Intake) -> None:
        self._intake = intake
        self._upload: Upload | None = None
        self._field, self._value = b"", b""
        self._headers: dict[bytes, bytes] = {}
        self._ended = False
        self._parser = MultipartParser(
            boundary,
            {
                "on_part_begin": self._headers_begin,
                "on_header_field": self._on_field,
                "on_header_value": self._on_value,
                "on_header_end": self._on_header,
                "on_headers_finished": self._on_headers,
                "on_part_data": self._on_data,
                "on_end": self._on_end,
            },
        )

    def feed(self, chunk: bytes) -> None:
        """Read on."""
        self._parser.write(chunk)

    def end(self) -> None:
        """Check that it is whole."""
        self._parser.finalize()
        if not self._ended:
            raise BadRequestError("The form ends too early.")
        if not self._intake.begun:
            raise InvalidRequestError("The form holds no `file`.")

    def _headers_begin(self) -> None:
        self._headers = {}

    def _on_field(self, data: bytes, start: int, end: int) -> None:
        self._field += data[start:end]

    def _on_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _on_header(self) -> None:
        self._headers[self._field.lower()] = self._value
        self._field, self._value = b"", b""

    def _on_headers(self) -> None:
        _, options = parse_options_header(self._headers.get(b"content-disposition"))
        if options.get(b"name") != b"file" or b"filename" not in options:
            raise InvalidRequestError(
                "A part of the form is not a file called `file`.", "Parameters go into the URL."
            )
        self._intake.reserve(self._intake.begun + 1)
        name = options[b"filename"].decode("utf-8", "replace")
        # Some browsers send the whole path.
        self._upload = self._intake.begin(PurePosixPath(PureWindowsPath(name).name).name)

    def _on_data(self, data: bytes, start: int, end: int) -> None:
        if self._upload is not None:
            self._upload.write(data[start:end])

    def _on_end(self) -> None:
        self._ended = True


async def _receive_json(body: Body, intake: Intake) -> bool:
    # On disk first: many slow clients must not hold many bodies in memory.
    largest = min(MAX_JSON, 4 * intake.rules.max_bytes // 3 + _FORM_OVERHEAD)
    spool = Upload("body", intake, counted=False)
    with spool.file:
        try:
            async for chunk in body.chunks(largest):
                await asyncio.to_thread(spool.write, chunk)
        except TooLargeError as exc:
            raise TooLargeError(exc.message, f"Send large videos as {FORM}.") from exc
        async with body.parsing:
            return await asyncio.to_thread(_read_json, spool, intake)


def _read_json(spool: Upload, intake: Intake) -> bool:
    spool.file.seek(0)
    try:
        asked = VideoRequest.model_validate_json(spool.file.readall())
    except ValidationError as exc:
        first = exc.errors(include_input=False)[0]
        if first["type"] == "json_invalid":
            raise BadRequestError(f"The body is no JSON: {first['msg']}.") from None
        where = ".".join(str(part) for part in first["loc"]) or "body"
        raise InvalidRequestError(f"{where}: {first['msg']}") from None
    if asked.video is not None:
        intake.begin("video").write(_decode(asked.video))
        return False
    names = [asked.path] if asked.path is not None else asked.paths or []
    intake.reserve(len(names))
    for name in names:
        intake.open_file(name)
    return asked.paths is not None


def _decode(text: str) -> bytes:
    try:
        return binascii.a2b_base64(text, strict_mode=True)
    except ValueError as exc:
        raise InvalidRequestError(f"`video` is not base64: {exc}.") from exc
