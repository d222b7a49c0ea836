"""Basic and Digest authentication (RFC 2617) and the rights of users per path.

Only the MD5 digest without ``qop`` is offered: it is what every RTSP client speaks, and FFmpeg
gives up when SHA-256 is offered too.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Literal

from .messages import Headers, Request
from .options import RtspUser
from .url import parse_url

REALM = "actionstream"
Action = Literal["publish", "read"]
Verdict = Literal["granted", "challenge", "wrong", "forbidden"]
_FIELD = re.compile(r'(\w+)\s*=\s*(?:"([^"]*)"|([^\s,]*))')


@dataclass(frozen=True, slots=True)
class Authenticator:
    """Decides who may do what on which path.

    Attributes:
        users: All users; empty admits everybody.
        methods: Challenges to offer, best first.
    """

    users: tuple[RtspUser, ...]
    methods: Sequence[Literal["digest", "basic"]] = ("digest", "basic")

    def check(self, request: Request, action: Action, path: str, nonce: str) -> Verdict:
        """Judge one request.

        Args:
            request: The request with or without an Authorization header.
            action: What it wants to do.
            path: Path name.
            nonce: The nonce given to this connection.

        Returns:
            ``granted``; ``challenge`` without credentials; ``wrong`` with an unknown user or a
            wrong password; ``forbidden`` for a known user without the right.
        """
        if not self.users or any(_may(u, action, path) for u in self.users if not u.name):
            return "granted"
        credentials = request.header("Authorization")
        if credentials is None:
            return "challenge"
        user = self._identify(request, credentials, nonce)
        if user is None:
            return "wrong"
        return "granted" if _may(user, action, path) else "forbidden"

    def challenges(self, nonce: str) -> Headers:
        """The WWW-Authenticate headers of a 401 answer."""
        texts = {
            "digest": f'Digest realm="{REALM}", nonce="{nonce}"',
            "basic": f'Basic realm="{REALM}"',
        }
        return tuple(("WWW-Authenticate", texts[method]) for method in self.methods)

    def _identify(self, request: Request, credentials: str, nonce: str) -> RtspUser | None:
        """The user whose password the credentials prove."""
        scheme, _, rest = credentials.partition(" ")
        if scheme.lower() == "basic" and "basic" in self.methods:
            return self._basic(rest)
        if scheme.lower() == "digest" and "digest" in self.methods:
            fields = {key.lower(): a or b for key, a, b in _FIELD.findall(rest)}
            return self._digest(request, fields, nonce)
        return None

    def _named(self, name: str) -> RtspUser | None:
        """The user of that name; never the anonymous one."""
        return next((user for user in self.users if user.name and user.name == name), None)

    def _basic(self, encoded: str) -> RtspUser | None:
        """RFC 2617 section 2."""
        try:
            name, _, password = base64.b64decode(encoded, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError, ValueError):
            return None
        user = self._named(name)
        if user is None or not _equal(password, user.password):
            return None
        return user

    def _digest(self, request: Request, fields: dict[str, str], nonce: str) -> RtspUser | None:
        """RFC 2617 section 3.2.2 without qop, as RFC 2069."""
        user = self._named(fields.get("username", ""))
        uri = fields.get("uri", "")
        if user is None or fields.get("nonce") != nonce or not _same_target(uri, request.url):
            return None
        expected = digest_response(request.method, uri, (user.name, user.password), nonce)
        return user if _equal(fields.get("response", ""), expected) else None


def digest_response(method: str, uri: str, credentials: tuple[str, str], nonce: str) -> str:
    """The ``response`` field of a Digest answer.

    Args:
        method: RTSP method.
        uri: The ``uri`` field.
        credentials: User name and password.
        nonce: The server's nonce.
    """
    first = _md5(f"{credentials[0]}:{REALM}:{credentials[1]}")
    return _md5(f"{first}:{nonce}:{_md5(f'{method}:{uri}')}")


def _md5(text: str) -> str:
    """MD5 in hexadecimal; the protocol's choice, not a protection of stored secrets."""
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def _equal(one: str, other: str) -> bool:
    """Compare in constant time."""
    return hmac.compare_digest(one.encode(), other.encode())


def _same_target(uri: str, request_url: str) -> bool:
    """Whether the signed URI is the request's, or its base as VLC signs a SETUP."""
    signed, asked = parse_url(uri), parse_url(request_url)
    signed_text = signed.full if signed else uri.strip("/")
    asked_text = asked.full if asked else request_url.strip("/")
    return asked_text == signed_text or asked_text.startswith(
        (f"{signed_text}/", f"{signed_text}?")
    )


def _may(user: RtspUser, action: Action, path: str) -> bool:
    """Whether the user's patterns cover the path."""
    patterns = user.publish if action == "publish" else user.read
    return any(fnmatchcase(path, pattern) for pattern in patterns)
