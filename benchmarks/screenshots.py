"""Take the documentation's pictures from the running product.

    python -m benchmarks.screenshots [FOLDER] [NAME ...]

Runs `actionstream demo` with two more streams, waits until a full minute is on the graph, and
photographs every page in Chromium: light and dark, on a desk and on a phone. Only the pictures in
`docs/images` that the documentation shows are committed.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import httpx
from playwright.sync_api import Page, sync_playwright

from stack.broadcast import DEMO_CLIP
from tests.conftest import find_peer
from tests.e2e.live_stack import Ports, running

_FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run")
_FILLED_S = 75.0
_DESK = (1400, 860)
_PHONE = (390, 844)


@dataclass(frozen=True, slots=True)
class View:
    """A page and when it is worth a picture.

    Attributes:
        path: Its address.
        ready: Script that is true once it shows something.
        act: What is done before.
        settle_ms: How long it is left alone then.
    """

    path: str
    ready: str
    act: Callable[[Page], None] = lambda _: None
    settle_ms: int = 3_000


def _upload(page: Page) -> None:
    page.wait_for_function("() => actionstream.uploadsPage.models.length")
    send = page.get_by_role("region", name="Send videos")
    send.get_by_label("Model").select_option("drawn")
    page.set_input_files("#files", str(DEMO_CLIP))


_VIEWS = {
    "dashboard": View("/stream/demo", "() => actionstream.page.graph?.lines[0]?.x.length > 200"),
    "overview": View("/", "() => document.querySelectorAll('.card img:not([hidden])').length > 2"),
    "health": View(
        "/health",
        "() => actionstream.healthPage.vitals.size > 2",
        settle_ms=60_000,
    ),
    "uploads": View("/uploads", "() => actionstream.uploadsPage.shown", _upload, 6_000),
    "webcam": View("/webcam", "() => true"),
}


def main() -> None:
    """Take every picture, or those that are named."""
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "docs/images")
    folder.mkdir(parents=True, exist_ok=True)
    ports = Ports()
    with (
        tempfile.TemporaryDirectory() as scratch,
        running(["demo"], Path(scratch), ports),
        sync_playwright() as playwright,
    ):
        for name in ("hall/cam1", "yard/gate"):
            stream = {"name": name, "url": str(DEMO_CLIP), "loop": True}
            httpx.post(f"http://127.0.0.1:{ports.api}/v1/streams", json=stream).raise_for_status()
        time.sleep(_FILLED_S)
        browser = playwright.chromium.launch(
            executable_path=find_peer("chromium"), args=list(_FLAGS)
        )
        for name, view in _VIEWS.items():
            for scheme in ("light", "dark"):
                for device, size in (("", _DESK), ("-phone", _PHONE)):
                    suffix = device + ("-dark" if scheme == "dark" else "")
                    file = folder / f"{name}{suffix}.png"
                    if len(sys.argv) < 3 or file.stem in sys.argv[2:]:
                        context = browser.new_context(
                            viewport={"width": size[0], "height": size[1]},
                            color_scheme=_scheme(scheme),
                        )
                        photograph(context.new_page(), f"http://127.0.0.1:{ports.page}", view, file)
                        context.close()


def _scheme(name: str) -> Literal["light", "dark"]:
    return "dark" if name == "dark" else "light"


def photograph(page: Page, url: str, view: View, file: Path) -> None:
    """Open a page and take one picture once it shows something.

    Args:
        page: An empty page of the wanted size.
        url: Of the dashboard.
        view: What to look at.
        file: Where the picture goes.
    """
    page.goto(url + view.path)
    page.wait_for_function("() => window.actionstream?.page?.overview?.streams.length")
    view.act(page)
    page.wait_for_function(view.ready, timeout=120_000)
    page.wait_for_timeout(view.settle_ms)
    page.screenshot(path=str(file))
    print(file)


if __name__ == "__main__":
    main()
