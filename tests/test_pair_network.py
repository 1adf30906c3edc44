"""The parts of zero-hop models: the network over pairs in blocks, and products with sparse inputs."""

import numpy as np
import pytest
import torch
from scipy import sparse
from torch.nn import functional as F

from graphrec.models.parts.pair_network import PairNetwork
from graphrec.models.parts.sparse_rows import SparseRows


def tower(network, x, activation):
    """The network on already joined rows (n, d), layer by layer."""
    for layer in network.layers:
        x = activation(F.linear(x, layer.weight, layer.bias))
    return (x @ network.out.weight.T + network.out.bias)[:, 0]


@pytest.mark.parametrize("budget", [1, 7, 64, 300, 10_000])
@pytest.mark.parametrize("activation", ["relu", "leaky_relu"])
def test_blocks_do_not_change_a_pair_network(budget, activation):
    torch.manual_seed(0)
    network = PairNetwork(3, 4, [8, 5], activation=activation, budget=budget)
    u, v = torch.randn(6, 3), torch.randn(11, 4)
    joined = torch.cat([u[:, None].expand(6, 11, 3), v[None].expand(6, 11, 4)], -1).reshape(-1, 7)
    want = tower(network, joined, F.relu if activation == "relu" else F.leaky_relu).view(6, 11)
    assert torch.allclose(network.all_pairs(u, v), want, atol=1e-5)
    assert torch.allclose(network(u[:, None], v), want, atol=1e-5)
    assert network.all_pairs(u[:0], v).shape == (0, 11)
    assert network.all_pairs(u, v[:0]).shape == (6, 0)


def test_blocks_keep_to_the_budget():
    network, sizes = PairNetwork(3, 4, [8, 16], budget=600), []
    network.layers[1].register_forward_hook(lambda _, inputs, output: sizes.append(output.numel()))
    network.all_pairs(torch.randn(40, 3), torch.randn(50, 4))
    assert max(sizes) <= 600
    assert sum(sizes) == 40 * 50 * 16


@pytest.mark.parametrize("rows", [None, [0], [4, 4, 2, 0], []])
def test_sparse_rows_multiply_like_dense_ones(rows):
    g = np.random.default_rng(3)
    dense = np.where(g.random((6, 9)) < 0.4, g.normal(size=(6, 9)), 0).astype(np.float32)
    dense[2] = 0
    sparse_rows = SparseRows(sparse.csr_matrix(dense))
    weight = torch.randn(9, 4, requires_grad=True)
    picked = torch.from_numpy(dense if rows is None else dense[np.array(rows, int)])
    got = sparse_rows.matmul(weight, None if rows is None else torch.tensor(rows, dtype=torch.int64))
    assert torch.allclose(got, picked @ weight, atol=1e-6)
    (got**2).sum().backward()
    mine, weight.grad = weight.grad, None
    ((picked @ weight) ** 2).sum().backward()
    assert torch.allclose(mine, weight.grad, atol=1e-5)
    assert not sparse_rows.state_dict()
