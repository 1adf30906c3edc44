"""A question that is asked while the recommender is fitted anew: its answer is wholly of the old fit or wholly of the new."""

import copy
import sys
import threading
import time

import numpy as np
import pandas as pd
import pytest

import graphrec as gr
from graphrec.errors import InputError
from graphrec.recommender.state import State
from graphrec.report.names import names_of
from graphrec.report.paths import plot_paths
from graphrec.serve.answers import Answers

N_USERS, N_ITEMS = 30, 24


def _table(first_item, seed):
    """Random pairs; the ids of the items begin at a number, and their order is drawn."""
    rng = np.random.default_rng(seed)
    met = rng.random((N_USERS, N_ITEMS)) < 0.25
    met[np.arange(N_USERS), rng.integers(0, N_ITEMS, N_USERS)] = True
    met[rng.integers(0, N_USERS, N_ITEMS), np.arange(N_ITEMS)] = True
    users, items = np.nonzero(met)
    items = rng.permutation(N_ITEMS)[items] + first_item
    return gr.Interactions.from_frame(pd.DataFrame({"u": users, "i": items}), user="u", item="i")


OLD, NEW = gr.split.random(_table(0, 1), test=0.2, seed=0), gr.split.random(_table(1000, 2), test=0.2, seed=0)


def _list_of(index):
    (items, scores), known = index.top_k(np.arange(3), 5), index.seen.item_ids
    return pd.DataFrame({"item": known[items].ravel(), "score": scores.ravel()})


QUESTIONS = {
    "recommend": lambda rec: rec.recommend(list(range(N_USERS)), k=5, cold="popular"),
    "recommend with reasons": lambda rec: rec.recommend([0, 1], k=3, explain=2, cold="popular"),
    "recommend what was seen": lambda rec: rec.recommend([0, 1], k=5, filter_seen=False, exclude=[3], cold="skip"),
    "recommend_new": lambda rec: rec.recommend_new([[1, 2], [3]], k=5, exclude=[4]),
    "score": lambda rec: rec.score([0, 1, 2], [1, 2, 3]),
    "score_new": lambda rec: rec.score_new([[1, 2]], [5]),
    "explain": lambda rec: rec.explain(0, 3),
    "similar_items": lambda rec: rec.similar_items([1, 2], k=5),
    "evaluate": lambda rec: gr.evaluate(rec, OLD.test, k=5, beyond=True).per_user,
    "evaluate a split": lambda rec: gr.evaluate(rec, OLD, k=5, item_groups="popularity").by_item_group,
    "repr": repr,
    "_repr_html_": lambda rec: rec._repr_html_(),
}
OF_ROWS = {
    "embeddings": lambda rec: pd.concat(rec.embeddings().values()),
    "to_ann": lambda rec: _list_of(rec.to_ann()),
}


def _asked(question, rec):
    try:
        return question(rec)
    except InputError as error:  # an id of the old table asked of the new fit: an answer, too
        return str(error)


def _same(a, b):
    if type(a) is not type(b):
        return False
    if isinstance(a, pd.DataFrame):
        return a.equals(b)
    return np.array_equal(a, b)


class _Swapping(State):
    """A state in whose place another one steps as soon as anything of it is read."""

    def __getattribute__(self, name):
        inside = object.__getattribute__(self, "__dict__")
        if not name.startswith("__") and "_swap" in inside:
            inside["_swap"]()
        return object.__getattribute__(self, name)


def _swapped_while_read(model, **how):
    """The recommender, and one of the old state alone; a fit comes in between whenever it is asked."""
    rec = gr.Recommender(model).fit(OLD.train, **how)
    alone, state = copy.copy(rec), copy.copy(rec._fitted)
    new = gr.Recommender(model).fit(NEW.train, **how)._fitted
    object.__setattr__(state, "__class__", _Swapping)
    state.__dict__["_swap"] = lambda: setattr(rec, "_state", new)
    rec._state = state
    return rec, alone, new


TRAINED = {"epochs": 1, "progress": False}
CASES = (
    [("ease", name, {}) for name in QUESTIONS] + [("puresvd", name, {}) for name in OF_ROWS] + [("mf", "embeddings", TRAINED)]
)


@pytest.mark.parametrize(("model", "name", "how"), CASES)
def test_a_fit_in_the_middle_of_a_question_does_not_mix_into_its_answer(model, name, how):
    if name == "to_ann":
        pytest.importorskip("usearch")
    rec, alone, new = _swapped_while_read(model, **how)
    question = {**QUESTIONS, **OF_ROWS}[name]
    wanted = question(alone)
    assert _same(question(rec), wanted)
    assert rec._state is new  # the fit did come in between


def test_a_fit_in_the_middle_of_a_page_does_not_mix_into_it(tmp_path):
    pytest.importorskip("jinja2")
    rec, alone, new = _swapped_while_read("ease")
    assert rec.report(0, tmp_path / "a.html", k=3).read_bytes() == alone.report(0, tmp_path / "b.html", k=3).read_bytes()
    assert rec._state is new


def test_a_fit_in_the_middle_of_a_picture_of_paths_does_not_mix_into_it():
    rec, alone, new = _swapped_while_read("ease")
    texts = [[text.get_text() for text in plot_paths(one, 0, 3).axes[0].texts] for one in (rec, alone)]
    assert texts[0] == texts[1]
    assert rec._state is new


def test_what_is_served_stays_what_it_was_when_it_was_taken_up():
    rec, alone, new = _swapped_while_read("ease")
    served, wanted = (Answers(one, names_of(alone)) for one in (rec, alone))
    assert rec._state is new
    assert served.recommend("0", 5) == wanted.recommend("0", 5)
    assert served.recommend_new(["1", "2"], 5) == wanted.recommend_new(["1", "2"], 5)
    assert served.explain("0", "3") == wanted.explain("0", "3")


@pytest.mark.parametrize("model", ["itemknn", "puresvd"])
def test_threads_that_ask_during_refits_get_old_or_new_answers(model):
    names = ["recommend", "recommend with reasons", "recommend_new", "score", "explain", "similar_items"]
    asked = {name: QUESTIONS[name] for name in names} | ({"embeddings": OF_ROWS["embeddings"]} if model == "puresvd" else {})
    rec, other = gr.Recommender(model).fit(OLD.train), gr.Recommender(model).fit(NEW.train)
    allowed = {name: [_asked(question, one) for one in (copy.copy(rec), other)] for name, question in asked.items()}
    mixed, count, over = [], dict.fromkeys(asked, 0), threading.Event()

    def ask(name):
        while not over.is_set():
            try:
                answer = _asked(asked[name], rec)
            except Exception as error:
                answer = error
            count[name] += 1
            if not any(_same(answer, one) for one in allowed[name]):
                mixed.append((name, answer))

    threads = [threading.Thread(target=ask, args=(name,)) for name in asked]
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-4)
    try:
        for thread in threads:
            thread.start()
        until, fits = time.monotonic() + 1.5, 0
        while time.monotonic() < until or (min(count.values()) < 5 and fits < 2000):
            rec.fit((NEW if fits % 2 == 0 else OLD).train)
            fits += 1
    finally:
        over.set()
        for thread in threads:
            thread.join()
        sys.setswitchinterval(before)
    assert not mixed, mixed[0]
