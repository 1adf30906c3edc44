"""The benchmark for whoever has an accelerator runs, as far as a machine without one can tell."""

import pytest
import torch

gpu = pytest.importorskip("benchmarks.gpu", reason="benchmarks/ is not beside the package")


def test_the_whole_command_on_the_cpu(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("benchmarks.record.RESULTS", tmp_path)
    gpu.main(["--device", "cpu", "--data", "synthetic", "--rounds", "1"])
    assert {path.name for path in tmp_path.iterdir()} == {"gpu.md", "gpu.csv", "gpu.png"}
    table = (tmp_path / "gpu.md").read_text()
    for row in ("hop Â·X", "step of NGCF", "cpu, plain torch", "top 20 of all users", "lightgcn-fast bf16", "rp3beta"):
        assert row in table


@pytest.mark.skipif(torch.cuda.is_available() or torch.backends.mps.is_available(), reason="there is an accelerator")
def test_without_an_accelerator_it_says_so(capsys):
    gpu.main([])
    assert "nothing was measured" in capsys.readouterr().out
