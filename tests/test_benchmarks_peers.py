"""The comparison with other libraries: what it does with what they write. Nothing is installed here."""

import json
import math
import sys
from pathlib import Path

import numpy as np
import pytest

import graphrec as gr

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))  # benchmarks/ is not part of the installed package

from benchmarks.peers import contract, environments, publish, ranking, tables  # noqa: E402
from benchmarks.peers.processes import PeerFailed, Worker  # noqa: E402
from benchmarks.peers.registry import FITS, STEPS  # noqa: E402


@pytest.fixture
def split(interactions) -> gr.Split:
    return gr.split.random(interactions, test=0.3, seed=1)


@pytest.fixture
def tables_of(split):
    g = np.random.default_rng(3)
    return g.normal(size=(split.train.n_users, 4)), g.normal(size=(split.train.n_items, 4))


def record(**changes):
    """What a run keeps of a fitted peer."""
    base = {
        "kind": "fit",
        "library": "fakelib",
        "model": "ALS",
        "package": "fakelib",
        "settings": "defaults",
        "notes": ["fakelib divides by min(k, r)."],
        "error": None,
        "python": "3.11.0",
        "versions": {"fakelib": "1.2", "numpy": "2.0"},
        "prepare": 0.5,
        "fit": 12.0,
        "recommend": 3.0,
        "recommend_users": 1500,
        "own": {"ndcg@20": 0.15, "recall@20": 0.19, "its precision": 0.3},
        "own_seconds": 4.0,
        "own_users": 1500,
        "ranked": {
            "figures": {"recall@20": 0.18, "ndcg@20": 0.14},
            "users": 29858,
            "from": "tables",
            "same_users": {"recall@20": 0.17, "ndcg@20": 0.15004},
        },
    }
    return json.loads(json.dumps(base | changes))


def step_record(library, steps, **changes):
    return record(
        kind="step",
        library=library,
        package=library,
        model="LightGCN",
        steps=steps,
        draws=[0.001] * len(steps),
        graph=2.0,
        versions={library: "9"},
        **changes,
    )


def test_step_table_takes_the_median_of_ratios_within_a_round():
    ours, theirs = [0.01, 0.02, 0.04], [0.10, 0.10, 0.48]
    table = tables.step_table([step_record("graphrec", ours), step_record("fakelib", theirs), record()])
    assert table["library"].tolist() == ["graphrec 9", "fakelib 9"]
    assert table["step median, ms"].tolist() == pytest.approx([20, 100])
    assert table["over graphrec's"].tolist() == pytest.approx([1, 10])  # ratios 10, 5, 12; of the medians it would be 5
    assert table["evaluation, ms a user"].tolist() == pytest.approx([4 / 1500 * 1e3] * 2)


def test_step_table_without_graphrec_has_no_ratio():
    assert math.isnan(tables.step_table([step_record("fakelib", [0.1])])["over graphrec's"][0])


def test_fit_table_gives_graphrecs_figures_and_leaves_out_what_failed():
    table = tables.fit_table([record(), record(model="BPR", error="fit: stopped after 600 s")])
    assert table["model"].tolist() == ["ALS"]
    row = table.iloc[0]
    assert (row["recall@20"], row["ndcg@20"], row["over users"]) == (0.18, 0.14, 29858)
    assert row["ranking, ms a user"] == pytest.approx(2.0)


def test_agreement_compares_the_same_users_and_names_differences():
    table = tables.agreement_table([record()]).set_index("metric")
    assert table["agree"].to_dict() == {"ndcg@20": "yes", "recall@20": "NO", "its precision": "no counterpart"}
    assert table.loc["recall@20", "graphrec's"] == 0.17  # not the .18 of all users


def test_publish_writes_every_part_and_hides_no_failure(tmp_path):
    records = [
        step_record("graphrec", [0.01, 0.02]),
        step_record("fakelib", [0.1, 0.2]),
        record(),
        record(library="absent", model="EASE", error="does not install: ERROR: no | wheel", versions={}),
    ]
    text = publish.publish(records, "toy", rounds=2, threads=1, folder=tmp_path)
    assert (tmp_path / "peers.md").read_text() == text
    assert "| absent | EASE | does not install: ERROR: no \\| wheel |" in text
    assert "- fakelib divides by min(k, r)." in text
    assert text.count("fakelib divides") == 1
    assert (tmp_path / "peers.png").stat().st_size > 5000
    lines = (tmp_path / "peers.csv").read_text().splitlines()
    assert lines[0] == "part,library,model,metric,what,value"
    assert any(line.endswith("ndcg@20,graphrec's,0.15004") for line in lines)
    assert not any(line.endswith(",") for line in lines[1:])


def test_lists_and_tables_of_one_model_have_the_evaluators_figures(split, tables_of):
    scores = tables_of[0] @ tables_of[1].T
    scores[split.train.users, split.train.items] = -np.inf
    users = np.unique(split.test.users).astype(np.int64)
    lists = np.argsort(-scores[users], axis=1, kind="stable")[:, :20]
    of_tables = ranking.figures_of_factors(split, *tables_of)
    assert ranking.figures_of_lists(split, lists, users) == pytest.approx(of_tables)
    some = users[::3]
    assert ranking.figures_of_lists(split, lists[::3], some) == pytest.approx(
        ranking.figures_of_factors(split, *tables_of, only=some)
    )


def test_definitions_by_a_slow_oracle(split, tables_of):
    """Recall over all test items, the capped one that LensKit calls recall, and the ideal of min(20, r)."""
    seen = {u: set(split.train.items[split.train.users == u].tolist()) for u in range(split.train.n_users)}
    recall, capped, ndcg = [], [], []
    for u in np.unique(split.test.users):
        wanted = set(split.test.items[split.test.users == u].tolist())
        scores = tables_of[1] @ tables_of[0][u]
        best = [i for i in np.argsort(-scores, kind="stable").tolist() if i not in seen[u]][:20]
        hits = [i in wanted for i in best]
        recall.append(sum(hits) / len(wanted))
        capped.append(sum(hits) / min(20, len(wanted)))
        ideal = sum(1 / math.log2(j + 2) for j in range(min(20, len(wanted))))
        ndcg.append(sum(1 / math.log2(j + 2) for j, hit in enumerate(hits) if hit) / ideal)
    figures = ranking.figures_of_factors(split, *tables_of)
    assert figures["recall@20"] == pytest.approx(np.mean(recall))
    assert figures["recall_capped@20"] == pytest.approx(np.mean(capped))
    assert figures["ndcg@20"] == pytest.approx(np.mean(ndcg))


def test_lists_with_training_pairs_or_repeats_are_refused(split):
    user = np.unique(split.test.users)[:1].astype(np.int64)
    seen = int(split.train.items[split.train.users == user[0]][0])
    with pytest.raises(ValueError, match="training pairs"):
        ranking.figures_of_lists(split, np.array([[seen] + [-1] * 19]), user)
    item = int(split.test.items[split.test.users == user[0]][0])
    with pytest.raises(ValueError, match="twice"):
        ranking.figures_of_lists(split, np.array([[item, item] + [-1] * 18]), user)
    short = ranking.figures_of_lists(split, np.array([[item] + [-1] * 19]), user)
    assert short["recall@20"] == pytest.approx(1 / (split.test.users == user[0]).sum())


def test_tables_of_another_size_are_refused(split):
    with pytest.raises(ValueError, match="tables of"):
        ranking.Factors(split.train, np.zeros((3, 4)), np.zeros((split.train.n_items, 4)))


def test_by_rank_keeps_the_order_and_pads():
    owner, items = np.array([7, 3, 7, 3, 7]), np.array([1, 2, 3, 4, 5])
    lists = contract.by_rank(items, owner, np.array([3, 5, 7]))
    assert lists[:, :4].tolist() == [[2, 4, -1, -1], [-1] * 4, [1, 3, 5, -1]]


def test_read_pairs_is_what_graphrec_reads(split, tmp_path):
    gr.write_lightgcn(split, tmp_path)
    pairs, again = contract.read_pairs(tmp_path), gr.read_lightgcn(tmp_path, cache=False)
    assert (pairs.n_users, pairs.n_items) == (again.train.n_users, again.train.n_items)
    for part, users, items in (
        (again.train, pairs.train_users, pairs.train_items),
        (again.test, pairs.test_users, pairs.test_items),
    ):
        assert set(zip(users.tolist(), items.tolist(), strict=True)) == set(
            zip(part.users.tolist(), part.items.tolist(), strict=True)
        )
    assert pairs.users_to_rank(2).tolist() == np.unique(pairs.test_users)[:2].tolist()


def test_only_torch_is_pinned_for_others():
    pins = environments.pins("click==8\ntorch==2.13.0\ntorch-scatter==2.1.2\ntorch-geometric==2.8.1\nnumpy==2\n")
    assert pins == ["torch-geometric==2.8.1", "torch==2.13.0"]
    assert pins == environments.pins("torch-geometric==2.8.1\ntorch==2.13.0\n")
    assert {kind.environment for kind in (*STEPS, *FITS)} - {""} == set(environments.ENVIRONMENTS)


class Fake(contract.Peer):
    """A peer of this file: its worker imports it by name."""

    library = model = package = "fake"
    environment = ""

    def prepare(self) -> None:
        print("chatter on standard output")

    def fit(self) -> None:
        raise RuntimeError("no luck\nwith this")

    def recommend(self):
        return np.tile(np.arange(20), (len(self.users), 1))


def test_a_worker_answers_and_a_failure_is_told(split, tmp_path, monkeypatch):
    gr.write_lightgcn(split, tmp_path / "data")
    monkeypatch.setattr("benchmarks.peers.processes.ROOT", f"{ROOT}:{ROOT / 'tests'}")
    with Worker(Fake, sys.executable, tmp_path / "data", tmp_path / "out", 1, 0, 60) as worker:
        assert "numpy" in worker.ask("about")["versions"]
        assert worker.ask("prepare")["seconds"] >= 0
        with pytest.raises(PeerFailed, match="fit: RuntimeError: with this"):
            worker.ask("fit")
        assert worker.ask("recommend")["users"] == len(np.load(tmp_path / "out" / "lists.npy"))
    assert worker.process.poll() is not None
