"""The tests that take a device once more, on a CUDA device that is pretended, in processes of their own.

What passes proves device discipline: nothing left behind on the CPU, no generator of the wrong device, no NumPy of a
device's tensor, few waits of the host. It proves nothing about speed, streams or CUDA's own kernels.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

HERE = Path(__file__).parent
FOLDER = Path(os.environ.get("GRAPHREC_PRETEND_GPU") or HERE.parents[1] / "shared" / "pretend_gpu")

pytestmark = [
    pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device: the tests run on it as they are"),
    pytest.mark.skipif(
        torch.version.cuda is not None, reason="this torch is built for CUDA; only a CPU build can be made to pretend"
    ),
    pytest.mark.skipif(
        not (FOLDER / "pretend_gpu.py").is_file(), reason=f"{FOLDER.name} is not there (GRAPHREC_PRETEND_GPU names it)"
    ),
    pytest.mark.skipif(shutil.which("g++") is None, reason="the pretended device is compiled by g++, which is not there"),
]


FILES = [
    "test_contract.py",
    "test_crooked_paths.py",
    "test_equal_items.py",
    "test_fold_in.py",
    "test_in_batch.py",
    "test_on_device.py",
    "test_sampled_training.py",
]

# The pretended device multiplies by MKL, which on Intel's processors adds up in another order for other shapes.
_ONE_ORDER = {"MKL_CBWR": "AVX2,STRICT"}


@pytest.mark.parametrize("file", FILES)
def test_it_passes_on_the_pretended_device(file):
    options = ["-p", "pretend_gpu_plugin", "-p", "no:cacheprovider", "-k", "cuda", "--no-header", "-rf"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *options, str(HERE / file)],
        capture_output=True,
        text=True,
        cwd=HERE.parent,
        env={
            **os.environ,
            "GRAPHREC_PRETEND_GPU": str(FOLDER),
            "PYTHONPATH": os.pathsep.join([str(HERE.parent), str(HERE)]),
            **(_ONE_ORDER if file == "test_equal_items.py" else {}),
        },
    )
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    assert " passed" in done.stdout
