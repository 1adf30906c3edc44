"""The cost model: its page is what it computes, and its formulas agree where they must."""

import numpy as np
import pandas as pd
import pytest

from benchmarks import cost_model
from benchmarks.record import RESULTS
from graphrec.data.power_law import power_law_pieces

EDGES, PAIRS = 1e9, 1e6
MACHINE = cost_model.Machine()


@pytest.fixture(scope="module")
def constants():
    return cost_model.calibrated(pd.read_csv(RESULTS / "scale.csv"))


def test_the_page_holds_what_the_model_computes(tmp_path, monkeypatch, capsys):
    before = cost_model.PAGE.read_text()
    monkeypatch.setattr(cost_model, "PAGE", tmp_path / "SCALE.md")
    cost_model.PAGE.write_text(before)
    cost_model.main([])
    assert cost_model.PAGE.read_text() == before, "run python -m benchmarks cost_model after python -m benchmarks scale"


def test_one_part_is_one_process(constants):
    whole = cost_model.one_process(EDGES, PAIRS, constants, MACHINE)
    for way in (cost_model.columns, cost_model.rows):
        found = way(EDGES, PAIRS, constants, MACHINE, 1)
        assert found.keys() == whole.keys()
        assert found == pytest.approx(whole)
    assert whole["seconds a step"] > 0
    assert constants.base > 0


def test_columns_send_the_same_whatever_the_graph(constants):
    sent = {cost_model.columns(edges, PAIRS, constants, MACHINE, 4)["GB sent a step"] for edges in (1e8, 1e10)}
    assert sent == {3 * 4 * PAIRS * 2 * 3 / 4 / 1e9}


def test_degrees_are_those_that_are_drawn():
    edges = 200_000
    users, items = map(np.concatenate, zip(*power_law_pieces(edges), strict=True))
    for drawn, per_node, power in ((users, 27, 1.6), (items, 20, 2.2)):
        degree = np.sort(np.bincount(drawn, minlength=edges // per_node))[::-1]
        formula = cost_model.degrees(per_node, power, len(degree))
        assert formula.mean() == pytest.approx(per_node, rel=0.05)
        middle = slice(len(degree) // 10, len(degree) // 2)
        np.testing.assert_allclose(degree[middle].mean(), formula[middle].mean(), rtol=0.05)


def test_what_is_needed_elsewhere_grows_with_the_parts():
    shares = [cost_model.needed_elsewhere(parts) for parts in (1, 2, 4, 64)]
    assert shares[0] == 0
    assert 0.4 < shares[1] < 0.5  # nearly every node has a neighbour in either half
    assert shares[1] < shares[2] < 0.75
    assert shares[3] < shares[2]  # of 64 parts few have a neighbour of a node with twenty
