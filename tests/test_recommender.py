"""What a user of the library calls: options refused by name, validation, refit, interrupts, artefacts."""

import json

import numpy as np
import pandas as pd
import pytest
import torch

import graphrec as gr

HOW = {"epochs": 3, "batch_size": 64, "lr": 0.01, "seed": 1, "progress": False}


@pytest.fixture
def split(interactions):
    return gr.split.random(interactions, test=0.2, valid=0.1, seed=2)


@pytest.fixture
def trained(split):
    return gr.Recommender("lightgcn", dim=8, layers=2).fit(split.train, valid=split.valid, **HOW)


def test_the_best_epoch_on_validation_is_kept(split):
    weights = []

    class Keep:
        def on_epoch_end(self, state):
            weights.append({name: tensor.clone() for name, tensor in state.model.state_dict().items()})

    rec = gr.Recommender("mf", dim=8).fit(
        split.train, valid=split.valid, callbacks=[Keep()], **{**HOW, "epochs": 12, "lr": 0.05}
    )
    best = int(rec.history["ndcg@20"].idxmax())
    assert rec.best_epoch == best + 1
    assert torch.equal(rec.model.state_dict()["users"], weights[best]["users"])


def test_patience_stops_training(split):
    rec = gr.Recommender("mf", dim=8).fit(split.train, valid=split.valid, patience=2, **{**HOW, "epochs": 200, "lr": 0.1})
    assert len(rec.history) == rec.best_epoch + 2 < 200


def test_refit_trains_on_both_parts_for_the_chosen_epochs(split):
    rec = gr.Recommender("mf", dim=8).fit(split.train, valid=split.valid, refit=True, **{**HOW, "epochs": 6, "lr": 0.05})
    both = split.train_and_valid
    direct = gr.Recommender("mf", dim=8).fit(both, **{**HOW, "epochs": rec.best_epoch, "lr": 0.05})
    assert torch.equal(rec.model.state_dict()["items"], direct.model.state_dict()["items"])


def test_validation_pairs_are_not_recommended(trained, split):
    top = trained.recommend(split.train.user_ids[np.unique(split.train.users)].tolist(), k=10)
    for part in (split.train, split.valid):
        assert top.merge(part.to_frame(), on=["user_id", "item_id"]).empty


def test_candidates_and_exclusions(trained, split):
    user = split.train.to_frame()["user_id"].iloc[0]
    everything = trained.recommend([user], k=20)["item_id"].tolist()
    assert trained.recommend([user], k=5, candidates=everything[10:])["item_id"].tolist() == everything[10:15]
    assert trained.recommend([user], k=5, exclude=everything[:3])["item_id"].tolist() == everything[3:8]


def test_scores_of_recommendations_are_the_paired_scores(trained):
    top = trained.recommend([100, 101], k=5)
    assert np.allclose(trained.score(top["user_id"].tolist(), top["item_id"].tolist()), top["score"], atol=1e-6)


def test_an_interrupt_keeps_what_was_learnt(split):
    class Stop:
        def on_epoch_end(self, state):
            if state.epoch == 2:
                raise KeyboardInterrupt

    rec = gr.Recommender("mf", dim=8)
    with pytest.warns(UserWarning, match="interrupted"):
        rec.fit(split.train, callbacks=[Stop()], **{**HOW, "epochs": 50})
    assert len(rec.history) == 2
    assert len(rec.recommend([100], k=5)) == 5


def test_nan_stops_training_with_a_sentence(split):
    with pytest.raises(FloatingPointError, match=r"epoch \d+, step \d+: training diverged.*smaller lr than 1e\+30"):
        gr.Recommender("mf", dim=8).fit(split.train, **{**HOW, "lr": 1e30})


def test_history_has_a_row_per_epoch(trained):
    assert trained.history["epoch"].tolist() == [1, 2, 3]
    assert {"loss", "lr", "seconds", "ndcg@20"} <= set(trained.history)


def test_string_ids_survive_saving(checkerboard, tmp_path):
    rec = gr.Recommender("mf", dim=8).fit(gr.Interactions.from_frame(checkerboard), **HOW)
    rec.save(tmp_path / "run")
    pd.testing.assert_frame_equal(gr.load(tmp_path / "run").recommend(["u3"], k=4), rec.recommend(["u3"], k=4))


def test_a_class_of_ones_own_is_loaded_only_when_it_is_given(split, tmp_path):
    class Mine(gr.models.MF):
        pass

    rec = gr.Recommender(Mine, dim=4).fit(split.train, **HOW)
    rec.save(tmp_path / "run")
    with pytest.raises(ValueError, match="pass the class"):
        gr.load(tmp_path / "run")
    assert np.allclose(gr.load(tmp_path / "run", model=Mine).score([100], [500]), rec.score([100], [500]))


def test_what_cannot_be_saved_is_refused_before_a_file_is_written(split, tmp_path):
    class Odd(gr.models.MF):
        def __init__(self, train, *, thing):
            super().__init__(train, dim=4)

    rec = gr.Recommender(Odd, thing=object()).fit(split.train, **HOW)
    with pytest.raises(ValueError, match="cannot be saved"):
        rec.save(tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_presets_carry_the_papers_settings(split):
    rec = gr.preset("lightgcn-2020").fit(split.train, epochs=1, progress=False)
    assert [rec.options[name] for name in ("lr", "batch_size", "l2", "epochs")] == [1e-3, 2048, 1e-4, 1]
    assert rec.model.layers == 3
    assert gr.preset("lightgcn-2020", layers=1).hyper["layers"] == 1


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda s: gr.Recommender("lightgnc"), "unknown model 'lightgnc'; did you mean 'lightgcn'"),
        (lambda s: gr.Recommender("cmn-2018"), r"'cmn-2018' is a preset and no model; gr.preset\('cmn-2018'\) makes"),
        (lambda s: gr.Recommender("lightgcn", layer=2), "did you mean 'layers'"),
        (
            lambda s: gr.preset("lightgcn-fast", epochs=3),
            "option of model lightgcn 'epochs'; it is an option of fit: fit.train, ep",
        ),
        (lambda s: gr.Recommender("gcmc", loss="mse"), "unknown option of model gcmc 'loss'; it is an option of fit"),
        (lambda s: gr.Recommender("ease", device="cpu"), "unknown option of model ease 'device'; it is an option of fit"),
        (lambda s: gr.Recommender("ease", epochs=3), "unknown option of model ease 'epochs'; known are"),
        (lambda s: gr.preset("lightgcn-2021"), "did you mean 'lightgcn-2020'"),
        (lambda s: gr.Recommender("mf").fit(s.train, epoch=1), "unknown option of fit 'epoch'; did you mean 'epochs'"),
        (lambda s: gr.Recommender("mf").fit(s.train, epochs=-1), "epochs must be a whole number of at least 1, got -1"),
        (lambda s: gr.Recommender("mf").fit(s.train, lr=float("nan")), "lr must be a finite number above 0"),
        (lambda s: gr.Recommender("mf").fit(s.train, loss="bprr"), "unknown loss 'bprr'; did you mean 'bpr'"),
        (lambda s: gr.Recommender("mf").fit(s.train, negatives="unform"), "did you mean 'uniform'"),
        (lambda s: gr.Recommender("mf").fit(s.train, optimizer="adamm"), "unknown optimizer 'adamm'; did you mean 'adam'"),
        (lambda s: gr.Recommender("mf").fit(s.train, loss_options={"temp": 1}), "loss_options .* do not suit the loss bpr"),
        (lambda s: gr.Recommender("mf").fit(s.train, schedule="plateau"), "follows the validation metric; fit needs valid"),
        (lambda s: gr.Recommender("mf").fit(s.train, refit=True), "refit=True needs valid"),
        (lambda s: gr.Recommender("mf").fit(s.train, resume=True), "resume=True needs checkpoint"),
        (lambda s: gr.Recommender("mf").fit(s.train, valid=s.valid.compact()), "valid has another id space"),
        (lambda s: gr.Recommender("mf").recommend([1]), "not fitted yet"),
        (lambda s: gr.Recommender("itempop").fit(s.train, epochs=3), "solved in closed form; fit has no option 'epochs'"),
    ],
)
def test_bad_calls(split, call, message):
    with pytest.raises(ValueError, match=message):
        call(split)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda r: r.recommend([100], k=0), "k must be between 1 and the catalogue's 45 items, got 0"),
        (lambda r: r.recommend([100], k=46), "k must be between 1 and the catalogue's 45 items, got 46"),
        (lambda r: r.recommend([-5], k=3), "unknown user id -5"),
        (lambda r: r.recommend([100], candidates=[1], k=3), "unknown item id 1"),
        (lambda r: r.similar_items([3], k=3), "unknown item id 3"),
        (lambda r: r.score([100, 101], [500]), "there are 2 users and 1 items"),
    ],
)
def test_bad_questions(trained, call, message):
    with pytest.raises(ValueError, match=message):
        call(trained)


def test_evaluation_masks_validation_too_and_warns_of_selecting_on_test(split):
    rec = gr.Recommender("mf", dim=8).fit(split.train, valid=split.test, **HOW)
    with pytest.warns(UserWarning, match="selected"):
        report = gr.evaluate(rec, split.test, k=5)
    assert 0 < report.mean["recall@5"] <= 1
    with pytest.raises(ValueError, match="train"):
        gr.evaluate(rec, split.train, k=5)


def test_mismatching_id_spaces_are_named(trained, split):
    with pytest.raises(ValueError, match="id space"):
        gr.evaluate(trained, split.test.compact(), k=5)


def test_ratings(split):
    rec = gr.Recommender("mf", dim=8, bias=True).fit(split.train, loss="mse", **HOW)
    errors = gr.evaluate_ratings(rec, split.test)
    truth = split.test.to_frame()
    off = rec.score(truth["user_id"].tolist(), truth["item_id"].tolist()) - truth["rating"].to_numpy()
    assert errors["rmse"] == pytest.approx(np.sqrt((off**2).mean()), rel=1e-5)
    assert errors["mae"] == pytest.approx(np.abs(off).mean(), rel=1e-5)


def damage(folder, how):
    if how == "no run.json":
        (folder / "run.json").unlink()
    elif how == "garbled run.json":
        (folder / "run.json").write_text("{")
    elif how == "later format":
        record = json.loads((folder / "run.json").read_text())
        del record["checksum"]  # who knows what a later format checks
        (folder / "run.json").write_text(json.dumps(record | {"format": 99}))
    elif how == "edited run.json":
        path = folder / "run.json"
        path.write_text(path.read_text().replace('"layers": 2', '"layers": 3'))
    elif how == "truncated weights":
        [path] = folder.glob("model-*")
        path.write_bytes(path.read_bytes()[:-50])
    else:
        [path] = folder.glob("interactions-*")
        path.unlink()


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("no run.json", "has no run.json"),
        ("garbled run.json", "run.json is damaged"),
        ("later format", "in format 99; this one reads format 2"),
        ("edited run.json", "run.json is damaged, or was changed after it was saved"),
        ("truncated weights", r"model-\w+\.safetensors is damaged"),
        ("no interactions", r"interactions-\w+\.safetensors does not exist"),
    ],
)
def test_damaged_artefacts_are_refused(trained, tmp_path, how, message):
    trained.save(tmp_path / "run")
    damage(tmp_path / "run", how)
    with pytest.raises(ValueError, match=message):
        gr.load(tmp_path / "run")


def test_resuming_under_other_options_is_refused(split, tmp_path):
    gr.Recommender("mf", dim=8).fit(split.train, checkpoint=tmp_path, **HOW)
    with pytest.raises(ValueError, match=r"was trained with lr=0\.01, and now lr=0\.5"):
        gr.Recommender("mf", dim=8).fit(split.train, checkpoint=tmp_path, resume=True, **{**HOW, "lr": 0.5})
    with pytest.raises(ValueError, match="was trained with dim=8, and now dim=9"):
        gr.Recommender("mf", dim=9).fit(split.train, checkpoint=tmp_path, resume=True, **HOW)
