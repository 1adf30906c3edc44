"""A pytest plugin, ``-p pretend_gpu_plugin``: makes a device "cuda" in the CPU build of torch.

On import, so that it is there before conftest.py names the devices. GRAPHREC_PRETEND_GPU is the folder of the tool.
"""

import os
import sys

sys.path.insert(0, os.environ["GRAPHREC_PRETEND_GPU"])

import pretend_gpu

pretend_gpu.install()
