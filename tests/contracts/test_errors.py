"""Errors: one tree, stable codes, no passwords."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts import errors
from contracts.errors import ActionstreamError, redact


def all_errors(root: type[ActionstreamError] = ActionstreamError) -> list[type[ActionstreamError]]:
    """Every error class of the tree that the module draws."""
    below = [kind for child in root.__subclasses__() for kind in all_errors(child)]
    return [kind for kind in [root, *below] if kind.__module__ == "contracts.errors"]


def test_the_drawn_tree_is_the_real_one() -> None:
    assert errors.__doc__ is not None
    for kind in all_errors():
        assert kind.__name__ in errors.__doc__


def test_codes_are_unique() -> None:
    codes = [kind.code for kind in all_errors()]
    assert len(codes) == len(set(codes))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("rtsp://me:secret@cam:554/a", "rtsp://me:***@cam:554/a"),
        ("see mqtt://u:p@h and rtsp://x:y@z.", "see mqtt://u:***@h and rtsp://x:***@z."),
        ("rtsp://cam/a", "rtsp://cam/a"),
        ("rtsp://user@cam/a", "rtsp://user@cam/a"),
        ("rtsp://me:p@ss:w@cam/a", "rtsp://me:***@cam/a"),
    ],
)
def test_passwords_are_redacted(text: str, expected: str) -> None:
    assert redact(text) == expected
    assert str(ActionstreamError(text)) == expected


@given(st.from_regex(r"\A[a-zA-Z0-9!$&*+,;=:@.-]{8,20}\Z"))
def test_no_password_survives(password: str) -> None:
    assert password not in redact(f"cannot open rtsp://user:{password}@cam:554/path")
