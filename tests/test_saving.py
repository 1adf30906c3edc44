"""Models that were given other models: their folders are whole, and give equal scores after loading."""

import numpy as np
import pandas as pd
import pytest

import graphrec as gr
from graphrec.data.features import Features
from graphrec.models import MF, Hybrid

HOW = {"epochs": 2, "batch_size": 64, "lr": 0.01, "seed": 1, "progress": False}
PAIRS = [100, 101, 102, 150], [500, 507, 508, 529]


def features(inter):
    n = np.arange(inter.n_items)
    frame = pd.DataFrame({"item_id": inter.item_ids, "genre": np.where(n % 3, "A|B", "C"), "year": 1990 + n % 7})
    return Features.from_frame(frame, inter)


def hybrid(inter, **options):
    mf = gr.Recommender("mf", dim=4, bias=True).fit(inter, **HOW)
    return gr.Recommender("hybrid", **{"base": mf, "item_features": features(inter), **options}).fit(inter, **HOW)


def test_hybrid_is_saved_with_its_base_and_its_features(interactions, tmp_path):
    rec = hybrid(interactions)
    rec.save(tmp_path / "run")
    again = gr.load(tmp_path / "run")
    assert np.array_equal(again.score(*PAIRS), rec.score(*PAIRS))
    pd.testing.assert_frame_equal(again.recommend([100, 101], k=4), rec.recommend([100, 101], k=4))
    assert np.array_equal(again.hyper["base"].score(*PAIRS), rec.hyper["base"].score(*PAIRS))
    kept, given = again.hyper["item_features"], rec.hyper["item_features"]
    assert kept.columns == given.columns
    assert (kept.matrix != given.matrix).nnz == 0
    assert np.array_equal(kept.first_label("genre").codes, given.first_label("genre").codes)
    assert kept.first_label("genre").names.tolist() == given.first_label("genre").names.tolist()


def test_second_stage_of_a_hybrid_is_saved_without_the_first(interactions, tmp_path):
    first = hybrid(interactions)
    mf, described = first.hyper["base"], first.hyper["item_features"]
    second = gr.Recommender(Hybrid, base=mf, item_features=described, frozen=False, start=first).fit(interactions, **HOW)
    assert not np.array_equal(second.model.base.users.detach(), mf.model.users.detach()), "the base learns along"
    second.save(tmp_path / "run")
    assert np.array_equal(gr.load(tmp_path / "run").score(*PAIRS), second.score(*PAIRS))


def test_neumf_from_trained_models_is_saved_without_them(interactions, tmp_path):
    sizes = {"dim": 4, "hidden": [8, 4]}
    gmf = gr.Recommender("gmf", dim=4).fit(interactions, **HOW)
    mlp = gr.Recommender("mlp", **sizes).fit(interactions, **HOW)
    rec = gr.Recommender("neumf", **sizes, gmf=gmf, mlp=mlp.model, alpha=0.3).fit(interactions, **HOW)
    rec.save(tmp_path / "run")
    assert not list((tmp_path / "run").glob("gmf*"))
    again = gr.load(tmp_path / "run")
    assert np.array_equal(again.score(*PAIRS), rec.score(*PAIRS))
    fresh = gr.Recommender("neumf", **sizes).fit(interactions, **HOW)
    assert not np.array_equal(fresh.score(*PAIRS), rec.score(*PAIRS)), "the start matters"


def test_a_bare_model_as_base_cannot_be_saved_and_nothing_is_written(interactions, tmp_path):
    rec = gr.Recommender("hybrid", base=MF(interactions, dim=4), item_features=features(interactions)).fit(interactions, **HOW)
    with pytest.raises(gr.errors.InputError, match="Give the recommender itself, base=recommender instead of"):
        rec.save(tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_base_that_is_not_fitted_is_refused(interactions):
    with pytest.raises(gr.errors.InputError, match="not fitted yet"):
        gr.Recommender("hybrid", base=gr.Recommender("mf"), item_features=features(interactions)).fit(interactions, **HOW)


def test_damaged_parts_are_named(interactions, tmp_path):
    rec = hybrid(interactions)
    rec.save(tmp_path / "run")
    parts = {"features.item_features-*": "is damaged", "base.model-*": "is damaged", "base.interactions-*": None}
    for part, message in parts.items():
        [file] = (tmp_path / "run").glob(part)
        if message is None:
            file.unlink()
        else:
            file.write_bytes(b"no")
        with pytest.raises(gr.errors.InputError, match=rf"{file.name} {message or 'does not exist'}"):
            gr.load(tmp_path / "run")
        rec.save(tmp_path / "run")
    assert np.array_equal(gr.load(tmp_path / "run").score(*PAIRS), rec.score(*PAIRS))
