"""A command that is told to end (SIGTERM) while it writes leaves nothing beside its file, and ends by that signal."""

import signal
import subprocess
import sys

import pandas as pd
import pytest

import graphrec as gr

PROGRAM = """
import os, signal, sys
from graphrec import recommend_all
from graphrec.cli import main
from graphrec.data.folder_passes import FolderPasses

def told(*_):
    print(len(os.listdir(sys.argv[1])), flush=True)
    os.kill(os.getpid(), signal.SIGTERM)

def frames(*args, **kwargs):
    for frame in blocks(*args, **kwargs):
        yield frame
        told()

blocks, recommend_all.blocks, FolderPasses._sort_pairs = recommend_all.blocks, frames, told
main(sys.argv[2:])
"""


@pytest.mark.skipif(sys.platform == "win32", reason="there, a signal ends a process at once")
@pytest.mark.parametrize("what", ["recommend", "table"])
def test_nothing_is_left_beside_the_file(tmp_path, what):
    rows = pd.DataFrame({"user_id": [0, 0, 1, 1, 2], "item_id": [0, 1, 1, 2, 0]})
    rows.to_csv(tmp_path / "rows.csv", index=False)
    gr.Recommender("itempop").fit(gr.Interactions.from_frame(rows)).save(tmp_path / "run")
    (out := tmp_path / "out").mkdir()
    words = {
        "recommend": ["recommend", tmp_path / "run", "--all", "-k", 3, "--out", out / "recs.csv"],
        "table": ["table", tmp_path / "rows.csv", "--user", "user_id", "--item", "item_id", "--out", out / "table"],
    }
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", PROGRAM, str(out), *map(str, words[what])], capture_output=True, text=True
    )
    assert done.returncode == -signal.SIGTERM, done.stderr
    assert done.stdout.split() == ["1"]  # something was begun
    assert list(out.iterdir()) == []
