"""Ids: integers and texts are kept with their type, anything else is refused, and a look-up never crosses types."""

import copy
import pickle

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import graphrec as gr
from graphrec.errors import InputError


def table(items, **how):
    return gr.Interactions.from_frame(pd.DataFrame({"user_id": range(len(items)), "item_id": items}), **how)


@pytest.mark.parametrize(
    ("items", "kept"),
    [
        (np.array([3, 1], np.int8), [1, 3]),
        (np.array([3, 1], np.uint64), [1, 3]),
        (pd.array([3, 1], dtype="Int64"), [1, 3]),
        (pd.Categorical([3, 1]), [1, 3]),
        (np.array([3, np.int16(1)], object), [1, 3]),
        (["b", "a"], ["a", "b"]),
        (pd.array(["b", "a"], dtype="string"), ["a", "b"]),
        (pd.Categorical(["b", "a"]), ["a", "b"]),
        (np.array(["b", np.str_("a")], object), ["a", "b"]),
        (["7", "07"], ["07", "7"]),
        (["\0b", "\0a"], ["\0a", "\0b"]),
    ],
)
def test_integers_and_texts_are_kept_in_any_type_of_pandas(items, kept):
    ids = table(items).item_ids
    assert ids.tolist() == kept
    assert ids.dtype == (np.int64 if isinstance(kept[0], int) else object)
    assert {type(value) for value in ids.tolist()} == {type(kept[0])}
    assert table(items).item_index(kept).tolist() == [0, 1]


@pytest.mark.parametrize(
    ("items", "message"),
    [
        ([1.0, 2.5], r"'item_id' holds numbers with decimals, and ids are integers or texts; .*\.astype\('int64'\)"),
        (pd.Categorical([1.0, 2.0]), "numbers with decimals"),
        ([True, False], r"'item_id' holds booleans"),
        (pd.to_datetime(["2020-01-01", "2020-01-02"]), r"'item_id' holds datetime64.*\.astype\(str\)"),
        ([b"a", b"b"], r"'item_id' holds values of type bytes.*\.str\.decode"),
        ([(1, 2), (3, 4)], "'item_id' holds values of type tuple"),
        (["a", 1], r"'item_id' mixes kinds of ids \(int, str\)"),
        (np.array([1, True], object), r"'item_id' mixes kinds of ids \(bool, int\)"),
        (np.array([1, 1.0], object), r"'item_id' mixes kinds of ids \(float, int\)"),
        (np.array([1, 2**63], np.uint64), "'item_id' holds integers beyond 9223372036854775807"),
        ([1, 2**70], "'item_id' holds integers beyond"),
        (["a", ""], "'item_id' has 1 empty texts for ids, first at row 1"),
        ([None, "a"], "'item_id' has 1 missing values, first at row 0; missing='drop'"),
    ],
)
def test_other_ids_are_refused_with_a_remedy(items, message):
    with pytest.raises(InputError, match=message):
        table(items)


def test_what_is_said_of_integers_beyond_64_bits_helps_when_it_is_followed(tmp_path):
    mixed = pd.DataFrame({"user_id": ["a", "b", "c"], "item_id": np.array([2**70, None, 3], object)})
    unsigned = pd.DataFrame({"user_id": ["a", "b"], "item_id": np.array([2**63, 3], np.uint64)})
    for frame, ids in ((mixed, {"3", str(2**70)}), (unsigned, {"3", str(2**63)})):
        with pytest.raises(
            InputError, match=r"make them texts with frame\['item_id'\]\.astype\('string'\), or write .* as CSV"
        ):
            gr.Interactions.from_frame(frame, missing="drop")
        followed = frame.assign(item_id=frame["item_id"].astype("string"))
        assert set(gr.Interactions.from_frame(followed, missing="drop").item_ids) == ids
        frame.to_csv(tmp_path / "t.csv", index=False)
        assert set(gr.read_csv(tmp_path / "t.csv", missing="drop").item_ids) == ids
        assert set(gr.read_csv(tmp_path / "t.csv", missing="drop", comment="#").item_ids) == ids  # left to pandas
    pytest.importorskip("pyarrow")
    unsigned.to_parquet(tmp_path / "t.parquet")
    for read in (gr.read_parquet, lambda path: gr.read_folder([path], out=tmp_path / "out")):
        with pytest.raises(InputError, match="or write the table as CSV, where such ids are read as texts"):
            read(tmp_path / "t.parquet")
    pd.read_parquet(tmp_path / "t.parquet").to_csv(tmp_path / "u.csv", index=False)
    assert set(gr.read_folder([tmp_path / "u.csv"], out=tmp_path / "out").item_ids) == {"3", str(2**63)}


@pytest.mark.parametrize("alone", [7, np.int64(7), np.uint8(7), np.array(7)])
def test_one_integer_may_stand_alone(alone):
    inter = table([5, 7])
    assert inter.item_index(alone).tolist() == [1]
    assert inter.item_index(alone).dtype == np.int32


@pytest.mark.parametrize("alone", ["ann", np.str_("ann")])
def test_one_text_may_stand_alone(alone):
    assert table(["bob", "ann"]).item_index(alone).tolist() == [0]


@pytest.mark.parametrize(
    "ids", [[7, 5], (7, 5), np.array([7, 5], np.uint16), pd.Series([7, 5]), pd.array([7, 5], dtype="Int64"), {7: 0, 5: 0}]
)
def test_several_ids_come_in_any_container(ids):
    assert table([5, 7]).item_index(ids).tolist() == [1, 0]
    assert table([5, 7]).item_index([]).tolist() == []


@pytest.mark.parametrize("wrong", [True, 1.0, 1.5, "1", b"1", None, [True], [1, True], [1, 1.0], ["1"], [1, "1"], 2**70, [[1]]])
def test_nothing_but_an_integer_finds_an_integer(wrong):
    with pytest.raises(InputError, match=r"id"):
        table([1, 2]).item_index(wrong)


@pytest.mark.parametrize("wrong", [1, b"1", True, [1], [None], [np.nan], np.array([1]), ["1", 1]])
def test_nothing_but_a_text_finds_a_text(wrong):
    with pytest.raises(InputError, match=r"id"):
        table(["1", "2"]).item_index(wrong)


def test_unknown_ids_are_named():
    with pytest.raises(InputError, match="unknown item id 9 and 1 more"):
        table([1, 2]).item_index([1, 9, 8])
    with pytest.raises(InputError, match="unknown item id 'new': the item ids of this data are integers, not texts"):
        table([1, 2]).item_index(["1", "new", "newer"])
    with pytest.raises(InputError, match="unknown item id '1': the item ids of this data are integers, not texts"):
        table([1, 2]).item_index("1")
    with pytest.raises(InputError, match=r"one dimension, got shape \(1, 2\)"):
        table([1, 2]).item_index(np.array([[1, 2]]))


@settings(deadline=None)
@given(st.one_of(st.sets(st.text(min_size=1), min_size=1), st.sets(st.integers(-(2**63), 2**63 - 1), min_size=1)))
def test_every_id_finds_itself(ids):
    ids = list(ids)
    values = np.empty(len(ids), object)
    values[:] = ids
    inter = table(values)
    assert inter.item_ids.tolist() == sorted(ids)
    assert inter.item_ids[inter.item_index(ids)].tolist() == ids
    assert [int(inter.item_index(one)[0]) for one in ids] == inter.item_index(ids).tolist()


# ---- one id space for two tables -----------------------------------------------------------------


def test_a_table_takes_over_the_ids_of_another():
    train = gr.Interactions.from_frame(pd.DataFrame({"user_id": ["a", "b"], "item_id": [1, 2]}))
    frame = pd.DataFrame({"user_id": ["b", "c", "a"], "item_id": [1, 2, 3]})
    with pytest.raises(InputError) as error:
        gr.Interactions.from_frame(frame, ids=train)
    assert "'user_id' has 1 users that ids= does not know, first 'c' at row 1" in str(error.value)
    assert "'item_id' has 1 items that ids= does not know, first 3 at row 2" in str(error.value)
    with pytest.warns(UserWarning, match="2 of 3 rows were dropped because ids= does not know"):
        test = gr.Interactions.from_frame(frame, ids=train, unknown="drop")
    assert test.shares_ids_with(train)
    assert test.to_frame().to_numpy().tolist() == [["b", 1]]
    assert gr.Split(train=train, test=test).test is test


def test_a_shared_space_does_not_cross_types():
    train = table([1, 2])
    frame = pd.DataFrame({"user_id": [0], "item_id": ["1"]})
    with pytest.raises(InputError, match="first '1' at row 0"):
        gr.Interactions.from_frame(frame, ids=train)
    with pytest.raises(InputError, match="unknown='drop' leaves no row"):
        gr.Interactions.from_frame(frame, ids=train, unknown="drop")
    with pytest.raises(InputError, match="ids must be Interactions"):
        gr.Interactions.from_frame(frame, ids=[1, 2])


# ---- copies and fingerprints ---------------------------------------------------------------------


@pytest.mark.parametrize("again", [copy.copy, lambda inter: pickle.loads(pickle.dumps(inter))])
def test_copies_hold_the_fields_alone_and_stay_frozen(interactions, again):
    assert interactions.fingerprint  # and with it the keys, which are derived
    other = again(interactions)
    assert set(vars(other)) == {"users", "items", "user_ids", "item_ids", "ratings", "times", "weights"}
    pd.testing.assert_frame_equal(other.to_frame(), interactions.to_frame())
    for array in vars(other).values():
        assert array is None or not array.flags.writeable
    assert other.fingerprint == interactions.fingerprint


def test_a_frozen_table_is_its_own_deep_copy(interactions):
    assert copy.deepcopy({"a": interactions})["a"] is interactions


def test_fingerprints_tell_pairs_and_ids_apart():
    def of(users, items, **how):
        return gr.Interactions.from_frame(pd.DataFrame({"user_id": users, "item_id": items}), **how).fingerprint

    base = of([1, 2], [1, 2])
    assert base == of([2, 1], [2, 1]) == of([1, 2, 2], [1, 2, 2], duplicates="keep") == of(np.array([1, 2], np.int8), [1, 2])
    assert len(base) == 32
    assert int(base, 16)
    others = [base, of([1, 2], [2, 1]), of([1, 2], [1, 3]), of(["1", "2"], [1, 2]), of([1, 2], ["1", "2"])]
    others += [of([1, 2], ["a", "bc"]), of([1, 2], ["ab", "c"]), of([1, 2, 2], [1, 1, 2])]
    assert len(set(others)) == len(others)
    wider = gr.Interactions.from_indices([0], [0], n_items=2).fingerprint
    assert wider != gr.Interactions.from_indices([0], [0]).fingerprint
    assert gr.Interactions.from_indices([0], [0], [2.0], [9]).fingerprint == gr.Interactions.from_indices([0], [0]).fingerprint


@pytest.mark.parametrize(
    ("asked", "hint"),
    [
        ("muller, ann 007", "Did you mean 'Müller, Ann 007'?"),
        ("Müler, Ann 007", "Did you mean 'Müller, Ann 007'?"),
        (" Müller, Ann 007", "Did you mean 'Müller, Ann 007'?"),
        ("Müller, Ann 07", None),
        ("Müller, Ann 008", None),
        ("37", "Did you mean '000037'?"),
        ("00000037", "Did you mean '000037'?"),
        ("38", None),
        ("O\u0308l", "normalize('NFC', id)"),
        ("xyz", None),
        ("", None),
        ("9" * 400, None),
    ],
)
@pytest.mark.parametrize("more", [0, 20_000])
def test_an_unknown_text_gets_a_hint_at_how_it_is_spelt(asked, hint, more):
    ids = ["Müller, Ann 007", "000037", "\u00d6l", *(f"zz {n}" for n in range(more))]
    table = gr.Interactions.from_frame(pd.DataFrame({"user_id": ids, "item_id": ids}))
    for kind, index in (("user", table.user_index), ("item", table.item_index)):
        with pytest.raises(InputError) as error:
            index([asked])
        assert f"unknown {kind} id" in str(error.value)
        if more and asked[:1] in ("m", " "):
            continue  # far away in the alphabet
        assert hint in str(error.value) if hint else str(error.value).endswith("fitted on.")


def test_integers_get_no_hint():
    with pytest.raises(InputError, match=r"fitted on\.$"):
        gr.Interactions.from_indices([0, 10], [0, 1]).compact().user_index([11])
