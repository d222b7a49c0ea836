"""Every setting of the product, declared once with its help.

Order, the later wins: defaults, ``actionstream.yaml``, environment variables
(``ACTIONSTREAM_MQTT__PORT=1884``), command-line flags. Unknown keys are errors that name the
nearest known key.
"""

from __future__ import annotations

import difflib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import yaml
from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, model_validator

from contracts.errors import ConfigError
from contracts.messages import EventRule
from contracts.yaml_file import read_yaml

ENV_PREFIX = "ACTIONSTREAM_"
DEFAULT_FILE = Path("actionstream.yaml")
LOOPBACK = "127.0.0.1"
_LOOPBACKS = frozenset({"127.0.0.1", "localhost", "::1"})


def is_loopback(host: str) -> bool:
    """Whether an address can be reached from this machine only."""
    return host in _LOOPBACKS or host.startswith("127.")


class _Section(BaseModel):
    """Base of all sections: unknown keys are refused, values do not change after start."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class RtspUserSettings(_Section):
    """One user of the embedded RTSP server."""

    name: str = Field(min_length=1, description="user name")
    password: SecretStr = Field(description="password")
    publish: list[str] = Field([], description="paths the user may publish; `*` matches any text")
    read: list[str] = Field(["*"], description="paths the user may read; `*` matches any text")


class RtspSettings(_Section):
    """RTSP server: who serves it and where."""

    server: Literal["auto", "external", "mediamtx", "embedded"] = Field(
        "auto",
        description="`auto`: the URL if set, else `mediamtx` on PATH, else the embedded one",
    )
    url: str | None = Field(
        None, description="an RTSP server that runs elsewhere, `rtsp://host:8554`"
    )
    api_url: str | None = Field(
        None, description="that server's MediaMTX API, `http://host:9997`, to discover its paths"
    )
    host: str = Field(LOOPBACK, description="address to listen on")
    port: int = Field(8554, ge=0, le=65535, description="port to listen on")
    api_port: int = Field(
        9997, ge=0, le=65535, description="port where the server tells its paths, on loopback"
    )
    udp: bool = Field(True, description="offer UDP beside TCP")
    users: list[RtspUserSettings] = Field(
        [], description="users; none: everybody may do everything"
    )


class MqttSettings(_Section):
    """MQTT broker: which one, and how to reach it."""

    broker: Literal["auto", "external", "mosquitto", "embedded"] = Field(
        "auto",
        description="`auto`: the URL if set, else `mosquitto` on PATH, else the embedded one",
    )
    url: str | None = Field(
        None, description="a broker that runs elsewhere, `mqtt://host:1883` or `mqtts://host:8883`"
    )
    host: str = Field(LOOPBACK, description="address the started broker listens on")
    port: int = Field(1883, ge=0, le=65535, description="port the started broker listens on")
    username: str | None = Field(None, description="user name, if the broker asks for one")
    password: SecretStr | None = Field(None, description="password, if the broker asks for one")
    prefix: str = Field(
        "actionstream",
        pattern=r"^[^+#/\s]+(/[^+#/\s]+)*$",
        description="first level of every topic",
    )

    @property
    def address(self) -> str:
        """URL at which clients reach the broker."""
        return self.url or f"mqtt://{self.host}:{self.port}"


class StreamSettings(_Section):
    """One stream to analyse."""

    name: str = Field(
        pattern=r"^[^\s+#]{1,128}$", description="name, used in topics and on the page"
    )
    url: str = Field(
        min_length=1,
        description="RTSP or HTTP URL, file, directory, `/dev/video0` or `test:` pattern",
    )
    loop: bool = Field(False, description="start a file again when it ends")
    model: str | None = Field(
        None, description="name of a bundle, or the path of one; default: that of all streams"
    )
    annotate: bool = Field(
        False, description="publish the video with the scores drawn in, as `<name>/annotated`"
    )


class ModelSettings(_Section):
    """Action model."""

    name: str = Field(
        "everyday", description="name of a bundle, or the path of a bundle's directory"
    )
    directory: Path | None = Field(None, description="where bundles lie; default: those shipped")
    threads: int = Field(1, ge=1, le=64, description="threads of one inference")


class EngineSettings(_Section):
    """Sliding windows."""

    stride_s: float | None = Field(
        None, gt=0, le=60, description="time between window starts; default: the model's own"
    )
    max_lag_s: float = Field(
        2.0,
        gt=0,
        le=60,
        description="frames older than this are dropped, a whole window's worth at once",
    )
    min_filled: float = Field(
        0.5, ge=0, le=1, description="share of a window's places that frames of their own must fill"
    )


class EventSettings(_Section):
    """From scores to events."""

    smoothing_s: float = Field(
        0.2, ge=0, le=60, description="time constant of the scores' smoothing"
    )
    rule: EventRule = Field(EventRule(), description="rule for every label without one of its own")
    labels: dict[str, EventRule] = Field({}, description="rules by label")
    update_s: float = Field(1.0, gt=0, le=600, description="time between updates of one event")


class SourceSettings(_Section):
    """How streams are read."""

    transport: Literal["tcp", "udp"] = Field("tcp", description="RTSP transport")
    stall_s: float = Field(2.0, gt=0, le=600, description="without a frame for so long: stalled")
    offline_s: float = Field(6.0, gt=0, le=3600, description="without a frame for so long: offline")
    retry_max_s: float = Field(10.0, gt=0, le=600, description="longest pause between two attempts")


class HistorySettings(_Section):
    """What is kept of scores, events and feedback, in one SQLite file."""

    enabled: bool = Field(True, description="keep a history at all")
    path: Path | None = Field(
        None, description="the file; default: `history.sqlite3` in the user's data directory"
    )
    scores_days: float = Field(7.0, gt=0, le=3650, description="how long scores are kept")
    events_days: float = Field(90.0, gt=0, le=3650, description="how long events are kept")
    max_mb: int = Field(
        2000, ge=10, description="largest size of the file; beyond it the oldest scores go first"
    )


class FeedbackSettings(_Section):
    """What a person says about a span, and what is kept with it."""

    recent_s: float = Field(
        600.0,
        ge=0,
        le=3600,
        description="how long features and small pictures are at hand for feedback and events",
    )
    clips: bool = Field(False, description="keep the small pictures of a span with its feedback")


class PredictionSettings(_Section):
    """Videos that are sent to the REST API."""

    media_root: Path | None = Field(
        None, description="directory below which a request may name a video; default: none may"
    )
    max_mb: int = Field(512, ge=1, le=100_000, description="largest file")
    max_duration_s: float = Field(3600.0, gt=0, description="longest video")
    max_pixels: int = Field(3840 * 2160, ge=1, description="largest picture, width times height")
    timeout_s: float = Field(600.0, gt=0, description="longest work on one video")
    workers: int = Field(1, ge=1, le=64, description="videos worked on at once")
    queue: int = Field(16, ge=0, le=10_000, description="videos that may wait; more are refused")
    keep_s: float = Field(3600.0, gt=0, description="how long a finished job can be asked for")


class WebrtcSettings(_Section):
    """Video from and to browsers: WHEP and WHIP."""

    enabled: bool = Field(True, description="serve WHEP and WHIP beside the embedded RTSP server")
    url: str | None = Field(
        None, description="a WHEP and WHIP server that runs elsewhere, `http://host:8889`"
    )
    host: str = Field(LOOPBACK, description="address to listen on")
    port: int = Field(8889, ge=0, le=65535, description="port to listen on")
    max_viewers: int = Field(32, ge=1, le=1000, description="most browsers that watch at once")


class ApiSettings(_Section):
    """REST API of the worker."""

    host: str = Field(LOOPBACK, description="address to listen on")
    port: int = Field(8000, ge=0, le=65535, description="port to listen on")
    token: SecretStr | None = Field(
        None, description="bearer token; required as soon as the address is not loopback"
    )

    @model_validator(mode="after")
    def _token_off_loopback(self) -> ApiSettings:
        if self.token is None and not is_loopback(self.host):
            raise ValueError(f"`token` is required because {self.host} is reachable from outside")
        return self


class DashboardSettings(_Section):
    """Dashboard."""

    host: str = Field(LOOPBACK, description="address to listen on")
    port: int = Field(8050, ge=0, le=65535, description="port to listen on")
    worker_url: str = Field("http://127.0.0.1:8000", description="the worker's REST API")
    worker_token: SecretStr | None = Field(None, description="the worker's bearer token")
    window_s: float = Field(60.0, ge=10, le=3600, description="time the graph shows")
    whep_url: str | None = Field(
        None, description="the WHEP and WHIP server, for video; default: pictures alone"
    )
    read_only: bool = Field(
        False,
        description="let nobody change anything from the page; default: where the address can be "
        "reached from outside, since the page asks nobody for a password",
    )

    @model_validator(mode="before")
    @classmethod
    def _read_only_off_loopback(cls, given: Any) -> Any:
        if isinstance(given, dict) and given.get("read_only") is None:
            return given | {"read_only": not is_loopback(str(given.get("host", LOOPBACK)))}
        return given


class LogSettings(_Section):
    """Log."""

    level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="least level shown"
    )
    format: Literal["text", "json"] = Field("text", description="one line of text or JSON a record")


class Settings(_Section):
    """All settings."""

    rtsp: RtspSettings = Field(RtspSettings(), description="RTSP server")
    mqtt: MqttSettings = Field(MqttSettings(), description="MQTT broker")
    streams: Literal["auto"] | list[StreamSettings] = Field(
        "auto", description="`auto` analyses every path that someone publishes; else a list"
    )
    max_streams: int = Field(64, ge=1, le=1000, description="most streams analysed at once")
    model: ModelSettings = Field(ModelSettings(), description="action model")
    engine: EngineSettings = Field(EngineSettings(), description="sliding windows")
    events: EventSettings = Field(EventSettings(), description="from scores to events")
    source: SourceSettings = Field(SourceSettings(), description="how streams are read")
    history: HistorySettings = Field(HistorySettings(), description="history")
    feedback: FeedbackSettings = Field(FeedbackSettings(), description="feedback")
    predictions: PredictionSettings = Field(PredictionSettings(), description="videos sent in")
    webrtc: WebrtcSettings = Field(WebrtcSettings(), description="video for browsers")
    api: ApiSettings = Field(ApiSettings(), description="REST API of the worker")
    dashboard: DashboardSettings = Field(DashboardSettings(), description="dashboard")
    log: LogSettings = Field(LogSettings(), description="log")

    @model_validator(mode="after")
    def _unique_names(self) -> Settings:
        names = [] if self.streams == "auto" else [stream.name for stream in self.streams]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"two streams are called `{name}`")
        return self


def load_settings(
    file: Path | None = None,
    overrides: Mapping[str, Any] | None = None,
    environ: Mapping[str, str] | None = None,
) -> Settings:
    """Resolve the settings once, at start.

    Args:
        file: Settings file; ``None`` takes ``actionstream.yaml`` if there is one.
        overrides: Flags by dotted key, ``{"mqtt.port": 1884}``; ``None`` values are skipped.
        environ: Environment; default that of the process.

    Returns:
        The resolved, checked settings.

    Raises:
        ConfigError: File missing or unreadable, unknown key, value out of range; names the key.
    """
    tree = _read_file(file)
    origin = str(file or DEFAULT_FILE)
    for path, setting in _from_environment(os.environ if environ is None else environ):
        _put(tree, path, setting)
    for key, value in (overrides or {}).items():
        if value is not None:
            _put(tree, key.split("."), value)
    try:
        return Settings.model_validate(tree)
    except ValidationError as exc:
        raise ConfigError(_explain(exc, origin)) from exc


def known_keys(section: Any = Settings, above: str = "") -> dict[str, str]:
    """List every key with its description.

    Args:
        section: Where to start.
        above: Dotted key of that section.

    Returns:
        Dotted key to description, in order of declaration; ``[]`` stands for an item of a list and
        ``{}`` for a key that the user chooses.
    """
    keys: dict[str, str] = {}
    for name, info in section.__pydantic_fields__.items():
        key = f"{above}{name}"
        keys[key] = info.description or ""
        for model, joint in _models_in(info.annotation):
            keys |= known_keys(model, f"{key}{joint}.")
    return keys


def _models_in(annotation: Any) -> Iterator[tuple[Any, str]]:
    if hasattr(annotation, "__pydantic_fields__"):
        yield annotation, ""
    joint = {list: "[]", dict: ".{}"}.get(get_origin(annotation), "")
    for part in get_args(annotation):
        for model, inner in _models_in(part):
            yield model, joint + inner


def _read_file(file: Path | None) -> dict[str, Any]:
    if file is None:
        if not DEFAULT_FILE.exists():
            return {}
        file = DEFAULT_FILE
    return read_yaml(file)


def _from_environment(environ: Mapping[str, str]) -> Iterator[tuple[list[str], Any]]:
    for name in sorted(environ):
        # Container tools pass unset variables on as empty ones.
        if name.startswith(ENV_PREFIX) and environ[name]:
            path = name[len(ENV_PREFIX) :].lower().split("__")
            yield path, read_value(path, environ[name])


def read_value(path: Sequence[str], text: str) -> Any:
    """Read the value of a setting from text, as the environment and flags give it.

    Lists and tables are read as YAML. Everything else stays text, which the setting's own type
    then reads: a password of digits must not become a number.

    Args:
        path: Parts of the dotted key.
        text: The value.

    Raises:
        ConfigError: A list or table cannot be read.
    """
    annotation: Any = Settings
    for part in path:
        fields = getattr(annotation, "__pydantic_fields__", {})
        annotation = fields[part].annotation if part in fields else None
    is_scalar = text.lstrip()[:1] not in ("[", "{", "-")
    if is_scalar or not _holds_structure(annotation):
        return text
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as exc:
        raise ConfigError(f"The value of `{'.'.join(path)}` cannot be read: {text}") from exc


def _holds_structure(annotation: Any) -> bool:
    if get_origin(annotation) in (list, dict) or hasattr(annotation, "__pydantic_fields__"):
        return True
    return any(_holds_structure(part) for part in get_args(annotation))


def _put(tree: dict[str, Any], key: Sequence[str], value: Any) -> None:
    for part in key[:-1]:
        branch = tree.get(part)
        if not isinstance(branch, dict):
            branch = tree[part] = {}
        tree = branch
    tree[key[-1]] = value


def _explain(error: ValidationError, origin: str) -> str:
    """Turn the deepest problem into one line that names the key and what would be accepted."""
    problem = min(error.errors(), key=lambda item: -len(item["loc"]))
    loc = [str(part) for part in problem["loc"] if not str(part).startswith(("list[", "literal["))]
    key = ".".join(loc)
    if problem["type"] in ("extra_forbidden", "unexpected_keyword_argument"):
        near = difflib.get_close_matches(key, known_keys(), n=1, cutoff=0.5)
        siblings = [k for k in known_keys() if k.rpartition(".")[0] == ".".join(loc[:-1])]
        hint = f"Did you mean `{near[0]}`?" if near else f"Known: {', '.join(siblings)}."
        return f"Unknown setting `{key}` ({origin} or environment). {hint}"
    return f"Setting `{key}` ({origin}, environment or flag) is wrong: {problem['msg']}."


def settings_page() -> str:
    """The documentation of every setting, as Markdown."""
    lines = [
        "# Settings",
        "",
        "Order, the later wins: defaults, `actionstream.yaml` (or `--config FILE`), environment,",
        "flags (`--set KEY=VALUE`). In the environment, `mqtt.port` is `ACTIONSTREAM_MQTT__PORT`.",
        "Unknown keys are errors. Written by `python -m contracts.settings > docs/settings.md`.",
        "",
        "| key | what it is | default |",
        "|---|---|---|",
    ]
    defaults = Settings().model_dump(mode="json")
    for key, text in known_keys().items():
        value: Any = defaults
        for part in key.split("."):
            value = value.get(part) if isinstance(value, dict) else None
        shown = "" if value is None or isinstance(value, dict) else f"`{json.dumps(value)}`"
        lines.append(f"| `{key}` | {text} | {shown} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    print(settings_page(), end="")
