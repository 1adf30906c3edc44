"""What stands in docstrings and in the README is run."""

import doctest
import importlib
import pkgutil
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

import graphrec as gr

FLAGS = doctest.NORMALIZE_WHITESPACE | doctest.IGNORE_EXCEPTION_DETAIL
# Runs a command when it is imported.
NOT_IMPORTED = {"graphrec.__main__"}


def found() -> dict[str, doctest.DocTest]:
    """Every docstring of the package that has an example, by its name."""
    finder, tests = doctest.DocTestFinder(exclude_empty=True), {}
    for info in pkgutil.walk_packages(gr.__path__, "graphrec."):
        if info.name not in NOT_IMPORTED:
            module = importlib.import_module(info.name)
            for test in finder.find(module, info.name):
                if test.examples:
                    tests[test.name] = test
    return tests


FOUND = found()
# What somebody asks help for first has an example.
WANTED = [
    "graphrec.data.interactions.Interactions.from_frame",
    "graphrec.data.split.chronological",
    "graphrec.data.datasets.load_dataset",
    "graphrec.evaluation.evaluate.evaluate",
    "graphrec.evaluation.significance.compare",
    "graphrec.graph.bipartite.BipartiteGraph.adjacency",
    "graphrec.losses.pairwise.bpr",
    "graphrec.models.base.Model",
    "graphrec.presets.preset",
    "graphrec.recommender.recommender.Recommender",
    "graphrec.recommender.questions.Questions.recommend",
    "graphrec.recommender.questions.Questions.explain",
    "graphrec.recommender.loading.load",
]


def test_what_is_asked_for_first_has_an_example_that_runs():
    for name in WANTED:
        runs = [e for e in FOUND[name].examples if not e.options.get(doctest.SKIP)]
        assert runs, name


@pytest.mark.parametrize("name", sorted(FOUND))
def test_example(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    test, told = FOUND[name], []
    test.globs = {"gr": gr, "np": np, "pd": pd, "torch": torch}
    doctest.DocTestRunner(optionflags=FLAGS).run(test, out=told.append, clear_globs=False)
    assert not told, "".join(told)


# ---- the README ---------------------------------------------------------------------------------------------

README = Path(__file__).resolve().parents[1] / "README.md"


def tables(folder):
    """The file that the README reads, with the ids that it asks for, and what is bought tomorrow."""
    g = np.random.default_rng(5)
    users, items = [196, 22, *range(300, 340)], [50, 181, *range(600, 640)]
    rows = [(u, i, rating, 1_700_000_000 + int(g.integers(10**6))) for u in users for i in items if (rating := g.integers(6))]
    frame = pd.DataFrame(rows, columns=["userId", "movieId", "rating", "timestamp"])
    frame.to_csv(folder / "ratings.csv", index=False)
    return gr.Interactions.from_frame(pd.DataFrame({"user_id": [196, 900], "item_id": [700, 50]}))


def test_the_readmes_programs_run_as_they_stand(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"^```python\n(.*?)^```", README.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    assert len(blocks) >= 2
    names = {"tomorrow": tables(tmp_path)}
    for place, block in enumerate(blocks):  # one after the other: a later one goes on from the earlier
        exec(compile(block, f"README.md, block {place}", "exec"), names)
    assert (tmp_path / "run" / "run.json").exists()
    assert names["rec"].train.n_users == 43  # tomorrow's newcomer is among them
