"""A folder of files as a mapped table is the table in memory, whatever is asked of it."""

import contextlib
import copy
import json
import multiprocessing
import os
import pickle
import resource
import signal
import subprocess
import sys
import warnings

import numpy as np
import pandas as pd
import pytest
import torch
from click.testing import CliRunner

import graphrec as gr
from graphrec.cli import main
from graphrec.data import folder_passes, id_spaces, range_files, table_parts
from graphrec.data.power_law import power_law_pieces, write_power_law
from graphrec.errors import InputError
from graphrec.sampling import PairSampler

FIELDS = ("users", "items", "ratings", "times", "weights", "user_ids", "item_ids", "keys", "distinct_keys")


@pytest.fixture(params=["as it is", "tiny blocks"])
def blocks(request, monkeypatch):
    """The same in blocks so small that every seam between them is met."""
    if request.param == "tiny blocks":
        for module, name in (
            (table_parts, "_ROWS"),
            (folder_passes, "_BLOCK"),
            (range_files, "_ROWS"),
            (id_spaces, "_PENDING"),
        ):
            monkeypatch.setattr(module, name, 7)


def frame(seed=0, n=400, texts=False, users=30, items=25):
    rng = np.random.default_rng(seed)
    made = pd.DataFrame({"user_id": rng.integers(-5, users, n), "item_id": rng.integers(0, items, n) * 37})
    if texts:
        made = made.assign(user_id="ü" + made["user_id"].astype(str), item_id="x" * (n % 3) + made["item_id"].astype(str) + "é")
    return made.assign(rating=rng.integers(1, 11, n) / 2, time=rng.integers(0, 50, n), weight=rng.integers(0, 4, n) / 4)


def written(folder, frames, kind):
    folder.mkdir()
    for number, part in enumerate(frames):
        path = folder / f"part-{number}.{kind}"
        part.to_parquet(path, index=False, row_group_size=50) if kind == "parquet" else part.to_csv(path, index=False)
    return folder


def in_three(whole):
    return [whole[:90], whole[90:91], whole[91:]]


def assert_same(mapped, memory):
    for name in FIELDS:
        mine, theirs = getattr(mapped, name), getattr(memory, name)
        if theirs is None:
            assert mine is None, name
            continue
        assert mine.dtype == theirs.dtype, name
        np.testing.assert_array_equal(mine, theirs, err_msg=name)
    for mine, theirs in zip(mapped.structure, memory.structure, strict=True):
        np.testing.assert_array_equal(mine, theirs)
        assert mine.dtype == theirs.dtype
    for mine, theirs in zip(mapped.node_structure(), memory.node_structure(), strict=True):
        np.testing.assert_array_equal(mine, theirs)
        assert mine.dtype == theirs.dtype
    assert (mapped.n_users, mapped.n_items, len(mapped)) == (memory.n_users, memory.n_items, len(memory))
    assert mapped.fingerprint == memory.fingerprint
    assert mapped.shares_ids_with(memory)


@pytest.mark.parametrize("kind", ["parquet", "csv"])
@pytest.mark.parametrize("texts", [False, True])
@pytest.mark.parametrize("duplicates", ["first", "last", "mean", "sum", "max", "keep"])
def test_equal_to_the_table_in_memory(tmp_path, blocks, kind, texts, duplicates):
    whole = frame(texts=texts)
    folder = written(tmp_path / "in", in_three(whole), kind)
    names = {"rating": "rating", "time": "time", "weight": "weight", "duplicates": duplicates}
    mapped = gr.read_folder(folder, out=tmp_path / "out", **names)
    assert_same(mapped, gr.Interactions.from_frame(whole, **names))
    assert_same(gr.write_table(mapped.select(np.arange(50)), tmp_path / "part"), mapped.select(np.arange(50)))
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [mapped._opened.columns.name, "table.json"]
    assert_same(gr.open_table(tmp_path / "out"), mapped)


def test_without_extras_and_without_repeats(tmp_path, blocks):
    whole = frame().drop_duplicates(["user_id", "item_id"])[["item_id", "user_id"]]
    mapped = gr.read_folder(written(tmp_path / "in", in_three(whole), "parquet"), out=tmp_path / "out")
    assert_same(mapped, gr.Interactions.from_frame(whole))


@pytest.mark.parametrize("odd", ["007", "-0", "+7", "9223372036854775808", "1.0", "7 "])
def test_ids_of_text_files_are_integers_only_if_all_are_written_so(tmp_path, odd):
    lines = ["user_id,item_id", "12,5", "3,6"]
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.csv").write_text("\n".join(lines) + "\n")
    (tmp_path / "in" / "b.csv").write_text(f"user_id,item_id\n{odd},7\n")
    (tmp_path / "one.csv").write_text("\n".join(lines) + f"\n{odd},7\n")
    mapped, memory = gr.read_folder(tmp_path / "in", out=tmp_path / "out"), gr.read_csv(tmp_path / "one.csv")
    assert_same(mapped, memory)
    assert mapped.user_ids.dtype == object
    assert mapped.item_ids.dtype == np.int64


def test_dates_categories_gaps_and_packed_files(tmp_path):
    whole = frame(n=60).assign(time=pd.Timestamp("2024-02-01") + pd.to_timedelta(np.arange(60), "D"))
    whole["user_id"] = whole["user_id"].astype("category")
    whole.loc[5, "rating"] = np.nan
    names = {"rating": "rating", "time": "time", "duplicates": "last", "missing": "drop"}
    folder = written(tmp_path / "in", in_three(whole), "parquet")
    with pytest.warns(UserWarning, match="1 of 60 rows were dropped"):
        mapped = gr.read_folder(folder, out=tmp_path / "out", **names)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        memory = gr.Interactions.from_frame(whole, **names)
        assert_same(mapped, memory)
        whole.to_csv(tmp_path / "packed.csv.gz", index=False)
        assert_same(gr.read_folder([tmp_path / "packed.csv.gz"], out=tmp_path / "again", **names), memory)


def test_quotes_line_breaks_and_any_character(tmp_path, blocks):
    odd = ["a\nb", 'say "x"', "a,b", "Ω", "\U0001f600", "\ufb01", " a", "a ", "A", "NAN"]
    whole = pd.DataFrame({"user_id": odd * 3, "item_id": sorted(odd) * 2 + odd}).drop_duplicates()
    parts = [whole[:7], whole[7:7], whole[7:]]  # one with a header alone
    for kind in ("csv", "parquet"):
        folder = written(tmp_path / kind, parts, kind)
        assert_same(gr.read_folder(folder, out=tmp_path / f"{kind}-out"), gr.Interactions.from_frame(whole))
    categories = whole.astype("category")
    categories.to_parquet(tmp_path / "c.parquet")
    assert_same(gr.read_folder([tmp_path / "c.parquet"], out=tmp_path / "c"), gr.Interactions.from_frame(categories))
    with_blank = whole.assign(user_id=whole["user_id"].where(whole["user_id"] != "A", "")).astype("category")
    with_blank.to_parquet(tmp_path / "c.parquet")
    with pytest.raises(InputError, match="2 missing values, first at row 8 of"):
        gr.read_folder([tmp_path / "c.parquet"], out=tmp_path / "c")
    with pytest.warns(UserWarning, match="2 of 20 rows"):
        mapped = gr.read_folder([tmp_path / "c.parquet"], missing="drop", duplicates="error", out=tmp_path / "c")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert_same(mapped, gr.Interactions.from_frame(with_blank, missing="drop"))


@pytest.fixture
def pair(tmp_path):
    whole = frame(n=900, users=80, items=60)
    folder = written(tmp_path / "in", in_three(whole), "parquet")
    names = {"rating": "rating", "time": "time", "duplicates": "last"}
    return gr.read_folder(folder, out=tmp_path / "out", **names), gr.Interactions.from_frame(whole, **names)


def test_splits_are_equal(pair, tmp_path):
    ways = (
        lambda table: gr.split.random(table, test=0.2, valid=0.1, seed=3),
        lambda table: gr.split.stratified(table, test=0.2, seed=3),
        lambda table: gr.split.chronological(table, test=0.2, valid=0.1),
        lambda table: gr.split.leave_one_out(table, seed=1),
    )
    for way in ways:
        mine, theirs = map(way, pair)
        for name in ("train", "valid", "test"):
            if getattr(theirs, name) is not None:
                assert_same(getattr(mine, name), getattr(theirs, name))
    assert_same(gr.write_table(mine.train, tmp_path / "train"), theirs.train)
    gr.Split(train=gr.open_table(tmp_path / "train"), test=mine.test)
    assert_same(pair[0].binarize(3).k_core(2), pair[1].binarize(3).k_core(2))


def test_samplers_draw_the_same(pair):
    for options in ({"pairs": "user"}, {"pairs": "interaction"}, {"with_ratings": True}):
        mine, theirs = (
            list(PairSampler(table, 64, generator=torch.Generator().manual_seed(1), n_negatives=2, **options)) for table in pair
        )
        for a, b in zip(mine, theirs, strict=True):
            assert all(x is y or torch.equal(x, y) for x, y in zip(a, b, strict=True))


@pytest.mark.parametrize("name", ["itemknn", "ease", "mf", "lightgcn"])
def test_fits_are_equal_and_can_be_saved(tmp_path, name):
    whole = frame(n=900, users=80, items=60)[["user_id", "item_id"]]
    mapped = gr.read_folder(written(tmp_path / "in", in_three(whole), "parquet"), duplicates="last", out=tmp_path / "out")
    pair = mapped, gr.Interactions.from_frame(whole, duplicates="last")
    users = pair[1].user_ids[:20].tolist()
    options = {"epochs": 2, "batch_size": 64, "seed": 0, "progress": False} if name in ("mf", "lightgcn") else {}
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # torch warns of arrays that may not be written to
        warnings.filterwarnings("ignore", "what is saved refers to the table")
        mine, theirs = (gr.Recommender(name).fit(table, **options).recommend(users, k=5) for table in pair)
        pd.testing.assert_frame_equal(mine, theirs)
        fitted = gr.Recommender(name).fit(pair[0], **options)
        fitted.save(tmp_path / "run")
        assert not any(b".users" in file.read_bytes() for file in (tmp_path / "run").glob("interactions-*"))
        pd.testing.assert_frame_equal(gr.load(tmp_path / "run").recommend(users, k=5), theirs)
        pd.testing.assert_frame_equal(pickle.loads(pickle.dumps(fitted)).recommend(users, k=5), theirs)


def test_a_saved_recommender_names_its_table(tmp_path):
    whole = frame(n=900, users=80, items=60, texts=True)[["user_id", "item_id"]].drop_duplicates()
    gr.read_folder(written(tmp_path / "in", in_three(whole), "parquet"), out=tmp_path / "all")
    split = gr.split.random(gr.open_table(tmp_path / "all"), test=0.1, valid=0.1, seed=0)
    train, valid = (gr.write_table(getattr(split, name), tmp_path / name) for name in ("train", "valid"))
    options = {"epochs": 1, "seed": 0, "progress": False}
    for mine in (valid, split.valid):
        fitted = gr.Recommender("mf", dim=8).fit(train, valid=mine, **options)
        fitted.save(tmp_path / "run")
        loaded = gr.load(tmp_path / "run")
        assert_same(loaded.train, train)
        pd.testing.assert_frame_equal(
            loaded.recommend(train.user_ids[:9].tolist(), k=5), fitted.recommend(train.user_ids[:9].tolist(), k=5)
        )
        more = pd.DataFrame({"user_id": train.user_ids[:3], "item_id": ["new"] * 3})
        loaded.update(gr.Interactions.from_frame(more))  # what is joined is in memory, and is saved
        loaded.save(tmp_path / "updated")
        assert gr.load(tmp_path / "updated").train.n_items == train.n_items + 1
    gr.write_table(split.test, tmp_path / "train")
    with pytest.raises(InputError, match=r"names a mapped table and does not hold it: .*written anew"):
        gr.load(tmp_path / "run")


def test_arrays_are_mapped_and_read_only(pair):
    for array in (pair[0].users, pair[0].keys, *pair[0].structure, *pair[0].node_structure(), pair[0].user_ids):
        assert isinstance(array.base, np.memmap)
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1


def _in_another_process(table, queue):
    queue.put((isinstance(table.users.base, np.memmap), int(table.keys.sum())))


def test_a_pickle_names_the_folder(pair, tmp_path):
    mapped, memory = pair
    assert len(pickle.dumps(mapped)) < 1000
    assert_same(pickle.loads(pickle.dumps(mapped)), memory)
    assert_same(copy.deepcopy(mapped), memory)
    part = mapped.select(np.arange(10))
    assert_same(pickle.loads(pickle.dumps(part)), memory.select(np.arange(10)))
    context = multiprocessing.get_context("spawn")
    queue = context.Queue()
    process = context.Process(target=_in_another_process, args=(mapped, queue))
    process.start()
    assert queue.get(timeout=60) == (True, int(memory.keys.sum()))
    process.join()
    kept = pickle.dumps(mapped)
    gr.write_table(memory.select(np.arange(10)), tmp_path / "out")
    with pytest.raises(InputError, match="written anew"):
        pickle.loads(kept)
    np.testing.assert_array_equal(mapped.users, memory.users)  # what is open stays what it was


def call(*words, ok=True):
    done = CliRunner().invoke(main, [str(word) for word in words])
    assert (done.exit_code == 0) == ok, (done.output, done.exception)
    return done.output + done.stderr


def test_on_the_command_line(tmp_path):
    folder = written(tmp_path / "in", in_three(frame(n=900, users=80, items=60)), "csv")
    columns = ("--user", "user_id", "--item", "item_id", "--time", "time")
    assert "Interactions(" in call("table", folder, *columns, "--out", tmp_path / "table")
    settings = ("--set", "epochs=1", "--set", "dim=8", "--set", "seed=0")
    pd.concat(in_three(frame(n=900, users=80, items=60))).to_csv(tmp_path / "one.csv", index=False)
    means = []
    for data, named in ((tmp_path / "table", ()), (tmp_path / "one.csv", columns)):
        call("train", "mf", "--data", data, *named, "--out", tmp_path / "run", *settings)
        means.append(call("evaluate", tmp_path / "run", "--data", data, "--json").splitlines()[-1])
        # the one table is the other: their rows and ids are equal
        call("evaluate", tmp_path / "run", "--data", tmp_path / "table")
    assert json.loads(means[0]) == json.loads(means[1])
    call("train", "mf", "--data", tmp_path / "table", "--out", tmp_path / "run", *settings)
    for words, named in (
        (("train", "mf", "--data", tmp_path / "table", "--user", "user_id", "--out", tmp_path / "x"), "--user is said when"),
        (("train", "mf", "--data", tmp_path / "table", "--min-rating", "3", "--out", tmp_path / "x"), "needs --rating"),
        (("evaluate", tmp_path / "run", "--data", tmp_path / "one.csv"), "graphrec table made"),
        (("table", folder, "--out", tmp_path / "x"), "--user and --item"),
        (("table", tmp_path / "nowhere", *columns, "--out", tmp_path / "x"), "no folder"),
    ):
        assert named in call(*words, ok=False)
    assert not (tmp_path / "x").exists()


# ---- what is wrong with a folder ---------------------------------------------------------------


def test_mistakes_are_named_with_file_and_row(tmp_path):
    good = frame(n=60).drop_duplicates(["user_id", "item_id"])

    def message(bad, kind="parquet", **options):
        folder = tmp_path / f"in-{len(list(tmp_path.iterdir()))}"
        written(folder, [good, bad], kind)
        with pytest.raises(InputError) as error:
            gr.read_folder(folder, out=tmp_path / "out", **options)
        assert not (tmp_path / "out").exists()
        return str(error.value)

    assert "part-1.parquet: column 'item_id' is not in the table (columns: user_id, item" in message(
        good.rename(columns={"item_id": "item"})
    )
    other = message(good.assign(user_id=good["user_id"].astype(str)))
    assert "part-1.parquet: column 'user_id' holds texts, and in" in other
    assert "numbers with decimals" in message(good.assign(user_id=good["user_id"] + 0.5))
    holes = good.assign(user_id=good["user_id"].astype("Int64").mask(np.arange(len(good)) == 52))
    assert "'user_id' has 1 missing values, first at row 52 of" in message(holes)
    assert "part-1.parquet (row group 1)" in message(holes)
    zero = message(good.assign(item_id=[f"{n}\0" if n == 7 else str(n) for n in range(len(good))]), "csv")
    assert "column 'item_id' holds a NUL character at row 7 of" in zero
    assert "part-1.csv: it is no text" in zero
    blank = good.astype({"user_id": str}).assign(user_id=lambda f: f["user_id"].mask(np.arange(len(f)) == 3, ""))
    assert "column 'user_id' has 1 missing values, first at row 3 of" in message(blank, "csv")
    assert "ratings that are not finite numbers, first at row 4 of" in message(
        good.assign(rating=good["rating"].mask(np.arange(len(good)) == 4, np.inf)), rating="rating"
    )
    assert "weights below 0, first at row 4 of" in message(
        good.assign(weight=good["weight"].mask(np.arange(len(good)) == 4, -1.0)), weight="weight"
    )
    repeated = message(good.iloc[[7]].assign(rating=1.0))
    assert "1 rows repeat an earlier (user, item) pair, first at row 0 of" in repeated
    assert f"user {good['user_id'].iloc[7]}, item {good['item_id'].iloc[7]}" in repeated
    mixed = good.assign(time=pd.date_range("2024-01-01", periods=len(good)).astype(str))
    assert "column 'time' holds dates without a zone, and in" in message(mixed, "csv", time="time")


def test_folders_that_are_none(tmp_path):
    out = tmp_path / "out"
    (tmp_path / "empty").mkdir()
    for source, words in (
        (tmp_path / "nowhere", "no folder"),
        (tmp_path / "empty", "holds no file"),
        ([], "at least one file"),
        ([tmp_path / "a.csv"], "no file"),
    ):
        with pytest.raises(InputError, match=words):
            gr.read_folder(source, out=out)
    folder = written(tmp_path / "in", [frame(n=9)], "parquet")
    (folder / "_SUCCESS").write_text("")
    (folder / "readme.md").write_text("hello")
    with pytest.raises(InputError, match=r"readme\.md is neither"):
        gr.read_folder(folder, out=out)
    (folder / "readme.md").rename(folder / "more.csv")
    with pytest.raises(InputError, match="of one kind"):
        gr.read_folder(folder, out=out)
    (folder / "more.csv").unlink()
    with pytest.raises(InputError, match="which is no part of a table"):
        gr.read_folder(folder, duplicates="last", out=folder)
    for text, words in (
        ("user_id,item_id\n1,2\n3\n", "Expected 2 columns"),
        ("user_id,item_id\n", "no row"),
        ("", "no row"),
        ("user_id,item_id,user_id\n1,2,3\n", "more than once"),
    ):
        (tmp_path / "a.csv").write_text(text)
        with pytest.raises(InputError, match=words):
            gr.read_folder([tmp_path / "a.csv"], out=out)
    (tmp_path / "b.csv").write_text("user_id,item_id\n1,2\n")
    (tmp_path / "a.csv").write_text("")
    with pytest.warns(UserWarning, match=r"1 of 2 files are empty, first .*a\.csv: they count as without rows"):
        assert len(gr.read_folder([tmp_path / "a.csv", tmp_path / "b.csv"], out=tmp_path / "hollow")) == 1
    nothing = written(tmp_path / "zeros", [frame(n=9).assign(weight=0)], "parquet")
    with pytest.raises(InputError, match="'weight' has no weight above 0"):
        gr.read_folder(nothing, weight="weight", duplicates="last", out=out)
    with pytest.raises(InputError, match="one and the same"):
        gr.read_folder(folder, user="user_id", item="user_id", out=out)
    assert not out.exists()


def test_pyarrow_is_asked_for_where_it_is_needed(pair, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(InputError, match=r"read_folder needs pyarrow: pip install 'graphrec\[parquet\]'"):
        gr.read_folder(tmp_path / "in", out=tmp_path / "other")
    assert_same(gr.write_table(gr.open_table(tmp_path / "out"), tmp_path / "other"), pair[1])


def test_damaged_tables_are_refused(pair, tmp_path):
    out = tmp_path / "out"
    path = pair[0]._opened.columns / "items.npy"
    whole = path.read_bytes()
    for bytes_left in (whole[:-4], whole[:50], b""):
        path.write_bytes(bytes_left)
        with pytest.raises(InputError, match=r"items\.npy is (missing or )?damaged"):
            gr.open_table(out)
    record = json.loads((out / "table.json").read_text())
    for text, words in (
        (json.dumps({**record, "format": 99}), "format 99"),
        ("{", "damaged"),
        (json.dumps({"format": 1}), "damaged"),
    ):
        (out / "table.json").write_text(text)
        with pytest.raises(InputError, match=words):
            gr.open_table(out)
    with pytest.raises(InputError, match="is not a table"):
        gr.open_table(tmp_path)


# ---- kills, full disks, memory -----------------------------------------------------------------


@contextlib.contextmanager
def disk_of(size):
    """No file may grow beyond this, as on a disk that is full; Python ignores the signal and gets an error."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_leaves_nothing_and_the_old_table_whole(tmp_path):
    write_power_law(tmp_path / "in", 20_000, piece=5_000)
    for size in (200, 20_000, 60_000, 100_000, 155_000):
        with disk_of(size), pytest.raises(OSError, match="File too large"):
            gr.read_folder(tmp_path / "in", duplicates="last", out=tmp_path / "deep" / "out")
        assert not (tmp_path / "deep").exists()
    table = gr.read_folder(tmp_path / "in", duplicates="last", out=tmp_path / "out")
    before = sorted((tmp_path / "out").rglob("*"))
    for write in (gr.read_folder, lambda *_, **__: gr.write_table(table, tmp_path / "out")):
        with disk_of(20_000), pytest.raises(OSError, match="File too large"):
            write(tmp_path / "in", duplicates="last", out=tmp_path / "out")
    assert sorted((tmp_path / "out").rglob("*")) == before
    assert_same(gr.open_table(tmp_path / "out"), table)


def test_a_kill_leaves_no_table_and_the_next_one_tidies_up(tmp_path):
    write_power_law(tmp_path / "in", 20_000)
    slow = (
        "import sys, time, graphrec as gr\n"
        "from graphrec.data.pair_sorting import PairSorter\n"
        "PairSorter.pieces = lambda *a: print('now', flush=True) or time.sleep(60)\n"
        "gr.read_folder(sys.argv[1], out=sys.argv[2], duplicates='last')"
    )
    process = subprocess.Popen([sys.executable, "-c", slow, tmp_path / "in", tmp_path / "out"], stdout=subprocess.PIPE)
    assert process.stdout.readline() == b"now\n"
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    process.stdout.close()
    with pytest.raises(InputError, match="is not a table"):
        gr.open_table(tmp_path / "out")
    gr.read_folder(tmp_path / "in", duplicates="last", out=tmp_path / "out")
    assert len(list((tmp_path / "out").iterdir())) == 2


MEMORY = """
import sys, graphrec as gr
from pathlib import Path
from graphrec.data import folder_passes, id_spaces, range_files, table_parts
def peak():
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM")) / 1024
def again():
    Path("/proc/self/clear_refs").write_text("5")
    return peak()
gr.read_folder(sys.argv[1], out=sys.argv[3], duplicates="last")
before = again()
gr.read_folder(sys.argv[2], out=sys.argv[3], duplicates="last")
usual = peak() - before
table_parts._ROWS = folder_passes._BLOCK = range_files._ROWS = 1 << 15
before = again()
gr.read_folder(sys.argv[2], out=sys.argv[3], duplicates="last")
print(usual, peak() - before)
"""


@pytest.mark.skipif(not os.path.exists("/proc/self/clear_refs"), reason="peak memory is told apart by Linux alone")
def test_memory_goes_by_blocks_and_ids_and_not_by_rows(tmp_path):
    """2 million rows take 56 MiB as a table and 190 MiB on their way into one in memory."""
    write_power_law(tmp_path / "warm", 10_000)
    write_power_law(tmp_path / "in", 2_000_000, piece=250_000)
    done = subprocess.run(
        [sys.executable, "-c", MEMORY, tmp_path / "warm", tmp_path / "in", tmp_path / "out"],
        capture_output=True,
        text=True,
        timeout=300,
    )
    usual, small = map(float, done.stdout.split())
    assert usual < 256, "MiB beyond what the imports take"
    assert small < 64, "MiB in blocks of 32,768 rows"


def test_the_generator_is_reproducible_and_streams(tmp_path):
    pieces = list(power_law_pieces(10_000, seed=5, piece=3_000))
    assert [len(users) for users, _ in pieces] == [3_000, 3_000, 3_000, 1_000]
    files = write_power_law(tmp_path / "in", 10_000, seed=5, piece=3_000)
    read = pd.concat(map(pd.read_parquet, files), ignore_index=True)
    np.testing.assert_array_equal(read["item_id"], np.concatenate([items for _, items in pieces]))
    assert read["user_id"].max() < 10_000 // 27
    assert not np.array_equal(pieces[0][0], next(power_law_pieces(10_000, seed=6, piece=3_000))[0])
    degree = np.sort(np.bincount(read["item_id"]))[::-1]
    assert degree[0] > 10 * degree.mean()  # a few are met by many
    with pytest.raises(InputError, match="already holds something"):
        write_power_law(tmp_path / "in", 10_000)


@pytest.mark.parametrize("name", ["users", "items", "indices", "node_indices"])
def test_an_index_that_is_none_of_the_table_is_found_before_a_fit(tmp_path, interactions, name):
    table = gr.write_table(interactions.binarize(), tmp_path / "table")
    (path,) = tmp_path.glob(f"table/columns-*/{name}.npy")
    del table
    content = bytearray(path.read_bytes())
    content[-8:-4] = (2**30).to_bytes(4, "little")
    path.write_bytes(bytes(content))
    with pytest.raises(InputError, match=rf"is damaged: {name}\.npy is not what was written"):
        gr.open_table(tmp_path / "table")
    with pytest.raises(InputError, match=rf"is damaged: {name}\.npy is not what was written"):
        gr.Recommender("itempop").fit(gr.open_table(tmp_path / "table", check=False))
    record = json.loads((tmp_path / "table" / "table.json").read_text())
    del record["checksums"]  # as earlier versions wrote it
    (tmp_path / "table" / "table.json").write_text(json.dumps(record))
    with pytest.raises(InputError, match="is damaged: it has a user or an item that is not in the table"):
        gr.open_table(tmp_path / "table")


@pytest.mark.parametrize("name", ["users", "ratings", "times", "weights", "keys", "user_ids.text", "item_ids.starts"])
def test_a_run_on_a_table_that_was_altered_is_refused(tmp_path, name):
    frame = pd.DataFrame({"user_id": list("aabbcc"), "item_id": list("xyyzzx"), "r": 3.0, "w": 2.0, "t": range(6)})
    table = gr.Interactions.from_frame(frame, rating="r", weight="w", time="t")
    with pytest.warns(UserWarning, match="refers to the table"):
        gr.Recommender("itempop").fit(gr.write_table(table, tmp_path / "table")).save(tmp_path / "run")
    (path,) = tmp_path.glob(f"table/columns-*/{name}.npy")
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(bytes(content))
    for ask in (lambda: gr.load(tmp_path / "run"), lambda: gr.open_table(tmp_path / "table")):
        with pytest.raises(InputError, match=rf"is damaged: {name}\.npy is not what was written; write the table anew"):
            ask()


def test_a_run_that_needs_its_table_says_so(tmp_path, interactions):
    table = gr.write_table(interactions.binarize(), tmp_path / "table")
    with pytest.warns(UserWarning, match="refers to the table in .*table, and cannot be loaded without it"):
        gr.Recommender("itempop").fit(table).save(tmp_path / "run")


def test_gaps_and_joined_rows_are_counted_over_all_files(tmp_path):
    columns = ["user_id", "item_id"]
    parts = [[("a", "x"), ("b", ""), ("c", "z")], [("a", "x"), ("", "z")]]
    folder = written(tmp_path / "in", [pd.DataFrame(part, columns=columns) for part in parts], "csv")
    with pytest.raises(InputError) as error:
        gr.read_folder(folder, out=tmp_path / "out")
    assert str(error.value) == (
        f"column 'item_id' has 1 missing values, first at row 1 of {folder / 'part-0.csv'}; "
        f"column 'user_id' has 1 missing values, first at row 1 of {folder / 'part-1.csv'}; "
        "missing='drop' leaves such rows out."
    )
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        assert len(gr.read_folder(folder, out=tmp_path / "out", missing="drop", duplicates="first")) == 2
    assert [str(warning.message) for warning in told] == [
        "2 of 5 rows were dropped because a value is missing (item_id 1, user_id 1).",
        "1 of 3 rows repeat an earlier pair, which counts once (duplicates='first').",
    ]


def test_files_with_and_without_a_zone_are_refused(tmp_path):
    times = ["2024-01-01T05:00Z", "2024-01-01T05:00"]
    parts = [pd.DataFrame({"user_id": [1], "item_id": [n], "t": [t]}) for n, t in enumerate(times)]
    with pytest.raises(InputError, match=r"part-1\.csv: column 't' holds dates without a zone, and in .* dates with a zone"):
        gr.read_folder(written(tmp_path / "in", parts, "csv"), out=tmp_path / "out", time="t")
