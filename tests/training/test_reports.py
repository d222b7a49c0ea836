"""Reports: figures by hand, a page that keeps hostile names apart, files of results of any kind."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from contracts.errors import ActionstreamError, ConfigError, SourceNotFoundError
from training.evaluate import Answers
from training.metrics.spans import Spans
from training.reports import classification, detection
from training.reports.document import Origin, make_document, write_report
from training.reports.markup import element, to_html
from training.reports.page import render_page
from training.reports.rates import rate
from training.reports.results import read_results
from training.reports.terminal import print_document

_EVIL = '<script>alert("&")</script>'
_ORIGIN = Origin("m@1", "d", "actionstream evaluate", datetime(2026, 11, 20, tzinfo=UTC))

_TRUTH = Spans.from_rows(
    [("v", "a", 0.0, 10.0, 1.0), ("v", "b", 20.0, 30.0, 1.0), ("w", "a", 5.0, 9.0, 1.0)]
)
_FOUND = Spans.from_rows(
    [
        ("v", "a", 0.0, 10.0, 0.9),  # right
        ("v", "a", 20.0, 30.0, 0.8),  # wrong label: b is there
        ("w", "a", 50.0, 60.0, 0.2),  # nothing there
        ("x", "c", 0.0, 1.0, 0.1),  # no such video, no such label
    ]
)


def _answers(labels: tuple[str, ...] = ("a", "b", "c")) -> Answers:
    """Four clips: a, a, b right; the second a is taken for b."""
    scores = [[0.8, 0.1, 0.1], [0.2, 0.7, 0.1], [0.1, 0.6, 0.3], [0.9, 0.05, 0.05]]
    return Answers(
        labels=labels,
        items=np.array(["p", "q", "r", "s"]),
        times_s=np.arange(4.0),
        truth=np.array([0, 0, 1, 0]),
        scores=np.array(scores),
    )


def _document(*sections: dict[str, Any]) -> dict[str, Any]:
    return make_document(_ORIGIN, sections)


class _Tags(HTMLParser):
    """Reads a page as a browser would: its tags, their references, its text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.references: list[str] = []
        self.text = ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.references += [value or "" for name, value in attrs if name in ("src", "href")]

    def handle_data(self, data: str) -> None:
        self.text += data


def test_classification_by_hand() -> None:
    """Shares with their counts, averages and confusions of four clips."""
    section = classification.make_section("t", _answers(), "clips")
    assert section["accuracy"] == rate(3, 4)
    assert section["accuracy"]["value"] == 0.75
    assert section["confused"] == [{"truth": "a", "answer": "b", "count": 1, "of": 3}]
    assert section["macro_f1"] == pytest.approx((0.8 + 2 / 3) / 2, abs=1e-4)
    by_label = {row["label"]: row for row in section["per_class"]}
    assert by_label["a"]["recall"] == rate(2, 3)
    assert by_label["c"]["f1"] is None
    assert by_label["c"]["recall"]["value"] is None
    assert sum(entry["count"] for entry in section["reliability"]) == 4
    (worst,) = section["worst"]
    assert (worst["item"], worst["truth_score"], worst["answer_score"]) == ("q", 0.2, 0.7)


def test_scores_over_time_of_a_wrong_clip() -> None:
    """The windows of the clip that was wrong, and only these."""
    windows = Answers(
        labels=("a", "b", "c"),
        items=np.array(["q", "p", "q"]),
        times_s=np.array([0.5, 0.5, 1.5]),
        truth=np.array([0, 0, 0]),
        scores=np.array([[0.3, 0.6, 0.1], [1.0, 0.0, 0.0], [0.1, 0.8, 0.1]]),
    )
    (worst,) = classification.make_section("t", _answers(), "clips", windows)["worst"]
    assert worst["times_s"] == [0.5, 1.5]
    assert worst["truth_scores"] == [0.3, 0.1]
    assert worst["answer_scores"] == [0.6, 0.8]


def test_detection_by_hand() -> None:
    """One of three found; each error is named; unknown videos and labels count as false."""
    judged = detection.Judged(_TRUTH, _FOUND, live=True, durations={"v": 40, "w": 20, "x": 60})
    section = detection.make_section("t", judged)
    point = section["operating_point"]
    assert (point["recall"], point["precision"]) == (rate(1, 3), rate(1, 4))
    assert (point["false"], point["false_per_hour"]) == (3, 90.0)
    assert section["map"]["activitynet"]["map"] == [0.25] * 10
    assert section["foreign_labels"] == {"c": 1}
    assert section["confused"] == [{"truth": "b", "answer": "a", "count": 1}]
    outcomes = section["errors"]["outcomes"]
    assert (outcomes["wrong label"], outcomes["background"], section["errors"]["missed"]) == (
        1,
        1,
        2,
    )
    first = section["timelines"][0]
    assert (first["video"], [block["right"] for block in first["found"]]) == ("v", [True, False])
    assert [block["found"] for block in first["truth"]] == [True, False]


def test_best_threshold_is_that_of_highest_f1() -> None:
    """Of scored detections only those above it count at the operating point."""
    point = detection.make_section("t", detection.Judged(_TRUTH, _FOUND))["operating_point"]
    assert point["threshold"] == 0.9
    assert (point["recall"], point["precision"]) == (rate(1, 3), rate(1, 1))
    assert point["false_per_hour"] is None


def test_ambiguous_spans_are_neither_right_nor_wrong() -> None:
    """The detection on nothing is pardoned where the truth is not sure."""
    ignored = Spans.from_rows([("w", "Ambiguous", 49.0, 61.0, 1.0)])
    judged = detection.Judged(_TRUTH, _FOUND, ignored=ignored, live=True)
    assert detection.make_section("t", judged)["operating_point"]["precision"] == rate(1, 3)


def test_what_the_data_cannot_show_is_said() -> None:
    """No video without an action; no lengths; a video that the truth does not name."""
    notes = " ".join(detection.make_section("t", detection.Judged(_TRUTH, _FOUND))["notes"])
    assert "false alarms in videos without any are not measured" in notes
    assert "nothing is given by the hour" in notes
    assert "1 detections lie in videos that the truth does not name" in notes


@pytest.mark.parametrize(
    "section",
    [
        classification.make_section("t", _answers(), "clips"),
        classification.make_section(
            "t",
            Answers(("a",), np.zeros(0, np.str_), np.zeros(0), np.zeros(0, int), np.zeros((0, 1))),
            "windows",
        ),
        detection.make_section("t", detection.Judged(_TRUTH, _FOUND)),
        detection.make_section("t", detection.Judged(_TRUTH, Spans.from_rows([]), live=True)),
        detection.make_section("t", detection.Judged(Spans.from_rows([]), _FOUND)),
    ],
    ids=["clips", "no windows", "detections", "nothing found", "no truth"],
)
def test_every_section_can_be_shown(section: dict[str, Any], tmp_path: Path) -> None:
    """As a page, as JSON and on a terminal of 80 columns; empty ones say so."""
    document = _document(section)
    page = write_report(document, tmp_path / "new" / "folder")
    assert json.loads(page.with_name("report.json").read_text(encoding="utf-8")) == document
    assert sorted(file.name for file in page.parent.iterdir()) == ["report.html", "report.json"]
    console = Console(width=80, record=True, quiet=False, force_terminal=False)
    with console.capture() as shown:
        print_document(document, console)
    assert max(map(len, shown.get().splitlines())) <= 80


def test_page_needs_nothing_else() -> None:
    """No script, no other file, no network; both schemes and print."""
    page = render_page(
        _document(
            classification.make_section("t", _answers(), "clips"),
            detection.make_section("t", detection.Judged(_TRUTH, _FOUND)),
        )
    )
    seen = _Tags(page)
    assert not seen.tags & {"script", "link", "img", "iframe", "object"}
    assert all(reference.startswith("#") for reference in seen.references)
    assert "url(" not in page
    assert "prefers-color-scheme: dark" in page
    assert "@media print" in page
    assert len(page) < 100_000


def test_hostile_names_are_only_text() -> None:
    """Labels, videos, notes and commands are written as they are, and nothing of them is markup."""
    labels = (_EVIL, "b", "\ud800")
    truth = Spans.from_rows([(_EVIL, _EVIL, 0.0, 1.0, 1.0)])
    document = make_document(
        Origin(_EVIL, _EVIL, _EVIL, datetime.now(UTC)),
        [
            classification.make_section(_EVIL, _answers(labels), "clips", notes=[_EVIL]),
            detection.make_section(_EVIL, detection.Judged(truth, truth, notes=(_EVIL,))),
        ],
    )
    page = render_page(document)
    seen = _Tags(page)
    assert "script" not in seen.tags
    assert seen.text.count(_EVIL) > 10
    page.encode("utf-8")


@settings(deadline=None, max_examples=50)
@given(st.text(), st.text())
def test_text_and_attributes_come_back(text: str, value: str) -> None:
    """What is put into an element is what a browser reads there."""
    page = to_html(element("html", element("p", text), title=value))

    class Reader(_Tags):
        """Remembers the title."""

        title = ""

        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            super().handle_starttag(tag, attrs)
            self.title = dict(attrs).get("title") or self.title

    seen = Reader(page)
    told = seen.text.removesuffix("\n").lstrip("\n")
    assert told.replace("\r", "") == text.lstrip("\n").replace("\r", "")
    assert seen.title == value


def test_page_shows_only_numbers_of_the_document() -> None:
    """Another number in the document is another number on the page."""
    section = classification.make_section("t", _answers(), "clips")
    section["accuracy"]["value"] = 0.4321
    assert "43.2%" in render_page(_document(section))


def test_passwords_do_not_reach_a_report() -> None:
    """A command may name a broker or a camera."""
    origin = Origin(
        "m", "d", "actionstream evaluate --set mqtt.url=mqtt://u:secret@h", _ORIGIN.made_at
    )
    assert "secret" not in render_page(make_document(origin, []))


def test_a_report_that_cannot_be_written(tmp_path: Path) -> None:
    """Says where; nothing half is left."""
    (tmp_path / "file").write_text("x", encoding="utf-8")
    with pytest.raises(ActionstreamError, match="cannot be written to"):
        write_report(_document(), tmp_path / "file")


def _detections() -> st.SearchStrategy[list[tuple[str, str, float, float, float]]]:
    name = st.text(st.characters(codec="utf-8", exclude_characters="\r\n\x00"), min_size=1)
    number = st.floats(0, 1e6)
    row = st.tuples(name, name, number, number, st.floats(-10, 10))
    return st.lists(row.map(lambda r: (r[0], r[1], min(r[2:4]), max(r[2:4]), r[4])), max_size=8)


@settings(deadline=None, max_examples=50)
@given(_detections())
def test_submissions_are_read_as_written(rows: list[tuple[str, str, float, float, float]]) -> None:
    """ActivityNet's JSON keeps every name and number."""
    results: dict[str, list[dict[str, Any]]] = {}
    for video, label, start, end, score in rows:
        entry = {"label": label, "segment": [start, end], "score": score}
        results.setdefault(video, []).append(entry)
    with TemporaryDirectory() as folder:
        path = Path(folder) / "r.json"
        path.write_text(json.dumps({"version": "1.3", "results": results}), encoding="utf-8")
        spans = read_results(path)
    found = zip(spans.videos, spans.labels, spans.start_s, spans.end_s, spans.scores, strict=True)
    assert sorted(found) == sorted(rows)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("r.json", "{", "is not JSON"),
        ("r.json", "[]", "holds no `results`"),
        ("r.json", '{"results": {"v": {}}}', "is no list"),
        (
            "r.json",
            '{"results": {"v": [{"label": "a", "segment": [0, 1]}]}}',
            r"\[0\] lacks 'score'",
        ),
        (
            "r.json",
            '{"results": {"v": [{"label": "a", "segment": [0], "score": 1}]}}',
            "cannot be read",
        ),
        (
            "r.json",
            '{"results": {"v": [{"label": "a", "segment": [3, 1], "score": 1}]}}',
            r"detection 1 \(video 'v'\) ends before",
        ),
        (
            "r.json",
            '{"results": {"v": [{"label": "a", "segment": [0, 1], "score": NaN}]}}',
            "score of detection 1 is no number",
        ),
        ("r.csv", "video,label,start,end\n", "no column 'score'"),
        ("r.csv", "video,label,start,end,score\nv,a,0,x,1\n", "line 2"),
        ("r.csv", "video,label,start,end,score\nv,a\n", "line 2"),
        ("r.txt", "", "neither .json nor .csv"),
    ],
)
def test_damaged_results_say_where(tmp_path: Path, name: str, text: str, message: str) -> None:
    """Every way to be wrong is a configuration error that names the place."""
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=message):
        read_results(path)


def test_results_that_are_not_there(tmp_path: Path) -> None:
    """No such file."""
    with pytest.raises(SourceNotFoundError, match="cannot be read"):
        read_results(tmp_path / "r.json")


def test_csv_with_other_names_and_order(tmp_path: Path) -> None:
    """Columns are found by name, as several tools call them."""
    path = tmp_path / "r.csv"
    path.write_text("class,video-id,t-start,t-end,score\na,v,1,2,0.5\n\n", encoding="utf-8")
    spans = read_results(path)
    assert (spans.labels[0], spans.videos[0], spans.end_s[0]) == ("a", "v", 2.0)


def test_documented_keys() -> None:
    """docs/evaluation.md names every key of a report's sections."""
    root = Path(__file__).resolve().parents[2]
    words = set(re.findall(r"`([a-z0-9_]+)`", (root / "docs/evaluation.md").read_text("utf-8")))
    sections = [
        classification.make_section("t", _answers(("a", "b", "c")), "clips", _answers()),
        detection.make_section("t", detection.Judged(_TRUTH, _FOUND)),
    ]
    assert set(_keys(_document(*sections), {"map", "outcomes", "by_rank", "map_gain"})) <= words


def _keys(value: Any, stop: set[str]) -> Iterator[str]:
    """Keys of nested values, but those that are names of classes or benchmarks."""
    if isinstance(value, list):
        for item in value:
            yield from _keys(item, stop)
    elif isinstance(value, dict):
        for key, item in value.items():
            yield key
            if key not in stop | {"foreign_labels"}:
                yield from _keys(item, stop)
