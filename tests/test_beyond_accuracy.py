"""Figures of the lists themselves and by group: worked out on paper, and against loops over what ``recommend`` says."""

import json
import math
from collections import Counter
from itertools import combinations

import numpy as np
import pandas as pd
import pytest
import torch
from click.testing import CliRunner
from scipy.spatial.distance import cosine
from test_evaluation_by_hand import TEST, TRAIN

import graphrec as gr
from graphrec.cli import main
from graphrec.data.features import Features
from graphrec.errors import InputError
from graphrec.evaluation.beyond import _mean_of
from graphrec.evaluation.groups import _named, group_items

pytestmark = pytest.mark.filterwarnings("ignore:.*nothing in train")


# The lists of two of TRAIN are [3, 4] for user 0, [2, 3] for user 2 and [1, 2] for user 3; user 4 has nothing.


@pytest.fixture
def popular():
    return gr.Recommender("itempop").fit(TRAIN)


@pytest.fixture
def split(interactions):
    return gr.split.random(interactions.binarize(), test=0.3, valid=0.1, seed=1)


@pytest.fixture
def fitted(split):
    options = {"epochs": 2, "seed": 0, "progress": False}
    return {
        "mf": gr.Recommender("mf", dim=8).fit(split.train, split.valid, **options),
        "pop": gr.Recommender("itempop").fit(split.train, split.valid),
    }


def lists_of(rec, report, k):
    """What is ranked for each user of a report, people without history as well."""
    users = report.per_user["user_id"].tolist()
    best, _ = rec.ranker.top_k(rec.train.user_index(users), k)
    return {user: mine[mine >= 0].tolist() for user, mine in zip(users, best, strict=True)}


def test_on_paper(popular):
    report = gr.evaluate(popular, TEST, k=2, beyond=True)
    assert report.per_user["novelty@2"].tolist() == pytest.approx([2, 2, (math.log2(4 / 3) + 2) / 2])
    assert report.per_user["arp@2"].tolist() == [0.5, 1, 2]
    assert report.per_user["diversity@2"].tolist() == pytest.approx([1, 1, 1 - 1 / math.sqrt(3)])
    assert report.overall["coverage@2"] == pytest.approx(4 / 6)
    assert report.overall["gini@2"] == pytest.approx(16 / 36)
    assert report.overall["popularity_lift@2"] == pytest.approx((0.5 + 1 + 2) / (8 / 3 + 7 / 2 + 4) - 1)


def test_groups_on_paper(popular):
    report = gr.evaluate(popular, TEST, k=2, user_groups={0: "a", 2: "b", 3: "b", 4: "c"}, item_groups="popularity")
    things = report.by_item_group
    assert things.index.tolist() == ["head", "mid", "tail"]
    assert things["n"].tolist() == [1, 2, 3]
    assert things["test_share"].tolist() == pytest.approx([0, 1 / 6, 5 / 6])
    assert things["exposure@2"].tolist() == pytest.approx([0, 1 / 2, 1 / 2])
    assert things["recall@2"].tolist() == pytest.approx([np.nan, 1, (2 / 3 + 1 + 0) / 3], nan_ok=True)
    people = report.by_user_group
    assert people["n"].to_dict() == {"a": 1, "b": 2}
    of_b = report.per_user.set_index("user_id").loc[[2, 3], report.metrics].mean()
    assert people.loc["b", report.metrics].to_dict() == pytest.approx(of_b.to_dict())
    thirds = gr.evaluate(popular, TEST, k=2, user_groups="history").by_user_group
    assert thirds.index.tolist() == [
        "short history (1 to 1 items)", "middle history (2 to 2 items)", "long history (3 to 3 items)",
    ]  # fmt: skip


def test_a_fifth_of_equally_popular_items_is_head_and_a_fifth_tail():
    everything = gr.Interactions.from_indices(np.repeat([0, 1], 10), np.tile(np.arange(10), 2))
    assert list(group_items("popularity", everything)) == ["head"] * 2 + ["mid"] * 6 + ["tail"] * 2


@pytest.mark.parametrize("k", [1, 5, 20])
def test_against_loops(split, fitted, k):
    train, rec = split.train, fitted["mf"]
    report = gr.evaluate(rec, split, k=k, beyond=True)
    frame = train.to_frame()
    have = {i: set(of["user_id"]) for i, of in frame.groupby("item_id")}
    profile = {u: set(of["item_id"]) for u, of in frame.groupby("user_id")}
    pop = {i: len(have.get(i, ())) for i in train.item_ids.tolist()}
    ids = train.item_ids.tolist()
    lists = {user: [ids[i] for i in mine] for user, mine in lists_of(rec, report, k).items()}
    listed = Counter(i for mine in lists.values() for i in mine)
    for row in report.per_user.to_dict("records"):
        mine = lists[row["user_id"]]
        assert row[f"arp@{k}"] == pytest.approx(np.mean([pop[i] for i in mine]))
        assert row[f"novelty@{k}"] == pytest.approx(np.mean([math.log2(len(profile) / max(pop[i], 1)) for i in mine]))
        alike = [
            len(have.get(a, set()) & have.get(b, set())) / math.sqrt(max(pop[a] * pop[b], 1)) for a, b in combinations(mine, 2)
        ]
        assert row[f"diversity@{k}"] == pytest.approx(1 - np.mean(alike) if alike else 0)
    counts = np.array([listed[i] for i in train.item_ids.tolist()])
    assert report.overall[f"coverage@{k}"] == pytest.approx((counts > 0).mean())
    # Half the mean absolute difference of two items, by the mean.
    assert report.overall[f"gini@{k}"] == pytest.approx(np.abs(counts[:, None] - counts).mean() / (2 * counts.mean()))
    a = np.mean([np.mean([pop[i] for i in mine]) for user, mine in lists.items() if user in profile])
    b = np.mean([np.mean([pop[i] for i in profile[user]]) for user in lists if user in profile])
    assert report.overall[f"popularity_lift@{k}"] == pytest.approx(a / b - 1)


def test_diversity_by_features_and_by_embeddings(split, fitted):
    g, rec, n = np.random.default_rng(0), fitted["mf"], split.train.n_items
    values = g.normal(size=(n, 5)).astype(np.float32)
    values[3] = 0  # nothing is known of it
    features = Features.from_matrix(values, split.train.item_ids, split.train)
    rows = rec.model.encode().items.full().detach().numpy()
    for of, vectors in ((features, values), ("embeddings", rows)):
        report = gr.evaluate(rec, split, k=[3, 6], beyond=of)
        expected = {
            user: np.mean(
                [1 if vectors is values and 3 in pair else cosine(*vectors[list(pair)]) for pair in combinations(own, 2)]
            )
            for user, own in lists_of(rec, report, 6).items()
        }
        assert report.per_user.set_index("user_id")["diversity@6"].to_dict() == pytest.approx(expected, abs=2e-6)
    with pytest.raises(InputError, match="no embeddings"):
        gr.evaluate(fitted["pop"], split, beyond="embeddings")
    with pytest.raises(InputError, match="of other items"):
        gr.evaluate(rec, split, beyond=Features.from_matrix(np.eye(6), TRAIN.item_ids, TRAIN))


def test_threads_and_metrics_asked_make_no_difference(split, fitted):
    whole = gr.evaluate(fitted["mf"], split, k=5, beyond=True, item_groups="popularity")
    threads = torch.get_num_threads()
    torch.set_num_threads(8)
    try:
        parts = gr.evaluate(fitted["mf"], split, k=5, metrics=["auc"], beyond=True, item_groups="popularity")
    finally:
        torch.set_num_threads(threads)
    assert parts.metrics == ["auc", "novelty@5", "diversity@5", "arp@5"]
    pd.testing.assert_frame_equal(parts.per_user.drop(columns="auc"), whole.per_user[parts.per_user.columns.drop("auc")])
    pd.testing.assert_frame_equal(parts.by_item_group, whole.by_item_group)
    assert parts.overall == whole.overall
    plain = gr.evaluate(fitted["mf"], split, k=5)
    pd.testing.assert_frame_equal(plain.per_user, whole.per_user[plain.per_user.columns])
    assert plain.overall == {}


def test_compare_tests_what_a_user_has_and_only_lists_the_rest(split, fitted):
    reports = {name: gr.evaluate(rec, split, k=5, beyond=True) for name, rec in fitted.items()}
    found = gr.compare(reports).set_index("metric")
    assert found.loc[["novelty@5", "diversity@5", "arp@5"], "p"].between(0, 1).all()
    whole = found.loc[["coverage@5", "gini@5", "popularity_lift@5"]]
    assert whole[["p", "p_holm"]].isna().all(axis=None)
    assert whole["difference"].to_dict() == pytest.approx(
        {name: reports["mf"].overall[name] - reports["pop"].overall[name] for name in whole.index}
    )
    alone = gr.compare(reports, metrics=["recall@5", "arp@5"]).set_index("metric")["p_holm"]
    assert (
        gr.compare(reports, metrics=["recall@5", "coverage@5", "arp@5"])
        .set_index("metric")["p_holm"][alone.index]
        .equals(alone)
    )
    assert "Without a test: coverage@5" in gr.compare(reports).to_markdown()
    seeds = gr.compare({"mf": [reports["mf"]], "pop": [reports["pop"]]}, metrics=["gini@5"])
    assert seeds.loc[0, "seeds"] == 1
    other = gr.evaluate(fitted["mf"], split, k=5, beyond="embeddings")
    with pytest.raises(InputError, match=r"diversity@5 of 'mf'.*like with like"):
        gr.compare({"mf": other, "pop": reports["pop"]})
    assert len(gr.compare({"mf": other, "pop": reports["pop"]}, metrics=["arp@5", "gini@5"])) == 2


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"beyond": "features"}, "'features'"),
        ({"beyond": 1}, "got 1"),
        ({"beyond": True, "negatives": 1}, "sampled protocol"),
        ({"item_groups": "popularity", "negatives": 1}, "sampled protocol"),
        ({"user_groups": "histroy"}, "'histroy'.*history"),
        ({"item_groups": {7: "a"}}, "no group for 6 of 6 items, first item 0; is it about these, and are the ids written"),
        ({"user_groups": {"0": "a"}}, "no group for 3 of 3 users, first user 0"),
        ({"item_groups": pd.Series(list("abcdefg"), index=[0, 1, 2, 3, 4, 5, 5])}, "item 5 more than once"),
        ({"item_groups": 3}, "got int"),
        ({"user_groups": {0: 1, 2: "1", 3: 2, 4: 2}}, "user_groups has the names 1 and '1', which are told as one"),
        ({"user_groups": {0: 1, 2: True, 3: 2, 4: 2}}, "names 1 and True"),
        ({"user_groups": {0: 1, 2: 1.0, 3: 2, 4: 2}}, r"names 1 and 1\.0"),
        ({"k": None, "metrics": ["novelty@5"]}, r"'novelty@5' measures lists .* beyond=True"),
        ({"k": None, "metrics": ["gini"]}, r"'gini' measures lists .* beyond=True"),
        ({"beyond": True, "metrics": ["auc"], "k": 7}, "between 1 and"),
    ],
)
def test_what_cannot_be_measured_is_refused(popular, options, says):
    with pytest.raises(InputError, match=says):
        gr.evaluate(popular, TEST, **{"k": 2, **options})


def test_all_that_is_measured_is_printed_and_written(popular, tmp_path):
    report = gr.evaluate(
        popular, TEST, k=2, beyond=True, user_groups=pd.Series("<b>", index=range(5)), item_groups="popularity"
    )
    text = str(report)
    assert "coverage@2" in text
    assert "without an interval" in text
    assert "tail" in text
    plain = json.loads(json.dumps(report.to_dict(), allow_nan=False))
    assert plain["gini@2"] == pytest.approx(16 / 36)
    assert plain["by_item_group"]["head"]["recall@2"] is None
    assert plain["by_item_group"]["tail"]["n"] == 3
    page = popular.report(3, tmp_path / "page.html", k=2, evaluation=report).read_text()
    for shown in ("popularity_lift@2", "exposure@2", "tail", "&lt;b&gt;", "diversity@2"):
        assert shown in page
    assert "<b>" not in page


def test_the_command_line_has_it(random_frame, tmp_path):
    random_frame.to_csv(tmp_path / "t.csv", index=False)
    columns = ["--user", "user_id", "--item", "item_id"]

    def call(*arguments, ok=True):
        result = CliRunner().invoke(main, [str(argument) for argument in arguments])
        assert (result.exit_code == 0) == ok, result.output
        return result.stdout if ok else result.stderr

    call("train", "itemknn", "--data", tmp_path / "t.csv", "--out", tmp_path / "run", *columns)
    asked = ["evaluate", tmp_path / "run", "--data", tmp_path / "t.csv", *columns, "-k", 5, "--beyond"]
    assert "coverage@5" in call(*asked)
    found = json.loads(call(*asked, "--json"))
    assert found["by_item_group"].keys() == {"head", "mid", "tail"}
    assert 0 < found["coverage@5"] <= 1
    assert len(found["by_user_group"]) == 3
    users, items = (sorted(set(random_frame[name])) for name in ("user_id", "item_id"))
    pd.DataFrame({"who": users, "land": ["AT" if user % 3 else "DE" for user in users]}).to_csv(tmp_path / "u.csv", index=False)
    pd.DataFrame({"what": items, "kind": ["a", *["b"] * (len(items) - 1)]}).to_parquet(tmp_path / "i.parquet")
    asked = [*asked[:-1], "--json", "--user-groups", tmp_path / "u.csv", "--item-groups"]
    found = json.loads(call(*asked, tmp_path / "i.parquet"))
    assert found["by_user_group"].keys() == {"AT", "DE"}
    assert found["by_item_group"]["b"]["n"] == len(items) - 1
    assert "coverage@5" not in found
    (tmp_path / "none.csv").write_text("a,b\nnobody,x\n-1,y\n")
    (tmp_path / "some.csv").write_text(f"a,b\n{items[0]},x\n{items[1]},\n-1,y\n")
    some = CliRunner().invoke(main, [str(argument) for argument in (*asked, tmp_path / "some.csv")])
    assert f"note: item_groups has no group for {len(items) - 1} of {len(items)} items, first item {items[1]}" in some.stderr
    found = json.loads(some.stdout)["by_item_group"]
    assert {name: of["n"] for name, of in found.items()} == {"x": 1, "(not named)": len(items) - 1}
    assert "neither 'popularity' nor a file" in call(*asked, tmp_path / "no.csv", ok=False)
    assert "no group for" in call(*asked, tmp_path / "none.csv", ok=False)
    (tmp_path / "two.csv").write_text(f"a,b\n{items[0]},x\n{items[0]},y\n")
    assert f"{items[0]} is in two groups, 'x' and 'y'" in call(*asked, tmp_path / "two.csv", ok=False)
    (tmp_path / "one.csv").write_text("a\n1\n")
    assert "needs two columns" in call(*asked, tmp_path / "one.csv", ok=False)


def test_a_mean_over_a_short_list_is_over_what_is_there():
    lists = np.array([[1, -1, -1], [0, 2, -1], [-1, -1, -1]], np.int32)
    assert _mean_of(np.array([1.0, 4.0, 9.0]), lists).tolist() == [4.0, 5.0, 0.0]


def test_whom_a_mapping_does_not_name_is_in_a_group_of_their_own(popular):
    with pytest.warns(UserWarning, match=r"user_groups has no group for 2 of 3 users, first user 0.* '\(not named\)'") as told:
        some = gr.evaluate(popular, TEST, k=2, user_groups={2: "b", 5: "nobody"}, item_groups="popularity").by_user_group
    assert told[0].filename == __file__
    assert list(some.index) == ["b", "(not named)"]
    whole = gr.evaluate(popular, TEST, k=2, user_groups={0: "a", 2: "b", 4: "a", 3: "a"}).by_user_group
    assert some.loc["(not named)"].equals(whole.loc["a"].rename("(not named)"))


@pytest.mark.parametrize(("name", "said"), [("(not named)", "as those are called"), (["l"], r"the name \['l'\], for user")])
def test_names_that_no_group_can_have(name, said):
    ids = np.arange(3)
    with pytest.raises(InputError, match=said):
        _named({0: "a", 1: name, 2: "b"}, ids, "user")


def test_lift_of_each_group_of_people_is_that_of_its_lists(popular):
    groups = {0: "a", 2: "b", 3: "b", 4: "c"}
    report = gr.evaluate(popular, TEST, k=2, beyond=True, user_groups=groups)
    alone = gr.evaluate(popular, TEST, k=2, beyond=True)
    assert alone.by_user_group is None
    lift = report.by_user_group["popularity_lift@2"]
    assert lift["a"] < lift["b"]  # what is left for user 0 nobody has
    assert "popularity_lift@2" not in gr.evaluate(popular, TEST, k=2, user_groups=groups).by_user_group


def test_counts_of_a_report_stay_whole_numbers(popular):
    told = gr.evaluate(popular, TEST, k=2, user_groups={0: "a", 2: "b", 3: "b"}).to_dict()
    groups = json.loads(json.dumps(told))["by_user_group"]
    numbers = list(groups if isinstance(groups, list) else groups.values())
    assert all(type(row["n"]) is int for row in numbers)
    assert all(type(row["recall@2"]) is float for row in numbers)
