"""What a row of a search says is true: its figure is what `fit` gives with its settings, and a training cut short says so."""

import ast
import inspect
import itertools
import math
import warnings

import numpy as np
import pandas as pd
import pytest
from test_search import Clockwork, made_split

import graphrec as gr
from graphrec.errors import InputError
from graphrec.presets import preset_names
from graphrec.search.budget import seconds_of
from graphrec.search.deadline import Deadline, OutOfTime
from graphrec.search.entries import chosen, entry_of
from graphrec.search.halving import compete
from graphrec.search.picture import plot_search
from graphrec.search.space import Entry, facts_of
from graphrec.search.summary import summary
from graphrec.search.trial import Task, Trial
from graphrec.search.tune import _Tuning


@pytest.fixture(scope="module")
def split():
    return made_split()


@pytest.fixture(scope="module")
def task(split):
    return Task(split.train, split.valid, "ndcg@20", 0, "cpu")


def ticks(step=1.0):
    """A clock that goes on by a step whenever somebody looks at it."""
    count = itertools.count()
    return lambda: step * next(count)


def value_of(text):
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text


def by_hand(model, settings, split, **over):
    """What the library gives with the settings of a row and nothing else; a warning is an error."""
    named = {name: value_of(value) for name, _, value in (one.partition("=") for one in settings.split())}
    made = gr.Recommender(model).kind if model in gr.models.MODELS else gr.preset(model).kind
    own = inspect.signature(made.__init__).parameters
    hyper, fit = ({n: v for n, v in named.items() if (n in own) is mine} for mine in (True, False))
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        rec = gr.Recommender(model, **hyper) if model in gr.models.MODELS else gr.preset(model, **hyper)
        told = {"progress": False, **fit, **over} if rec.kind.needs_training else {}
        rec.fit(split.train, valid=split.valid, device="cpu", **told)
    metric = fit.get("metric", "ndcg@20")
    return rec.history.loc[rec.history.epoch == rec.best_epoch, metric].iloc[0], len(rec.history)


@pytest.mark.parametrize("seconds", [0.0, 9.0, 40.0])
def test_patience_and_looks_go_on_from_one_go_to_the_next(task, split, tmp_path, seconds):
    for fit in ({"patience": 1}, {"patience": 3, "eval_every": 2}, {"lr": 0.02, "epochs": 7}):
        trial, goes, clock = Trial("mf", {"dim": 8}, {"batch_size": 256, **fit}), 0, ticks()
        while not trial.ended:
            trial.train(task, Deadline(seconds, math.inf, clock), tmp_path / f"{seconds} {fit}")
            goes += 1
            if goes > 2 and not trial.ended:
                continue
            epochs = {} if trial.ended else {"epochs": trial.epochs}
            figure, length = by_hand("mf", trial.settings, split, **epochs)
            assert trial.figure == pytest.approx(figure, abs=1e-12)
            assert trial.epochs == length
            assert bool(trial.cut) is not trial.ended
            assert {f"{name}={value}" for name, value in fit.items()} <= set(trial.settings.split())
        assert goes > 1 or seconds
        trial.train(task, Deadline(1e9, math.inf), tmp_path / f"{seconds} {fit}")
        assert (trial.figure, trial.epochs) == (pytest.approx(figure), length)  # it had come to its end


def test_a_training_that_overruns_keeps_what_it_has_and_goes_on(task, split, tmp_path):
    trial = Trial("mf", {"dim": 8}, {"batch_size": 64, "eval_every": 2, "patience": 2})
    with pytest.raises(OutOfTime, match="in epoch 1: 2 s were over"):
        trial.train(task, Deadline(1.0, 2.0, ticks()), tmp_path / "one")
    assert trial.figure is None
    steps = -(-len(split.train) // 64)
    trial.train(task, Deadline(1e9, 3.5 * steps, ticks()), tmp_path / "one")
    assert (trial.epochs, trial.ended) == (2, False)
    assert trial.figure == by_hand("mf", trial.settings, split, epochs=2)[0]
    trial.train(task, Deadline(1e9, math.inf), tmp_path / "one")
    assert trial.ended
    assert (trial.figure, trial.epochs) == by_hand("mf", trial.settings, split)


def test_ctrl_c_is_not_taken_for_a_deadline(task, tmp_path):
    class Pressed(Deadline):
        def on_step_end(self, state):
            if state.epoch == 2:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Trial("mf", {"dim": 8}, {}).train(task, Pressed(1e9, math.inf), tmp_path)


def rows_are_true(table, split):
    for row in table[table["ndcg@20"].notna() & ~table.model.isin(["blend", "refit"])].itertuples():
        trained = not math.isnan(row.epochs)
        assert trained is gr.preset(row.model).kind.needs_training if row.model in preset_names() else True
        if trained:
            epochs = {} if row.status == "ok" else {"epochs": int(row.epochs)}
            figure, length = by_hand(row.model, row.settings, split, **epochs)
            assert table.loc[row.Index, "ndcg@20"] == pytest.approx(figure, abs=1e-12), row
            assert row.epochs == length
        if row.status == "stopped":
            assert f"after epoch {row.epochs:.0f}," in row.reason


def test_rows_of_a_search_can_be_had_again_and_those_cut_short_say_so(split, tmp_path):
    models = ["itempop", "gfcf-2021", "mf", "lightgcn-2020"]
    given = {"models": models, "progress": False, "device": "cpu", "out": tmp_path / "run"}
    best = gr.search(split.train, split.valid, 15, clock=ticks(0.1), **given)
    table = best.table
    assert {"itempop", "gfcf-2021"} <= set(table.model[table.status == "ok"])
    assert (table.status == "stopped").any()
    rows_are_true(table, split)
    again = gr.search(split.train, split.valid, 30, clock=ticks(0.1), **given).table
    rows_are_true(again, split)
    both = table.merge(again, on=["model", "settings"]).dropna(subset=["ndcg@20_x"])
    both = both[~both.model.isin(["blend", "refit"])]
    assert len(both) > 3
    assert (both["ndcg@20_y"] >= both["ndcg@20_x"]).all()


def test_rows_of_tune_name_optimizer_metric_and_seed(split):
    best = gr.tune("mf", {"lr": [0.02]}, split.train, split.valid, "30s", seed=3, metric="recall@5", progress=False)
    [row] = best.table.itertuples()
    assert row.settings == "lr=0.02 optimizer=adam epochs=1000 patience=15 metric=recall@5 seed=3"
    assert best.table["recall@5"].iloc[0] == by_hand("mf", row.settings, split)[0]
    with pytest.raises(InputError, match="metric is no setting"):
        gr.tune("mf", {"metric": ["recall@5"]}, split.train, split.valid)


def test_tune_uses_its_budget_on_all_settings(split, tmp_path):
    for settings, need in ((4, 1.7), (3, 2.3), (1, 90.0), (9, 0.9)):
        run = Clockwork(6.0, {f"s{n}": need for n in range(settings)})
        run.reserve = 0.12
        trials = [(Entry(name, seconds=lambda *_: 0.05, bytes=lambda *_: 1.0), Trial(name, {}, {})) for name in run.needs]
        compete(run, trials, after="")
        assert not run.told
        assert all(run.given.values())
        assert sum(run.given.values()) > min(settings * need, 5.3) - 1e-6
    run, given = Clockwork(6.0, {f"s{n}": 90.0 for n in range(6)}), []
    run.reserve = 0.12
    trials = [(Entry(name, seconds=lambda *_: 0.05, bytes=lambda *_: 1.0), Trial(name, {}, {})) for name in run.needs]
    compete(run, trials, lambda: given.append(dict(run.given)), after="")
    assert min(given[0].values()) >= 0.5  # all of a few are compared before some of them go on
    run = object.__new__(_Tuning)
    run.budget, run.kept = Clockwork(50.0, {}).budget, [(0.5, Trial("mf", {}, {}))]
    run.kept[0][1].seconds = 10.0
    assert run.reserve == 1.0
    run.refits = True
    assert run.reserve == 13.0


def test_what_was_begun_goes_on_beside_what_there_is_no_room_for():
    run = Clockwork(20.0, {"begun": 100.0, "heavy": 100.0})
    run.kept = [(0.1, Trial("itempop", {}, {}))]
    trials = [(Entry(name, seconds=lambda *_, n=name: 1e3 * (n == "heavy")), Trial(name, {}, {})) for name in run.needs]
    compete(run, trials)
    assert run.told == {"heavy": "skipped"}
    assert run.given["begun"] > 0.8 * (20.0 - run.reserve)
    run = Clockwork(20.0, {"heavy": 100.0})
    run.kept, run.given["heavy"] = [(0.1, Trial("itempop", {}, {}))], 0.2  # an earlier run had time for it
    compete(run, trials[1:])
    assert not run.told


def test_whole_trainings_that_were_cut_short_go_on_alone(monkeypatch):
    run = Clockwork(60.0, {"long": 30.0})
    run.costs.learn("long", 20.0, 30.0)
    trial = Trial("long", {}, {})
    compete(run, [(Entry("long", whole=True, seconds=lambda *_: 20.0), trial)])
    assert run.given["long"] == 30.0
    assert trial.ended


def test_unread_ratings_are_said_once(split):
    pairs = split.train.to_frame()
    g = np.random.default_rng(0)
    rated = gr.Interactions.from_frame(pairs.assign(rating=g.integers(1, 6, len(pairs))), rating="rating")
    parts = gr.split.random(rated, test=0.2, valid=0.2)
    for call in (
        lambda: gr.search(parts.train, parts.valid, 5, models=["itempop", "rp3beta"], progress=False, device="cpu"),
        lambda: gr.tune("rp3beta", {"alpha": [0.4, 0.8]}, parts.train, parts.valid, 5, progress=False),
    ):
        with pytest.warns(UserWarning, match=r"ratings from 1 to 5 and (search|rp3beta) does not read them") as said:
            call()
        assert len(said) == 1
        assert said[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", r"\d+ of \d+ validation users have nothing in train")
        gr.tune("mf", {"loss": ["mse"], "epochs": [1]}, parts.train, parts.valid, 5, progress=False)
        gr.tune("rp3beta", {"alpha": [0.4]}, parts.train.binarize(min_rating=4), parts.valid, 5, progress=False)


def test_unread_weights_are_said_once_with_the_models(split):
    pairs = split.train.to_frame()
    weighted = pairs.assign(n=np.arange(len(pairs)) % 3 + 1)
    parts = gr.split.random(gr.Interactions.from_frame(weighted, weight="n"), test=0.2, valid=0.2)
    models = ["itempop", "rp3beta", "lightgcn-fast", "slim"]
    with pytest.warns(UserWarning, match=r"every pair counts alike: lightgcn-fast \(the graph\)\.$") as said:
        gr.search(parts.train, parts.valid, 5, models=models, progress=False, device="cpu")
    assert len(said) == 1
    with pytest.warns(UserWarning, match=r"what mf fits these do not read them: mf\."):
        gr.tune("mf", {"loss": ["masked_mse", "bpr"], "epochs": [1]}, parts.train, parts.valid, 5, progress=False)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        gr.tune("ials", {"dim": [8]}, parts.train, parts.valid, 5, progress=False)


def test_every_preset_is_one_candidate_with_its_own_settings(split):
    facts = facts_of(split.train)
    for name in preset_names():
        entry = entry_of(name)
        made = gr.preset(name)
        assert entry.whole is ("schedule" in made.fit_defaults)
        assert entry.seconds(facts, {}) > 0 < entry.bytes(facts, {})
        solved, trained = chosen([name])
        assert {e.model for e in (trained if made.kind.needs_training else solved)} == {name}
    assert entry_of("lightgcn-best").bytes(facts, {}) == entry_of("lightgcn-fast").bytes(facts, {"dim": 256})
    solved, trained = chosen(["random", "neumf"])
    assert ([e.model for e in solved], [e.model for e in trained]) == (["random"], ["neumf"])
    with pytest.raises(InputError, match="did you mean 'mf-bpr'"):
        chosen(["mf_bpr"])


def test_a_blend_shows_the_weights_that_it_has(split, tmp_path):
    members = [gr.Recommender(name).fit(split.train) for name in ("rp3beta", "itemknn")]
    blend = gr.Blend(members).fit(split.train, valid=split.valid)
    blend.save(tmp_path / "blend")
    told = f"weights={[round(weight, 4) for weight in blend.weights]}"
    for one in (blend, gr.load(tmp_path / "blend"), gr.Blend(members).fit(split.train, valid=split.valid, refit=True)):
        assert told in repr(one)
        assert "weights=None" not in repr(one)
    assert "weights=None" in repr(gr.Blend(members))


def test_a_reason_ends_in_one_full_stop(split):
    with pytest.raises(InputError, match=r"[^.]\.$"):
        gr.tune("ease", {"l2": [-1.0, -2.0]}, split.train, split.valid, 9, progress=False)


def table_of(*rows):
    columns = ["model", "settings", "ndcg@5", "seconds", "epochs", "at", "status", "reason"]
    return pd.DataFrame([dict(zip(columns, row, strict=True)) for row in rows])


def test_the_summary_has_a_line_for_each_reason_and_marks_what_was_stopped():
    large, late = "would take about {} of memory; 1.0 MiB are allowed", "would take about {} s; 2 s are left"
    table = table_of(
        ("mf", "dim=64", 0.1, 0.6, 4, 3.0, "stopped", "its time was over"),
        ("itemknn", "", 0.3, 0.1, None, 1.0, "ok", ""),
        ("ease", "l2=1.0", None, 0.0, None, 4.0, "skipped", large.format("33.0 MiB")),
        ("bspm", "", None, 0.0, None, 4.0, "skipped", late.format("7")),
        ("slim", "", None, 0.0, None, 4.0, "skipped", late.format("8.5")),
        ("slim", "l1=1.0", None, 0.0, None, 4.0, "skipped", large.format("2.0 GiB")),
        ("puresvd", "", None, 0.0, None, 4.0, "failed", "no luck"),
    )
    assert summary(table, "ndcg@5").splitlines() == [
        "model    ndcg@5  seconds  tried  best settings",
        "itemknn  0.3000      0.1      1",
        "mf       0.1000      0.6      1  (stopped) dim=64",
        "stopped before the end of training: mf after epoch 4; more time may do more for them",
        "skipped: ease, slim (ease: would take about 33.0 MiB of memory; 1.0 MiB are allowed)",
        "skipped: bspm, slim (bspm: would take about 7 s; 2 s are left)",
        "failed: puresvd (no luck)",
    ]


def test_the_summary_gives_reasons_of_the_models_that_were_asked_for_alone():
    late = "would take about {} s; 0.1 s are left"
    table = table_of(
        ("itemknn", "", 0.3, 0.1, None, 1.0, "ok", ""),
        ("simplex", "", None, 0.0, None, 4.0, "skipped", late.format("7")),
        ("cmn", "", None, 0.0, None, 9.0, "skipped", late.format("9")),
        ("blend", "", None, 0.0, None, 9.5, "failed", "no luck"),
    )
    of_cmn = "skipped: cmn (would take about 9 s; 0.1 s are left)"
    assert summary(table, "ndcg@5", ("cmn", "hoprec")).splitlines()[1:] == [
        "itemknn  0.3000      0.1      1",
        of_cmn,
        "failed: blend (no luck)",
    ]
    assert of_cmn not in summary(table, "ndcg@5", ("hoprec",))
    assert "skipped: simplex, cmn (simplex: would" in summary(table, "ndcg@5")


def test_the_summary_of_a_blend_that_had_too_little_time():
    why = "the weights of the blend are as good as they were when their share of time was over"
    solved = ("ease", "", 0.3, 0.1, None, 1.0, "ok", "")
    lines = summary(table_of(solved, ("blend", "ease=0.9", 0.31, 0.1, None, 2.0, "stopped", why)), "ndcg@5").splitlines()
    assert lines[1].startswith("blend  0.3100")
    assert lines[3:] == [f"blend: stopped, {why}"]


def test_names_in_the_picture_touch_neither_each_other_nor_the_frame():
    g = np.random.default_rng(0)
    steps = [("a rather long name", "", 0.1 + 0.01 * n, 0.1, None, 1 + 0.02 * n, "ok", "") for n in range(12)]
    others = [("mf", "", v, 0.1, 3, 10 + 9 * v, "stopped", "") for v in g.random(20) * 0.2]
    figure = plot_search(table_of(*steps, *others, ("blend", "", 0.9, 0.1, None, 20.0, "ok", "")), "ndcg@5")
    figure.canvas.draw()
    [axes] = figure.axes
    boxes = [text.get_window_extent() for text in axes.texts]
    assert axes.texts[0].get_text() == "blend"
    assert 2 <= len(boxes) < 13
    assert not any(one.overlaps(other) for one, other in itertools.combinations(boxes, 2))
    frame = figure.bbox
    assert all(frame.x0 <= box.x0 and box.x1 <= frame.x1 and frame.y0 <= box.y0 and box.y1 <= frame.y1 for box in boxes)
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["candidate", "stopped before its end"]


def test_a_name_in_the_picture_is_of_the_step_that_it_stands_beside():
    found = {"itempop": (1.0, 0.1), "rp3beta": (5.0, 0.1666), "simgcl": (33.3, 0.1717), "lightgcnpp": (38.2, 0.1735)}
    found |= {"blend": (43.3, 0.1836), "another": (67.2, 0.1832)}
    steps = [(name, "", figure, 0.1, None, at, "ok", "") for name, (at, figure) in found.items()]
    figure = plot_search(table_of(*steps), "ndcg@5")
    figure.canvas.draw()
    [axes] = figure.axes
    at = {text.get_text(): axes.transData.transform(text.xy) for text in axes.texts}
    for text in axes.texts:
        box = text.get_window_extent()
        others = [point for name, point in at.items() if name != text.get_text()]
        assert not any(box.x0 < x < box.x1 and box.y0 - 10 < y < box.y1 + 10 for x, y in others)
    assert {"simgcl", "lightgcnpp", "blend"} <= set(at)


def test_budgets_of_several_units_are_read():
    assert [seconds_of(text) for text in ("500ms", "1h30min", "1h 30 min", "2m5s", ".5h")] == [0.5, 5400, 5400, 125, 1800]
    for wrong in ("1min30", "1x", "min", "", "1h-3min", "1.2.3s"):
        with pytest.raises(InputError, match="budget must be"):
            seconds_of(wrong)


def test_what_cannot_be_chosen_by_or_drawn_is_refused_at_once(split):
    of = (split.train, split.valid, "9s")
    for metric, words in (("ndcg@100000", r"lists of 100,000, and there are \d+ items"), ("rmse", "of a list.*not by 'rmse'")):
        with pytest.raises(InputError, match=words):
            gr.search(*of, metric=metric, progress=False)
        with pytest.raises(InputError, match=words):
            gr.tune("ease", {"l2": [1.0]}, *of, metric=metric, progress=False)
    with pytest.raises(InputError, match="settings are chosen on validation: pass valid"):
        gr.tune("ease", {"l2": [1.0]}, split.train, None)
    with pytest.raises(InputError, match=r"space\['layers'\] must take a NumPy generator"):
        gr.tune("lightgcn", {"layers": lambda: 3}, *of)
    for wrong in (None, [("l2", [1.0])], "l2"):
        with pytest.raises(InputError, match="space must be a mapping"):
            gr.tune("ease", wrong, *of)
    with pytest.raises(InputError, match=r"space\['l2'\] must be a list"):
        gr.tune("ease", {"l2": {1.0, 2.0}}, *of)
    for values in ([10.0, 10, 20.0], np.array([10.0, 20.0]), pd.Series([10.0, 20.0])):
        assert len(gr.tune("itemknn", {"shrink": values}, *of, progress=False).table) == 2
