"""Presets: every file is complete and builds, the settings of a data set are laid over the common ones, figures are told."""

import warnings

import pytest
from click.testing import CliRunner

import graphrec as gr
from graphrec.cli import main
from graphrec.presets import preset_data, preset_names, published_figures, read_preset
from graphrec.recommender.refitting import refitted
from graphrec.runs import named_recommender
from graphrec.training.choose import choose, say_left_out
from graphrec.training.options import FitOptions


@pytest.mark.parametrize("name", preset_names())
def test_a_preset_is_complete_and_its_options_are_known(name):
    tables = read_preset(name)
    assert tables["about"]
    assert tables["source"]
    for data in [None, *preset_data(name)]:
        rec = gr.preset(name, data=data)
        assert rec.fit_defaults.keys() <= set(FitOptions.names())
        assert rec.kind.needs_training or not rec.fit_defaults
    for figures in published_figures(name).values():
        assert all(0 < value < 1 for value in figures.values())


def test_settings_of_a_data_set_are_laid_over_the_common_ones():
    common, amazon = (gr.preset("chebycf-2025", data=data).hyper for data in (None, "amazon-book"))
    assert common == gr.preset("chebycf-2025", data="gowalla").hyper
    assert amazon == {**common, "phi": 10.0, "beta": 0.0}
    assert gr.preset("chebycf-2025", data="amazon-book", rank=9).hyper["rank"] == 9
    assert published_figures("chebycf-2025")["gowalla"] == {"recall@20": 0.1941, "ndcg@20": 0.1616}


def test_a_recipe_that_makes_few_steps_on_a_small_table_says_so(interactions):
    liked = interactions.binarize()
    more = gr.Interactions.from_frame(liked.to_frame().head(3).assign(user_id=10**6), time="time")
    with pytest.warns(UserWarning, match=r"training of 10 epochs has 10 steps .* epochs \(50 or more\), or .* than 512"):
        rec = gr.preset("cmn-2018", dim=8).fit(liked, progress=False)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        gr.preset("cmn-2018", dim=8).fit(liked, epochs=2, progress=False)  # somebody's own choice
        gr.Recommender("ials", dim=8).fit(liked, progress=False)  # a step is a whole pass
        refitted(rec, liked)
        rec.update(more, progress=False)


def test_an_unknown_data_set_is_told_what_there_is():
    with pytest.raises(gr.errors.InputError, match="'ml-100k'; it has them for gowalla and amazon-book"):
        gr.preset("chebycf-2025", data="ml-100k")
    with pytest.raises(gr.errors.InputError, match="the same for all"):
        gr.preset("lightgcn-fast", data="gowalla")


def test_the_command_line_takes_the_settings_of_its_data_set():
    phi = {data: named_recommender("chebycf-2025", {}, data)[0].hyper["phi"] for data in ("amazon-book", "ml-100k", "folder")}
    assert phi == {"amazon-book": 10.0, "ml-100k": 1.5, "folder": 1.5}
    assert named_recommender("chebycf-2025", {}, "folder", "amazon-book")[0].hyper["phi"] == 10.0
    with pytest.raises(gr.errors.InputError, match="'mf' is a model"):
        named_recommender("mf", {}, "folder", "gowalla")


def test_the_listing_has_figures_and_sources():
    out = CliRunner().invoke(main, ["presets"]).output
    line = next(line for line in out.splitlines() if line.startswith("bspm-2023") and "yelp2018" in line)
    assert line.split()[3:5] == ["0.0720", "0.0593"]
    assert "SIGIR 2023" in line


def test_what_another_loss_leaves_out_of_a_recipe_is_told():
    liked = gr.Interactions.from_indices([0, 0, 1, 1, 2, 2, 2], [0, 1, 0, 1, 1, 2, 3])
    rec, few = gr.preset("lightgcn-fast", dim=2), {"epochs": 12, "progress": False}
    told = (
        r"^loss='bpr' leaves out .* own loss='shared_softmax': negatives='popularity', n_negatives=4096 \(now 'uniform', 1\);"
    )
    with pytest.warns(UserWarning, match=told) as said:
        rec.fit(liked, loss="bpr", **few)
    assert [warning.filename for warning in said] == [__file__]
    quiet = [
        ("lightgcn-fast", {"loss": "bpr", "negatives": "popularity", "n_negatives": 2}),
        ("lightgcn-fast", {"loss": "shared_bsl", "loss_options": {"temperature": 0.2}}),  # it draws as the recipe says
        ("lightgcn-fast", {"loss": "multinomial"}),  # which reads nothing of what falls away
        ("lightgcn-fast", {"n_negatives": 2}),
        ("lightgcn-2020", {"loss": "softmax"}),
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for name, given in quiet:
            recipe = gr.preset(name).fit_defaults
            say_left_out(recipe, given, choose(recipe, given, liked), stacklevel=2)


@pytest.mark.parametrize("loss", ["bce", "hinge", "softmax"])
def test_a_preset_that_is_trained_pair_by_pair_takes_another_loss(interactions, loss):
    liked = interactions.binarize()
    with pytest.warns(UserWarning, match="leaves out what the recipe has for its own loss"):
        rec = gr.preset("mf-bpr", dim=8).fit(liked, loss=loss, epochs=1, progress=False)
    assert rec.options["optimizer"] == "adam"
    assert not rec.options.get("hogwild")


def test_arguments_of_a_presets_loss_that_another_loss_takes_are_told_of(interactions):
    liked = interactions.binarize()
    with pytest.warns(UserWarning, match=r"leaves out .*loss_options=\{'temperature': 0.08"):
        gr.preset("mf-bsl-2024", dim=8).fit(liked, loss="softmax", epochs=1, progress=False)
