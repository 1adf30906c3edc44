"""The PyG layers: equal on every form of graph, and equal to the papers' equations written out."""

import pytest
import torch
from torch.nn import functional as F

import graphrec as gr
from graphrec.graph.dropout import GraphDropout
from graphrec.graph.layers import LightConv, NGCFConv

FORMS = ["adjacency", "edge-index", "torch-csr", "sparse-tensor"]


def graph_in_form(adjacency, form):
    """The same matrix in another library's form, and the edge weights that go with an edge index."""
    if form == "adjacency":
        return adjacency, None
    if form == "edge-index":
        return adjacency.edge_index
    if form == "torch-csr":
        return adjacency.csr, None
    pytest.importorskip("torch_sparse", reason="the extra 'sparse' is not installed")
    return adjacency.sparse_tensor, None


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", ["sym", "ngcf"])
def test_light_conv_is_one_dense_product(interactions, name, form):
    adjacency = gr.BipartiteGraph(interactions).adjacency(name)
    graph, weight = graph_in_form(adjacency, form)
    x = torch.randn(adjacency.n_nodes, 8, requires_grad=True)
    out = LightConv()(x, graph, weight)
    dense = adjacency.to_dense()
    assert torch.allclose(out, dense @ x, atol=1e-5)
    out.square().sum().backward()
    assert torch.allclose(x.grad, 2 * dense.T @ (dense @ x), atol=1e-5)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("equation", ["paper", "official"])
def test_ngcf_conv_is_its_equation(interactions, equation, form):
    adjacency = gr.BipartiteGraph(interactions).adjacency("ngcf" if equation == "official" else "sym")
    graph, weight = graph_in_form(adjacency, form)
    conv = NGCFConv(8, 5, equation, slope=0.2)
    x = torch.randn(adjacency.n_nodes, 8)
    a = adjacency.to_dense()
    w1, w2 = conv.transform.sum.weight.T, conv.transform.product.weight.T
    if equation == "paper":
        # LeakyReLU((L + I) E W1 + L E * E W2)
        want = F.leaky_relu((a + torch.eye(len(a))) @ x @ w1 + ((a @ x) * x) @ w2, 0.2)
    else:
        b1, b2 = conv.transform.sum.bias, conv.transform.product.bias
        want = F.leaky_relu(a @ x @ w1 + b1, 0.2) + F.leaky_relu((x * (a @ x)) @ w2 + b2, 0.2)
    assert torch.allclose(conv(x, graph, weight), want, atol=1e-5)


def test_message_dropout_is_off_in_eval(interactions):
    adjacency = gr.BipartiteGraph(interactions).adjacency("sym")
    conv, x = NGCFConv(8, 8, message_dropout=0.5), torch.randn(adjacency.n_nodes, 8)
    assert not torch.equal(conv(x, adjacency), conv(x, adjacency))
    conv.eval()
    assert torch.equal(conv(x, adjacency), conv(x, adjacency))


@pytest.mark.parametrize("kind", ["edge", "node"])
def test_graph_dropout_keeps_the_expectation(interactions, kind):
    adjacency = gr.BipartiteGraph(interactions).adjacency("sym")
    drop = GraphDropout(0.3, kind)
    assert drop.eval()(adjacency) is adjacency
    drop.train()
    torch.manual_seed(0)
    draws = torch.stack([drop(adjacency).values for _ in range(3000)])
    assert torch.allclose(draws.mean(0), adjacency.values, rtol=0.08)
    dropped = (draws == 0).double().mean()
    assert 0.29 < dropped < 0.31
    if kind == "node":
        sender = torch.as_tensor(adjacency.pattern.indices.copy())
        first = draws[0] == 0
        assert all(len(first[sender == s].unique()) == 1 for s in sender.unique())


def test_dropped_edges_have_the_transposed_gradient(interactions):
    """Dropping single entries makes a symmetric matrix unsymmetric; its gradient must follow."""
    adjacency = gr.BipartiteGraph(interactions).adjacency("sym")
    torch.manual_seed(3)
    dropped = GraphDropout(0.5)(adjacency)
    x = torch.randn(adjacency.n_nodes, 4, requires_grad=True)
    LightConv()(x, dropped).square().sum().backward()
    dense = dropped.to_dense()
    assert not torch.equal(dense, dense.T)
    assert torch.allclose(x.grad, 2 * dense.T @ (dense @ x), atol=1e-5)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: GraphDropout(1.0), "^p must be at least 0 and below 1, got 1.0"),
        (lambda: GraphDropout(0.1, "row"), "^kind must be 'edge' or 'node', got 'row'"),
        (lambda: NGCFConv(4, 0), "every entry of layers must be at least 1, got 0"),
    ],
)
def test_bad_options(call, message):
    with pytest.raises(ValueError, match=message):
        call()
