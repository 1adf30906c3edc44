"""``python -m benchmarks faults``: damaged bytes, kills, full disks and many askers, and what became of each try."""

from benchmarks.faults.command import main

__all__ = ["main"]
