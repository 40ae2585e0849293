"""Whole graphs classified by a PyG model with batch norm and dropout: frozen, searched, restored.

The graphs are synthetic: random trees, rings with chords, and edges drawn at random.

Run: python examples/graph_classification.py
"""

from pathlib import Path

import torch
import torch.nn.functional as F
from torch_geometric.data import Data
from torch_geometric.loader import DataLoader
from torch_geometric.nn import MLP, GINConv, global_add_pool
from torch_geometric.utils import degree, to_undirected

import gslt

KINDS = ("tree", "ring with chords", "random")


def graph(kind: int, random: torch.Generator) -> Data:
    """A synthetic graph of 12 to 24 nodes and, but for the tree, a quarter more edges."""
    n = int(torch.randint(12, 25, (), generator=random))
    child = torch.arange(1, n)
    parent = (torch.rand(n - 1, generator=random) * child).long()
    chords = torch.randint(n, (2, n // 4), generator=random)
    edges = (
        torch.stack([parent, child]),
        torch.cat([torch.stack([torch.arange(n), torch.arange(n).roll(1)]), chords], dim=1),
        torch.randint(n, (2, n + n // 4), generator=random),
    )[kind]
    edge_index = to_undirected(edges, num_nodes=n)
    degrees = degree(edge_index[0], n, dtype=torch.long).clamp(max=7)
    return Data(x=F.one_hot(degrees, 8).float(), edge_index=edge_index, y=kind)


class Net(torch.nn.Module):
    """Two GIN layers of two linear maps each, a sum over the nodes, a linear map."""

    def __init__(self, hidden_channels: int = 32) -> None:
        super().__init__()
        width = hidden_channels
        # Batch norm is the default of PyG's MLP; the ticket holds its running statistics too.
        self.conv1 = GINConv(MLP([8, width, width], dropout=0.1))
        self.conv2 = GINConv(MLP([width, width, width], dropout=0.1))
        self.norm = torch.nn.BatchNorm1d(width)
        self.out = torch.nn.Linear(width, len(KINDS))

    def forward(self, data: Data) -> torch.Tensor:
        """Logits of every graph of a batch."""
        x = F.relu(self.conv1(data.x, data.edge_index))
        x = F.relu(self.conv2(x, data.edge_index))
        x = self.norm(global_add_pool(x, data.batch))
        return self.out(F.dropout(x, 0.1, self.training))


@torch.no_grad()
def accuracy(model: torch.nn.Module, loader: DataLoader) -> float:
    """Fraction of the graphs of a loader that are classified rightly."""
    model.eval()
    right = sum(int((model(batch).argmax(1) == batch.y).sum()) for batch in loader)
    return right / len(loader.dataset)


def main(graphs: int = 600, epochs: int = 20, out: Path = Path("runs/example")) -> float:
    """Search a ticket, store it and restore it into a new model; returns the test accuracy."""
    torch.manual_seed(0)
    random = torch.Generator().manual_seed(0)
    data = [graph(i % len(KINDS), random) for i in range(graphs)]
    train = DataLoader(data[: 2 * graphs // 3], batch_size=64, shuffle=True)
    test = DataLoader(data[2 * graphs // 3 :], batch_size=graphs)

    model = Net()
    print(gslt.freeze(model, gslt.FreezeConfig(sparsity=0.5, freezing_ratio=0.3)))
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.02)
    for epoch in range(1, epochs + 1):
        model.train()
        for batch in train:
            optimizer.zero_grad()
            F.cross_entropy(model(batch), batch.y).backward()
            optimizer.step()
        if epoch % 5 == 0:
            print(f"epoch {epoch}: test {100 * accuracy(model, test):.1f} % (synthetic graphs)")

    path = out / "graphs.safetensors"
    gslt.Ticket.of(model, dataset="synthetic graphs").save(path)
    restored = Net()
    gslt.load_ticket(path).restore(restored)
    found = accuracy(restored, test)
    size = path.stat().st_size
    print(f"restored from {size:,} bytes: {100 * found:.1f} % (synthetic graphs)")
    assert found == accuracy(model, test)
    return found


if __name__ == "__main__":
    main()
