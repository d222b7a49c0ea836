"""Basic, Digest and rights per path."""

from __future__ import annotations

import base64
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streaming.rtsp import RtspUser
from streaming.rtsp.auth import Action, Authenticator, Verdict, digest_response
from streaming.rtsp.messages import Request

URL = "rtsp://h:8554/site/cam1"
USERS = (
    RtspUser("cam", "s3cret", publish=("site/*",)),
    RtspUser("eye", "pass:word", read=("*",)),
    RtspUser("", "", read=("public/*",)),
)
AUTH = Authenticator(USERS)


def request(authorization: str | None = None, method: str = "ANNOUNCE", url: str = URL) -> Request:
    """A request with that Authorization header."""
    headers = () if authorization is None else (("Authorization", authorization),)
    return Request(method, url, headers)


def basic(name: str, password: str) -> str:
    """Basic credentials."""
    return "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()


def digest(name: str, password: str, uri: str = URL, method: str = "ANNOUNCE") -> str:
    """Digest credentials for the nonce ``nonce``."""
    response = digest_response(method, uri, (name, password), "nonce")
    fields = f'username="{name}", realm="actionstream", nonce="nonce", uri="{uri}"'
    return f'Digest {fields}, response="{response}"'


@pytest.mark.parametrize("scheme", [basic, digest])
def test_rights(scheme: Callable[[str, str], str]) -> None:
    def verdict(name: str, password: str, action: Action, path: str = "site/cam1") -> Verdict:
        return AUTH.check(request(scheme(name, password)), action, path, "nonce")

    assert verdict("cam", "s3cret", "publish") == "granted"
    assert verdict("cam", "s3cret", "publish", "elsewhere") == "forbidden"
    assert verdict("cam", "s3cret", "read") == "forbidden"
    assert verdict("eye", "pass:word", "read") == "granted"
    assert verdict("eye", "wrong", "read") == "wrong"
    assert verdict("nobody", "s3cret", "read") == "wrong"
    assert verdict("", "", "read") == "wrong"


def test_anonymous_and_missing_credentials() -> None:
    assert AUTH.check(request(), "read", "public/door", "n") == "granted"
    assert AUTH.check(request(), "read", "site/cam1", "n") == "challenge"
    assert Authenticator(()).check(request(), "publish", "any", "n") == "granted"


def test_digest_is_that_of_rfc_2069() -> None:
    # md5(md5("u:actionstream:p") + ":n:" + md5("DESCRIBE:rtsp://h/p")), computed with md5sum
    expected = digest_response("DESCRIBE", "rtsp://h/p", ("u", "p"), "n")
    assert expected == "0e82e04d5e8077a857e525f0a253afb5"


def test_replayed_nonce_and_foreign_uri_are_wrong() -> None:
    good = request(digest("cam", "s3cret"))
    assert AUTH.check(good, "publish", "site/cam1", "other nonce") == "wrong"
    foreign = request(digest("cam", "s3cret", uri="rtsp://h:8554/other"))
    assert AUTH.check(foreign, "publish", "site/cam1", "nonce") == "wrong"


def test_vlc_signs_setup_with_the_base_url() -> None:
    signed = digest("eye", "pass:word", uri=f"{URL}/", method="SETUP")
    setup = request(signed, "SETUP", f"{URL}/trackID=0")
    assert AUTH.check(setup, "read", "site/cam1", "nonce") == "granted"


def test_methods_not_offered_are_refused() -> None:
    only_digest = Authenticator(USERS, ("digest",))
    assert only_digest.check(request(basic("cam", "s3cret")), "publish", "site/a", "n") == "wrong"
    assert [value.split()[0] for _, value in only_digest.challenges("n")] == ["Digest"]


def test_password_is_not_shown() -> None:
    assert "s3cret" not in repr(USERS)


@given(st.text(max_size=80) | st.text(max_size=60).map(lambda text: f"Digest {text}"))
def test_any_credentials_are_judged(text: str) -> None:
    assert AUTH.check(request(text), "publish", "site/cam1", "nonce") == "wrong"
    assert AUTH.check(request(f"Basic {text}"), "publish", "site/cam1", "nonce") == "wrong"
