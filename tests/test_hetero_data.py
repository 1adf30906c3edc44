"""Layers where one looks for them, and the graph as PyTorch Geometric's users expect it."""

import subprocess
import sys

import pytest
import torch
from torch_geometric.nn import LGConv, to_hetero
from torch_geometric.transforms import ToUndirected

import graphrec as gr
from graphrec.errors import InputError


@pytest.fixture
def split(interactions):
    return gr.split.stratified(interactions, test=0.2, valid=0.1, seed=0)


def test_layers_are_where_one_looks():
    from graphrec.graph import LightConv, NGCFConv
    from graphrec.graph.layers import LightConv as Own

    assert gr.LightConv is gr.graph.LightConv is LightConv is Own
    assert gr.NGCFConv is NGCFConv
    assert {"LightConv", "NGCFConv", "ann", "Recommender"} <= set(dir(gr))
    assert {"LightConv", "BipartiteGraph"} <= set(dir(gr.graph))
    for module in (gr, gr.graph):
        with pytest.raises(AttributeError, match="LigthConv"):
            _ = module.LigthConv


def test_importing_the_package_does_not_import_them():
    program = "import sys, graphrec; dir(graphrec); print('torch_geometric' in sys.modules, 'usearch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]


def test_a_table_as_a_graph(interactions):
    data = interactions.to_hetero_data()
    assert data.validate()
    assert data.node_types == ["user", "item"]
    assert (data["user"].num_nodes, data["item"].num_nodes) == (60, 45)
    forth, back = data["user", "rates", "item"], data["item", "rev_rates", "user"]
    assert forth.edge_index.dtype == torch.int64
    assert forth.edge_index[0].tolist() == interactions.users.tolist()
    assert back.edge_index.flip(0).equal(forth.edge_index)
    assert forth.rating.tolist() == interactions.ratings.tolist()
    assert back.time.tolist() == interactions.times.tolist()
    assert "edge_label" not in forth
    # PyG's own transform makes the same edges out of one direction.
    del data["item", "rev_rates", "user"]
    assert ToUndirected()(data)["item", "rev_rates", "user"].edge_index.equal(back.edge_index)


def test_pygs_propagation_over_it_is_ours(interactions):
    data = interactions.to_hetero_data().to_homogeneous()
    x = torch.randn(interactions.n_users + interactions.n_items, 5, generator=torch.Generator().manual_seed(0))
    ours = gr.LightConv()(x, gr.BipartiteGraph(interactions).adjacency("sym"))
    torch.testing.assert_close(LGConv()(x, data.edge_index), ours)


def test_the_parts_of_a_split_are_masks_and_no_message_knows_the_test_pairs(split):
    data = split.to_hetero_data()
    assert data.validate()
    pairs = data["user", "rates", "item"]
    assert pairs.num_edges == len(split.train)
    assert data["item", "rev_rates", "user"].num_edges == len(split.train)
    for mask, part in ((pairs.train_mask, split.train), (pairs.val_mask, split.valid), (pairs.test_mask, split.test)):
        users, items = pairs.edge_label_index[:, mask]
        assert (users.tolist(), items.tolist()) == (part.users.tolist(), part.items.tolist())
        assert pairs.edge_label[mask].tolist() == part.ratings.tolist()
    assert (pairs.train_mask.int() + pairs.val_mask + pairs.test_mask).eq(1).all()
    implicit = gr.Split(train=split.train.binarize(), test=split.test.binarize()).to_hetero_data()["user", "rates", "item"]
    assert implicit.edge_label.unique().tolist() == [1.0]
    assert not implicit.val_mask.any()
    assert "rating" not in implicit


def test_a_model_of_pyg_takes_it(split):
    class Net(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.hop = LGConv(normalize=False)

        def forward(self, x, edge_index):
            return self.hop(x, edge_index)

    data = split.to_hetero_data()
    net = to_hetero(Net(), data.metadata())
    x = {"user": torch.ones(60, 3), "item": torch.ones(45, 3)}
    out = net(x, data.edge_index_dict)
    assert out["user"][:, 0].tolist() == torch.bincount(torch.as_tensor(split.train.users.copy()), minlength=60).tolist()


def test_without_pyg_there_is_a_sentence(interactions, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch_geometric.data", None)
    with pytest.raises(InputError, match="pip install 'torch-geometric"):
        interactions.to_hetero_data()
