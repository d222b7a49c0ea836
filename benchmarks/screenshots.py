"""Take the documentation's pictures from the running product.

    python -m benchmarks.screenshots [FOLDER]

Runs `actionstream demo`, waits until a full minute is on the graph, and photographs the page in
Chromium, light and dark.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

from tests.conftest import find_peer
from tests.e2e.live_stack import Ports, running

_FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run")
_FILLED_S = 75.0
_SHOTS = {
    "dashboard": ("light", (1400, 800)),
    "dashboard-dark": ("dark", (1400, 800)),
}


def main() -> None:
    """Take every picture."""
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "docs/images")
    folder.mkdir(parents=True, exist_ok=True)
    ports = Ports()
    with (
        tempfile.TemporaryDirectory() as scratch,
        running(["demo"], Path(scratch), ports),
        sync_playwright() as playwright,
    ):
        time.sleep(_FILLED_S)
        browser = playwright.chromium.launch(
            executable_path=find_peer("chromium"), args=list(_FLAGS)
        )
        for name in _SHOTS:
            photograph(browser, f"http://127.0.0.1:{ports.page}/", folder / f"{name}.png")


def photograph(browser: Browser, url: str, file: Path) -> None:
    """Open the page and take one picture once its graph has been drawn."""
    scheme, (width, height) = _SHOTS[file.stem]
    page = browser.new_page(
        viewport={"width": width, "height": height},
        color_scheme="dark" if scheme == "dark" else "light",
    )
    page.goto(url)
    page.wait_for_function("() => window.actionstream?.page?.graph?.lines[0]?.x.length > 200")
    page.wait_for_timeout(3_000)
    page.screenshot(path=str(file))
    page.close()
    print(file)


if __name__ == "__main__":
    main()
