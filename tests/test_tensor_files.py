"""Files of tensors: whole or not at all, readable by others, and any altered byte is noticed."""

import hashlib
import json
import os
import resource
import stat
import subprocess
import sys

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


def test_it_is_a_file_of_safetensors_and_reads_theirs(tmp_path):
    theirs = pytest.importorskip("safetensors.torch")
    kinds = ("float64", "float32", "float16", "bfloat16", "int64", "int32", "int16", "int8", "uint8", "bool")
    some = {f"of {kind}": torch.arange(3).to(getattr(torch, kind)) for kind in kinds} | TENSORS
    write_tensors(tmp_path / "ours", some, META)
    for tensors in (theirs.load_file(tmp_path / "ours"), read_tensors(tmp_path / "ours")[0]):
        assert tensors.keys() == some.keys()
        assert all(torch.equal(tensors[name], tensor) and tensors[name].dtype == tensor.dtype for name, tensor in some.items())
    with pytest.raises(gr.errors.InputError, match="complex64"):
        write_tensors(tmp_path / "new", {"a": torch.zeros(1, dtype=torch.complex64)}, {})
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    "said",
    [
        {"dtype": "F32", "shape": [2], "data_offsets": [0, 16]},
        {"dtype": "F32", "shape": [2], "data_offsets": [-8, 0]},
        {"dtype": "F32", "shape": [-1], "data_offsets": [0, 8]},
        {"dtype": "F32", "shape": [3], "data_offsets": [0, 8]},
        {"dtype": "F32", "shape": [1], "data_offsets": [2, 6]},
        {"dtype": "F31", "shape": [2], "data_offsets": [0, 8]},
        {"dtype": "F32", "shape": [2]},
        7,
    ],
)
def test_a_header_that_lies_is_refused(tmp_path, said):
    blank = {"__metadata__": {"graphrec": "{}", "sha256": "0" * 64}, "a": said}
    text = json.dumps(blank, separators=(",", ":")).encode()
    whole = len(text).to_bytes(8, "little") + text + bytes(8)
    (tmp_path / "t").write_bytes(whole.replace(b"0" * 64, hashlib.sha256(whole).hexdigest().encode()))
    with pytest.raises(gr.errors.InputError, match="cannot be read"):
        read_tensors(tmp_path / "t")


PROGRAM = """
import resource, sys
import numpy as np, torch
import graphrec as gr

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024 if sys.platform != "darwin" else 1024**2)

def solve(self):
    self.weights = torch.ones(self.n_items, self.n_items)

gr.models.EASE.solve = solve
rec = gr.Recommender("ease").fit(gr.Interactions.from_indices(np.zeros(6000, int), np.arange(6000)))
gr.Recommender("itempop").fit(rec.train).save(sys.argv[1] + "/first")
gr.load(sys.argv[1] + "/first")
before = peak()
rec.save(sys.argv[1] + "/run")
saved = peak()
again = gr.load(sys.argv[1] + "/run")
print(saved - before, peak() - saved, float(again.model.weights.sum()))
"""


def test_saving_copies_nothing_and_loading_reads_once(tmp_path):
    """The weights take 137 MiB."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", PROGRAM, str(tmp_path)], capture_output=True, text=True, check=True
    )
    saving, loading, total = (float(word) for word in done.stdout.split())
    assert total == 6000**2
    assert saving < 40
    assert loading < 190
