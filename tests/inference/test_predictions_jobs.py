"""Jobs: their states, how long they are kept, and keys that make one of many requests."""

from __future__ import annotations

import csv
import io
import tempfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.prediction import Prediction
from inference.predictions.errors import (
    CancelledJobError,
    KeyReusedError,
    NoResultError,
    UnknownJobError,
)
from inference.predictions.jobs import Job, JobState, JobStore, Video, Work
from inference.predictions.process import Scored
from inference.predictions.views import csv_line, job_json, result_csv, result_json
from inference.predictions.wire import Progress

PREDICTION = Prediction(
    label="walk", probability=0.9, scores={"walk": 0.9}, segments=[], model="m@1", duration_s=2.0
)
WINDOWS = b'{"labels":["walk"],"start":[0.0],"end":[1.28],"scores":[[0.9]]}'


def new_job(*states: JobState, batch: bool = False) -> Job:
    """A job with a video in each state."""
    works = []
    for number, state in enumerate(states):
        with tempfile.TemporaryFile(buffering=0) as file:
            pass
        work = Work(Video(f"{number}.mp4", file, "x"), "m", state)
        if state is JobState.DONE:
            work.scored = Scored(PREDICTION, WINDOWS)
        elif state.final:
            work.error = CancelledJobError("No.")
        works.append(work)
    return Job(works, batch, 100.0)


@pytest.mark.parametrize(
    ("states", "whole"),
    [
        ("queued queued", "queued"),
        ("done queued", "running"),
        ("running queued", "running"),
        ("done failed", "done"),
        ("failed failed", "failed"),
        ("done cancelled", "cancelled"),
    ],
)
def test_the_state_of_a_job_is_that_of_its_videos(states: str, whole: str) -> None:
    job = new_job(*(JobState(state) for state in states.split()))
    assert job.state == whole


def test_progress_reaches_one_at_the_end_only() -> None:
    job = new_job(JobState.RUNNING, JobState.DONE)
    assert job.progress == 0.5
    job.works[0].progress = Progress(99.0, 10.0)
    assert 0.9 < job.progress < 1.0


def test_finished_jobs_are_forgotten_by_age_number_and_size() -> None:
    store = JobStore(keep_s=60, max_finished=2, max_bytes=10_000)
    jobs = [new_job(JobState.DONE) for _ in range(3)]
    for now, job in enumerate(jobs):
        store.add(job, f"key {now}", "f")
        store.finish(job, float(now))
    with pytest.raises(UnknownJobError):
        store.get(jobs[0].id)
    assert store.repeated("key 0", "other") is None
    assert store.get(jobs[2].id) is jobs[2]
    store.forget(61.5)
    assert list(store) == [jobs[2]]
    large = new_job(JobState.DONE)
    large.works[0].scored = Scored(PREDICTION, bytes(20_000))
    store.add(large, None, "f")
    store.finish(large, 61.6)
    assert list(store) == [large]


def test_running_jobs_are_never_forgotten() -> None:
    store = JobStore(keep_s=1, max_finished=1)
    job = new_job(JobState.RUNNING)
    store.add(job, None, "f")
    store.forget(1e9)
    assert store.get(job.id) is job


def test_a_key_stands_for_one_request() -> None:
    store = JobStore(keep_s=60)
    job = new_job(JobState.QUEUED)
    assert store.repeated("key", "f") is None
    store.add(job, "key", "f")
    assert store.repeated("key", "f") is job
    assert store.repeated(None, "f") is None
    with pytest.raises(KeyReusedError):
        store.repeated("key", "g")


def test_results_are_written_in_both_forms() -> None:
    job = new_job(JobState.DONE, JobState.CANCELLED, batch=True)
    with pytest.raises(NoResultError):
        result_json(job)
    job.works[1].state = JobState.FAILED
    assert b'"code":"cancelled"' in result_json(job)
    assert b'"windows":{"labels"' in result_json(job, windows=True)
    assert b'"result":{"predictions":[' in job_json(job)
    assert list(result_csv(job)) == ["video,start,end,walk\n", "0.mp4,0.0,1.28,0.9000\n"]


@given(st.lists(st.text(st.characters(codec="utf-8"), min_size=1), min_size=1))
def test_csv_is_read_back(fields: list[str]) -> None:
    (row,) = csv.reader(io.StringIO(csv_line(fields), newline=""), strict=True)
    assert row == fields
