"""What is wrong with a dataset before a model learns it: `check_dataset` says so.

`measure` looks into the videos, `pictures`, `leaks`, `marks` and `balance` each judge one side,
`report` shows what they found.
"""

from training.datasets.checking.check import Check, check_dataset
from training.datasets.checking.findings import Case, Finding, Severity
from training.datasets.checking.report import write_report

__all__ = ["Case", "Check", "Finding", "Severity", "check_dataset", "write_report"]
