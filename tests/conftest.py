"""What all tests share: peers that may be missing, free ports, waiting without sleeping blindly."""

from __future__ import annotations

import shutil
import signal
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import settings

# How long an example takes says more about the machine than about the code.
settings.register_profile("any-machine", deadline=None)
settings.load_profile("any-machine")

RESEARCH_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
_EXTRA_PATH = "/usr/sbin:/usr/local/sbin"


def find_peer(program: str) -> str | None:
    """Path of a program, looked for where daemons live too."""
    return shutil.which(program) or shutil.which(program, path=_EXTRA_PATH)


def pytest_configure() -> None:
    """Let the programs under test hear Ctrl-C.

    A shell starts its background jobs with SIGINT ignored, and children inherit that.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip a test whose peer is not installed, saying which."""
    for mark in item.iter_markers("peer"):
        for program in mark.args:
            if find_peer(program) is None:
                pytest.skip(f"{program} is not installed (Debian and Ubuntu: make peers)")


@pytest.fixture(name="data_home", scope="session", autouse=True)
def fixture_data_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Where the programs under test keep their history: not in the home of who tests."""
    folder = tmp_path_factory.mktemp("data")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_DATA_HOME", str(folder))
        yield folder


@pytest.fixture(name="research_data", scope="session")
def fixture_research_data() -> Path:
    """Folder of real video and annotations, which stands beside the checkout on some machines."""
    if not RESEARCH_DATA.is_dir():
        pytest.skip("the research data are not on this machine")
    return RESEARCH_DATA


@pytest.fixture(name="free_port")
def fixture_free_port() -> int:
    """A TCP port that nobody listens on."""
    return pick_port()


def pick_port() -> int:
    """Ask the system for a TCP port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_for(
    condition: Callable[[], object], what: str, timeout_s: float = 10.0, every_s: float = 0.02
) -> None:
    """Wait until something becomes true.

    Raises:
        AssertionError: It did not in time; says what was waited for.
    """
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"no {what} within {timeout_s:g} s")
        time.sleep(every_s)
