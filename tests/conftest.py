"""Fixtures shared by the tests: real data where it is, small tables with known answers otherwise."""

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

import graphrec as gr

DEVICES = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]

DATA = Path(os.environ.get("GRAPHREC_DATA") or Path(__file__).resolve().parents[2] / "shared" / "data")


@pytest.fixture(scope="session", params=DEVICES)
def device(request) -> str:
    """The CPU, and a CUDA device where there is one: on a machine without, tests/test_pretend_gpu.py makes one."""
    return request.param


@pytest.fixture(scope="session")
def data_root() -> Path:
    """The folder with real data sets; tests that need it are skipped without it."""
    if not DATA.is_dir():
        pytest.skip(f"no real data: {DATA} is absent (set GRAPHREC_DATA)")
    return DATA


@pytest.fixture(scope="session")
def movielens(data_root):
    """MovieLens-100K from the publisher's archive."""
    if not (data_root / "ml-100k.zip").exists():
        pytest.skip("ml-100k.zip is not in the data folder")
    return gr.load_dataset("ml-100k", root=data_root)


@pytest.fixture
def checkerboard() -> pd.DataFrame:
    """24 people, 20 things; even people like even things, odd like odd; each misses two of theirs."""
    rows = []
    for u in range(24):
        mine = [i for i in range(20) if i % 2 == u % 2]
        missing = {mine[(u // 2 + 3 * j) % len(mine)] for j in range(2)}
        rows += [(f"u{u}", f"i{i}") for i in mine if i not in missing]
    return pd.DataFrame(rows, columns=["user_id", "item_id"])


@pytest.fixture
def random_frame() -> pd.DataFrame:
    """60 users, 45 items, about 15 % of the pairs, with ratings 1 to 5 and distinct times."""
    g = np.random.default_rng(7)
    seen = g.random((60, 45)) < 0.15
    seen[np.arange(60), g.integers(0, 45, 60)] = True
    u, i = np.nonzero(seen)
    rating = g.integers(1, 6, len(u)).astype(float)
    return pd.DataFrame({"user_id": u + 100, "item_id": i + 500, "rating": rating, "time": g.permutation(len(u))})


@pytest.fixture
def interactions(random_frame) -> gr.Interactions:
    """`random_frame` as Interactions, with ratings and times."""
    return gr.Interactions.from_frame(random_frame, rating="rating", time="time")
