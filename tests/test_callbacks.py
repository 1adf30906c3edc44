"""Callbacks at their moments, files that are whole, and early stopping counted by hand."""

import csv
import io
import json
import math
import sys
import types

import pytest
import torch
from torch import nn

from graphrec.errors import InputError
from graphrec.training.callbacks import (
    Callback,
    CallbackList,
    CSVLogger,
    EarlyStopping,
    ProgressBar,
    TensorBoard,
    TrainingState,
)


def begun(epochs=5):
    return TrainingState(model=nn.Linear(2, 2), epochs=epochs)


def finish_epoch(state, callbacks, **values):
    """What the trainer does at the end of an epoch."""
    state.row = {"epoch": state.epoch + 1, "loss": 1 / (state.epoch + 1), **values}
    state.history.append(state.row)
    state.epoch += 1
    callbacks.on_epoch_end(state)


def read(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


# ---- the list ----------------------------------------------------------------------------------------------


def test_every_moment_reaches_every_callback_in_order():
    seen = []

    class Recorder(Callback):
        def __init__(self, name):
            self.name = name

    moments = ["on_train_begin", "on_epoch_begin", "on_step_end", "on_evaluation", "on_epoch_end", "on_train_end"]
    for moment in moments:
        setattr(Recorder, moment, lambda self, state, moment=moment: seen.append((self.name, moment, state)))
    state, both = begun(), CallbackList([Recorder("a"), Recorder("b")])
    for moment in moments:
        getattr(both, moment)(state)
    assert seen == [(name, moment, state) for moment in moments for name in "ab"]


def test_any_object_with_one_of_the_methods_will_do():
    class Stop:
        on_train_end = None  # not a method

        def on_epoch_end(self, *args, **kwargs):
            (state,) = args
            assert not kwargs
            state.stop = True

    state, callbacks = begun(), CallbackList([Stop()])
    for moment in ("on_train_begin", "on_epoch_begin", "on_step_end", "on_evaluation", "on_train_end"):
        getattr(callbacks, moment)(state)
    assert not state.stop
    callbacks.on_epoch_end(state)
    assert state.stop


def test_what_a_callback_raises_is_not_swallowed():
    class Break:
        def on_step_end(self, state):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        CallbackList([Break()]).on_step_end(begun())


def test_objects_that_would_never_be_called_are_refused():
    class Misspelt:
        def on_epoch_ended(self, state):
            """Never called."""

    with pytest.raises(InputError, match=r"'on_epoch_ended'; did you mean 'on_epoch_end'\?"):
        CallbackList([Misspelt()])
    with pytest.raises(InputError, match="none of the methods"):
        CallbackList([print])
    with pytest.raises(InputError, match=r"Callback is a class; give an object, Callback\(…\)"):
        CallbackList([Callback])


def test_states_go_back_to_their_callbacks():
    class Counter:
        def __init__(self):
            self.count = 0

        def on_epoch_end(self, state):
            self.count += 1

        def state_dict(self):
            return {"count": self.count}

        def load_state_dict(self, state):
            self.count = state["count"]

    first = CallbackList([CSVLogger("unused.csv"), Counter()])
    for _ in range(3):
        first.callbacks[1].on_epoch_end(begun())
    saved = json.loads(json.dumps(first.state_dict()))
    assert saved == {"1.Counter": {"count": 3}}
    same, moved = CallbackList([CSVLogger("unused.csv"), Counter()]), CallbackList([Counter()])
    same.load_state_dict(saved)
    moved.load_state_dict(saved)
    assert same.callbacks[1].count == 3
    assert moved.callbacks[0].count == 0


def test_the_state_knows_the_models_device():
    assert begun().device == torch.device("cpu")
    assert TrainingState(model=nn.ReLU(), epochs=1).device == torch.device("cpu")


# ---- early stopping ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mode", "min_delta", "values", "best_at", "stops_after"),
    [
        ("max", 0.0, [0.1, 0.2, 0.2, 0.19, 0.3], [1, 2], 4),
        ("max", 0.0, [0.1, 0.1, 0.2, 0.1, 0.1], [1, 3], 5),
        ("min", 0.0, [1.0, 0.9, 0.95, 0.91], [1, 2], 4),
        ("min", 0.01, [1.0, 0.995, 0.985, 0.98, 0.976], [1, 3], 5),
        ("max", 0.0, [math.nan, 0.1, math.nan, math.nan], [2], 4),
        ("max", 0.0, [-0.5, -0.4, -0.3], [1, 2, 3], None),
    ],
)
def test_early_stopping(mode, min_delta, values, best_at, stops_after):
    stopping = EarlyStopping("ndcg@20", patience=2, min_delta=min_delta, mode=mode)
    gains, stopped = [], None
    for epoch, value in enumerate(values, 1):
        if stopping.update(value, epoch):
            gains.append(epoch)
        if stopped is None and stopping.should_stop:
            stopped = epoch
            break
    assert gains == best_at
    assert stopped == stops_after
    assert stopping.best_epoch == best_at[-1]
    assert stopping.best == values[best_at[-1] - 1]


def test_without_patience_it_never_stops():
    stopping = EarlyStopping("ndcg@20")
    for epoch in range(1, 50):
        stopping.update(-epoch, epoch)
    assert not stopping.should_stop


def test_early_stopping_goes_on_from_its_state():
    stopping = EarlyStopping("rmse", patience=2, mode="min")
    fresh = json.loads(json.dumps(stopping.state_dict()))
    stopping.update(1.0, 1)
    stopping.update(1.1, 2)
    other = EarlyStopping("rmse", patience=2, mode="min")
    other.load_state_dict(json.loads(json.dumps(stopping.state_dict())))
    assert not other.update(1.05, 3)
    assert other.should_stop
    assert other.best_epoch == 1
    other.load_state_dict(fresh)
    assert other.update(9.0, 1)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"patience": 0}, "patience"),
        ({"min_delta": -1.0}, "min_delta"),
        ({"min_delta": math.nan}, "min_delta"),
        ({"mode": "up"}, "mode"),
    ],
)
def test_early_stopping_refuses(options, message):
    with pytest.raises(InputError, match=message):
        EarlyStopping("ndcg@20", **options)


# ---- CSV ---------------------------------------------------------------------------------------------------


def test_csv_is_whole_after_every_epoch_and_has_every_column(tmp_path):
    path = tmp_path / "new" / "history.csv"
    state, callbacks = begun(), CallbackList([CSVLogger(path)])
    callbacks.on_train_begin(state)
    assert not path.exists()
    finish_epoch(state, callbacks)
    assert read(path) == [{"epoch": "1", "loss": "1.0"}]
    finish_epoch(state, callbacks, **{"ndcg@20": 0.1 + 0.2})
    assert read(path) == [
        {"epoch": "1", "loss": "1.0", "ndcg@20": ""},
        {"epoch": "2", "loss": "0.5", "ndcg@20": "0.30000000000000004"},
    ]
    assert [p.name for p in path.parent.iterdir()] == ["history.csv"]


def test_csv_replaces_an_older_file_unless_asked_to_append(tmp_path):
    path = tmp_path / "history.csv"
    for append, expected in ((False, 2), (False, 2), (True, 4), (True, 6), (False, 2)):
        state, callbacks = begun(), CallbackList([CSVLogger(path, append=append)])
        callbacks.on_train_begin(state)
        finish_epoch(state, callbacks)
        finish_epoch(state, callbacks, **{f"stage{expected}": expected})
        assert len(read(path)) == expected
        assert read(path)[-1][f"stage{expected}"] == str(expected)


@pytest.mark.parametrize("append", [False, True])
@pytest.mark.parametrize("lost", [0, 1])
def test_csv_of_a_resumed_training_has_each_epoch_once(tmp_path, append, lost):
    """The checkpoint may be an epoch ahead of the file, or the file an epoch ahead of the checkpoint."""
    path = tmp_path / "history.csv"
    earlier, callbacks = begun(), CallbackList([CSVLogger(path)])
    callbacks.on_train_begin(earlier)
    finish_epoch(earlier, callbacks, stage="warm-up")
    state, callbacks = begun(), CallbackList([CSVLogger(path, append=append)])
    callbacks.on_train_begin(state)
    for _ in range(3):
        finish_epoch(state, callbacks)
    saved = json.loads(json.dumps(state.history[: 3 - lost]))
    resumed, again = begun(), CallbackList([CSVLogger(path, append=append)])
    resumed.history, resumed.epoch = saved, len(saved)
    again.on_train_begin(resumed)
    finish_epoch(resumed, again)
    finish_epoch(resumed, again)
    epochs = [int(row["epoch"]) for row in read(path)]
    assert epochs == [1] * append + list(range(1, 6 - lost))


def test_csv_keeps_the_old_file_if_writing_fails(tmp_path, monkeypatch):
    path = tmp_path / "history.csv"
    path.write_text("epoch,loss\n1,0.5\n")
    state, callbacks = begun(), CallbackList([CSVLogger(path)])
    callbacks.on_train_begin(state)

    def fail(*args):
        raise OSError("no space left")

    monkeypatch.setattr("os.replace", fail)
    with pytest.raises(OSError, match="no space"):
        finish_epoch(state, callbacks)
    assert path.read_text() == "epoch,loss\n1,0.5\n"


def test_csv_refuses_a_folder(tmp_path):
    with pytest.raises(InputError, match="is a folder"):
        CSVLogger(tmp_path)


# ---- TensorBoard -------------------------------------------------------------------------------------------


def scalars(folder):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder))
    events.Reload()
    return {tag: [(e.step, round(e.value, 4)) for e in events.Scalars(tag)] for tag in events.Tags()["scalars"]}


def test_tensorboard_gets_every_number(tmp_path):
    pytest.importorskip("tensorboard")
    state, callbacks = begun(), CallbackList([TensorBoard(tmp_path)])
    callbacks.on_train_begin(state)
    finish_epoch(state, callbacks, note="words are left out")
    finish_epoch(state, callbacks, **{"ndcg@20": 0.25})
    callbacks.on_train_end(state)
    assert scalars(tmp_path) == {"loss": [(1, 1.0), (2, 0.5)], "ndcg@20": [(2, 0.25)]}


def test_tensorboard_hides_what_a_resumed_training_repeats(tmp_path):
    pytest.importorskip("tensorboard")
    state, callbacks = begun(), CallbackList([TensorBoard(tmp_path)])
    callbacks.on_train_begin(state)
    for _ in range(3):
        finish_epoch(state, callbacks, value=1.0)
    callbacks.on_train_end(state)
    resumed, again = begun(), CallbackList([TensorBoard(tmp_path)])
    resumed.history, resumed.epoch = state.history[:2], 2
    again.on_train_begin(resumed)
    finish_epoch(resumed, again, value=2.0)
    again.on_train_end(resumed)
    assert scalars(tmp_path)["value"] == [(1, 1.0), (2, 1.0), (3, 2.0)]


def test_a_missing_tensorboard_is_one_sentence_at_once(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(InputError, match=r"pip install 'graphrec\[tensorboard\]'"):
        TensorBoard(tmp_path)


# ---- the bar -----------------------------------------------------------------------------------------------


class Terminal(io.StringIO):
    def isatty(self):
        return True


def run_bar(file, enabled=True, epoch=0):
    state, callbacks = begun(epochs=4), CallbackList([ProgressBar("ndcg@20", enabled=enabled, file=file)])
    state.epoch = epoch
    callbacks.on_train_begin(state)
    while state.epoch < 4:
        finish_epoch(state, callbacks, **({"ndcg@20": 0.125} if state.epoch % 2 == 0 else {}))
    callbacks.on_train_end(state)
    return file.getvalue() if file else ""


def test_the_bar_shows_loss_and_the_latest_metric():
    last = run_bar(Terminal()).split("\r")[-1]
    assert "4/4" in last
    assert "loss=0.2500" in last
    assert "ndcg@20=0.1250" in last  # of epoch 3: epoch 4 was not evaluated


def test_the_bar_of_a_resumed_training_starts_where_it_goes_on():
    assert "2/4" in run_bar(Terminal(), epoch=2).split("\r")[1]


def test_where_there_is_no_cursor_the_bar_is_lines_at_a_bounded_rate(monkeypatch):
    now = [0.0]
    monkeypatch.setattr("graphrec.training.loggers.time.monotonic", lambda: now[0])
    file = io.StringIO()
    bar = ProgressBar("ndcg@20", file=file, seconds=10)
    state, callbacks = begun(epochs=9), CallbackList([bar])
    callbacks.on_train_begin(state)
    for at in (1, 2, 3, 11, 12, 13, 14, 15):
        now[0] = at
        finish_epoch(state, callbacks, **({"ndcg@20": 0.125} if at == 2 else {}))
    callbacks.on_train_end(state)
    assert file.getvalue().splitlines() == [
        "epoch 1/9  loss 1.0000",
        "epoch 4/9  loss 0.2500  ndcg@20 0.1250",
        "epoch 8/9  loss 0.1250  ndcg@20 0.1250",  # the last, though the training ended early
    ]


def test_a_reader_that_is_gone_ends_the_lines_and_not_the_training():
    class Gone(io.StringIO):
        def write(self, text):
            raise BrokenPipeError

    assert run_bar(Gone()) == ""
    closed = io.StringIO()
    closed.close()
    state, callbacks = begun(epochs=2), CallbackList([ProgressBar(file=closed)])
    callbacks.on_train_begin(state)
    finish_epoch(state, callbacks)
    callbacks.on_train_end(state)


def test_the_line_of_the_last_epoch_comes_once():
    assert run_bar(io.StringIO(), epoch=3).splitlines() == ["epoch 4/4  loss 0.2500"]


def test_a_bar_that_is_not_wanted_is_silent_everywhere(monkeypatch):
    assert run_bar(io.StringIO(), enabled=False) == ""
    assert run_bar(Terminal(), enabled=False) == ""


def test_in_a_notebook_it_is_a_bar_though_the_output_is_no_terminal(monkeypatch):
    kernel = types.SimpleNamespace(get_ipython=lambda: types.SimpleNamespace(kernel=object()))
    monkeypatch.setitem(sys.modules, "IPython", kernel)
    shown = io.StringIO()
    monkeypatch.setattr(sys, "stderr", shown)
    run_bar(None)
    assert "4/4" in shown.getvalue().split("\r")[-1]
