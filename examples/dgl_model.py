"""The same on DGL: one changed import, called (graph, x).

Run: python examples/dgl_model.py
"""

import torch
import torch.nn.functional as F

import gslt

# was: from dgl.nn import GraphConv
from gslt.backends.dgl import FrozenGraphConv as GraphConv
from gslt.backends.dgl import dgl


class Net(torch.nn.Module):
    """Two layers, as in any DGL tutorial."""

    def __init__(self, in_feats: int, hidden_feats: int, out_feats: int) -> None:
        super().__init__()
        self.conv1 = GraphConv(in_feats, hidden_feats)
        self.conv2 = GraphConv(hidden_feats, out_feats)

    def forward(self, graph: "dgl.DGLGraph", x: torch.Tensor) -> torch.Tensor:
        """Logits of every node."""
        return self.conv2(graph, F.relu(self.conv1(graph, x)))


def main(epochs: int = 30) -> float:
    """Search a ticket in the frozen network; returns the test accuracy."""
    data = gslt.load_dataset("debian")
    # DGL's layer refuses nodes that nothing points to; so does the frozen one.
    graph = dgl.add_self_loop(dgl.graph(tuple(data.edge_index), num_nodes=data.num_nodes))
    model = Net(data.num_features, 64, data.num_classes)
    print(gslt.freeze(model, gslt.FreezeConfig(sparsity=0.5, freezing_ratio=0.3)))

    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
    for epoch in range(1, epochs + 1):
        optimizer.zero_grad()
        logits = model(graph, data.x)
        F.cross_entropy(logits[data.train_mask], data.y[data.train_mask]).backward()
        optimizer.step()
        if epoch % 10 == 0:
            print(f"epoch {epoch}: validation {100 * data.accuracy(logits)['val']:.2f} %")

    model.eval()
    with torch.no_grad():
        accuracy = data.accuracy(model(graph, data.x))["test"]
    size = gslt.Ticket.of(model, dataset=data.name).size()
    print(f"test {100 * accuracy:.2f} %, {size.kept:,} of {size.total:,} random weights kept")
    print(f"mask {size.bits:,} bits, × {size.ratio:.0f} smaller than float32 weights")
    return accuracy


if __name__ == "__main__":
    main()
