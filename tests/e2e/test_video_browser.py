"""Live video in a real browser: by WebRTC with its time of capture, by pictures, from a webcam."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio.from_thread
import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from contracts.settings import DashboardSettings, MqttSettings, Settings
from dashboard.app import create_app
from stack.broadcast import DEMO_CLIP
from stack.serving import serve
from tests.conftest import find_peer, pick_port, wait_for
from tests.e2e.live_stack import Listener, Ports, child, push, running
from tests.e2e.test_dashboard_browser import CHROMIUM_ARGS
from tests.streaming.live import Recipe, make_video
from tests.streaming.webrtc.support import Publisher, Service, encode, endpoint_up

pytestmark = [pytest.mark.peer("chromium"), pytest.mark.timeout(240)]

_CAMERA = ["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]
_PICTURES = 1500

# A video in a box of its own, on a page that shows nothing else; every picture that comes on the
# screen is read (see `training.figures.numbered`) together with the time the page says of it.
_WATCH = """(stream) => {
  const box = document.createElement("div");
  box.id = "watched";
  box.style = "width:480px;height:320px";
  document.body.prepend(box);
  const video = window.video = new actionstream.Video(box);
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [96, 64];
  const pen = canvas.getContext("2d", { willReadFrequently: true });
  const read = () => {
    pen.drawImage(video.element, 0, 0, 96, 64);
    const { data } = pen.getImageData(0, 0, 96, 64);
    let word = 0;
    for (let cell = 0; cell < 16; cell += 1) {
      const [x, y] = [(cell % 6) * 16 + 8, Math.floor(cell / 6) * 16 + 8];
      word = word * 2 + (data[4 * (y * 96 + x)] > 128 ? 1 : 0);
    }
    return word;
  };
  window.read = [];
  const note = () => {
    if (video.mode === "webrtc") window.read.push([read(), video.shownAt()]);
  };
  // After all who hear of the picture have heard of it, and before the next one.
  const next = () => {
    requestAnimationFrame(note);
    video.element.requestVideoFrameCallback(next);
  };
  video.element.requestVideoFrameCallback(next);
  video.show(stream);
}"""
_FIGURES = """async () => {
  const stats = [...(await video.session.pc.getStats()).values()];
  const { framesDecoded } = stats.find((entry) => entry.type === "inbound-rtp");
  return [framesDecoded, video.element.getVideoPlaybackQuality().totalVideoFrames];
}"""


@pytest.fixture(name="browser", scope="module")
def fixture_browser() -> Iterator[Browser]:
    """Headless Chromium with a camera."""
    with ExitStack() as stack:
        playwright = stack.enter_context(sync_playwright())
        browser = playwright.chromium.launch(
            executable_path=find_peer("chromium"), args=[*CHROMIUM_ARGS, *_CAMERA]
        )
        yield browser
        browser.close()


@pytest.fixture(name="page")
def fixture_page(browser: Browser) -> Iterator[Page]:
    """A page; afterwards nothing may have been complained about."""
    context: Any = browser.new_context(viewport={"width": 1280, "height": 800})
    page: Page = context.new_page()
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on(
        "console",
        lambda message: complaints.append(message.text) if message.type == "error" else None,
    )
    yield page
    context.close()
    assert not complaints


@dataclass(frozen=True)
class Site:
    """A dashboard beside an endpoint of WebRTC, on an event loop in a thread."""

    portal: anyio.from_thread.BlockingPortal
    service: Service
    url: str

    @contextmanager
    def publishing(self, **options: str) -> Iterator[Publisher]:
        """Publish numbered pictures as ``cam``, at their pace."""
        pictures = encode(_PICTURES if not options else 250, 50, options)
        publisher = self.portal.call(Publisher, self.service.server.hub, "cam", pictures)
        self.portal.call(publisher.push, 20)
        task = self.portal.start_task_soon(publisher.go_on, len(pictures) - 20)
        try:
            yield publisher
        finally:
            task.cancel()
            self.portal.call(publisher.close)


@pytest.fixture(name="site")
def fixture_site() -> Iterator[Site]:
    """Where to look; there is neither a broker nor a worker."""

    @asynccontextmanager
    async def start() -> AsyncIterator[tuple[Service, str]]:
        async with AsyncExitStack() as parts:
            service = await parts.enter_async_context(endpoint_up())
            settings = Settings(
                mqtt=MqttSettings(port=pick_port()),
                dashboard=DashboardSettings(worker_url="http://127.0.0.1:9", whep_url=service.url),
            )
            served = serve(create_app(settings), "127.0.0.1", 0, "dashboard.port")
            port = await parts.enter_async_context(served)
            yield service, f"http://127.0.0.1:{port}"

    with (
        anyio.from_thread.start_blocking_portal() as portal,
        portal.wrap_async_context_manager(start()) as (service, url),
    ):
        yield Site(portal, service, url)


def watch(page: Page, site: Site) -> None:
    """Open a page and let it watch ``cam``."""
    page.goto(f"{site.url}/webcam")
    page.wait_for_function("() => window.actionstream?.page", timeout=60_000)
    page.evaluate(_WATCH, "cam")


def becomes(page: Page, mode: str, timeout_s: float = 40) -> None:
    """Wait for a mode of the video."""
    wait_for(lambda: page.evaluate("video.mode") == mode, mode, timeout_s, every_s=0.1)


def test_video_plays_and_says_when_each_picture_was_captured(site: Site, page: Page) -> None:
    with site.publishing() as publisher:
        watch(page, site)
        becomes(page, "webrtc")
        assert page.evaluate("video.words") == "Live video"
        wait_for(lambda: page.evaluate("read.length") > 25, "pictures", 20, every_s=0.2)
        decoded, shown = page.evaluate(_FIGURES)
        assert decoded > 0
        assert shown > 0
        read = page.evaluate("read")
        errors = sorted(abs(at - publisher.captured_at(number)) for number, at in read)
        # A picture or two may be drawn while the next one is on its way to the screen.
        assert errors[len(errors) // 2] < 0.01
        assert errors[int(len(errors) * 0.9)] < 0.1
        numbers = [number for number, _ in read]
        assert numbers == sorted(numbers)
        page.evaluate("document.getElementById('watched').remove()")
        wait_for(lambda: site.service.endpoint.viewers == 0, "end of the session", 20)


def test_video_comes_back_with_its_publisher_and_rests_while_hidden(site: Site, page: Page) -> None:
    with site.publishing():
        watch(page, site)
        becomes(page, "webrtc")
    wait_for(lambda: page.evaluate("video.mode") != "webrtc", "end", 20, every_s=0.1)
    with site.publishing():
        becomes(page, "webrtc")
        hide = """(hidden) => {
          Object.defineProperty(document, "hidden", {value: hidden, configurable: true});
          document.dispatchEvent(new Event("visibilitychange")); }"""
        page.evaluate(hide, True)
        wait_for(lambda: site.service.endpoint.viewers == 0, "rest", 20)
        assert page.evaluate("video.session") is None
        page.evaluate(hide, False)
        becomes(page, "webrtc")


def test_b_frames_are_named(site: Site, page: Page) -> None:
    with site.publishing(bf="2", preset="medium"):
        watch(page, site)
        wait_for(lambda: "B-frames" in page.evaluate("video.why"), "reason", 20, every_s=0.1)
        assert page.evaluate("video.mode") == "none"
        assert "the worker does not answer" in page.locator("#watched").inner_text()


@pytest.fixture(name="live", scope="module")
def fixture_live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Ports, Listener]]:
    """A whole stack with a stream in H.264 and one in H.265."""
    folder = tmp_path_factory.mktemp("live")
    recipe = Recipe(frames=100, codec="libx265", options=(("x265-params", "log-level=none"),))
    clip: Path = make_video(folder / "h265.mp4", recipe)
    ports = Ports()
    with (
        running(["up"], folder, ports) as (_, listener),
        child(push(ports, DEMO_CLIP, "h264")),
        child(push(ports, clip, "h265")),
    ):
        for name in ("h264", "h265"):
            wait_for(lambda name=name: listener.of(name, "status"), name, 60)  # type: ignore[misc]
        yield ports, listener


def test_the_page_chooses_video_or_pictures_by_itself(
    live: tuple[Ports, Listener], page: Page
) -> None:
    ports, _ = live
    page.goto(f"http://127.0.0.1:{ports.page}/stream/h264")
    wait_for(lambda: page.locator("#video[data-mode=webrtc]").count(), "video", 60, every_s=0.2)
    page.goto(f"http://127.0.0.1:{ports.page}/stream/h265")
    words = page.locator("#video .video-words")
    wait_for(lambda: "H.265" in words.inner_text(), "reason", 60, every_s=0.2)
    assert page.locator("#video").get_attribute("data-mode") == "pictures"
    assert page.locator("#video > img").is_visible()


def test_a_webcam_is_analysed_like_any_other_stream(
    live: tuple[Ports, Listener], page: Page
) -> None:
    ports, listener = live
    page.goto(f"http://127.0.0.1:{ports.page}/webcam")
    page.wait_for_function("() => window.actionstream?.webcam", timeout=60_000)
    page.locator("#webcam-name").fill("no such name")
    page.locator("#webcam-start").click()
    assert "letters, digits" in page.locator("#webcam-message").inner_text()
    page.locator("#webcam-name").fill("webcam")
    page.locator("#webcam-start").click()
    wait_for(lambda: len(listener.of("webcam", "scores")) > 3, "scores", 60, every_s=0.2)
    action = page.locator("#webcam-action")
    wait_for(
        lambda: action.inner_text() not in ("", "Waiting for scores"), "action", 30, every_s=0.2
    )
    assert page.locator("#webcam-picture video").is_visible()
    page.locator("#webcam-start").click()
    wait_for(lambda: listener.states("webcam")[-1] == "offline", "end of the stream", 40)
    assert page.locator("#webcam-off").is_visible()
