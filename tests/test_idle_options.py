"""Options of a model that do nothing beside others: what is declared is so, and is refused where it is given."""

import warnings

import numpy as np
import pytest
from click.testing import CliRunner

import graphrec as gr
from graphrec.cli import main
from graphrec.models import MODELS
from graphrec.models.parts.idle import idle_options
from graphrec.presets import preset_data, preset_names
from graphrec.recommender import recommender as holder

# What stands beside, and options that do nothing then, with another value than their defaults.
CASES = {
    "autoencoder": [({}, {"centre": False})],
    "bspm": [
        ({"ideal": 0.0}, {"rank": 2, "effort": 2}),
        ({"time": 0.0}, {"solver": "euler", "steps": 3}),
        ({"time": 0, "ideal": 0}, {"final": "mean"}),
    ],
    "chebycf": [({"rank": 0}, {"alpha": 0.7, "effort": 2}), ({"alpha": 0.0}, {"rank": 3, "effort": 2})],
    "dgcf": [
        ({"independence": 0.0}, {"correlated": 4}),
        ({"intents": 1}, {"correlated": 4, "independence": 0.5, "iterations": 3}),
        ({"layers": 0}, {"iterations": 3}),
    ],
    "ease": [({"rank": 5}, {"budget": 10}), ({"neighbours": 5}, {"budget": 10})],
    "gcmc": [({}, {"accumulate": "stack"})],
    "gfcf": [({"alpha": 0.0}, {"rank": 3, "effort": 2})],
    "hoprec": [({"order": 1}, {"degree_power": 0.0, "margin": 0.1})],
    "ials": [({"dim": 8}, {"block": 8}), ({"dim": 8}, {"block": 9})],
    "itemknn": [({}, {"asymmetry": 0.1}), ({"similarity": "jaccard"}, {"asymmetry": 0.1})],
    "lightgcn": [({"layers": 0}, {"normalisation": "row"}), ({}, {"ranking": "dot"})],
    "lightgcnpp": [({"gamma": 1.0}, {"layers": 3, "alpha": 0.1, "beta": 0.5})],
    "lrgccf": [({"layers": 0}, {"transform": True, "normalisation": "row"})],
    "mf": [
        ({"init": "uniform"}, {"init_std": 3.0}),
        ({"init": "he_normal"}, {"init_std": 3.0, "init_range": (0.0, 1.0)}),
        ({}, {"init_range": (0.0, 1.0), "centre": False}),
        ({"bias": True}, {"centre": False}),
        ({"bias": True, "rating_range": (1, 5)}, {"centre": False}),
    ],
    "mgdcf": [({"beta": 0.0}, {"layers": 2, "alpha": 0.7, "edge_dropout": 0.5}), ({"alpha": 0.0}, {"beta": 2.0})],
    "multvae": [({"beta": 0.0}, {"anneal_steps": 3})],
    "ncl": [
        ({"structure": 0.0}, {"hop": 4}),
        ({"prototypes": 0.0}, {"clusters": 4, "warm_up": 0}),
        ({"structure": 0.0, "prototypes": 0.0}, {"temperature": 0.7, "item_share": 0.7}),
    ],
    "nescl": [
        (
            {"weight": 0.0},
            {
                "neighbours": 3,
                "augmentation": "edge",
                "drop": 0.1,
                "temperature": 0.7,
                "positives": "outside",
                "denominator": "anchor",
            },
        ),
        ({"drop": 0.0}, {"augmentation": "edge"}),
    ],
    "neumf": [({"hidden": (8,)}, {"alpha": 0.1})],
    "ngcf": [({}, {"dropout_kind": "node"})],
    "sgl": [
        ({"weight": 0.0}, {"augmentation": "walk", "drop": 0.5, "temperature": 0.7}),
        ({"drop": 0.0}, {"augmentation": "walk"}),
    ],
    "simgcl": [({"weight": 0.0}, {"noise": 0.1, "temperature": 0.7})],
    "simplex": [({"gate": 1.0}, {"pooling": "attention"})],
    "slim": [({"sweeps": 1}, {"tolerance": 0.5})],
    "ultragcn": [
        ({"constraint": 0.0}, {"negative_weight": 300.0}),
        ({"item_constraint": 0.0}, {"neighbours": 3, "item_weights": "official"}),
        ({"neighbours": 0}, {"item_constraint": 3.0, "item_weights": "official"}),
    ],
    "xsimgcl": [({"weight": 0.0}, {"temperature": 0.7, "contrast_layer": 2})],
}
EACH = [
    (name, beside, option, value) for name, cases in CASES.items() for beside, idle in cases for option, value in idle.items()
]
ROUNDED = {("mgdcf", "alpha"), ("mgdcf", "beta"), ("sgl", "augmentation")}  # another way to the same numbers


@pytest.fixture(scope="module")
def liked():
    g = np.random.default_rng(5)
    met = g.random((40, 30)) < 0.2
    met[np.arange(40), g.integers(0, 30, 40)] = True
    return gr.Interactions.from_indices(*np.nonzero(met), n_users=40, n_items=30)


def fitted(name, table, **hyper):
    fit = {"epochs": 2, "progress": False, "seed": 3} if MODELS[name].needs_training else {}
    return gr.Recommender(name, **hyper).fit(table, **fit)


@pytest.fixture
def unchecked(monkeypatch):
    """Nothing is refused: what somebody had who used an earlier version."""
    monkeypatch.setattr(holder, "refuse_idle", lambda *_: None)


def answers(rec):
    everyone = np.repeat(np.arange(40), 30), np.tile(np.arange(30), 40)
    try:
        new = rec.recommend_new([[1, 5, 9]], k=20).sort_values("item_id")
    except gr.InputError:
        return rec.score(*everyone)
    return np.concatenate([rec.score(*everyone), new["item_id"], new["score"]])


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("name", "beside", "option", "value"), EACH)
def test_what_is_declared_to_do_nothing_does_nothing(liked, unchecked, name, beside, option, value):
    without, given = (answers(fitted(name, liked, **hyper)) for hyper in (beside, {**beside, option: value}))
    assert np.allclose(without, given, rtol=1e-4, atol=1e-5) if (name, option) in ROUNDED else np.array_equal(without, given)


@pytest.mark.parametrize(("name", "beside", "option", "value"), EACH)
def test_it_is_refused_where_it_is_given(liked, name, beside, option, value):
    with pytest.raises(
        gr.InputError, match=rf"^{option}=.* does nothing for {name} (with|on a table) .*; leave it out\.$"
    ) as told:
        fitted(name, liked, **beside, **{option: value})
    for other in beside.items() if len(beside) == 1 and name not in ("neumf", "mf") else ():
        assert "{}={!r}".format(*other) in str(told.value)


def test_every_declaration_is_looked_at():
    held = {(n, o, i) for n, kind in MODELS.items() for i, one in enumerate(kind.__dict__.get("idle", ())) for o in one.options}
    seen = {
        (n, option, i)
        for n, beside, option, value in EACH
        for i, one in enumerate(MODELS[n].idle)
        if option in one.options and one.words({**_defaults(n), **beside, option: value}, _without_ratings())
    }
    assert held - seen == {("neumf", "init_std", 1)}  # below
    assert not seen - held


def _defaults(name):
    return {o: v for o, v in gr.Recommender(name).get_params().items() if o != "model"}


def _without_ratings():
    return gr.Interactions.from_indices([0], [0])


def test_a_start_from_trained_models_has_no_other(liked):
    gmf, mlp = fitted("gmf", liked, dim=4), fitted("mlp", liked, dim=4)
    parts = {"gmf": gmf, "mlp": mlp, "dim": 4}
    with pytest.raises(gr.InputError, match=r"^init_std=3.0 does nothing for neumf with gmf, which should be None; leave"):
        fitted("neumf", liked, **parts, init_std=3.0)
    assert not np.array_equal(answers(fitted("neumf", liked, **parts)), answers(fitted("neumf", liked, **parts, alpha=0.1)))


@pytest.mark.parametrize(
    ("name", "hyper"),
    [
        ("itemknn", {"similarity": "asymmetric", "asymmetry": 0.1}),
        ("mf", {"init": "uniform", "init_range": (0, 1)}),
        ("bspm", {"time": 0.0, "final": "mean", "rank": 2}),
        ("xsimgcl", {"weight": 0.0, "noise": 0.1}),
        ("dgcf", {"layers": 0, "independence": 0.5}),
        ("lightgcn", {"similarity": "cosine", "ranking": "dot"}),
        ("gcmc", {"accumulate": "stack"}),
        ("mf", {"bias": True, "centre": False}),
        ("ials", {"dim": 8, "block": 7}),
        ("ials", {"dim": 8, "block": None}),
        ("autoencoder", {"centre": False}),
    ],
)
def test_what_counts_is_taken(name, hyper):
    table = gr.Interactions.from_indices([0, 0, 1, 1, 2, 2], [0, 1, 1, 2, 0, 3], [1, 2, 3, 4, 5, 1])
    assert not idle_options(MODELS[name], hyper, table)


def test_ratings_that_are_all_the_same_are_one_level(liked):
    table = gr.Interactions.from_indices([0, 1, 2], [0, 1, 2], [4, 4, 4])
    with pytest.raises(
        gr.InputError, match="accumulate='stack' does nothing for gcmc on a table whose ratings are all the same"
    ):
        fitted("gcmc", table, accumulate="stack")


@pytest.mark.parametrize(
    ("name", "hyper", "words"),
    [
        ("gcmc", {"accumulate": "concat"}, "accumulate must be 'sum' or 'stack', got 'concat'"),
        ("gfcf", {"alpha": 0.0, "rank": -1}, "rank must be at least 1, got -1"),
    ],
)
def test_a_value_that_cannot_be_is_refused_as_such(liked, name, hyper, words):
    with pytest.raises(gr.InputError, match=words):
        fitted(name, liked, **hyper)


def test_all_arguments_of_one_recommender_make_the_next(liked):
    for name in MODELS:
        params = gr.Recommender(name).get_params()
        assert gr.Recommender(**params).get_params() == params
        assert not idle_options(MODELS[name], {o: v for o, v in params.items() if o != "model"}, liked)
    assert not idle_options(MODELS["mf"], {"init_range": [0.0, 0.05]}), "a list, as JSON has it"


def test_a_subclass_speaks_for_itself(liked):
    class Mine(gr.models.SimGCL):
        """Of which nobody knows what it makes of its temperature."""

    rec = gr.Recommender(Mine, weight=0.0, temperature=0.7).fit(liked, epochs=1, progress=False)
    assert len(rec.history) == 1


# ---- where models come from ----------------------------------------------------------------------------------


def test_a_preset_gives_nothing_that_would_do_nothing():
    for name in preset_names():
        for data in (None, *preset_data(name)):
            rec = gr.preset(name, data)
            assert not idle_options(rec.kind, rec.hyper), (name, data)
    rec = gr.preset("nescl-2023", weight=0.0)
    assert rec.hyper == {"dim": 64, "layers": 3, "init_std": 0.0075, "weight": 0.0, "neighbours": 5} | {
        o: rec.hyper[o] for o in ("augmentation", "drop", "temperature", "positives", "denominator")
    }, "defaults may be said"
    assert "clusters" not in gr.preset("ncl-2022", prototypes=0.0).hyper
    assert "clusters" not in gr.preset("ncl-2022").set_params(prototypes=0.0).hyper
    assert gr.preset("ncl-2022").set_params(prototypes=0.0, clusters=3).hyper["clusters"] == 3
    assert gr.Recommender("ncl", clusters=3).set_params(prototypes=0.0).hyper["clusters"] == 3
    assert gr.preset("ncl-2022", prototypes=0.0, clusters=3).hyper["clusters"] == 3, "the caller's is refused in fit"
    assert "budget" not in gr.preset("ease-2019", neighbours=5).hyper


def test_a_stored_run_of_an_earlier_version_goes_on(liked, unchecked, monkeypatch, tmp_path):
    fitted("simgcl", liked, weight=0.0, temperature=0.7, dim=4).save(tmp_path / "run")
    monkeypatch.undo()
    rec = gr.load(tmp_path / "run")
    rec.fit(liked, epochs=1, warm_start=True, progress=False)
    rec.update(gr.Interactions.from_indices([0, 3], [1, 2], n_users=40, n_items=30), epochs=1, progress=False)
    rec.save(tmp_path / "again")
    assert gr.load(tmp_path / "again").hyper == {"weight": 0.0, "temperature": 0.7, "dim": 4}
    with pytest.raises(gr.InputError, match=r"temperature=0\.7 does nothing"):
        rec.fit(liked, epochs=1, progress=False)
    rec.recommend(3, k=2)  # as it was


def test_a_setting_of_tune_that_does_nothing_is_skipped(liked):
    split = gr.split.random(liked, test=0.2, valid=0.2, seed=0)
    space = {"similarity": ["cosine", "asymmetric"], "asymmetry": [0.2, 0.5]}
    table = gr.tune("itemknn", space, split.train, split.valid, progress=False).table
    said = table[table["status"] == "skipped"]
    assert len(table) == 4
    assert list(said["reason"]) == [
        "asymmetry=0.2 does nothing for itemknn with similarity='cosine', which should be 'asymmetric'; leave it out."
    ]


def test_the_command_line_says_so(tmp_path):
    words = ["train", "gfcf", "--data", "synthetic", "--set", "alpha=0", "--set", "rank=3", "--out", str(tmp_path / "run")]
    done = CliRunner().invoke(main, words)
    assert done.exit_code == 1
    assert "rank=3 does nothing for gfcf with alpha=0; leave it out." in done.stderr
    assert not (tmp_path / "run").exists()


# ---- clusters that are never made ----------------------------------------------------------------------------


def test_fewer_epochs_than_the_warm_up_of_ncl(liked):
    with pytest.warns(UserWarning, match=r"ncl waits for warm_up=20 epochs and was trained for 2: no clusters were made\."):
        fitted("ncl", liked, dim=4)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fitted("ncl", liked, dim=4, warm_up=1)
        fitted("ncl", liked, dim=4, prototypes=0.0)


def test_ncl_warms_up_once(liked, tmp_path):
    options = {"epochs": 2, "progress": False}
    rec = gr.Recommender("ncl", dim=4, warm_up=2).fit(liked, epochs=3, seed=0, progress=False)
    rec.save(tmp_path / "run")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for one in (rec, gr.load(tmp_path / "run")):
            one.fit(liked, warm_start=True, **options)
            assert one.history["prototypes"].notna().tolist() == [False, False, True, True, True]
            one.update(gr.Interactions.from_indices([0, 1], [3, 0]), **options)
            assert one.history["prototypes"].notna().tolist() == [False, False, True, True, True, True, True]
    with pytest.warns(UserWarning, match="ncl waits"):
        cold = gr.Recommender("ncl", dim=4, warm_up=2).fit(liked, **options)
    with pytest.warns(
        UserWarning, match=r"ncl waits for warm_up=2 epochs and was trained for 1: no clusters were made\."
    ) as said:
        cold.update(gr.Interactions.from_indices([0, 1], [3, 0]), epochs=1, progress=False)
    assert [warning.filename for warning in said] == [__file__]
