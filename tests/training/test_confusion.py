"""Figures of a confusion matrix, by hand."""

from __future__ import annotations

import pytest
from rich.console import Console

from training.metrics.confusion import Confusion

_PAIRS = [("a", "a"), ("a", "a"), ("a", "b"), ("b", "b"), ("b", "c")]


def test_figures_by_hand() -> None:
    """Accuracy, recall and precision of five answers."""
    confusion = Confusion.from_pairs(("a", "b", "c"), _PAIRS)
    assert confusion.counts.tolist() == [[2, 1, 0], [0, 1, 1], [0, 0, 0]]
    assert confusion.accuracy == pytest.approx(3 / 5)
    assert confusion.recall() == {"a": pytest.approx(2 / 3), "b": pytest.approx(1 / 2)}
    assert confusion.precision() == {"a": 1.0, "b": pytest.approx(1 / 2), "c": 0.0}
    assert confusion.to_dict()["count"] == 5


def test_nothing_counted() -> None:
    """No pair: no figure, no division by zero."""
    empty = Confusion.from_pairs(("a", "b"), [])
    assert (empty.accuracy, empty.recall(), empty.precision()) == (0.0, {}, {})


def test_unknown_label() -> None:
    """A name that is none of the labels is an error."""
    with pytest.raises(ValueError, match="not in tuple"):
        Confusion.from_pairs(("a",), [("a", "x")])


def test_table_shows_classes_that_occur() -> None:
    """One row per true class, with its share."""
    console = Console(width=100, record=True, quiet=False, file=None, force_terminal=False)
    with console.capture() as shown:
        console.print(Confusion.from_pairs(("a", "b", "c"), _PAIRS).to_table("t"))
    text = shown.get()
    assert "60.0% of 5" in text
    assert "67%" in text
