"""Overview, health and uploads in a real browser, before a real stack."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from tests.conftest import wait_for
from tests.e2e.live_stack import Ports, running
from tests.e2e.test_dashboard_browser import Viewer, fixture_browser, fixture_visit

__all__ = ["fixture_browser", "fixture_visit"]

pytestmark = [pytest.mark.peer("chromium"), pytest.mark.timeout(180)]

DEMO = Path(__file__).parents[2] / "stack" / "demo" / "demo.mp4"
STREAM = "lab/cam1"


@pytest.fixture(name="stack", scope="module")
def fixture_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ports]:
    """A stack without any stream."""
    ports = Ports()
    with running(["up"], tmp_path_factory.mktemp("pages"), ports):
        yield ports


@pytest.fixture(name="url")
def fixture_url(stack: Ports) -> Iterator[str]:
    """Its page; no stream is left behind."""
    yield f"http://127.0.0.1:{stack.page}"
    streams = f"http://127.0.0.1:{stack.api}/v1/streams"
    for stream in httpx.get(streams).json():
        httpx.delete(f"{streams}/{stream['stream']}")


def add_stream(viewer: Viewer, name: str, url: str) -> None:
    """Fill in the form and send it."""
    viewer.page.keyboard.press("n")
    form = viewer.page.get_by_role("dialog", name="Add a stream")
    form.get_by_label("Name").fill(name)
    form.get_by_label("Video", exact=True).fill(url)
    form.get_by_label("Start a file again").check()
    form.get_by_role("button", name="Add").click()


def test_a_stream_is_added_changed_and_removed(url: str, visit: Callable[..., Viewer]) -> None:
    viewer = visit()
    viewer.open(url)
    page = viewer.page
    viewer.wait_text("#empty-title", "No stream yet")
    # What is wrong is said at the field, before anything is sent.
    add_stream(viewer, "two words", "")
    form = page.get_by_role("dialog", name="Add a stream")
    assert "no spaces" in form.inner_text()
    assert "where the video comes from" in form.inner_text()
    form.get_by_role("button", name="Cancel").click()
    expect(form).to_be_hidden()
    add_stream(viewer, STREAM, str(DEMO))
    card = page.get_by_role("listitem").filter(has_text=STREAM)
    expect(card).to_be_visible(timeout=20_000)
    viewer.wait_text("#cards", "Live", timeout_s=60)
    expect(card.locator("img")).to_be_visible(timeout=20_000)
    # Search hides what does not fit.
    page.keyboard.press("/")
    page.keyboard.type("nothing like it")
    expect(card).to_be_hidden()
    viewer.wait_text("#no-match", "No stream fits")
    page.get_by_label("Search streams").fill("")
    expect(card).to_be_visible()
    # The link leads to the stream, the browser's way back to the cards.
    card.get_by_role("link").click()
    expect(page.locator("[data-page=stream]").first).to_be_attached()
    assert page.evaluate("() => actionstream.page.stream") == STREAM
    page.go_back()
    expect(card).to_be_visible()
    # Another model looks at it from now on.
    card.get_by_role("button", name="Change or remove").click()
    page.get_by_role("menuitem", name="Change").click()
    form = page.get_by_role("dialog", name=f"Change {STREAM}")
    form.get_by_label("Model").select_option("fight")
    form.get_by_role("button", name="Save").click()
    expect(form).to_be_hidden(timeout=20_000)
    reply = httpx.get(f"{url}/api/streams/{STREAM}", timeout=10)
    assert reply.json()["chosen_model"] == "fight"
    card.get_by_role("button", name="Change or remove").click()
    page.get_by_role("menuitem", name="Remove").click()
    page.get_by_role("dialog", name=f"Remove {STREAM}?").get_by_role(
        "button", name="Remove"
    ).click()
    expect(card).to_have_count(0, timeout=20_000)
    viewer.wait_text("#empty-title", "No stream yet")


def test_an_upload_gives_segments_over_the_playing_video(
    url: str, visit: Callable[..., Viewer], tmp_path: Path
) -> None:
    wrong = tmp_path / "letter.mp4"
    wrong.write_text("This is no video.")
    viewer = visit()
    viewer.open(f"{url}/uploads")
    page = viewer.page
    viewer.wait("() => actionstream.uploadsPage.models.length", "models")
    send = page.get_by_role("region", name="Send videos")
    send.get_by_label("Model").select_option("drawn")
    page.set_input_files("#files", [str(wrong), str(DEMO)])
    jobs = page.locator("#jobs")
    expect(jobs.get_by_text("is not a video")).to_be_visible(timeout=60_000)
    expect(jobs.get_by_text("actions in")).to_be_visible(timeout=90_000)
    rows = page.locator("#result .segments button")
    assert rows.count() >= 3
    assert page.locator("#result .strip button").count() == rows.count()
    job = viewer.wait("() => actionstream.uploadsPage.shown?.id", "shown job")
    result = httpx.get(f"{url}/api/jobs/{job}/result.json").json()
    assert len(result["segments"]) == rows.count()
    # A click on an action goes to its start, and the cursor with it.
    rows.nth(1).click()
    start = result["segments"][1]["start"]
    viewer.wait(
        f"() => Math.abs(document.querySelector('#result video').currentTime - {start}) < 2",
        "seek",
    )
    viewer.wait("() => document.querySelector('#result .badge strong').textContent", "action")
    with page.expect_download() as download:
        page.get_by_role("link", name="Download CSV").click()
    lines = download.value.path().read_text().splitlines()
    assert lines[0].startswith("video,start,end,")
    assert len(lines) == len(result["windows"]["start"]) + 1


def test_health_shows_the_parts_and_their_figures(url: str, visit: Callable[..., Viewer]) -> None:
    viewer = visit()
    viewer.open(f"{url}/health")
    viewer.wait_text("#parts", "Ready")
    viewer.wait_text("#parts", "Connected")
    viewer.wait_text("#parts", "No video yet")
    viewer.wait_text("#no-vitals", "No stream yet")
    httpx.post(
        f"{url}/api/streams", json={"name": STREAM, "url": str(DEMO), "loop": True}
    ).raise_for_status()
    viewer.wait_text("#vitals", STREAM)
    viewer.wait_text("#vitals", "fps", timeout_s=60)
    viewer.wait_text("#vitals .facts", "Decoding", timeout_s=60)
    wait_for(
        lambda: viewer.page.locator("#vitals .chart-box path[d^=M]").count() >= 3, "charts", 30
    )
    viewer.page.locator("#range").select_option("3600")
    viewer.wait("() => [...actionstream.healthPage.vitals.values()][0].past?.length", "history")
    assert viewer.page.locator("#vitals .wrong").text_content() == ""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious(url: str, visit: Callable[..., Viewer], scheme: str) -> None:
    httpx.post(
        f"{url}/api/streams", json={"name": STREAM, "url": str(DEMO), "loop": True}
    ).raise_for_status()
    viewer = visit(scheme=scheme)
    found: list[str] = []
    for path in ("", f"stream/{STREAM}", "health", "uploads", "webcam"):
        viewer.open(f"{url}/{path}")
        viewer.wait("() => actionstream.page.overview.streams.length", "stream")
        if path.startswith("stream"):
            viewer.wait("() => actionstream.page.graph.lines[0]?.x.length > 5", "points", 60)
        results: dict[str, Any] = Axe().run(viewer.page).response
        found += [
            f"/{path}: {one['id']}: {[node['html'] for node in one['nodes']][:3]}"
            for one in results["violations"]
            if one["impact"] in ("serious", "critical")
        ]
    assert not found


def test_keys_lead_everywhere(url: str, visit: Callable[..., Viewer]) -> None:
    viewer = visit()
    viewer.open(url)
    page = viewer.page
    for key, path in (("3", "/health"), ("4", "/uploads"), ("5", "/webcam"), ("1", "/")):
        page.keyboard.press(key)
        page.wait_for_url(f"{url}{path}")
    page.keyboard.press("?")
    keys = page.get_by_role("dialog", name="Keys")
    assert "Go to Health" in keys.inner_text()
    keys.get_by_label("Use these keys").uncheck()
    keys.get_by_role("button", name="Close").click()
    expect(keys).to_be_hidden()
    page.keyboard.press("3")
    assert page.evaluate("() => location.pathname") == "/"
