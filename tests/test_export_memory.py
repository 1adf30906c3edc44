"""Everybody's recommendations are written in memory that does not grow with their number."""

import subprocess
import sys

import pytest

PROGRAM = """
import resource, sys
from pathlib import Path
import numpy as np, pandas as pd
import graphrec as gr
from graphrec import recommend_all

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024 if sys.platform != "darwin" else 1024**2)

people, things, k = 50_000, 500, 20
users = np.repeat(np.arange(people), 3)
rows = pd.DataFrame({"user_id": users, "item_id": np.random.default_rng(0).integers(0, things, len(users))})
rows = rows.map(lambda n: f"an identifier of some length {n:012d}")
rec = gr.Recommender("itempop").fit(gr.Interactions.from_frame(rows, duplicates="first"))
if len(sys.argv) > 2:
    recommend_all._ROWS = int(sys.argv[2])
out, ids = Path(sys.argv[1]), rec.train.user_ids
recommend_all.write_frames([rec.recommend(ids[:10_000], k=k)] * 2, out)
before = peak()
written = recommend_all.write_frames(recommend_all.blocks(rec, k), out)
print(written, before, peak())
"""


@pytest.mark.skipif(sys.platform == "win32", reason="the system does not tell the peak of memory")
def test_an_export_takes_a_block_and_not_everything(tmp_path):
    pytest.importorskip("pyarrow")
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", PROGRAM, str(tmp_path / "recs.parquet")],
        capture_output=True,
        text=True,
        check=True,
    )
    rows, before, after = (float(word) for word in done.stdout.split())
    assert rows == 50_000 * 20
    # a million rows in one table take some 240 MiB more than a block of 200,000 does
    assert after - before < 80
