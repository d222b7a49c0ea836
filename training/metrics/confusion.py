"""Figures of a classifier from its confusion matrix."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.box import SIMPLE_HEAD
from rich.table import Table


@dataclass(frozen=True, slots=True, eq=False)
class Confusion:
    """How often which class was taken for which.

    Attributes:
        labels: Names of the classes.
        counts: (C, C) int: rows are the truth, columns the answer.
    """

    labels: tuple[str, ...]
    counts: NDArray[np.int64]

    @classmethod
    def from_pairs(cls, labels: tuple[str, ...], pairs: Iterable[tuple[str, str]]) -> Confusion:
        """Count (truth, answer) pairs of label names.

        Raises:
            ValueError: A name is not among the labels.
        """
        counts = np.zeros((len(labels), len(labels)), np.int64)
        for truth, answer in pairs:
            counts[labels.index(truth), labels.index(answer)] += 1
        return cls(labels, counts)

    @classmethod
    def from_ids(
        cls,
        labels: tuple[str, ...],
        truth: NDArray[np.integer],
        answers: NDArray[np.integer],
    ) -> Confusion:
        """Count pairs of label ids: truth (N,) and answers (N,), each below ``len(labels)``."""
        size = len(labels)
        flat = np.bincount(truth * size + answers, minlength=size * size)
        return cls(labels, flat.reshape(size, size))

    @property
    def total(self) -> int:
        """Number of pairs."""
        return int(self.counts.sum())

    @property
    def accuracy(self) -> float:
        """Share of right answers; 0 where there is none."""
        return float(np.trace(self.counts) / max(1, self.total))

    def recall(self) -> dict[str, float]:
        """Return for each class that occurs the share of it that was found."""
        totals = self.counts.sum(axis=1)
        return {
            label: float(self.counts[i, i] / totals[i])
            for i, label in enumerate(self.labels)
            if totals[i]
        }

    def precision(self) -> dict[str, float]:
        """Return for each class that was answered the share of these answers that was right."""
        totals = self.counts.sum(axis=0)
        return {
            label: float(self.counts[i, i] / totals[i])
            for i, label in enumerate(self.labels)
            if totals[i]
        }

    def f1(self) -> dict[str, float]:
        """Return for each class that occurs or was answered the harmonic mean of both shares."""
        both = self.counts.sum(axis=0) + self.counts.sum(axis=1)
        return {
            label: float(2 * self.counts[i, i] / both[i])
            for i, label in enumerate(self.labels)
            if both[i]
        }

    def to_dict(self) -> dict[str, Any]:
        """Return the figures as JSON values, rounded to four digits."""
        return {
            "count": self.total,
            "accuracy": round(self.accuracy, 4),
            "recall": {label: round(value, 4) for label, value in self.recall().items()},
            "precision": {label: round(value, 4) for label, value in self.precision().items()},
            "f1": {label: round(value, 4) for label, value in self.f1().items()},
            "labels": list(self.labels),
            "confusion": self.counts.tolist(),
        }

    def to_table(self, title: str) -> Table:
        """Return a table for the terminal: one row per true class that occurs."""
        table = Table(
            title=f"{title}: {self.accuracy:.1%} of {self.total}",
            title_justify="left",
            box=SIMPLE_HEAD,
            padding=(0, 0, 0, 1),  # a dozen columns fit into a terminal of 80
        )
        table.add_column("truth")
        table.add_column("found", justify="right")
        for label in self.labels:
            table.add_column(label, justify="right")
        recall = self.recall()
        for label, row in zip(self.labels, self.counts, strict=True):
            if row.sum():
                cells = [str(count) if count else "·" for count in row]
                table.add_row(label, f"{recall[label]:.0%}", *cells)
        return table
