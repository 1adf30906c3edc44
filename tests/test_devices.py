"""Names of devices: those that are there, and a sentence for those that are not."""

import pytest
import torch

import graphrec as gr
from graphrec.devices import resolve_device


def test_the_cpu_is_always_there():
    assert resolve_device("cpu") == resolve_device(torch.device("cpu")) == torch.device("cpu")


@pytest.mark.parametrize(
    ("count", "name", "want"), [(0, "auto", "cpu"), (2, "auto", "cuda:0"), (2, "cuda", "cuda:0"), (2, "cuda:1", "cuda:1")]
)
def test_a_name_is_a_device_with_its_number(monkeypatch, count, name, want):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: count > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: count)
    assert str(resolve_device(name)) == want


@pytest.mark.parametrize(
    ("count", "name", "message"),
    [
        (0, "cuda", "device 'cuda' is not there: this torch sees no CUDA device"),
        (0, "cuda:1", "device 'cuda:1' is not there"),
        (2, "cuda:2", "device 'cuda:2' is not there: this torch sees 2 of them, counted from 0"),
        (0, "banana", "unknown device 'banana'"),
        (2, "cuda:", "unknown device 'cuda:'"),
        (2, "cuda:-1", "unknown device"),
        (0, "cpu:0", "unknown device"),
        (0, "mps", "device 'mps' is not there"),
    ],
)
def test_a_device_that_is_not_there_is_named(monkeypatch, count, name, message):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: count > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: count)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    with pytest.raises(gr.errors.InputError, match=message):
        resolve_device(name)
