"""Runs that were saved once and lie in ``fixtures``: they are loaded by every later version.

``python tests/test_stored_runs.py`` wrote them. It refuses to write them again: a new format gets a folder of its own.
"""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import graphrec as gr

STORED = Path(__file__).parent / "fixtures" / "format-2"
MODELS = {
    "lightgcn": {"dim": 4, "layers": 2},
    "ngcf": {"dim": 4, "layers": [4]},
    "multvae": {"dim": 4, "hidden": [8]},
    "itemknn": {"neighbours": 5},
    "gfcf": {"rank": 3},
}


def answers(rec):
    users = [str(u) for u in rec.train.user_ids[:8]]
    top = rec.recommend(users, k=3)
    return {"users": top["user_id"].tolist(), "items": top["item_id"].tolist(), "scores": top["score"].round(6).tolist()}


def make(folder):
    g = np.random.default_rng(0)
    u, i = np.nonzero((g.random((12, 10)) < 0.4) | (np.arange(12)[:, None] % 10 == np.arange(10)))
    frame = pd.DataFrame(
        {"user_id": [f"Zoë {n:02d}" for n in u], "item_id": [f"{n:06d}" for n in i], "time": g.permutation(len(u))}
    )
    split = gr.split.chronological(gr.Interactions.from_frame(frame, time="time"), test=0.2, valid=0.2)
    for name, hyper in MODELS.items():
        how = {} if name in ("itemknn", "gfcf") else {"epochs": 2, "batch_size": 16, "seed": 1, "progress": False}
        rec = gr.Recommender(name, **hyper).fit(split.train, valid=split.valid, refit=name == "ngcf", **how)
        rec.save(folder / name)
        (folder / f"{name}.json").write_text(json.dumps(answers(rec), ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


@pytest.mark.parametrize("name", MODELS)
def test_a_run_of_this_format_is_loaded_for_ever(name):
    rec = gr.load(STORED / name)
    want, got = json.loads((STORED / f"{name}.json").read_text(encoding="utf-8")), answers(rec)
    assert got["users"] == want["users"]
    assert got["items"] == want["items"]
    assert np.allclose(got["scores"], want["scores"], rtol=1e-4, atol=1e-5)
    assert rec.hyper == MODELS[name]


if __name__ == "__main__":
    if STORED.exists():
        raise SystemExit(f"{STORED} is there already, and is never written again.")
    make(STORED)
