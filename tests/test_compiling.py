"""The line about kernels that are compiled: once in a process, about the library's own, on stderr."""

import numba
import pytest

import graphrec as gr
from graphrec import compiling
from graphrec.recommender import fitting

LINE = "note: compiling kernels for this machine, which is done once and can take half a minute.\n"


def compiled(module):
    def increment(x):
        return x + 1

    increment.__module__ = module
    numba.njit(increment)(1)


@pytest.fixture(autouse=True)
def untold(monkeypatch):
    monkeypatch.setattr(compiling, "_told", False)


@pytest.mark.parametrize(("module", "expected"), [("graphrec.kernels", LINE), ("somebody.elses", ""), ("graphrecs", "")])
def test_the_first_own_kernel_is_told(capsys, module, expected):
    with compiling.compiling_told():
        compiled(module)
        compiled(module)
    with compiling.compiling_told():
        compiled(module)
    assert capsys.readouterr().err == expected


def test_nothing_is_told_afterwards_or_unless_enabled(capsys):
    with compiling.compiling_told():
        pass
    compiled("graphrec.kernels")
    with compiling.compiling_told(enabled=False):
        compiled("graphrec.kernels")
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("model", "options", "told"),
    [("itemknn", {}, True), ("mf", {"epochs": 1}, True), ("mf", {"epochs": 1, "progress": False}, False)],
)
def test_fit_tells(capsys, monkeypatch, interactions, model, options, told):
    usual = fitting.build

    def build(*arguments, **named):
        compiled("graphrec.kernels")
        return usual(*arguments, **named)

    monkeypatch.setattr(fitting, "build", build)
    gr.Recommender(model).fit(interactions, **options)
    assert (LINE in capsys.readouterr().err) == told
