"""What reports know of how they were made, and fingerprints of pairs."""

import numpy as np
import pandas as pd
import pytest

import graphrec as gr
from graphrec.data.ids import digest

pytestmark = pytest.mark.filterwarnings("ignore:.*nothing in train")


@pytest.fixture
def split(interactions):
    return gr.split.random(interactions, test=0.2, valid=0.1, seed=3)


def table(users, items):
    return gr.Interactions.from_frame(pd.DataFrame({"user_id": users, "item_id": items}))


def test_a_fingerprint_is_of_pairs_and_not_of_their_order_or_ratings(interactions):
    g = np.random.default_rng(0)
    shuffled = interactions.select(g.permutation(len(interactions)))
    assert shuffled.fingerprint == interactions.fingerprint == interactions.binarize().fingerprint
    assert interactions.select(np.arange(1, len(interactions))).fingerprint != interactions.fingerprint
    assert len(interactions.fingerprint) == 32
    int(interactions.fingerprint, 16)


@pytest.mark.parametrize(
    "other",
    [
        table(["1", "2"], [10, 20]),
        table([1, 2], ["10", "20"]),
        table([1, 3], [10, 20]),
        table([1, 2], [10, 30]),
        table([1, 2], [20, 10]),
        gr.Interactions.from_indices([0, 1], [0, 1]),
    ],
)
def test_a_fingerprint_tells_ids_and_their_type(other):
    assert other.fingerprint != table([1, 2], [10, 20]).fingerprint


def test_the_way_ids_are_stored_makes_no_difference():
    keys, items = np.array([0, 3]), np.array([5, 6])
    wide = digest(keys, np.array([1, 2], np.int64), items)
    assert digest(keys, np.array([1, 2], np.int16), items) == wide
    text = digest(keys, np.array(["a", "bc"]), items)
    assert digest(keys, np.array(["a", "bc"], object), items) == text
    assert digest(keys, np.array(["ab", "c"]), items) != text
    # The same hash whatever the machine and the version: it may be stored.
    assert wide == "6170b0af34f7944c0596d13197244c83"


def test_a_report_knows_its_mask_its_pairs_and_its_draw(split):
    rec = gr.Recommender("itempop").fit(split.train)
    whole = gr.evaluate(rec, split.test, k=5).protocol
    assert (whole.left_out, whole.pairs) == (split.train.fingerprint, split.test.fingerprint)
    assert (whole.negatives, whole.seed) == (None, None)
    assert str(whole) == "All items but those left out; ties go to the lower item index."
    everything = gr.evaluate(rec, split.test, k=5, filter_seen=False).protocol
    assert everything.left_out == ""
    sampled = gr.evaluate(rec, split.test, k=5, negatives=10, seed=4).protocol
    assert (sampled.left_out, sampled.negatives, sampled.seed) == (split.train.fingerprint, 10, 4)
    assert str(sampled).endswith("half a rank; 10 items drawn for each, seed 4.")
    assert str(gr.evaluate(rec, split.test, k=5)).endswith(str(whole))


def test_the_same_protocol_whichever_model(split):
    a, b = (gr.evaluate(gr.Recommender(name).fit(split.train), split.test, k=5) for name in ("itempop", "ease"))
    assert a.protocol == b.protocol
    assert a.protocol.differences(b.protocol) == []
    assert len(gr.compare({"a": a, "b": b})) == 6


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("mask", r"'a' and 'b'.*other pairs left out \(mask\): the items counted as seen are not the same"),
        ("no mask", r"ranked differently \('all items, those in training.*mask.*only one of them"),
        ("pairs", "measured on other test pairs"),
        ("candidates", "ranked among 10 drawn and all items"),
        ("negatives", "ranked among 10 drawn and 12 drawn items"),
        ("seed", r"items drawn with other seeds \(0 and 1\)"),
    ],
)
def test_reports_of_other_protocols_are_not_compared(split, change, words):
    rec = gr.Recommender("ease").fit(split.train)
    with_valid = gr.Recommender("ease").fit(split.train, valid=split.valid)
    part = split.test.select(split.test.users < 50)
    a, b = {
        "mask": lambda: (gr.evaluate(rec, split.test, k=5), gr.evaluate(with_valid, split.test, k=5)),
        "no mask": lambda: (gr.evaluate(rec, split.test, k=5, filter_seen=False), gr.evaluate(rec, split.test, k=5)),
        "pairs": lambda: (gr.evaluate(rec, split.test, k=5), gr.evaluate(rec, part, k=5)),
        "candidates": lambda: (gr.evaluate(rec, split.test, k=5, negatives=10), gr.evaluate(rec, split.test, k=5)),
        "negatives": lambda: tuple(gr.evaluate(rec, split.test, k=5, negatives=n) for n in (10, 12)),
        "seed": lambda: tuple(gr.evaluate(rec, split.test, k=5, negatives=10, seed=s) for s in (0, 1)),
    }[change]()
    with pytest.raises(gr.errors.InputError, match=words):
        gr.compare({"a": a, "b": b})
