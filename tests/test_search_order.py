"""In which order a search tries what is solved: all that is cheap, what is dear last, and no time is left over."""

import sys
from dataclasses import replace

import numpy as np
import pytest
from test_search import Clockwork
from test_search_going_on import Clock, run_of

import graphrec as gr
from graphrec.search.budget import Costs
from graphrec.search.entries import by_epochs, entry_of
from graphrec.search.finish import _is_better, _shares, _Timed, blended, finished
from graphrec.search.halving import Competition
from graphrec.search.solving import Solving
from graphrec.search.space import SOLVED, Entry, facts_of
from graphrec.search.trial import OutOfTime, Trial


@pytest.fixture(scope="module")
def split():
    return gr.split.chronological(gr.load_dataset("synthetic").interactions.binarize(), test=0.2, valid=0.1)


def entry(model, *settings, seconds=0.0):
    return Entry(model, settings or ({},), seconds=lambda *_: seconds)


def order(run):
    return [row["model"] for row in run.journal.rows if row["status"] == "ok"]


def test_what_is_dear_waits_for_what_is_cheap_and_for_its_numbers(split, tmp_path):
    run = run_of(split, tmp_path)
    dear, less = entry("chebycf", seconds=15.0), entry("bspm", seconds=12.0)
    Solving(run, [entry("itempop"), dear, less, entry("rp3beta", {}, {"alpha": 0.8})]).begin(others_wait=False)
    tried = order(run)
    assert tried[:3] == ["itempop", "rp3beta", "rp3beta"]
    assert set(tried[3:-2]) == {"rp3beta"}, "its numbers are moved before anything dear is begun"
    assert len(tried[3:-2]) > 2
    assert tried[-2:] == ["bspm", "chebycf"]


def test_dear_ones_leave_time_to_those_who_wait_and_come_after_them(split, tmp_path):
    run = run_of(split, tmp_path)
    run.costs.learn("bspm", 40.0, 40.0)
    solving = Solving(run, [entry("itempop"), entry("bspm", {"rank": 4}, seconds=55.0)])
    run.refusal = lambda *_: None
    solving.begin(others_wait=True)
    assert order(run) == ["itempop"]
    solving.go_on()
    assert order(run)[:2] == ["itempop", "bspm"]


def test_something_comes_of_a_budget_in_which_nothing_is_cheap(split, tmp_path):
    run = run_of(split, tmp_path, seconds=0.01, clock=Clock(then=1.0))
    Solving(run, [entry("itempop"), entry("rp3beta")]).begin(others_wait=True)
    assert order(run) == ["itempop"]


@pytest.mark.parametrize(("spent", "calls"), [(0.0, 1), (99.0, 0)])
def test_time_that_the_chosen_do_not_need_is_used(split, tmp_path, spent, calls):
    clock = Clock()
    run = run_of(split, tmp_path, clock=clock)
    for model in ("itempop", "rp3beta"):
        run.solve(Entry(model), Trial(model, {}, {}))
    worst, came, clock.now = run.reserve, [], spent

    def go_on(enough):
        if not enough:
            return
        assert run.reserve <= worst + 1e-9
        came.append(1)
        run.solve(Entry("itemknn"), Trial("itemknn", {"neighbours": 5}, {}))

    result = finished(run, None, go_on)
    assert len(came) == calls
    best = max(row["figure"] for row in run.journal.rows if row["figure"] is not None)
    assert result.figure == best


def test_trained_ones_use_what_the_chosen_do_not_need():
    run = Clockwork(60.0, {"waits": 5.0})
    run.kept, run.reserve = [(0.1, Trial("itempop", {}, {}))], 60.0  # for fitting anew whatever may be chosen
    competition = Competition(run, [(Entry("waits", seconds=lambda *_: 0.05), Trial("waits", {}, {}))])
    competition.go_on()
    assert run.given["waits"] == 0
    run.reserve = 1.0  # of what was
    competition.go_on()
    competition.tell_untried()
    assert run.given["waits"] == 5.0
    assert not run.told


@pytest.mark.parametrize(("enough", "times"), [(True, 2), (False, 1)])
def test_a_search_goes_on_with_trained_ones_after_its_blend(split, monkeypatch, enough, times):
    went, told, at_the_end = [], [], finished
    monkeypatch.setattr(Competition, "go_on", lambda self: went.append(self))
    monkeypatch.setattr(Competition, "tell_untried", lambda self: told.append(self))

    def ended(run, earlier, go_on):
        go_on(enough)
        return at_the_end(run, earlier)

    monkeypatch.setattr(sys.modules[gr.search.__module__], "finished", ended)
    gr.search(split.train, split.valid, "3s", models=["itempop", "mf"], progress=False)
    assert len(went) == times
    assert len(told) == 1


def test_a_second_choice_that_cannot_be_fitted_anew_must_be_clearly_better(split, tmp_path):
    run = run_of(split, tmp_path, seconds=10.0, clock=Clock())
    first, slow = Trial("itempop", {}, {}), Trial("mf", {}, {})
    slow.seconds = 100.0
    recommender = gr.Recommender("itempop")
    assert not _is_better(run, (recommender, [slow], 0.1005), [first], 0.1)
    assert _is_better(run, (recommender, [slow], 0.1015), [first], 0.1)
    assert _is_better(run, (recommender, [slow], 0.1005), [slow], 0.1)
    assert _is_better(run, (recommender, [first], 0.1005), [first], 0.1)


def test_one_slow_model_says_nothing_of_another():
    costs = Costs()
    costs.learn("ease", 0.1, 0.1)
    costs.learn("slim", 0.1, 4.2)
    assert costs.expected("chebycf", 0.1) < 1.0


def test_settings_of_a_preset_with_a_schedule_are_compared_on_their_way(split, monkeypatch):
    entry, facts = entry_of("hoprec-2018"), facts_of(split.train)
    assert entry.whole
    each = by_epochs(entry)
    assert not each.whole
    assert each.seconds(facts, {}) == pytest.approx(entry.seconds(facts, {}) / 60)
    seen = []

    def compete(run, contenders, **_):
        seen.extend(one.whole for one, _ in contenders)
        run.keep(0.1, solved)

    solved = Trial("itempop", {}, {})
    solved.recommender = gr.Recommender("itempop").fit(split.train)
    monkeypatch.setattr(sys.modules[gr.tune.__module__], "compete", compete)
    gr.tune("hoprec-2018", {"order": [1, 2]}, split.train, split.valid, "5s", progress=False)
    assert seen == [False, False]


def test_a_first_training_is_given_a_look_though_making_ready_took_the_time(split, tmp_path):
    run, given = Clockwork(2.0, {"slow": 9.0}), list[tuple]()

    def warm_up(trial):
        run.now += 3.0

    run.warm_up, measured = warm_up, run.measured

    def watched(trial, fit, rung):
        given.append(fit.__closure__)
        return measured(trial, fit, rung)

    run.measured = watched
    Competition(run, [(Entry("slow", seconds=lambda *_: 0.05), Trial("slow", {}, {}))]).go_on()
    [cells] = given
    hard = [cell.cell_contents._hard for cell in cells if hasattr(cell.cell_contents, "_hard")]
    assert hard == [10.0]


def test_costs_of_an_approximation_say_nothing_of_the_exact_fit(split, tmp_path):
    run = run_of(split, tmp_path)
    ease = next(one for one in SOLVED if one.model == "ease")
    large = replace(ease, seconds=lambda _, hyper: 10.0 if "neighbours" in hyper else 400.0)
    assert ease.way({"l2": 1.0}) == ease.way({"l2": 1.0, "neighbours": 5}) != ease.way({"l2": 1.0, "budget": 9})
    run.costs.learn(large.way({"neighbours": 5}), 10.0, 5.0)
    assert run.price(large, Trial("ease", {"neighbours": 5, "l2": 9.0}, {})) < 10
    assert run.price(large, Trial("ease", {"budget": 1 << 33}, {})) > 290


@pytest.mark.parametrize("weights", [[1.0, 0.0], [0.0, 1.0]])  # of the best, or of another one that ties with it
def test_a_search_says_where_no_blend_is_better(split, tmp_path, capsys, monkeypatch, weights):
    monkeypatch.setattr(_Timed, "chosen", lambda self: np.array(weights))
    run = run_of(split, tmp_path)
    for model in ("rp3beta", "itemknn"):
        run.solve(Entry(model), Trial(model, {}, {}))
    run._show = True
    assert finished(run, None).recommender.name == "rp3beta"
    assert "no blend of the best 2 is better than rp3beta alone" in capsys.readouterr().err


def test_a_member_that_cannot_be_fitted_anew_in_time_is_left_out_of_the_blend(split, tmp_path, capsys):
    """And is no reason to have no blend."""
    run = run_of(split, tmp_path)
    for model in ("itempop", "rp3beta", "itemknn", "ease"):
        run.solve(Entry(model), Trial(model, {}, {}))
    members = [trial.model for trial in blended(run)[1]]
    assert len(members) > 1
    dear = next(trial for _, trial in run.kept[1:] if trial.model in members)
    dear.seconds = 10 * run.budget.seconds
    run._show = True
    chosen = [trial.model for trial in blended(run)[1]]
    assert dear.model not in chosen
    assert len(chosen) > 1 or "of the few that there was time for" in capsys.readouterr().err


def test_a_choice_of_weights_that_had_no_time_claims_nothing(split, tmp_path, capsys, monkeypatch):
    looks = []

    def out_of_time(self, weights):
        looks.append(weights)
        if len(looks) > most:
            raise OutOfTime("time was over")
        self._best_weights = np.array([1.0, 0.0]) if most == 2 else np.array([0.5, 0.5])
        return 0.1

    monkeypatch.setattr(_Timed, "figure", out_of_time)
    for most in (2, 4):
        looks.clear()
        run = run_of(split, tmp_path / str(most))
        for model in ("rp3beta", "slim"):
            run.solve(Entry(model), Trial(model, {}, {}))
        run._show = True
        blended(run)
        said = capsys.readouterr().err
        row = run.journal.rows[-1]
        assert (row["model"], row["status"]) == ("blend", "stopped")
        if most == 2:
            assert "no blend of the few that there was time for is better" in said
            assert row["reason"] == "there was no time to choose weights for 2"
        else:
            assert row["reason"] == "time was over"
            assert row["figure"] > 0


def test_a_blend_names_the_settings_of_its_members():
    chosen = [(Trial("slim", {"l2": 9.0}, {}), 0.75), (Trial("rp3beta", {}, {}), 0.25)]
    assert _shares(chosen) == {"slim(l2=9.0)": "0.75", "rp3beta": "0.25"}
