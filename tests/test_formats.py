"""CSV tables and LightGCN text: what is read is what is there, what is written is read back, faults are named."""

import gzip

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graphrec.data.cache import cache_folder
from graphrec.data.csv_files import read_csv
from graphrec.data.interactions import Interactions
from graphrec.data.lightgcn_files import read_lightgcn, write_lightgcn
from graphrec.data.parts import Split
from graphrec.errors import InputError


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("GRAPHREC_CACHE", str(tmp_path_factory.mktemp("cache")))


def write(folder, **files):
    folder.mkdir(exist_ok=True)
    for name, text in files.items():
        (folder / f"{name}.txt").write_text(text)
    return folder


def pairs(part):
    return list(zip(part.users.tolist(), part.items.tolist(), strict=True))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("0 1 2\n1 5 -3\n", r"train\.txt, line 2: '-3' is negative"),
        ("0 1\n\n1 2.5 3\n", r"train\.txt, line 3: '2\.5' is not an integer"),
        ("0 1\nuser 3\n", r"train\.txt, line 2: 'user' is not an integer"),
        ("0 1\n1 2 99999999999999", r"train\.txt, line 2: '99999999999999' has more than 9 digits"),
        ("0 1 2\n1 4 5 4\n", r"train\.txt, line 2: item 4 is repeated for user 1 \(1 repeated pairs"),
        ("0 1 2\n3 4\n0 7 2\n", r"train\.txt, line 3: item 2 is repeated for user 0"),
        ("", r"train\.txt is empty"),
        (" \n\n", r"train\.txt is empty"),
        ("0\n1\n", r"train\.txt is empty: it names users but not one item"),
    ],
)
def test_bad_lines_are_refused_with_file_and_line(tmp_path, text, message):
    with pytest.raises(InputError, match=message):
        read_lightgcn(write(tmp_path, train=text))
    assert not list(cache_folder().rglob("*"))


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (
            {"train": "0 1 2\n1 999999999\n", "test": "0 3\n"},
            r"train\.txt, line 2: item 999999999 is out of proportion to 4 pairs",
        ),
        ({"train": "0 1 2\n", "test": "0 3\n\n99999999 3\n"}, r"test\.txt, line 3: user 99999999 is out of proportion"),
    ],
)
def test_an_id_of_a_billion_asks_for_no_gigabytes(tmp_path, files, message):
    with pytest.raises(InputError, match=message):
        read_lightgcn(write(tmp_path, **files), cache=False)
    assert read_lightgcn(write(tmp_path, train="0 999999\n", test="0 3\n"), cache=False).train.n_items == 1_000_000


# ---- LightGCN folders --------------------------------------------------------------------------


def test_valid_inside_train_is_taken_out(tmp_path):
    split = read_lightgcn(write(tmp_path, train="0 0 1 2\n1 3 0\n", valid="0 1\n1 3\n", test="2 4\n0 3\n"))
    assert pairs(split.train) == [(0, 0), (0, 2), (1, 0)]
    assert pairs(split.valid) == [(0, 1), (1, 3)]
    assert pairs(split.test) == [(2, 4), (0, 3)]
    assert (split.train.n_users, split.train.n_items) == (3, 5)


def test_valid_outside_train_stands_as_it_is(tmp_path):
    split = read_lightgcn(write(tmp_path, train="0 0 1\n", valid="0 2\n5\n"))
    assert (pairs(split.train), pairs(split.valid), split.test) == ([(0, 0), (0, 1)], [(0, 2)], None)
    assert split.train.n_users == 6, "a user without items counts"


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"train": "0 0 1\n", "valid": "0 1 2\n"}, r"valid\.txt: 1 of its 2 pairs are in train\.txt and the others are not"),
        ({"train": "0 0 1\n", "valid": "0 1 0\n"}, r"valid\.txt takes every pair of train\.txt"),
        ({"train": "0 0 1\n", "test": "0 1\n"}, r"1 of 1 rows of test have a pair that is also in train"),
        ({"test": "0 1\n"}, r"has no file 'train\.txt'"),
    ],
)
def test_parts_that_do_not_fit_are_refused(tmp_path, files, message):
    for cache in (True, False):
        with pytest.raises(InputError, match=message) as error:
            read_lightgcn(write(tmp_path, **files), cache=cache)
        assert str(tmp_path) in str(error.value)
    with pytest.raises(InputError, match="nowhere does not exist"):
        read_lightgcn(tmp_path / "nowhere")


def test_overlap_policies_reach_the_split_with_and_without_cache(tmp_path):
    write(tmp_path, train="0 0 1\n", test="0 1 2\n")
    for cache in (False, True, True):
        assert len(read_lightgcn(tmp_path, overlap="keep", cache=cache).test) == 2
        assert pairs(read_lightgcn(tmp_path, overlap="drop", cache=cache).test) == [(0, 2)]
        with pytest.raises(InputError, match="overlap"):
            read_lightgcn(tmp_path, cache=cache)


@settings(max_examples=50, deadline=None)
@given(st.sets(st.tuples(st.integers(0, 7), st.integers(0, 9)), min_size=6), st.booleans(), st.randoms())
def test_a_split_survives_the_round_trip(tmp_path_factory, rows, with_valid, order):
    rows = sorted(rows)
    order.shuffle(rows)
    n_items = max(item for _, item in rows) + 1

    def part(chosen):
        return Interactions.from_indices(*np.array(chosen).T, n_users=11, n_items=n_items)

    train, valid = (rows[4:], part(rows[2:4])) if with_valid else (rows[2:], None)
    split = Split(train=part(train), valid=valid, test=part(rows[:2]))
    folder = tmp_path_factory.mktemp("split")
    write_lightgcn(split, folder)
    again = read_lightgcn(folder, cache=False)
    for name in ("train", "valid", "test"):
        one, other = getattr(split, name), getattr(again, name)
        assert (one is None) == (other is None)
        if one is not None:
            assert one.to_csr().shape == other.to_csr().shape
            assert sorted(pairs(one)) == sorted(pairs(other))
    names = {"train.txt", "test.txt"} | ({"valid.txt"} if with_valid else set())
    assert {path.name for path in folder.iterdir()} == names


def test_writing_follows_the_published_layout_and_clears_what_is_stale(tmp_path):
    write(tmp_path, test="0 9\n", valid="0 9\n")
    train = Interactions.from_indices([1, 0], [3, 1], n_users=3, n_items=4)
    valid = Interactions.from_indices([1], [0], n_users=3, n_items=4)
    write_lightgcn(Split(train=train, valid=valid), tmp_path)
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {
        "train.txt": "0 1\n1 3 0\n2\n",
        "valid.txt": "1 0\n",
    }
    write_lightgcn(Split(train=train), tmp_path / "new" / "folder")
    assert [path.name for path in (tmp_path / "new" / "folder").iterdir()] == ["train.txt"]


def test_failed_writes_leave_the_old_files(tmp_path, monkeypatch):
    train = Interactions.from_indices([0, 1], [0, 1])
    write_lightgcn(Split(train=train), tmp_path)
    before = (tmp_path / "train.txt").read_bytes()
    repeated = Interactions.from_indices([0, 0, 1], [1, 1, 0], duplicates="keep")
    with pytest.raises(InputError, match=r"train repeats a .* pair, which train\.txt cannot hold"):
        write_lightgcn(Split(train=repeated), tmp_path)
    shared = Split(train=train, valid=train.select(np.array([0])), overlap="keep")
    with pytest.raises(InputError, match="train and valid together repeat"):
        write_lightgcn(shared, tmp_path)

    def full(path, data):
        path.touch()
        raise OSError("disk full")

    monkeypatch.setattr("pathlib.Path.write_bytes", full)
    with pytest.raises(OSError, match="disk full"):
        write_lightgcn(Split(train=Interactions.from_indices([0], [1])), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["train.txt"]
    assert (tmp_path / "train.txt").read_bytes() == before


def test_gowalla_as_published(data_root):
    folder = data_root / "gowalla"
    if not (folder / "train.txt").exists():
        pytest.skip("gowalla is not in the data folder")
    for _ in range(2):
        split = read_lightgcn(folder)
        assert (split.train.n_users, split.train.n_items) == (29_858, 40_981)
        assert (len(split.train), len(split.valid), len(split.test)) == (719_081, 91_047, 217_242)
    head = (folder / "test.txt").read_text().splitlines()[29_000].split()
    rows = split.test.users == int(head[0])
    assert split.test.items[rows].tolist() == list(map(int, head[1:]))


# ---- CSV ---------------------------------------------------------------------------------------


def test_csv_gives_what_the_frame_gives(tmp_path, random_frame):
    table = random_frame.rename(columns={"user_id": "who", "item_id": "what", "rating": "stars", "time": "when"})
    table["comment"] = "not read"
    expected = Interactions.from_frame(random_frame, rating="rating", time="time").to_frame()
    for name, options in {"t.csv": {}, "t.tsv": {"sep": "\t"}, "t.csv.gz": {}}.items():
        table.to_csv(tmp_path / name, index=False, **options)
        got = read_csv(tmp_path / name, user="who", item="what", rating="stars", time="when", **options)
        pd.testing.assert_frame_equal(got.to_frame(), expected)


def test_csv_options_reach_pandas(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("007;x;2020-01-02\n007;y;2020-01-01\nend\n")
    got = read_csv(
        path,
        user="u",
        item="i",
        time="t",
        sep=";",
        names=["u", "i", "t"],
        header=None,
        dtype={"u": str},
        parse_dates=["t"],
        nrows=2,
    )
    frame = got.to_frame()
    assert frame["user_id"].tolist() == ["007", "007"]
    assert frame["time"].tolist() == [1577923200, 1577836800]


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        ("user_id,thing\n1,2\n", {}, r"column 'item_id' is not in the table \(columns: user_id, thing\)"),
        ("user_id,item_id\n", {}, "the table is empty"),
        ("", {}, "cannot be read"),
        ("user_id,item_id\n1,2\n1,2\n", {}, "repeat an earlier"),
        ("user_id,item_id,r\n1,2,good\n", {"rating": "r"}, "not finite numbers, first in line 2: 'good'"),
        ('user_id,item_id\n1,"2\n', {}, "cannot be read"),
    ],
)
def test_bad_csv_is_refused_with_the_name_of_the_file(tmp_path, text, options, message):
    path = tmp_path / "bad.csv"
    path.write_text(text)
    with pytest.raises(InputError, match=message) as error:
        read_csv(path, **options)
    assert str(path) in str(error.value)


def test_csv_in_pieces_is_refused(tmp_path):
    with pytest.raises(InputError, match="does not take chunksize="):
        read_csv(tmp_path / "any.csv", chunksize=10)


def test_unreadable_csv_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"none\.csv cannot be read: .*No such file"):
        read_csv(tmp_path / "none.csv")
    packed = gzip.compress(b"user_id,item_id\n" + b"1,2\n" * 1000)
    (tmp_path / "t.csv.gz").write_bytes(packed[: len(packed) // 2])
    with pytest.raises(InputError, match=r"t\.csv\.gz cannot be read"):
        read_csv(tmp_path / "t.csv.gz", duplicates="keep")
    (tmp_path / "l.csv").write_bytes("user_id,item_id\né,2\n".encode("latin-1"))
    with pytest.raises(InputError, match=r"l\.csv is not a text in UTF-8"):
        read_csv(tmp_path / "l.csv")
    assert len(read_csv(tmp_path / "l.csv", encoding="latin-1")) == 1
