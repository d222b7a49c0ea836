"""The server as bare clients see it: states, statuses, limits, timeouts, hostile bytes."""

from __future__ import annotations

import asyncio
import logging
import socket
import time
from contextlib import ExitStack
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.errors import ConfigError, PortInUseError
from streaming.rtsp import (
    PathChange,
    RtspLimits,
    RtspServer,
    RtspServerOptions,
    RtspTimeouts,
    RtspUser,
)
from streaming.rtsp.messages import Request, frame_to_bytes
from tests.conftest import wait_for

from .support import LiveServer, RawClient, h264_sdp, rtp, sender_report, serving

IDR, INTER = b"\x65" + b"i" * 99, b"\x41" + b"p" * 99
TCP = {"Transport": "RTP/AVP/TCP;unicast;interleaved=0-1"}


def send_media(publisher: RawClient, *packets: bytes, channel: int = 0) -> None:
    """Send interleaved packets in one write."""
    publisher.sock.sendall(b"".join(frame_to_bytes(channel, packet) for packet in packets))


def wait_for_packets(server: LiveServer, path: str, count: int) -> None:
    """Wait until a path has received so many packets."""
    wait_for(lambda: server.paths()[path].packets_in >= count, f"{count} packets")


def test_late_joiner_gets_report_and_group_with_matching_rtp_info(server: LiveServer) -> None:
    with RawClient(server) as publisher, RawClient(server) as reader:
        publisher.publish("site/cam", h264_sdp())
        send_media(publisher, sender_report(1_763_634_000, 5000), channel=1)
        group = [rtp(7, 5000, b"\x67sps"), rtp(8, 5000, IDR), rtp(9, 8600, INTER)]
        send_media(publisher, rtp(6, 1400, INTER), *group)
        wait_for_packets(server, "site/cam", 5)
        answer = reader.play("site/cam")
        url = server.url("site/cam/trackID=0")
        assert answer.header("RTP-Info") == f"url={url};seq=7;rtptime=5000"
        live = rtp(10, 12200, INTER)
        send_media(publisher, live)
        frames = reader.read_frames(5)
    assert frames == [
        (1, sender_report(1_763_634_000, 5000)),
        *((0, packet) for packet in group),
        (0, live),
    ]


def test_source_is_named_in_setup(server: LiveServer) -> None:
    with RawClient(server) as publisher, RawClient(server) as reader:
        publisher.publish("cam", h264_sdp())
        send_media(publisher, rtp(8, 5000, IDR, 0xABCDEF01))
        wait_for_packets(server, "cam", 1)
        answer = reader.request("SETUP", "cam/trackID=0", TCP)
    assert answer.header("Transport") == "RTP/AVP/TCP;unicast;interleaved=0-1;ssrc=ABCDEF01"


def test_parameter_sets_of_the_stream_reach_the_description(server: LiveServer) -> None:
    with RawClient(server) as publisher, RawClient(server) as reader:
        publisher.publish("cam", h264_sdp())
        assert b"sprop" not in reader.request("DESCRIBE", "cam").body
        send_media(publisher, rtp(1, 0, b"\x67sps"), rtp(2, 0, b"\x68pps"), rtp(3, 0, IDR))
        wait_for_packets(server, "cam", 3)
        description = reader.request("DESCRIBE", "cam")
    assert b"sprop-parameter-sets=Z3Nwcw==,aHBwcw==" in description.body
    assert description.header("Content-Base") == server.url("cam/")


def test_audio_travels_with_the_video(server: LiveServer) -> None:
    with RawClient(server) as publisher, RawClient(server) as reader:
        publisher.publish("cam", h264_sdp(2), tracks=2)
        send_media(publisher, rtp(1, 0, IDR))
        send_media(publisher, rtp(1, 0, b"audio", 9), channel=2)
        wait_for_packets(server, "cam", 2)
        answer = reader.play("cam", tracks=2)
        frames = reader.read_frames(2)
        assert server.paths()["cam"].codecs == ("H264", "OPUS")
    assert (answer.header("RTP-Info") or "").count("url=") == 2
    assert [channel for channel, _ in frames] == [0, 2]


def test_pause_and_play_again_begins_with_a_key_picture(server: LiveServer) -> None:
    with RawClient(server) as publisher, RawClient(server) as reader:
        publisher.publish("cam", h264_sdp())
        send_media(publisher, rtp(1, 0, IDR))
        wait_for_packets(server, "cam", 1)
        reader.play("cam")
        reader.read_frames(1)
        assert reader.request("PAUSE", "cam").status == 200
        send_media(publisher, rtp(2, 10, INTER), rtp(3, 20, IDR))
        wait_for_packets(server, "cam", 3)
        answer = reader.request("PLAY", "cam")
        assert "seq=3;rtptime=20" in (answer.header("RTP-Info") or "")
        assert reader.read_frames(1) == [(0, rtp(3, 20, IDR))]


def test_udp_session_outlives_its_connection(server: LiveServer) -> None:
    with ExitStack() as stack:
        publisher = stack.enter_context(RawClient(server))
        publisher.publish("cam", h264_sdp())
        sock = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        sock.settimeout(5)
        sock.bind(("127.0.0.1", 0))
        port = sock.getsockname()[1]
        reader = RawClient(server)
        offer = {"Transport": f"RTP/AVP;unicast;client_port={port}-{port ^ 1}"}
        assert reader.request("SETUP", "cam/trackID=0", offer).status == 200
        assert reader.request("PLAY", "cam").status == 200
        reader.sock.close()
        other = stack.enter_context(RawClient(server))
        other.session = reader.session
        assert other.request("GET_PARAMETER", "cam").status == 200
        send_media(publisher, rtp(1, 0, IDR))
        assert sock.recv(2000) == rtp(1, 0, IDR)
        assert other.request("TEARDOWN", "cam").status == 200
        wait_for(lambda: server.paths()["cam"].readers == 0, "end of the reader")


def test_teardown_ends_the_path_and_its_readers(server: LiveServer) -> None:
    with RawClient(server) as publisher, RawClient(server) as reader:
        publisher.publish("cam", h264_sdp())
        reader.play("cam")
        assert publisher.request("TEARDOWN", "cam").status == 200
        assert reader.closed()
        assert [server.changes.get(timeout=5).kind for _ in range(2)] == ["published", "gone"]
        publisher.publish("cam", h264_sdp())  # the same connection may begin anew


def test_second_publisher_takes_over(server: LiveServer) -> None:
    with RawClient(server) as first, RawClient(server) as second:
        first.publish("cam", h264_sdp())
        second.publish("cam", h264_sdp())
        assert first.closed()
        kinds = [server.changes.get(timeout=5).kind for _ in range(3)]
        assert kinds == ["published", "gone", "published"]


def test_second_publisher_is_refused_where_configured() -> None:
    with ExitStack() as stack:
        server = stack.enter_context(serving(RtspServerOptions(port=0, replace_publisher=False)))
        first, second = (stack.enter_context(RawClient(server)) for _ in range(2))
        first.publish("cam", h264_sdp())
        assert second.announce("cam", h264_sdp()).status == 403
        assert first.request("OPTIONS", "cam").status == 200


@pytest.mark.parametrize(
    ("method", "path", "headers", "status"),
    [
        ("DESCRIBE", "nobody", {}, 404),
        ("SETUP", "nobody/trackID=0", TCP, 404),
        ("SETUP", "cam/trackID=7", TCP, 404),
        ("SETUP", "cam/trackID=0", {}, 461),
        ("SETUP", "cam/trackID=0", {"Transport": "RTP/AVP;multicast"}, 461),
        ("SETUP", "cam/trackID=0", {"Transport": "RTP/SAVP;unicast;client_port=1-2"}, 461),
        ("SETUP", "cam/trackID=0", {"Transport": "RTP/AVP/TCP;interleaved=0-5"}, 461),
        ("PLAY", "cam", {}, 454),
        ("PLAY", "cam", {"Session": "unknown"}, 454),
        ("RECORD", "cam", {}, 454),
        ("TEARDOWN", "cam", {}, 454),
        ("GET_PARAMETER", "cam", {}, 200),
        ("OPTIONS", "cam", {}, 200),
        ("REDIRECT", "cam", {}, 501),
        ("ANNOUNCE", "x", {}, 415),
        ("ANNOUNCE", "../x", {}, 400),
        ("ANNOUNCE", "x", {"Content-Type": "application/sdp"}, 400),
    ],
)
def test_statuses(
    server: LiveServer, method: str, path: str, headers: dict[str, str], status: int
) -> None:
    with RawClient(server) as publisher, RawClient(server) as client:
        publisher.publish("cam", h264_sdp())
        assert client.request(method, path, headers).status == status
        assert client.request("OPTIONS", "cam").status == 200  # the connection goes on


def test_states(server: LiveServer) -> None:
    with RawClient(server) as client:
        assert client.announce("cam", h264_sdp(2)).status == 200
        assert client.announce("cam", h264_sdp(2)).status == 455
        record = {"Transport": "RTP/AVP/TCP;unicast;interleaved=0-1;mode=record"}
        assert client.request("SETUP", "cam/streamid=0", record).status == 200
        assert client.request("SETUP", "cam/streamid=0", record).status == 455
        assert client.request("SETUP", "cam/streamid=1", record).status == 461  # channels taken
        assert client.request("RECORD", "cam").status == 455  # one track is missing
        assert client.request("PLAY", "cam").status == 455
        assert client.request("PAUSE", "cam").status == 455
        free = {"Transport": "RTP/AVP/TCP;unicast;mode=record"}
        answer = client.request("SETUP", "cam/streamid=1", free)
        assert "interleaved=2-3" in (answer.header("Transport") or "")
        assert client.request("RECORD", "cam").status == 200
        assert client.request("RECORD", "cam").status == 200


def test_udp_can_be_switched_off() -> None:
    with serving(RtspServerOptions(port=0, udp=False)) as server, RawClient(server) as client:
        client.announce("cam", h264_sdp())
        both = "RTP/AVP;unicast;client_port=5000-5001,RTP/AVP/TCP;unicast"
        answer = client.request("SETUP", "cam/streamid=0", {"Transport": both})
        assert (answer.header("Transport") or "").startswith("RTP/AVP/TCP")


def test_request_without_cseq_is_refused(server: LiveServer) -> None:
    with RawClient(server) as client:
        client.sock.sendall(b"OPTIONS * RTSP/1.0\r\n\r\n")
        assert client.response().status == 400


def test_session_of_another_connection_needs_its_identifier(server: LiveServer) -> None:
    with RawClient(server) as publisher, RawClient(server) as stranger:
        publisher.publish("cam", h264_sdp())
        assert stranger.request("TEARDOWN", "cam").status == 454
        assert "-" not in publisher.session
        assert len(publisher.session) >= 16


def test_keepalive_states_a_timeout(server: LiveServer) -> None:
    with RawClient(server) as publisher, RawClient(server) as reader:
        publisher.publish("cam", h264_sdp())
        reader.play("cam")
        answer = reader.request("GET_PARAMETER", "cam")
        assert answer.header("Session") == f"{reader.session};timeout=54"


USERS = (
    RtspUser("cam", "s3cret", publish=("site/*",)),
    RtspUser("eye", "passw0rd", read=("*",)),
)


def test_wrong_passwords_end_the_connection_and_are_not_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    with serving(RtspServerOptions(port=0, users=USERS)) as server, RawClient(server) as client:
        first = client.announce("site/cam", h264_sdp())
        assert first.status == 401
        assert (first.header("WWW-Authenticate") or "").startswith("Digest ")
        for _ in range(3):
            headers = {"Authorization": "Basic Y2FtOmd1ZXNzZWQ="}
            assert client.request("DESCRIBE", "site/cam", headers).status == 401
        assert client.closed()
    assert "guessed" not in caplog.text
    assert "Y2FtOmd1ZXNzZWQ" not in caplog.text


def test_known_user_without_the_right_is_forbidden() -> None:
    with serving(RtspServerOptions(port=0, users=USERS)) as server, RawClient(server) as client:
        headers = {"Authorization": "Basic Y2FtOnMzY3JldA=="}
        assert client.request("DESCRIBE", "site/cam", headers).status == 403


def test_slow_reader_does_not_hold_up_others() -> None:
    limits = RtspLimits(reader_queue_bytes=200_000)
    with ExitStack() as stack:
        server = stack.enter_context(serving(RtspServerOptions(port=0, limits=limits)))
        publisher = stack.enter_context(RawClient(server))
        publisher.publish("cam", h264_sdp())
        slow = stack.enter_context(RawClient(server, receive_buffer=4096))
        good = stack.enter_context(RawClient(server))
        slow.play("cam")
        good.play("cam")
        payload = b"\x41" + bytes(1300)
        sent = []
        for number in range(12_000):
            nal = b"\x65" + bytes(1300) if number % 500 == 0 else payload
            sent.append((0, rtp(number, number * 90, nal)))
            if number % 500 == 499:
                send_media(publisher, *(packet for _, packet in sent[-500:]))
                assert good.read_frames(500) == sent[-500:]
        info = server.paths()["cam"]
        assert info.packets_dropped > 1000
        slow.sock.settimeout(5)
        send_media(publisher, rtp(12_000, 2_000_000, IDR))
        times: list[int] = []
        while not times or times[-1] != 2_000_000:
            times += [int.from_bytes(p[4:8], "big") for _, p in slow.read_frames(1)]
        assert times == sorted(times)
        resumed = [b for a, b in pairwise(times) if b - a > 90]
        assert all(moment % (500 * 90) == 0 for moment in resumed[:-1])  # at key pictures


def test_connections_beyond_the_limit_are_closed() -> None:
    options = RtspServerOptions(port=0, limits=RtspLimits(connections=2))
    with serving(options) as server, RawClient(server) as one, RawClient(server) as two:
        assert one.request("OPTIONS", "").status == 200
        assert two.request("OPTIONS", "").status == 200
        with RawClient(server) as three:
            assert three.closed()
        assert one.request("OPTIONS", "").status == 200


def test_sessions_beyond_the_limit_are_refused() -> None:
    options = RtspServerOptions(port=0, limits=RtspLimits(sessions=1))
    with serving(options) as server, RawClient(server) as one, RawClient(server) as two:
        one.publish("cam", h264_sdp())
        assert two.announce("other", h264_sdp()).status == 503
        assert two.request("SETUP", "cam/trackID=0", TCP).status == 503


def test_refused_setups_leave_no_session_behind() -> None:
    options = RtspServerOptions(port=0, limits=RtspLimits(sessions=2))
    with serving(options) as server, RawClient(server) as one, RawClient(server) as two:
        one.publish("cam", h264_sdp())
        for _ in range(5):
            assert two.request("SETUP", "cam/trackID=0", {}).status == 461
        assert two.request("SETUP", "cam/trackID=0", TCP).status == 200


QUICK = RtspTimeouts(request_s=0.3, idle_s=1.0, session_s=1.0, publisher_s=0.5)


@pytest.mark.parametrize("beginning", [b"", b"OPTIONS * RTSP/1.0\r\n", b"$\x00\xff\xff"])
def test_dawdling_clients_are_closed(beginning: bytes) -> None:
    with serving(RtspServerOptions(port=0, timeouts=QUICK)) as server, RawClient(server) as client:
        client.sock.sendall(beginning)
        began = time.monotonic()
        assert client.closed()
        assert time.monotonic() - began < 3


def test_a_request_in_drops_is_closed_too() -> None:
    with serving(RtspServerOptions(port=0, timeouts=QUICK)) as server, RawClient(server) as client:
        began = time.monotonic()
        with pytest.raises(OSError):
            while time.monotonic() - began < 5:
                client.sock.sendall(b"O")
                time.sleep(0.05)
        assert time.monotonic() - began < 3


def test_idle_connection_is_closed() -> None:
    with serving(RtspServerOptions(port=0, timeouts=QUICK)) as server, RawClient(server) as client:
        assert client.request("OPTIONS", "").status == 200
        assert client.closed()


def test_silent_publisher_is_gone() -> None:
    with serving(RtspServerOptions(port=0, timeouts=QUICK)) as server, RawClient(server) as client:
        client.publish("cam", h264_sdp())
        send_media(client, rtp(1, 0, IDR))
        assert client.closed()
        wait_for(lambda: not server.paths(), "end of the path")


def test_silent_udp_reader_is_gone() -> None:
    timeouts = RtspTimeouts(session_s=1.0)
    with ExitStack() as stack:
        server = stack.enter_context(serving(RtspServerOptions(port=0, timeouts=timeouts)))
        publisher = stack.enter_context(RawClient(server))
        reader = stack.enter_context(RawClient(server))
        publisher.publish("cam", h264_sdp())
        offer = {"Transport": "RTP/AVP;unicast;client_port=18580-18581"}
        assert reader.request("SETUP", "cam/trackID=0", offer).status == 200
        assert reader.request("PLAY", "cam").status == 200
        assert server.paths()["cam"].readers == 1
        wait_for(lambda: server.paths()["cam"].readers == 0, "end of the reader")


def test_client_that_reads_no_answers_is_closed(server: LiveServer) -> None:
    with RawClient(server, receive_buffer=4096) as client:
        flood = b"OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n\r\n" * 1000
        with pytest.raises(OSError):
            for _ in range(1000):
                client.sock.sendall(flood)


def test_damaged_media_is_counted_and_harmless(server: LiveServer) -> None:
    with RawClient(server) as publisher, RawClient(server) as reader:
        publisher.publish("cam", h264_sdp())
        reader.play("cam")
        send_media(publisher, b"", b"\x80", bytes(40), rtp(1, 0, b""), rtp(1, 0, IDR))
        send_media(publisher, b"", b"\x80\xc8\xff\xff", channel=1)
        assert (0, rtp(1, 0, IDR)) in reader.read_frames(1)
        wait_for_packets(server, "cam", 7)
        assert server.paths()["cam"].packets_dropped == 4


lines = st.sampled_from(
    [
        b"ANNOUNCE rtsp://h/cam RTSP/1.0\r\n",
        b"SETUP rtsp://h/cam/streamid=0 RTSP/1.0\r\n",
        b"SETUP rtsp://h/cam/trackID=0 RTSP/1.0\r\n",
        b"RECORD rtsp://h/cam RTSP/1.0\r\n",
        b"PLAY rtsp://h/cam RTSP/1.0\r\n",
        b"PAUSE rtsp://h/cam RTSP/1.0\r\n",
        b"TEARDOWN rtsp://h/cam RTSP/1.0\r\n",
        b"CSeq: 1\r\n",
        b"Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n",
        b"Transport: RTP/AVP;unicast;client_port=18582-18583\r\n",
        b"Content-Type: application/sdp\r\n",
        b"Content-Length: %d\r\n\r\n%b" % (len(h264_sdp()), h264_sdp()),
        b"\r\n",
        frame_to_bytes(0, rtp(1, 0, IDR)),
        frame_to_bytes(1, sender_report(1, 1)),
        frame_to_bytes(0, b"\x80"),
    ]
)


def test_server_survives_any_conversation_and_forgets_it() -> None:
    timeouts = RtspTimeouts(session_s=0.5, publisher_s=0.5)
    with serving(RtspServerOptions(port=0, timeouts=timeouts)) as server:

        @given(st.lists(lines | st.binary(max_size=20), max_size=40))
        @settings(max_examples=80, deadline=None)
        def converse(pieces: list[bytes]) -> None:
            with RawClient(server) as client:
                client.sock.sendall(b"".join(pieces))
                client.sock.shutdown(socket.SHUT_WR)
                client.closed()
            with RawClient(server) as client:
                assert client.request("OPTIONS", "").status == 200

        converse()  # pylint: disable=no-value-for-parameter  # hypothesis gives it
        wait_for(lambda: not server.server.connections, "end of all connections")
        wait_for(lambda: not server.server.sessions, "end of all sessions")
        assert not server.paths()


def test_occupied_port_is_said_so(server: LiveServer) -> None:
    async def scenario() -> None:
        with pytest.raises(PortInUseError, match=f"RTSP port {server.port} "):
            await RtspServer(RtspServerOptions(port=server.port)).start()
        with pytest.raises(ConfigError, match="cannot be listened on"):
            await RtspServer(RtspServerOptions(host="203.0.113.1", port=0)).start()

    asyncio.run(scenario())


def test_changes_tell_present_and_future_paths(server: LiveServer) -> None:
    seen: list[PathChange] = []

    async def watch() -> None:
        async for change in server.server.changes():
            seen.append(change)

    with RawClient(server) as one, RawClient(server) as two:
        one.publish("one", h264_sdp())
        watcher = asyncio.run_coroutine_threadsafe(watch(), server.loop)
        wait_for(lambda: len(seen) == 1, "the present path")
        two.publish("two", h264_sdp())
        wait_for(lambda: len(seen) == 2, "the new path")
        asyncio.run_coroutine_threadsafe(server.server.close(), server.loop).result(5)
        watcher.result(5)
    assert [(change.kind, change.path.name) for change in seen[:2]] == [
        ("published", "one"),
        ("published", "two"),
    ]
    assert sorted((c.kind, c.path.name) for c in seen[2:]) == [("gone", "one"), ("gone", "two")]


def test_close_ends_clients_that_do_not_read() -> None:
    with ExitStack() as stack:
        with serving() as server:
            publisher = stack.enter_context(RawClient(server))
            publisher.publish("cam", h264_sdp())
            reader = stack.enter_context(RawClient(server, receive_buffer=4096))
            reader.play("cam")
            big = b"\x65" + bytes(1300)
            send_media(publisher, *(rtp(n, n, big) for n in range(4000)))
            wait_for_packets(server, "cam", 4000)
            began = time.monotonic()
        assert time.monotonic() - began < 3
        assert publisher.closed()


def test_options_may_come_without_a_path(server: LiveServer) -> None:
    with RawClient(server) as client:
        answer = client.send(Request("OPTIONS", "*"))
        assert "RECORD" in (answer.header("Public") or "")
