"""What people who come from notebooks, scikit-learn and editors expect of an object without reading about it."""

import ast
import copy
import importlib
import inspect
import io
import pickle
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

import graphrec as gr
from graphrec.cli import main
from graphrec.errors import InputError
from graphrec.option_texts import as_given, fit_options
from graphrec.training import keywords
from graphrec.training.options import FitOptions
from graphrec.training.signature import UNSET, keywords_source

HOSTILE = "<script>alert(1)</script> & $x$"
QUICK = {"epochs": 2, "lr": 0.01, "seed": 0, "progress": False, "device": "cpu"}


class Reader(HTMLParser):
    """The tags of a text, and the text between them."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.texts = [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)

    def handle_data(self, data):
        self.texts.append(data)


@pytest.fixture
def split(checkerboard):
    frame = checkerboard.assign(user_id=checkerboard["user_id"].replace("u0", HOSTILE))
    frame["item_id"] = pd.Series([HOSTILE if item == "i0" else item for item in frame["item_id"]], dtype=object)
    return gr.split.stratified(gr.Interactions.from_frame(frame), test=0.2, valid=0.1, seed=0)


@pytest.fixture
def mf(interactions):
    return gr.Recommender("mf", dim=4, bias=True).fit(interactions.binarize(), **QUICK)


# ---- in a notebook ------------------------------------------------------------------------------------------


def test_tables_in_a_notebook_are_escaped_and_say_what_is_there(split):
    rec = gr.Recommender("mf", dim=4).fit(split.train, valid=split.valid, **QUICK)
    reports = {HOSTILE: gr.evaluate(rec, split), "itempop": gr.evaluate(gr.Recommender("itempop").fit(split.train), split)}
    first = split.train.select(np.flatnonzero(split.train.users == split.train.user_index(HOSTILE)[0]))
    shown = {
        "interactions": first,
        "split": split,
        "report": reports[HOSTILE],
        "comparison": gr.compare(reports),
        "recommender": rec,
        "raw": gr.Recommender("mf", dim=4),
        "solved": gr.Recommender("itempop").fit(split.train),
    }
    read = {}
    for name, thing in shown.items():
        text = thing._repr_html_()
        text.encode()  # a page must be able to hold it
        read[name] = Reader(text)
        assert set(read[name].tags) <= {"div", "strong", "p", "table", "thead", "tbody", "tr", "th", "td"}, name
        assert 'class="graphrec tex2jax_ignore mathjax_ignore"' in text  # $x$ is no formula
    told = {name: "\n".join(one.texts) for name, one in read.items()}
    assert HOSTILE in told["interactions"]
    assert HOSTILE in told["comparison"]
    assert f"{len(split.test)}" in told["split"]
    assert f"{reports[HOSTILE].mean['ndcg@20']:.4g}" in told["report"]
    assert f"↑ {max(r.mean['ndcg@20'] for r in reports.values()):.4f}" in told["comparison"]
    assert "ndcg@20" in told["recommender"]
    assert "not fitted" in told["raw"]


def test_a_comparison_that_was_cut_is_still_shown(split):
    report = gr.evaluate(gr.Recommender("itempop").fit(split.train), split)
    other = gr.evaluate(gr.Recommender("random").fit(split.train), split)
    table = gr.compare({"a": report, "b": other})
    table.attrs.clear()
    assert "p_holm" in table._repr_html_()
    assert "table" in table.head(2)._repr_html_()


# ---- embeddings ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["mf", "lightgcn", "ngcf", "puresvd", "simplex", "neumf"])
def test_embeddings_are_what_scores_are_made_of(interactions, name):
    table = interactions.binarize()
    rec = gr.Recommender(name).fit(table, **({} if name == "puresvd" else {**QUICK, "batch_size": 64}))
    found = rec.embeddings()
    users, items = found["users"], found["items"]
    assert set(found) == {"users", "items"}
    assert list(users.index) == list(table.user_ids)
    assert list(items.index) == list(table.item_ids)
    assert (users.dtypes == np.float32).all()
    if name != "neumf":
        u, i = table.user_ids[[3, 7]], table.item_ids[[5, 2]]
        made = (users.loc[u].to_numpy() * items.loc[i].to_numpy()).sum(1)
        np.testing.assert_allclose(made, rec.score(u, i), rtol=1e-4, atol=1e-5)
    before = rec.recommend(table.user_ids[0], k=5)
    users.iloc[:, :] = 0.0  # a copy: the recommender has its own
    pd.testing.assert_frame_equal(rec.recommend(table.user_ids[0], k=5), before)


def test_models_without_embeddings_say_so_in_a_sentence(interactions):
    with pytest.raises(InputError, match="ease has no embeddings"):
        gr.Recommender("ease").fit(interactions.binarize()).embeddings()
    with pytest.raises(InputError, match="not fitted"):
        gr.Recommender("mf").embeddings()


# ---- as scikit-learn does it --------------------------------------------------------------------------------


def test_parameters_make_the_like_again(mf):
    params = mf.get_params(deep=False)
    assert (params["model"], params["dim"], params["bias"]) == ("mf", 4, True)
    like = type(mf)(**params)
    assert all(like.get_params(deep=False)[name] is value for name, value in params.items())  # what sklearn's clone checks
    assert "not fitted" in repr(like)


def test_a_class_without_a_name_is_its_own_parameter(interactions):
    class Own(gr.models.MF):
        pass

    rec = gr.Recommender(Own, dim=3)
    assert rec.get_params()["model"] is Own
    made = type(rec)(**rec.get_params(deep=False)).fit(interactions.binarize(), **QUICK)
    assert made.embeddings()["users"].shape == (60, 3)


def test_other_parameters_undo_the_fit_and_wrong_ones_change_nothing(mf):
    for wrong, word in (({"dimm": 3}, "dim"), ({"dim": "many"}, "whole number"), ({"base__dim": 2}, "base__dim")):
        with pytest.raises(InputError, match=word):
            mf.set_params(**wrong)
        assert mf.get_params()["dim"] == 4
        assert "fitted on" in repr(mf)
    assert mf.set_params() is mf
    assert "fitted on" in repr(mf)
    assert mf.set_params(dim=6) is mf
    with pytest.raises(InputError, match="not fitted"):
        mf.recommend(100)
    assert gr.Recommender("mf", dim=4).set_params(model="gmf", dim=5).get_params()["model"] == "gmf"


def test_a_clone_keeps_the_recipe_of_its_preset():
    rec = gr.preset("lightgcn-2020", dim=8)
    again = rec.__sklearn_clone__()
    assert (again.fit_defaults, again.hyper) == (rec.fit_defaults, rec.hyper)
    assert again.fit_defaults is not rec.fit_defaults
    assert again.set_params(layers=2).fit_defaults == rec.fit_defaults
    assert gr.preset("mf-bpr").set_params(model="gmf", dim=8).fit_defaults == {}


def test_a_blend_has_parameters_too(interactions):
    members = [gr.Recommender(name).fit(interactions.binarize()) for name in ("itempop", "ease")]
    blend = gr.Blend(members, weights=[0.5, 0.5])
    assert blend.get_params(deep=False) == {"members": members, "weights": [0.5, 0.5], "top": 50}
    assert blend.__sklearn_clone__().members == members


# ---- named options ------------------------------------------------------------------------------------------


def test_every_option_of_a_fit_is_in_its_signature_and_its_docstring(mf):
    for function in (mf.fit, gr.Recommender.fit, mf.update):
        shown = inspect.signature(function, eval_str=True).parameters
        assert shown["epochs"].annotation is int
        assert [name for name in shown if name in FitOptions.names()] == FitOptions.names()
        assert not [p for p in shown.values() if p.kind is p.VAR_KEYWORD]
        _, _, told = inspect.getdoc(function).partition("Other Parameters\n")
        told = told.partition("Returns\n")[0]
        assert [name for name in FitOptions.names() if f"\n{name} : " not in told] == []
    assert list(inspect.signature(gr.Blend.fit).parameters)[-4:] == ["metric", "seed", "device", "progress"]


def test_what_type_checkers_read_is_what_the_options_are():
    assert Path(keywords.__file__).read_text(encoding="utf-8") == keywords_source()
    assert list(keywords.FitKeywords.__annotations__) == FitOptions.names()


def test_an_option_at_its_shown_default_is_one_that_was_not_given(interactions):
    rec = gr.Recommender("mf", dim=4)
    bound = inspect.signature(rec.fit).bind(interactions.binarize(), **QUICK)
    bound.apply_defaults()
    assert bound.arguments["batch_size"] is UNSET
    one, other = rec.fit(*bound.args, **bound.kwargs), gr.Recommender("mf", dim=4).fit(interactions.binarize(), **QUICK)
    np.testing.assert_array_equal(one.embeddings()["users"], other.embeddings()["users"])
    assert pickle.loads(pickle.dumps(UNSET)) is UNSET is copy.deepcopy(UNSET)
    with pytest.raises(InputError, match="did you mean 'lr'"):
        rec.fit(interactions, lrr=0.1)


def test_the_help_of_train_lists_what_set_takes():
    text = CliRunner().invoke(main, ["train", "--help"]).output
    for name in FitOptions.names():
        assert (f"\n  {name}=" in text) == (name != "credit"), name
    assert "graphrec options MODEL" in text


@pytest.mark.parametrize(
    "words", [["--help"], ["train", "--help"], ["search", "-h"], ["serve", "--help"], ["--version"], ["trian"]]
)
def test_asking_for_help_does_not_wait_for_torch(words):
    program = (
        f"import sys\nfrom graphrec.cli import main\ntry:\n    main({words!r})\nexcept SystemExit:\n    pass\n"
        "heavy = {'torch', 'pandas', 'numba', 'matplotlib', 'scipy', 'torch_geometric', 'usearch', 'fastapi'}\n"
        "print(*(heavy & sys.modules.keys()))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ("negatives=" in done.stdout) == (words == ["train", "--help"])
    assert done.stdout.splitlines()[-1] == ""


def test_what_help_says_of_a_fit_is_what_a_fit_takes():
    told, plain = dict(fit_options()), FitOptions()
    names = [name for name in FitOptions.names() if name != "credit"]
    assert list(told) == [f"{name}={as_given(getattr(plain, name))}" for name in names]
    assert all(told.values())


def test_every_public_name_is_imported_when_it_is_asked_for():
    tree = ast.parse(Path(gr.__file__).read_text(encoding="utf-8"))
    typed = next(node for node in tree.body if isinstance(node, ast.If))
    there = {name.name: node.module for node in typed.body if isinstance(node, ast.ImportFrom) for name in node.names}
    assert there == gr._FROM
    assert sorted({*there, "__version__"}, key=str) == gr.__all__
    for name, place in there.items():
        assert getattr(gr, name) is getattr(importlib.import_module(place), name)
        assert name in dir(gr)
    importlib.import_module("graphrec.search.space")
    assert callable(gr.search)
    assert not hasattr(gr, "nothing")
    with pytest.raises(AttributeError, match="has no attribute 'serach'"):
        gr.serach  # noqa: B018


# ---- where a progress bar goes ------------------------------------------------------------------------------


def test_a_training_in_a_pipe_writes_lines_and_no_carriage_returns(interactions, monkeypatch):
    shown = io.StringIO()
    monkeypatch.setattr("sys.stderr", shown)
    gr.Recommender("mf", dim=4).fit(interactions.binarize(), **{**QUICK, "progress": True, "epochs": 3})
    lines = shown.getvalue().splitlines()
    assert [line.split()[1] for line in lines] == ["1/3", "3/3"]
    assert "\r" not in shown.getvalue()


def test_threads_may_ask_for_public_names_at_once():
    program = """
import threading, graphrec as gr
names, failed = [name for name in gr.__all__ for _ in range(2)], []
barrier = threading.Barrier(len(names))
def ask(name):
    barrier.wait()
    try:
        getattr(gr, name)
    except BaseException as error:
        failed.append((name, repr(error)))
threads = [threading.Thread(target=ask, args=(name,)) for name in names]
for thread in threads: thread.start()
for thread in threads: thread.join()
assert not failed, failed
"""
    for _ in range(2):
        assert subprocess.run([sys.executable, "-c", program]).returncode == 0
