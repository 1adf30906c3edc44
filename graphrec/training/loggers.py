"""Callbacks that write a training down: CSV, TensorBoard, a progress bar."""

from __future__ import annotations

import csv
import io
import math
import sys
import time
from numbers import Real
from pathlib import Path
from typing import IO, Any

from graphrec.bars import progress_bar, shows_bars
from graphrec.errors import InputError
from graphrec.tensor_files import replace_file
from graphrec.training.state import TrainingState

__all__ = ["CSVLogger", "ProgressBar", "TensorBoard"]

Row = dict[str, Any]


class CSVLogger:
    """The history as a CSV file, up to date after every epoch.

    The file is written anew and moved into place each time, so that it is whole whenever it is read, has a
    column for every value that ever occurred (validation may come only every few epochs), and after a
    resumption shows each epoch once.

    Parameters
    ----------
    path : path
        Its folder is made if need be.
    append : bool
        Keep the rows that are there from earlier trainings, as for several stages in one file; otherwise the
        file is replaced.
    """

    def __init__(self, path: str | Path, append: bool = False) -> None:
        self.path = Path(path)
        self.append = append
        self._earlier: list[Row] = []
        if self.path.is_dir():
            raise InputError(f"CSVLogger needs the name of a file, and {self.path} is a folder.")

    def on_train_begin(self, state: TrainingState) -> None:
        """Read what is to be kept."""
        self._earlier = _before(_read(self.path), state.history) if self.append and self.path.exists() else []

    def on_epoch_end(self, state: TrainingState) -> None:
        """Write the file."""
        rows = self._earlier + state.history
        text = io.StringIO()
        writer = csv.DictWriter(text, fieldnames=list(dict.fromkeys(name for row in rows for name in row)), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        replace_file(self.path, text.getvalue().encode("utf-8"))


def _read(path: Path) -> list[Row]:
    with path.open(newline="", encoding="utf-8") as file:
        return [{name: cell for name, cell in row.items() if cell != ""} for row in csv.DictReader(file)]


def _before(rows: list[Row], history: list[Row]) -> list[Row]:
    """The rows that come before a resumed training's own; all of them if it has none there."""
    if history:
        first = {name: str(value) for name, value in history[0].items()}
        for place in reversed(range(len(rows))):
            if rows[place] == first:
                return rows[:place]
    return rows


class TensorBoard:
    """Every number of the history as a TensorBoard scalar, by epoch.

    Parameters
    ----------
    folder : path
        Event files go there; ``tensorboard --logdir FOLDER`` shows them.

    Raises
    ------
    InputError
        The package tensorboard is not installed.
    """

    def __init__(self, folder: str | Path) -> None:
        _summary_writer()  # now, not after the first epoch
        self.folder = Path(folder)
        self._writer: Any = None

    def on_train_begin(self, state: TrainingState) -> None:
        """Open the event file; epochs that a broken-off training wrote and a resumed one repeats are hidden."""
        purge = state.epoch + 1 if state.history else None
        self._writer = _summary_writer()(str(self.folder), purge_step=purge)

    def on_epoch_end(self, state: TrainingState) -> None:
        """Write the epoch's numbers."""
        for name, value in state.row.items():
            if name != "epoch" and isinstance(value, Real):
                self._writer.add_scalar(name, float(value), state.epoch)
        self._writer.flush()

    def on_train_end(self, state: TrainingState) -> None:
        """Close the event file."""
        self._writer.close()


def _summary_writer() -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        raise InputError("TensorBoard needs the package tensorboard: pip install 'graphrec[tensorboard]'.") from None
    return SummaryWriter


class ProgressBar:
    """How far a training is, with the loss and the latest validation metric.

    In a terminal and in a notebook it is a bar over the epochs. Elsewhere, as in a pipe or a log file, where a bar would
    leave a heap of carriage returns, it is a line for the first epoch, for the last, and for one every `seconds` between.

    Parameters
    ----------
    metric : str, optional
        What of the history to show beside the loss.
    enabled : bool
        False shows nothing.
    file : text stream, optional
        Standard error unless given.
    seconds : float
        Least time between two lines; the first and the last epoch have theirs all the same.
    """

    def __init__(
        self, metric: str | None = None, enabled: bool = True, file: IO[str] | None = None, seconds: float = 10.0
    ) -> None:
        self.metric = metric
        self.enabled = enabled
        self.file = file
        self.seconds = seconds
        self._bar: Any = None
        self._shown: dict[str, str] = {}
        self._due = -math.inf  # when the next line may be written, where there is no bar
        self._written = 0  # the epoch of the latest line

    def on_train_begin(self, state: TrainingState) -> None:
        """Draw the bar, at the epoch where a resumed training goes on."""
        self._shown, self._bar, self._due, self._written = {}, None, -math.inf, state.epoch
        if self.enabled and shows_bars(self.file):
            self._bar = progress_bar(self.file, total=state.epochs, initial=state.epoch, unit="epoch")

    def on_epoch_end(self, state: TrainingState) -> None:
        """Move on by one epoch."""
        for name in ("loss", self.metric):
            if name in state.row:
                self._shown[name] = f"{state.row[name]:.4f}"
        if self._bar is not None:
            self._bar.set_postfix(self._shown, refresh=False)
            self._bar.update()
        elif self.enabled and time.monotonic() >= self._due:
            self._write(state)

    def on_train_end(self, state: TrainingState) -> None:
        """Leave the bar as it is, or write the last epoch's line."""
        if self._bar is not None:
            self._bar.close()
        elif self.enabled and state.epoch > self._written:
            self._write(state)

    def _write(self, state: TrainingState) -> None:
        self._due, self._written = time.monotonic() + self.seconds, state.epoch
        values = "".join(f"  {name} {value}" for name, value in self._shown.items())
        try:
            print(f"epoch {state.epoch}/{state.epochs}{values}", file=self.file or sys.stderr, flush=True)
        except (OSError, ValueError):  # nobody reads any more, and a training is worth more than its progress
            self._due = math.inf
