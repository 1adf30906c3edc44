"""Files of tensors: whole or not at all, readable by others, and any altered byte is noticed."""

import hashlib
import os
import resource
import stat

import numpy as np
import pytest
import torch

import graphrec as gr
from graphrec.tensor_files import read_tensors, replace_file, write_tensors

TENSORS = {
    "a": torch.arange(6.0).view(2, 3),
    'odd "sha256":"name"': torch.tensor([True, False]),
    "scalar": torch.tensor(3),
    "empty": torch.zeros(0, 4),
}
META = {"text": 'quotes "sha256":"' + "0" * 64 + '"', "number": 0.1, "list": [1, None]}


def test_what_is_written_is_read(tmp_path):
    path = tmp_path / "t.safetensors"
    digest = write_tensors(path, {**TENSORS, "view": TENSORS["a"].T}, META)
    assert digest == hashlib.sha256(path.read_bytes()).hexdigest()
    tensors, meta = read_tensors(path)
    assert meta == META
    assert tensors.keys() == {*TENSORS, "view"}
    assert all(torch.equal(tensors[name], tensor) and tensors[name].dtype == tensor.dtype for name, tensor in TENSORS.items())
    assert torch.equal(tensors["view"], TENSORS["a"].T)


def test_any_altered_byte_is_noticed(tmp_path):
    path = tmp_path / "t.safetensors"
    write_tensors(path, TENSORS, META)
    good, g = path.read_bytes(), np.random.default_rng(0)
    for place in range(len(good)):
        bad = bytearray(good)
        bad[place] ^= 1 << int(g.integers(8))
        path.write_bytes(bad)
        with pytest.raises(gr.errors.InputError, match="damaged"):
            read_tensors(path)


@pytest.mark.parametrize("cut", [0, 1, 7, 8, 9, 100, -1])
def test_a_truncated_or_longer_file_is_noticed(tmp_path, cut):
    path = tmp_path / "t.safetensors"
    write_tensors(path, TENSORS, META)
    good = path.read_bytes()
    for bad in (good[:cut], good + b"0", b"{}" * 50):
        path.write_bytes(bad)
        with pytest.raises(gr.errors.InputError, match="damaged"):
            read_tensors(path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(gr.errors.InputError, match=r"none\.safetensors does not exist"):
        read_tensors(tmp_path / "none.safetensors")


@pytest.mark.parametrize(("mask", "mode"), [(0o022, 0o644), (0o077, 0o600)])
def test_the_umask_decides_who_may_read(tmp_path, mask, mode):
    old = os.umask(mask)
    try:
        write_tensors(tmp_path / "t", TENSORS, META)
    finally:
        os.umask(old)
    assert stat.S_IMODE((tmp_path / "t").stat().st_mode) == mode


def test_a_full_disk_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "t"
    write_tensors(path, TENSORS, META)
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, limit[1]))
    try:
        with pytest.raises(OSError, match=str(path)):
            write_tensors(path, {"large": torch.zeros(100_000)}, {})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
    assert read_tensors(path)[1] == META
    assert [p.name for p in tmp_path.iterdir()] == ["t"]


@pytest.mark.parametrize("broken", ["os.replace", "os.fsync"])
def test_an_interrupted_write_leaves_nothing_behind(tmp_path, monkeypatch, broken):
    def fail(*_):
        raise KeyboardInterrupt

    (tmp_path / "t").write_bytes(b"old")
    monkeypatch.setattr(broken, fail)
    with pytest.raises(KeyboardInterrupt):
        replace_file(tmp_path / "t", b"new")
    assert (tmp_path / "t").read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["t"]
