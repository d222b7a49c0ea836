"""Every error the product raises on purpose.

    ActionstreamError            exit code 1
    ├── ConfigError              exit code 2: a setting, flag or file of settings is wrong
    ├── SourceError              a video cannot be opened or read
    │   ├── SourceNotFoundError      no such file, device or path on the server
    │   ├── SourceRefusedError       wrong or missing user or password
    │   ├── SourceUnreachableError   nobody answers there (may pass: worth a retry)
    │   ├── NotAVideoError           opened, but holds no decodable video
    │   ├── VideoTooLongError        longer than the settings allow
    │   └── PictureTooLargeError     its pictures are larger than the settings allow
    ├── PortInUseError           another program listens on the address
    ├── BundleError              a model bundle is missing, damaged or of another version
    ├── DownloadError            a file cannot be fetched, or is not the one it should be
    ├── BrokerError              the MQTT broker refuses us or cannot be started
    └── MissingDependencyError   an optional package or program is not installed

Library errors are translated into these once, at the adapter that meets them.
Messages name what is wrong, where, and what to do, in one line, and never hold a password.
"""

from __future__ import annotations

import re

EXIT_FAILED = 1
EXIT_USAGE = 2


class ActionstreamError(Exception):
    """Base of all errors a user may see.

    Attributes:
        message: One line that says what is wrong and where.
        hint: What the user can do about it; may be empty.
        code: Stable identifier for programs, for example in problem+json answers.
    """

    code = "failed"
    exit_code = EXIT_FAILED

    def __init__(self, message: str, hint: str = "") -> None:
        """Store the text with every password in it replaced."""
        self.message = redact(message)
        self.hint = redact(hint)
        super().__init__(f"{self.message} {self.hint}".strip())


class ConfigError(ActionstreamError):
    """A setting, flag or configuration file is wrong."""

    code = "bad_configuration"
    exit_code = EXIT_USAGE


class SourceError(ActionstreamError):
    """A video cannot be opened or read."""

    code = "source_failed"


class SourceNotFoundError(SourceError):
    """No such file, device or path on the server."""

    code = "source_not_found"


class SourceRefusedError(SourceError):
    """The server wants another user or password."""

    code = "source_refused"


class SourceUnreachableError(SourceError):
    """Nobody answers at the address, or the connection broke: worth a retry."""

    code = "source_unreachable"


class NotAVideoError(SourceError):
    """The source was opened but holds no video that can be decoded."""

    code = "not_a_video"


class VideoTooLongError(SourceError):
    """The video is longer than the settings allow."""

    code = "video_too_long"


class PictureTooLargeError(SourceError):
    """The video's pictures are larger than the settings allow."""

    code = "picture_too_large"


class PortInUseError(ActionstreamError):
    """Another program listens on the address we were told to use."""

    code = "port_in_use"


class BundleError(ActionstreamError):
    """A model bundle is missing, damaged or of a version this code does not read."""

    code = "bad_bundle"


class DownloadError(ActionstreamError):
    """A file cannot be fetched, or what came is not the file it should be."""

    code = "download_failed"


class BrokerError(ActionstreamError):
    """The MQTT broker refuses us or cannot be started."""

    code = "broker_failed"


class MissingDependencyError(ActionstreamError):
    """An optional package or program is not installed."""

    code = "missing_dependency"


_CREDENTIALS = re.compile(r"(?P<scheme>[a-zA-Z][a-zA-Z0-9+.-]*://)(?P<user>[^\s/:@]*):[^\s/]*@")


def redact(text: str) -> str:
    """Replace the password of every URL in a text by asterisks.

    Args:
        text: Anything that is about to be shown or logged.

    Returns:
        The text with ``scheme://user:password@host`` as ``scheme://user:***@host``.
    """
    return _CREDENTIALS.sub(r"\g<scheme>\g<user>:***@", text)
