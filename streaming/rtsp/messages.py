"""RTSP/1.0 messages and interleaved frames (RFC 2326 sections 4 to 7 and 10.12).

Pure: bytes in, values out. The parser works on whatever pieces the network delivers, keeps at
most one incomplete message, and bounds its size.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

VERSION = "RTSP/1.0"
MAX_HEADERS = 64
_DOLLAR = 0x24
_BLANK_LINE = b"\r\n\r\n"
_METHOD = re.compile(r"[A-Z_]{1,32}")
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,64}")

REASONS = {
    200: "OK",
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    413: "Request Entity Too Large",
    415: "Unsupported Media Type",
    454: "Session Not Found",
    455: "Method Not Valid in This State",
    459: "Aggregate Operation Not Allowed",
    461: "Unsupported Transport",
    501: "Not Implemented",
    503: "Service Unavailable",
    505: "RTSP Version not supported",
}

Headers = tuple[tuple[str, str], ...]
Frame = tuple[int, bytes]
"""An interleaved frame: channel and payload. A plain tuple, because one is made per packet."""


class MessageError(ValueError):
    """The bytes are no RTSP message, or exceed a limit; the stream cannot be resumed.

    Attributes:
        status: The RTSP status that tells the client.
    """

    def __init__(self, status: int, why: str) -> None:
        """Store the status beside the reason."""
        super().__init__(why)
        self.status = status


class StatusError(Exception):
    """A request is answered with an error status; the connection goes on.

    Attributes:
        status: The RTSP status.
        why: One line for the client and the log.
        headers: Further headers of the answer.
    """

    def __init__(self, status: int, why: str, headers: Headers = ()) -> None:
        """Store the answer."""
        super().__init__(why)
        self.status = status
        self.why = why
        self.headers = headers


def _find(headers: Headers, name: str) -> str | None:
    """Value of the first header of that name, compared without case."""
    wanted = name.lower()
    return next((value for key, value in headers if key.lower() == wanted), None)


@dataclass(frozen=True, slots=True)
class Request:
    """A request as the client sent it.

    Attributes:
        method: In capitals, for example ``DESCRIBE``.
        url: Absolute URL or ``*``, as sent.
        headers: Names and values in their order.
        body: The body, empty without one.
    """

    method: str
    url: str
    headers: Headers = ()
    body: bytes = b""

    def header(self, name: str) -> str | None:
        """Value of the first header of that name, or None."""
        return _find(self.headers, name)

    def to_bytes(self) -> bytes:
        """Serialise, adding Content-Length when there is a body."""
        return _serialize(f"{self.method} {self.url} {VERSION}", self.headers, self.body)


@dataclass(frozen=True, slots=True)
class Response:
    """An answer.

    Attributes:
        status: Three digits.
        headers: Names and values in their order.
        body: The body, empty without one.
    """

    status: int
    headers: Headers = ()
    body: bytes = b""

    def header(self, name: str) -> str | None:
        """Value of the first header of that name, or None."""
        return _find(self.headers, name)

    def to_bytes(self) -> bytes:
        """Serialise, adding Content-Length when there is a body."""
        line = f"{VERSION} {self.status} {REASONS.get(self.status, 'Unknown')}"
        return _serialize(line, self.headers, self.body)


Item = Request | Response | Frame


def frame_to_bytes(channel: int, payload: bytes) -> bytes:
    """Serialise one interleaved frame.

    Args:
        channel: 0 to 255.
        payload: At most 65535 bytes.
    """
    return b"$" + channel.to_bytes(1, "big") + len(payload).to_bytes(2, "big") + payload


def _serialize(line: str, headers: Headers, body: bytes) -> bytes:
    """Join start line, headers and body."""
    lines = [line, *(f"{name}: {value}" for name, value in headers)]
    if body:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode() + body


class MessageParser:
    """Cuts a byte stream into requests, responses and interleaved frames."""

    def __init__(self, max_head: int = 16 * 1024, max_body: int = 64 * 1024) -> None:
        """Set the limits.

        Args:
            max_head: Bytes of a start line with its headers.
            max_body: Bytes of a body.
        """
        self._max_head = max_head
        self._max_body = max_body
        self._rest = b""

    @property
    def pending(self) -> bool:
        """Whether the beginning of a message waits for its end."""
        return bool(self._rest)

    def items(self, data: bytes) -> Iterator[Item]:
        """Yield everything complete after these bytes; keep the incomplete end.

        A consumer that stops early must not use the parser again.

        Args:
            data: What the network delivered.

        Raises:
            MessageError: After the last good item, at the first bytes that are no RTSP.
        """
        buffer = self._rest + data if self._rest else data
        self._rest = b""
        position, end = 0, len(buffer)
        while position < end:
            if buffer[position] == _DOLLAR:
                start = position + 4
                if start > end:
                    break
                stop = start + (buffer[position + 2] << 8 | buffer[position + 3])
                if stop > end:
                    break
                yield buffer[position + 1], buffer[start:stop]
                position = stop
            elif buffer[position] in b"\r\n":  # clients send blank lines as keepalive
                position += 1
            else:
                message, used = self._message(buffer[position:])
                if message is None:
                    break
                position += used
                yield message
        self._rest = buffer[position:]

    def _message(self, data: bytes) -> tuple[Request | Response | None, int]:
        """Parse the message at the start of data; (None, 0) when it is incomplete."""
        if not (0x41 <= data[0] <= 0x5A or data[0] == 0x5F):
            raise MessageError(400, "not an RTSP message")
        head_end = data.find(_BLANK_LINE, 0, self._max_head)
        if head_end < 0:
            if len(data) >= self._max_head:
                raise MessageError(400, "request line and headers too long")
            return None, 0
        lines = _decode(data[:head_end]).split("\r\n")
        headers = _parse_headers(lines[1:])
        start = head_end + len(_BLANK_LINE)
        stop = start + self._body_size(headers)
        if len(data) < stop:
            return None, 0
        return _build(lines[0], headers, data[start:stop]), stop

    def _body_size(self, headers: Headers) -> int:
        """Content-Length within the limit."""
        text = _find(headers, "Content-Length")
        if text is None:
            return 0
        if not (text.isascii() and text.isdigit() and len(text) < 10):
            raise MessageError(400, "Content-Length is no number")
        if int(text) > self._max_body:
            raise MessageError(413, "body too long")
        return int(text)


def _decode(head: bytes) -> str:
    """Head as text; NUL and other controls are never legitimate in it."""
    try:
        text = head.decode("utf-8")
    except UnicodeDecodeError as exc:
        raise MessageError(400, "headers are not UTF-8") from exc
    if any(ord(char) < 0x20 and char not in "\r\n\t" for char in text):
        raise MessageError(400, "control characters in the headers")
    return text


def _parse_headers(lines: list[str]) -> Headers:
    """Header lines to pairs."""
    if len(lines) > MAX_HEADERS:
        raise MessageError(400, "too many headers")
    pairs = []
    for line in lines:
        name, colon, value = line.partition(":")
        name = name.strip(" \t")
        if not colon or not _HEADER_NAME.fullmatch(name) or "\r" in value or "\n" in value:
            raise MessageError(400, "malformed header")
        pairs.append((name, value.strip(" \t")))
    return tuple(pairs)


def _build(line: str, headers: Headers, body: bytes) -> Request | Response:
    """Start line, headers and body to a message."""
    words = line.split(" ", 2)
    if len(words) < 2:
        raise MessageError(400, "malformed start line")
    if words[0] == VERSION:
        if not (len(words[1]) == 3 and words[1].isascii() and words[1].isdigit()):
            raise MessageError(400, "malformed status line")
        return Response(int(words[1]), headers, body)
    method, url, version = words if len(words) == 3 else ("", "", "")
    if not _METHOD.fullmatch(method) or not url or any(char in url for char in " \t\r\n"):
        raise MessageError(400, "malformed request line")
    if version != VERSION:
        raise MessageError(505 if version.startswith("RTSP/") else 400, "not RTSP/1.0")
    return Request(method, url, headers, body)
