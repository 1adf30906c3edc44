"""The cache of parsed files: used when nothing changed, never when something did, and never trusted when damaged."""

import os
import warnings

import numpy as np
import pytest
from test_formats import pairs, write

from graphrec.data.cache import cache_folder, store_arrays
from graphrec.data.lightgcn_files import read_lightgcn


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("GRAPHREC_CACHE", str(tmp_path_factory.mktemp("cache")))


def cached_files():
    return list((cache_folder() / "parsed").glob("*"))


def refuse_to_parse(*_):
    raise AssertionError("the file was parsed although it is in the cache")


def test_second_reading_comes_from_the_cache(tmp_path, monkeypatch):
    write(tmp_path, train="0 0 1 2\n1 3\n", valid="0 1\n", test="1 4\n")
    first = read_lightgcn(tmp_path)
    monkeypatch.setattr("graphrec.data.lightgcn_files.parse_index_lines", refuse_to_parse)
    second = read_lightgcn(tmp_path)
    for part in ("train", "valid", "test"):
        assert pairs(getattr(first, part)) == pairs(getattr(second, part))
    assert first.train.shares_ids_with(second.train)
    monkeypatch.chdir(tmp_path.parent)
    assert len(read_lightgcn(tmp_path.name).train) == 3, "a relative path is the same folder"
    with pytest.raises(AssertionError, match="parsed"):
        read_lightgcn(tmp_path, cache=False)


@pytest.mark.parametrize("change", ["size", "time", "removed", "added"])
def test_changed_files_are_parsed_again(tmp_path, change):
    write(tmp_path, train="0 0 1\n", test="0 2\n")
    read_lightgcn(tmp_path)
    target = tmp_path / "test.txt"
    stamp = target.stat().st_mtime_ns
    if change == "size":
        target.write_text("0 2 3\n")
        os.utime(target, ns=(stamp, stamp))
    elif change == "time":
        target.write_text("0 5\n")
        os.utime(target, ns=(stamp + 1, stamp + 1))
    elif change == "removed":
        target.unlink()
    else:
        (tmp_path / "valid.txt").write_text("0 1\n")
    expected = {
        "size": ([(0, 0), (0, 1)], None, [(0, 2), (0, 3)]),
        "time": ([(0, 0), (0, 1)], None, [(0, 5)]),
        "removed": ([(0, 0), (0, 1)], None, None),
        "added": ([(0, 0)], [(0, 1)], [(0, 2)]),
    }
    for _ in range(2):
        split = read_lightgcn(tmp_path)
        parts = (split.train, split.valid, split.test)
        assert tuple(None if part is None else pairs(part) for part in parts) == expected[change]
    assert len(cached_files()) == 1, "an outdated version is replaced"


def test_damaged_cache_is_ignored_and_rewritten(tmp_path):
    read_lightgcn(write(tmp_path, train="0 0 1 2\n1 3\n", valid="0 1\n"))
    (file,) = cached_files()
    good = file.read_bytes()
    damaged = [good[:k] for k in range(0, len(good), 37)]
    damaged += [good[:k] + bytes([good[k] ^ 4]) + good[k + 1 :] for k in range(0, len(good), 11)]
    for content in damaged:
        file.write_bytes(content)
        split = read_lightgcn(tmp_path)
        assert (pairs(split.train), pairs(split.valid)) == ([(0, 0), (0, 2), (1, 3)], [(0, 1)])
        assert file.read_bytes() == good


def test_unwritable_cache_is_a_warning_and_changes_nothing(tmp_path, monkeypatch):
    write(tmp_path / "data", train="0 0 1\n")
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("GRAPHREC_CACHE", str(tmp_path / "file"))
    with pytest.warns(UserWarning, match="could not be written .*GRAPHREC_CACHE"):
        split = read_lightgcn(tmp_path / "data")
    assert len(split.train) == 2
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        read_lightgcn(tmp_path / "data", cache=False)


def test_a_failed_store_leaves_no_part_behind(tmp_path, monkeypatch):
    monkeypatch.setattr("pathlib.Path.replace", lambda *_: (_ for _ in ()).throw(OSError("no space")))
    with pytest.warns(UserWarning, match="no space"):
        store_arrays("x", np.zeros(1, np.int64), {"a": np.zeros(1)})
    assert not cached_files()
