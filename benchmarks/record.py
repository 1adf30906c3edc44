"""Where a measurement was made, how often, and the file it goes to."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from matplotlib.figure import Figure

RESULTS = Path(os.environ.get("GRAPHREC_RESULTS") or Path(__file__).parent / "results")


def machine() -> str:
    """Processor, cores, threads and versions, in a line."""
    names = [
        line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")
    ]
    return (
        f"{names[0] if names else platform.processor()}, {len(names)} cores, {torch.get_num_threads()} threads; "
        f"Python {platform.python_version()}, torch {torch.__version__}, numpy {np.__version__}; {date.today()}"
    )


def interleaved(calls: dict[str, Callable[[], object]], rounds: int = 15, warm: int = 2) -> dict[str, list[float]]:
    """Seconds of several calls, taken in turn so that a machine whose speed drifts is fair to all of them."""
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    for turn in range(warm + rounds):
        for name, call in calls.items():
            started = time.perf_counter()
            call()
            if turn >= warm:
                seconds[name].append(time.perf_counter() - started)
    return seconds


def spread(seconds: list[float]) -> dict[str, float]:
    """Median, least and greatest, in milliseconds."""
    return {"median_ms": float(np.median(seconds)) * 1e3, "min_ms": min(seconds) * 1e3, "max_ms": max(seconds) * 1e3}


def ratio(numerator: list[float], denominator: list[float]) -> float:
    """Median of the ratios turn by turn."""
    return float(np.median(np.array(numerator) / np.array(denominator)))


def markdown(table: pd.DataFrame) -> str:
    """A table in Markdown."""
    lines = [map(str, table.columns), ["---"] * len(table.columns)]
    lines += [
        [f"{v:.4g}" if isinstance(v, float) else str(v).replace("|", "\\|") for v in row] for row in table.to_numpy(object)
    ]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def write(name: str, title: str, table: pd.DataFrame, figure: Figure) -> None:
    """Print a table and write it as Markdown and CSV, with its picture."""
    RESULTS.mkdir(parents=True, exist_ok=True)
    text = f"# {title}\n\n{machine()}\n\n{markdown(table)}\n\n![]({name}.png)\n"
    (RESULTS / f"{name}.md").write_text(text)
    table.to_csv(RESULTS / f"{name}.csv", index=False)
    figure.savefig(RESULTS / f"{name}.png", dpi=120)
    print(text, flush=True)
