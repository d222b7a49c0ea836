"""Session descriptions of publishers, and what readers are told (RFC 8866, RFC 2326 appendix C).

Readers get the publisher's description with the addresses and control URLs replaced by ours;
everything about the coding stays as it is.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

MAX_MEDIA = 8
_STATIC = {  # RFC 3551 table 4 and 5: what needs no rtpmap
    0: ("PCMU", 8000),
    3: ("GSM", 8000),
    8: ("PCMA", 8000),
    9: ("G722", 8000),
    14: ("MPA", 90000),
    26: ("JPEG", 90000),
    32: ("MPV", 90000),
    33: ("MP2T", 90000),
}
_NOT_PASSED = ("control", "range", "sendonly", "recvonly", "sendrecv", "inactive", "setup", "type")
_SPROP = {  # name of each parameter set in the fmtp line, by NAL unit type
    "H264": {7: "sprop-parameter-sets", 8: "sprop-parameter-sets"},  # RFC 6184 section 8.1
    "H265": {32: "sprop-vps", 33: "sprop-sps", 34: "sprop-pps"},  # RFC 7798 section 7.1
}


class SdpError(ValueError):
    """The text is no session description this server can serve."""


@dataclass(frozen=True, slots=True)
class Media:
    """One track.

    Attributes:
        kind: ``video``, ``audio`` or ``application``.
        payload_type: RTP payload type, 0 to 127.
        encoding: Encoding name in capitals, for example ``H264``.
        clock_rate: RTP clock in Hz; 0 if the description does not say.
        control: The publisher's control URL, absolute or relative; empty without one.
        lines: Its lines after ``m=``, as announced.
    """

    kind: str
    payload_type: int
    encoding: str
    clock_rate: int
    control: str
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SessionDescription:
    """A publisher's description.

    Attributes:
        lines: The lines before the first medium.
        media: The tracks in their order.
    """

    lines: tuple[str, ...]
    media: tuple[Media, ...]

    def for_readers(self, sets: Mapping[int, Mapping[int, Sequence[bytes]]]) -> bytes:
        """Description with ``a=control:trackID=n`` for each track.

        Args:
            sets: By track index, the parameter sets seen in the stream by NAL unit type. They stand
                in where the publisher's description has none, or an outdated one.

        Returns:
            SDP text with CRLF line ends.
        """
        lines = [line for line in self.lines if line[:2] in ("v=", "o=", "s=", "i=", "b=")]
        lines += ["c=IN IP4 0.0.0.0", "t=0 0"]
        lines += [line for line in self.lines if _passes(line)]
        lines.append("a=control:*")
        for index, media in enumerate(self.media):
            lines.append(f"m={media.kind} 0 RTP/AVP {media.payload_type}")
            own = [line for line in media.lines if line.startswith("b=") or _passes(line)]
            lines += _with_sets(own, media, sets.get(index, {}))
            lines.append(f"a=control:trackID={index}")
        return "\r\n".join([*lines, ""]).encode()


def _passes(line: str) -> bool:
    """Whether an attribute line is passed on to readers."""
    return line.startswith("a=") and line[2:].partition(":")[0] not in _NOT_PASSED


def _with_sets(lines: list[str], media: Media, seen: Mapping[int, Sequence[bytes]]) -> list[str]:
    """Bring the parameter sets of the fmtp line up to date with the stream."""
    names = _SPROP.get(media.encoding, {})
    values: dict[str, list[str]] = {}
    for kind, name in names.items():
        for nal in seen.get(kind, ()):
            values.setdefault(name, []).append(base64.b64encode(nal).decode())
    if not names or any(not seen.get(kind) for kind in names):
        return lines  # nothing complete seen in the stream: the publisher's word stands
    prefix = f"a=fmtp:{media.payload_type} "
    old = next((line for line in lines if line.startswith(prefix)), prefix)
    kept = [part.strip() for part in old[len(prefix) :].split(";")]
    kept = [part for part in kept if part and part.partition("=")[0].strip() not in values]
    new = prefix + "; ".join([*kept, *(f"{name}={','.join(v)}" for name, v in values.items())])
    return [line for line in lines if line != old] + [new]


def parse_sdp(body: bytes) -> SessionDescription:
    """Parse what a publisher announces.

    Args:
        body: SDP text.

    Raises:
        SdpError: Not UTF-8, no ``v=0``, no medium, too many media, a malformed ``m=`` line, or
            encrypted media.
    """
    try:
        lines = [line.strip("\r\0 ") for line in body.decode("utf-8").split("\n")]
    except UnicodeDecodeError as exc:
        raise SdpError("not UTF-8") from exc
    lines = [line for line in lines if len(line) > 2 and line[1] == "=" and line.isprintable()]
    if not lines or lines[0] != "v=0":
        raise SdpError("no session description")
    starts = [index for index, line in enumerate(lines) if line.startswith("m=")]
    if not 1 <= len(starts) <= MAX_MEDIA:
        raise SdpError(f"{len(starts)} media, between 1 and {MAX_MEDIA} are served")
    ends = [*starts[1:], len(lines)]
    media = tuple(_parse_media(lines[a:b]) for a, b in zip(starts, ends, strict=True))
    return SessionDescription(tuple(lines[: starts[0]]), media)


def _parse_media(lines: list[str]) -> Media:
    """The lines of one medium, ``m=`` first."""
    words = lines[0][2:].split()
    if len(words) < 4 or not (words[3].isascii() and words[3].isdigit() and int(words[3]) < 128):
        raise SdpError("malformed m= line")
    if "SAVP" in words[2].upper():
        raise SdpError("encrypted media (SAVP) are not served")
    payload_type = int(words[3])
    encoding, clock_rate = _STATIC.get(payload_type, ("", 0))
    control = ""
    for line in lines[1:]:
        name, _, value = line.partition(":")
        if name == "a=control":
            control = value.strip()
        elif name == "a=rtpmap" and value.partition(" ")[0] == words[3]:
            encoding, clock_rate = _parse_rtpmap(value)
    return Media(words[0], payload_type, encoding, clock_rate, control, tuple(lines[1:]))


def _parse_rtpmap(value: str) -> tuple[str, int]:
    """``96 H264/90000`` to encoding and clock rate."""
    encoding, _, rest = value.partition(" ")[2].strip().partition("/")
    rate = rest.partition("/")[0]
    valid = rate.isascii() and rate.isdigit() and len(rate) < 10
    return encoding.upper(), int(rate) if valid else 0
