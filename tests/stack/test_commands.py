"""Commands that need no running stack, as a person calls them."""

from __future__ import annotations

import json
import socket
import subprocess
from pathlib import Path

import pytest

from stack.broadcast import DEMO_CLIP
from tests.e2e.live_stack import ACTIONSTREAM, Ports


def call(*arguments: str, folder: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Call `actionstream` and wait."""
    return subprocess.run(
        [ACTIONSTREAM, *arguments],
        capture_output=True,
        text=True,
        cwd=folder,
        timeout=60,
        check=False,
    )


def test_help_names_every_command_and_each_has_its_own() -> None:
    overview = call("--help").stdout
    names = overview.partition("Commands:")[2].split("\n")
    commands = [line.split()[0] for line in names if line.startswith("  ") and line[2] != " "]
    assert {"up", "demo", "publish", "watch", "predict", "doctor"} <= set(commands)
    for command in ("up", "demo", "publish", "watch", "predict", "doctor", "worker", "broker"):
        done = call(command, "--help")
        assert done.returncode == 0
        assert "Usage" in done.stdout


def test_doctor_finds_nothing_to_mend_on_free_ports() -> None:
    done = call("doctor", *Ports().flags())
    assert done.returncode == 0, done.stdout
    assert "will work here" in done.stdout


def test_doctor_says_which_port_is_taken() -> None:
    ports = Ports()
    with socket.socket() as other:
        other.bind(("127.0.0.1", ports.rtsp))
        other.listen()
        done = call("doctor", *ports.flags())
    assert done.returncode == 1
    assert str(ports.rtsp) in done.stdout
    assert "1 thing(s) to mend" in done.stdout


def test_models_list_and_show() -> None:
    assert "everyday@" in call("models", "list").stdout
    manifest = json.loads(call("models", "show", "everyday", "--json").stdout)
    assert manifest["name"] == "everyday"
    assert call("models", "show", "nonsense").returncode == 1


def test_predict_in_three_forms(tmp_path: Path) -> None:
    (tmp_path / "clip.mp4").symlink_to(DEMO_CLIP)
    table = call("predict", "clip.mp4", folder=tmp_path)
    assert "windows" in table.stdout
    found = json.loads(call("predict", "--json", "clip.mp4", folder=tmp_path).stdout)
    assert set(found) == {
        *("video", "label", "probability", "scores", "segments", "model", "duration_s")
    }
    rows = call("predict", "--csv", "clip.mp4", folder=tmp_path).stdout.splitlines()
    assert rows[0].startswith("video,start,end,")
    assert len(rows) > 300


def test_a_bad_file_does_not_stop_the_others(tmp_path: Path) -> None:
    (tmp_path / "bad.mp4").write_bytes(b"nothing")
    done = call("predict", "--json", "bad.mp4", str(DEMO_CLIP), folder=tmp_path)
    assert done.returncode == 1
    assert "bad.mp4" in done.stderr
    assert json.loads(done.stdout)["video"] == str(DEMO_CLIP)


def test_figures_are_drawn_with_their_truth(tmp_path: Path) -> None:
    arguments = ("--labels", "walk", "--seconds", "2", "--size", "160x120")
    assert call("data", "figures", "--out", str(tmp_path), *arguments).returncode == 0
    truth = json.loads((tmp_path / "figures.json").read_text(encoding="utf-8"))
    assert [item["label"] for item in truth["annotations"]] == ["walk"]
    assert (tmp_path / "figures.mp4").stat().st_size > 1000


@pytest.mark.parametrize("value", ["", "=1", "mqtt.port"])
def test_set_takes_a_key_and_a_value(value: str) -> None:
    done = call("doctor", "--set", value)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
