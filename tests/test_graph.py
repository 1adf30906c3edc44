"""Graph, products and gradients against dense matrices."""

import copy
from functools import partial

import numpy as np
import pytest
import torch

import graphrec as gr
from graphrec.graph import hop_mean, products
from graphrec.graph.buffers import BufferPool
from graphrec.graph.hop_mean import HopMean
from graphrec.graph.propagate import propagate, propagate_rows
from graphrec.graph.receptive_field import receptive_field
from graphrec.graph.row_sparse import NodeIndex

NAMES = ["none", "sym", "row", "sym+self", "ngcf", "sym,self"]


def dense_definition(inter, name):
    """The matrices of the table in graphrec.graph.normalise, written down in float64."""
    r = torch.tensor(inter.to_csr("ones").toarray(), dtype=torch.float64)
    n = r.shape[0] + r.shape[1]
    a = torch.zeros(n, n, dtype=torch.float64)
    a[: r.shape[0], r.shape[0] :], a[r.shape[0] :, : r.shape[0]] = r, r.T
    eye = torch.eye(n, dtype=torch.float64)
    if name in ("sym+self", "ngcf"):
        a = a + eye
    degree = a.sum(1)
    inverse = torch.where(degree > 0, 1 / degree, 0.0)
    if name == "none":
        return a
    if name in ("row", "ngcf"):
        return inverse[:, None] * a
    scaled = inverse.sqrt()[:, None] * a * inverse.sqrt()
    return scaled + eye if name == "sym,self" else scaled


@pytest.fixture
def isolated():
    """Users 2 and 5 and item 3 have no edge; a pair is repeated."""
    users, items = [0, 0, 1, 3, 4, 4, 4, 0], [0, 1, 1, 2, 0, 1, 4, 1]
    return gr.Interactions.from_indices(users, items, n_users=6, n_items=5, duplicates="keep")


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("which", ["interactions", "isolated"])
def test_normalisations_are_their_definitions(request, which, name):
    inter = request.getfixturevalue(which)
    got = gr.BipartiteGraph(inter).adjacency(name)
    want = dense_definition(inter, name)
    assert torch.allclose(got.to_dense().double(), want, atol=1e-7)
    assert torch.allclose(got.t.to_dense().double(), want.T, atol=1e-7)
    assert got.symmetric == torch.equal(want, want.T)


def test_adjacencies_are_made_once_with_int32_indices(interactions):
    graph = gr.BipartiteGraph(interactions)
    assert graph.adjacency("sym") is graph.adjacency("sym")
    assert graph.adjacency("sym").pattern is graph.adjacency("row").pattern
    assert graph.pattern.indices.dtype == np.int32
    assert graph.adjacency("sym").csr.col_indices().dtype == torch.int32


def test_unknown_normalisation_offers_the_nearest(interactions):
    with pytest.raises(ValueError, match=r"unknown normalisation 'symm'; did you mean 'sym'"):
        gr.BipartiteGraph(interactions).adjacency("symm")


def backend_or_skip(name):
    if name == "torch-sparse":
        pytest.importorskip("torch_sparse", reason="the extra 'sparse' is not installed")
    return name


@pytest.mark.parametrize("backend", sorted(products.BACKENDS))
@pytest.mark.parametrize("name", ["sym", "ngcf"])
@pytest.mark.parametrize("width", [1, 7, 64])
def test_back_ends_and_their_gradients_are_equal(interactions, name, backend, width):
    adjacency = gr.BipartiteGraph(interactions).adjacency(name)
    dense = dense_definition(interactions, name)
    x = torch.randn(adjacency.n_nodes, width, generator=torch.Generator().manual_seed(1), requires_grad=True)
    weight = torch.randn(adjacency.n_nodes, width, generator=torch.Generator().manual_seed(2))
    out = propagate(adjacency, x, backend=backend_or_skip(backend))
    (out * weight).sum().backward()
    assert torch.allclose(out.double(), dense @ x.double(), atol=1e-5)
    assert torch.allclose(x.grad.double(), dense.T @ weight.double(), atol=1e-5)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", ["sym", "ngcf"])
def test_some_rows_of_a_hop(interactions, name, dtype):
    adjacency = gr.BipartiteGraph(interactions).adjacency(name)
    adjacency = adjacency.with_values(adjacency.values.to(dtype), adjacency.symmetric)
    dense = dense_definition(interactions, name)
    x = torch.randn(adjacency.n_nodes, 5, dtype=dtype, requires_grad=True)
    rows = torch.tensor([3, 70, 3, 0, 104])
    weight = torch.randn(5, 5, dtype=dtype)
    out = propagate_rows(adjacency, x, rows)
    (out * weight).sum().backward()
    spread = torch.zeros(adjacency.n_nodes, 5, dtype=torch.float64).index_add_(0, rows, weight.double())
    assert torch.allclose(out.double(), dense[rows] @ x.double(), atol=1e-6)
    assert torch.allclose(x.grad.double(), dense.T @ spread, atol=1e-6)


def widest(monkeypatch, share):
    """Let every receptive field up to this share of the edges be worth listing."""
    monkeypatch.setattr(hop_mean, "receptive_field", partial(receptive_field, widest_batch=share, widest_field=share))


def test_a_receptive_field_is_the_batch_and_its_neighbours(interactions):
    pattern = gr.BipartiteGraph(interactions).pattern
    dense = dense_definition(interactions, "none")
    for batch in ([0], [3, 70, 3, 104], [99]):
        index = NodeIndex(torch.tensor(batch), len(dense))
        want = sorted({*batch, *dense[batch].nonzero()[:, 1].tolist()})
        assert receptive_field(index, pattern, 1.0, 1.0).distinct.tolist() == want
        share = float((dense[want] != 0).sum() / (dense != 0).sum())
        assert receptive_field(index, pattern, 1.0, share + 1e-6) is not None
        assert receptive_field(index, pattern, 1.0, share - 1e-6) is None
        share = float((dense[sorted(set(batch))] != 0).sum() / (dense != 0).sum())
        assert receptive_field(index, pattern, share - 1e-6, 1.0) is None


def test_look_ups_one_after_the_other_fill_the_same_hops(interactions, monkeypatch):
    adjacency = gr.BipartiteGraph(interactions).adjacency("sym")
    x = torch.randn(adjacency.n_nodes, 6)
    widest(monkeypatch, 0.0)
    want = HopMean(adjacency, x, 3, BufferPool()).full()
    widest(monkeypatch, 1.0)
    hops = HopMean(adjacency, x, 3, BufferPool())
    for nodes in ([0, 80], [1, 80], list(range(40)), list(range(adjacency.n_nodes))):
        assert torch.allclose(hops.rows(torch.tensor(nodes))[0], want[nodes], atol=1e-6)
    hops = HopMean(adjacency, x, 3, BufferPool())
    hops.rows(torch.tensor([5]))
    assert torch.allclose(hops.full(), want, atol=1e-6), "a look-up leaves rows out that the whole needs"


@pytest.mark.parametrize("share", [0.0, 1.0], ids=["whole", "field"])
@pytest.mark.parametrize("hops", [1, 2, 3, 4])
@pytest.mark.parametrize("name", ["sym", "row", "sym,self"])
def test_hop_mean_and_its_gradient_against_dense_autograd(interactions, monkeypatch, name, hops, share):
    widest(monkeypatch, share)
    adjacency = gr.BipartiteGraph(interactions).adjacency(name)
    dense = dense_definition(interactions, name)
    x = torch.randn(adjacency.n_nodes, 6, requires_grad=True)
    rows = torch.tensor([1, 64, 1, 99, 0, 64])
    weights = torch.randn(2, len(rows), 6)
    mean, ego = HopMean(adjacency, x, hops, BufferPool()).rows(rows)
    (mean * weights[0] + ego * weights[1]).sum().backward()
    y = x.detach().double().requires_grad_()
    total, layer = y, y
    for _ in range(hops):
        layer = dense @ layer
        total = total + layer
    want = total[rows] / (hops + 1)
    (want * weights[0] + y[rows] * weights[1]).sum().backward()
    assert torch.allclose(mean.double(), want, atol=1e-6)
    # Relative to the largest entry: gradients are small, and an absolute bound would let anything through.
    assert (x.grad - y.grad).abs().max() / y.grad.abs().max() < 1e-6


def test_gradient_of_the_whole_hop_mean(interactions):
    adjacency = gr.BipartiteGraph(interactions).adjacency("sym")
    x = torch.randn(adjacency.n_nodes, 4, requires_grad=True)
    weight = torch.randn(adjacency.n_nodes, 4)
    (HopMean(adjacency, x, 2, BufferPool()).full() * weight).sum().backward()
    a = dense_definition(interactions, "sym")
    want = (weight.double() + a @ weight.double() + a @ (a @ weight.double())) / 3
    assert torch.allclose(x.grad.double(), want, atol=1e-6)


def test_gradients_add_up_over_steps_without_zeroing(interactions):
    """The gradient lives in a lent buffer; a second backward pass must not write over the first."""
    adjacency = gr.BipartiteGraph(interactions).adjacency("sym")
    x, pool = torch.randn(adjacency.n_nodes, 4, requires_grad=True), BufferPool()
    single = []
    for rows in (torch.tensor([0, 70]), torch.tensor([5, 80, 80])):
        x.grad = None
        HopMean(adjacency, x, 3, pool).rows(rows)[0].sum().backward()
        single.append(x.grad.clone())
    x.grad = None
    for rows in (torch.tensor([0, 70]), torch.tensor([5, 80, 80])):
        HopMean(adjacency, x, 3, pool).rows(rows)[0].sum().backward()
    assert torch.allclose(x.grad, single[0] + single[1], atol=1e-7)


@pytest.mark.parametrize("hops", [1, 2, 3, 4])
def test_hops_give_their_room_to_the_gradient_and_come_back(interactions, hops):
    adjacency = gr.BipartiteGraph(interactions).adjacency("sym")
    x, pool, rows = torch.randn(adjacency.n_nodes, 4, requires_grad=True), BufferPool(), torch.tensor([0, 70, 70])
    mean = HopMean(adjacency, x, hops, pool)
    first, _ = mean.rows(rows)
    first.sum().backward(retain_graph=True)
    once = x.grad.clone()
    assert len(pool._arrays) <= max(hops - 1, 2)
    again, _ = mean.rows(rows)
    assert torch.equal(first, again)
    x.grad = None
    again.sum().backward()
    assert torch.equal(x.grad, once)
    x.grad = None
    first.sum().backward()
    assert torch.equal(x.grad, once)
    assert torch.equal(mean.full()[rows], HopMean(adjacency, x, hops, BufferPool()).full()[rows])


def test_a_lent_buffer_is_not_lent_twice():
    pool = BufferPool()
    first = pool.take(3, 4).fill_(1.0)
    view = first[1:]
    address = first.data_ptr()
    del first
    assert pool.take(3, 4).data_ptr() != address, "a view of it is still alive"
    del view
    assert pool.take(3, 4).data_ptr() == address


def test_an_adjacency_is_shared_by_copies_of_a_model(interactions):
    adjacency = gr.BipartiteGraph(interactions).adjacency("sym")
    adjacency.csr  # noqa: B018 - torch cannot copy a sparse CSR tensor
    assert copy.deepcopy(adjacency) is adjacency
