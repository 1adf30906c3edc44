"""Schedules against their closed forms, resumed from JSON, and refused when they cannot work."""

import json
import math
from dataclasses import asdict

import numpy as np
import pandas as pd
import pytest
import torch
from torch.optim import lr_scheduler as scheduler

import graphrec as gr
from graphrec.errors import InputError
from graphrec.training.running_schedule import RunningSchedule
from graphrec.training.schedules import Schedule, preview, schedule_names


def adam(lr=0.1):
    return torch.optim.Adam([torch.zeros(3, requires_grad=True)], lr=lr)


def walk(running: RunningSchedule, optimizer, steps, metrics=None):
    """Rates of the next steps, five steps an epoch."""
    rates = []
    for step in range(steps):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        running.step_ended()
        if (step + 1) % 5 == 0:
            running.epoch_ended(None if metrics is None else metrics[step // 5])
    return rates


def triangle(step, size, low, high, scale=lambda cycle, step: 1.0):
    """Smith (2017), section 3, in his own variables."""
    cycle = math.floor(1 + step / (2 * size))
    x = abs(step / size - 2 * cycle + 1)
    return low + (high - low) * max(0.0, 1 - x) * scale(cycle, step)


def half_cosine(at, length, low, high):
    return low + (high - low) * (1 + math.cos(math.pi * at / length)) / 2


# ---- the rates ---------------------------------------------------------------------------------------------


def test_constant():
    np.testing.assert_allclose(preview("constant", 0.03, 7), 0.03)


@pytest.mark.parametrize(
    ("name", "options", "scale"),
    [
        ("triangular", {}, lambda cycle, step: 1.0),
        ("triangular2", {}, lambda cycle, step: 1 / 2 ** (cycle - 1)),
        ("exp_range", {"gamma": 0.98}, lambda cycle, step: 0.98**step),
    ],
)
def test_cyclical(name, options, scale):
    got = preview(Schedule(name, min_lr=0.01, max_lr=0.1, step_size=6, **options), lr=1.0, steps=40)
    np.testing.assert_allclose(got, [triangle(s, 6, 0.01, 0.1, scale) for s in range(40)], rtol=1e-9)


def test_cyclical_defaults_are_the_optimisers_rate_and_two_epochs():
    got = preview("triangular", lr=0.5, steps=40, steps_per_epoch=5)
    np.testing.assert_allclose(got, [triangle(s, 10, 0.05, 0.5) for s in range(40)], rtol=1e-9)


def test_cyclical_leaves_adams_momentum_alone():
    optimizer = adam()
    walk(Schedule("triangular", step_size=2).build(optimizer, 20, 5), optimizer, 3)
    assert optimizer.param_groups[0]["betas"] == (0.9, 0.999)
    walk(Schedule("one_cycle").build(adam_two := adam(), 20, 5), adam_two, 3)
    assert adam_two.param_groups[0]["betas"] == (0.9, 0.999)


def test_exponential_falls_once_an_epoch():
    got = preview(Schedule("exponential", gamma=0.5), lr=0.8, steps=12, steps_per_epoch=4)
    np.testing.assert_allclose(got, [0.8] * 4 + [0.4] * 4 + [0.2] * 4, rtol=1e-9)


def test_cosine():
    got = preview(Schedule("cosine", min_lr=0.002), lr=0.1, steps=50)
    np.testing.assert_allclose(got, [half_cosine(s, 50, 0.002, 0.1) for s in range(50)], rtol=1e-9)


def test_cosine_after_a_warm_up():
    got = preview(Schedule("cosine", min_lr=0.0006, warmup=10), lr=0.03, steps=60)
    np.testing.assert_allclose(got[:10], [0.03 * (s + 1) / 11 for s in range(10)], rtol=1e-9)
    np.testing.assert_allclose(got[10:], [half_cosine(s, 50, 0.0006, 0.03) for s in range(50)], rtol=1e-9)


def test_cosine_restarts():
    got = preview(Schedule("cosine_restarts", period=4, growth=2, min_lr=0.01), lr=0.1, steps=28)
    expected = [half_cosine(s, length, 0.01, 0.1) for length in (4, 8, 16) for s in range(length)]
    np.testing.assert_allclose(got, expected, rtol=1e-9)


def test_cosine_restarts_four_times_unless_told():
    got = preview("cosine_restarts", lr=0.1, steps=40)
    assert np.flatnonzero(np.isclose(got, 0.1)).tolist() == [0, 10, 20, 30]


def test_one_cycle():
    got = preview(Schedule("one_cycle", max_lr=0.2, pct_start=0.25, div_factor=10, final_div_factor=100), lr=1.0, steps=40)
    top = 0.25 * 40 - 1
    up = [half_cosine(top - s, top, 0.02, 0.2) for s in range(10)]
    down = [half_cosine(s - top, 39 - top, 0.0002, 0.2) for s in range(10, 40)]
    np.testing.assert_allclose(got, up + down, rtol=1e-9)


def test_plateau_waits_and_then_reduces():
    schedule = Schedule("plateau", factor=0.5, patience=1, min_lr=0.02)
    metrics = [0.1, 0.2, 0.2, 0.2, 0.3, 0.3, 0.3, 0.3, 0.3]  # without a gain after epochs 3, 4, 6, 7, 8, 9
    got = preview(schedule, lr=0.1, steps=9, metrics=metrics)
    np.testing.assert_allclose(got, [0.1, 0.1, 0.1, 0.1, 0.05, 0.05, 0.05, 0.025, 0.025])
    assert preview(schedule, lr=0.1, steps=40)[-1] == pytest.approx(0.02)


def test_plateau_follows_the_metrics_direction():
    falling = [1.0, 0.9, 0.8, 0.7]
    rates = {}
    for mode in ("min", "max"):
        optimizer = adam()
        running = Schedule("plateau", patience=0).build(optimizer, 20, 5, mode=mode)
        assert running.needs_metric
        rates[mode] = walk(running, optimizer, 20, falling)
    assert rates["min"][-1] == 0.1
    assert rates["max"][-1] == pytest.approx(0.1 / 100)
    optimizer = adam()
    walk(Schedule("plateau", patience=0, mode="min").build(optimizer, 20, 5, mode="max"), optimizer, 20, falling)
    assert optimizer.param_groups[0]["lr"] == 0.1


def test_plateau_ignores_epochs_without_a_metric():
    optimizer = adam()
    running = Schedule("plateau", patience=0).build(optimizer, 20, 5)
    assert set(walk(running, optimizer, 20)) == {0.1}


def test_steps():
    schedule = Schedule("steps", rates=[0.1, 0.01, 0.02], milestones=[2, 3])
    got = preview(schedule, lr=0.5, steps=20, steps_per_epoch=5)
    np.testing.assert_allclose(got, [0.1] * 10 + [0.01] * 5 + [0.02] * 5)


def test_steps_of_equal_length():
    got = preview(Schedule("steps", per="step", rates=(0.1, 0.01, 0.001)), lr=0.1, steps=9)
    np.testing.assert_allclose(got, np.repeat([0.1, 0.01, 0.001], 3))


def test_groups_keep_their_ratio_in_steps():
    parameters = [torch.zeros(1, requires_grad=True) for _ in range(2)]
    optimizer = torch.optim.SGD([{"params": parameters[0]}, {"params": parameters[1], "lr": 0.4}], lr=0.1)
    running = Schedule("steps", per="step", rates=[0.2, 0.05]).build(optimizer, 4, 2)
    walk(running, optimizer, 2)
    np.testing.assert_allclose([g["lr"] for g in optimizer.param_groups], [0.05, 0.2])


@pytest.mark.parametrize("name", ["triangular", "cosine", "cosine_restarts", "one_cycle"])
def test_per_epoch_holds_the_rate_within_an_epoch(name):
    slow = preview(Schedule(name, per="epoch"), lr=0.1, steps=60, steps_per_epoch=5)
    fast = preview(Schedule(name, per="step"), lr=0.1, steps=12, steps_per_epoch=1)
    np.testing.assert_allclose(slow, np.repeat(fast, 5))


@pytest.mark.parametrize("name", ["cosine", "one_cycle"])
def test_the_last_rate_is_held_beyond_the_end(name):
    optimizer = adam()
    rates = walk(Schedule(name).build(optimizer, 20, 5), optimizer, 30)
    assert set(rates[19:]) == {min(rates)}


# ---- names, options and files ------------------------------------------------------------------------------

OPTIONS = {"steps": {"rates": [0.1, 0.02, 0.01]}, "cosine": {"warmup": 3}, "plateau": {"patience": 0}}


def test_of_takes_what_files_and_callers_give():
    plain = Schedule("cosine", warmup=4, min_lr=0.01)
    assert Schedule.of(plain) is plain
    assert Schedule.of("cosine") == Schedule("cosine")
    assert Schedule.of({"name": "cosine", "warmup": 4, "min_lr": 0.01}) == plain
    assert Schedule.of({"name": "cosine", "per": "epoch"}).per == "epoch"


@pytest.mark.parametrize("name", schedule_names())
def test_a_schedule_survives_json(name):
    schedule = Schedule(name, **OPTIONS.get(name, {}))
    assert Schedule.of(json.loads(json.dumps(asdict(schedule)))) == schedule


def test_tuples_are_lists_as_json_would_have_them():
    assert Schedule("steps", rates=(0.1, 0.2)) == Schedule("steps", rates=[0.1, 0.2])


@pytest.mark.parametrize("stop", [1, 5, 8, 20])
@pytest.mark.parametrize("name", schedule_names())
def test_a_resumed_schedule_goes_on_as_if_nothing_had_happened(name, stop):
    schedule = Schedule(name, **OPTIONS.get(name, {}))
    metrics = [0.1, 0.3, 0.2, 0.1, 0.4, 0.4, 0.1, 0.1]
    whole = adam()
    expected = walk(schedule.build(whole, 40, 5), whole, 40, metrics)
    first = adam()
    running = schedule.build(first, 40, 5)
    walk(running, first, stop, metrics)
    saved = json.loads(json.dumps(running.state_dict(), allow_nan=False))
    second = adam()
    resumed = schedule.build(second, 40, 5)
    second.load_state_dict(first.state_dict())
    resumed.load_state_dict(saved)
    rates = []
    for step in range(stop, 40):
        rates.append(second.param_groups[0]["lr"])
        second.step()
        resumed.step_ended()
        if (step + 1) % 5 == 0:
            resumed.epoch_ended(metrics[step // 5])
    assert rates == expected[stop:]


OWN = {
    "a function": lambda optimizer: scheduler.ExponentialLR(optimizer, gamma=0.9),
    "steps counted by epochs": Schedule(lambda optimizer: scheduler.MultiStepLR(optimizer, [2, 3, 6]), per="epoch"),
    "plateau": lambda optimizer: scheduler.ReduceLROnPlateau(optimizer, patience=0),
}


def test_a_scheduler_of_torchs_own_runs_as_it_is():
    np.testing.assert_allclose(preview(OWN["a function"], 0.1, 8), [0.1 * 0.9**s for s in range(8)], rtol=1e-12)
    np.testing.assert_allclose(preview(OWN["steps counted by epochs"], 0.1, 20, 5), np.repeat([0.1, 0.1, 0.01, 0.001], 5))
    assert Schedule.of(OWN["plateau"]).build(adam(), 20, 5).needs_metric
    np.testing.assert_allclose(preview(OWN["plateau"], 0.1, 15, 5, [1, 2, 3]), np.repeat([0.1, 0.1, 0.01], 5))


@pytest.mark.parametrize("name", OWN)
def test_a_scheduler_of_torchs_own_is_resumed(name):
    metrics = [0.1, 0.3, 0.2, 0.1, 0.4, 0.4, 0.1, 0.1]
    schedule = Schedule.of(OWN[name])
    running, whole = schedule.build(optimizer := adam(), 40, 5), walk(schedule.build(once := adam(), 40, 5), once, 40, metrics)
    walk(running, optimizer, 20, metrics)
    saved = json.loads(json.dumps(running.state_dict(), allow_nan=False))
    second = adam()
    resumed = schedule.build(second, 40, 5)
    second.load_state_dict(optimizer.state_dict())
    resumed.load_state_dict(saved)
    assert walk(resumed, second, 20, metrics[4:]) == whole[20:]


def test_a_training_takes_and_records_a_scheduler_of_torchs_own():
    frame = pd.DataFrame({"user_id": np.arange(60) % 6, "item_id": np.arange(60) % 11})
    for given in (OWN["a function"], Schedule(OWN["a function"])):
        rec = gr.Recommender("mf", dim=4)
        rec.fit(gr.Interactions.from_frame(frame), schedule=given, epochs=3, batch_size=1000, lr=0.1, progress=False)
        np.testing.assert_allclose(rec.history["lr"], [0.1, 0.09, 0.081])
        assert "<lambda>" in str(json.loads(json.dumps(rec.options))["schedule"])


@pytest.mark.parametrize(
    ("name", "laid_out"), [("cosine", True), ("one_cycle", True), ("constant", False), ("triangular", False)]
)
def test_a_longer_training_cannot_resume_a_schedule_laid_out_over_it(name, laid_out):
    state = Schedule(name).build(adam(), 40, 5).state_dict()
    longer = Schedule(name).build(adam(), 80, 5)
    if not laid_out:
        longer.load_state_dict(state)
        return
    with pytest.raises(InputError, match="40 steps and is now asked to cover 80"):
        longer.load_state_dict(state)


# ---- mistakes ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Schedule("cosin"), "unknown schedule 'cosin'; did you mean 'cosine'"),
        (lambda: Schedule("cosine", min_rl=0.1), "unknown option of schedule 'cosine' 'min_rl'; did you mean 'min_lr'"),
        (lambda: Schedule("constant", min_lr=0.1), "'constant' has no options"),
        (lambda: Schedule("cosine", per="batch"), "per"),
        (lambda: Schedule("plateau", per="step"), "per epoch"),
        (lambda: Schedule("triangular", min_lr=0.2, max_lr=0.1), "min_lr=0.2 above max_lr=0.1"),
        (lambda: Schedule("triangular", max_lr=0.0), "max_lr .* above 0"),
        (lambda: Schedule("triangular", step_size=1.5), "step_size .* whole number"),
        (lambda: Schedule("exp_range", gamma=1.1), "gamma"),
        (lambda: Schedule("cosine", min_lr=math.nan), "min_lr"),
        (lambda: Schedule("cosine", warmup=-1), "warmup"),
        (lambda: Schedule("cosine", warmup=True), "warmup"),
        (lambda: Schedule("cosine_restarts", period=0), "period"),
        (lambda: Schedule("one_cycle", pct_start=1.0), "pct_start"),
        (lambda: Schedule("plateau", factor=1.0), "factor"),
        (lambda: Schedule("plateau", mode="highest"), "'min' or 'max'"),
        (lambda: Schedule("steps"), "needs rates"),
        (lambda: Schedule("steps", rates=[]), "rates"),
        (lambda: Schedule("steps", rates=[0.1, -0.1]), "rates"),
        (lambda: Schedule("steps", rates=[0.1, 0.2], milestones=[2, 4]), "2 rates take 1, got 2"),
        (lambda: Schedule("steps", rates=[0.1, 0.2, 0.3], milestones=[4, 2]), "milestones"),
        (lambda: Schedule.of({"warmup": 3}), "a table with a name"),
        (lambda: Schedule.of(3), "a table with a name"),
        (lambda: Schedule(lambda optimizer: None, gamma=0.9), "has no options, got 'gamma'"),
        (lambda: preview(lambda optimizer: optimizer, 0.1, 3), "makes no scheduler of torch's"),
        (lambda: preview(scheduler.StepLR, 0.1, 3), "StepLR.*missing 1 required positional argument: 'step_size'"),
        (lambda: preview(lambda o: scheduler.CosineAnnealingWarmRestarts(o, 0), 0.1, 3), "positive integer T_0"),
        (lambda: preview("cosine", 0.1, 0), "at least one step"),
        (lambda: preview(Schedule("cosine", min_lr=0.2), 0.1, 10), "min_lr=0.2 above the learning rate, 0.1"),
        (lambda: preview(Schedule("plateau", min_lr=0.2), 0.1, 10), "min_lr=0.2 above the learning rate, 0.1"),
        (lambda: preview(Schedule("cosine", warmup=10), 0.1, 10), "warmup of 10 steps"),
        (lambda: preview("one_cycle", 0.1, 3), "more than one step; the training has 3"),
        (lambda: preview(Schedule("steps", rates=[0.1, 0.2, 0.3]), 0.1, 2), "3 rates for a training of 2 epochs"),
    ],
)
def test_mistakes_are_named(call, message):
    with pytest.raises(InputError, match=message):
        call()
