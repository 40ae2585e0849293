"""A PyG model whose layers are frozen by one changed import, searched by an ordinary training loop.

Run: python examples/pyg_model.py
"""

import torch
import torch.nn.functional as F

import gslt

# was: from torch_geometric.nn import SAGEConv
from gslt.backends.pyg import FrozenSAGEConv as SAGEConv


class Net(torch.nn.Module):
    """Two layers, as in any PyG tutorial."""

    def __init__(self, in_channels: int, hidden_channels: int, out_channels: int) -> None:
        super().__init__()
        self.conv1 = SAGEConv(in_channels, hidden_channels)
        self.conv2 = SAGEConv(hidden_channels, out_channels)

    def forward(self, x: torch.Tensor, edge_index: torch.Tensor) -> torch.Tensor:
        """Logits of every node."""
        return self.conv2(F.relu(self.conv1(x, edge_index)), edge_index)


def main(epochs: int = 30) -> float:
    """Search a ticket in the frozen network; returns the test accuracy."""
    data = gslt.load_dataset("debian")
    model = Net(data.num_features, 64, data.num_classes)
    # One line more, and the layers are one source network with one threshold: the ticket removes
    # half of the weights, and 30 % of all weights are decided before the search.
    report = gslt.freeze(model, gslt.FreezeConfig(sparsity=0.5, freezing_ratio=0.3))
    print(report)

    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
    for epoch in range(1, epochs + 1):
        optimizer.zero_grad()
        logits = model(data.x, data.edge_index)
        F.cross_entropy(logits[data.train_mask], data.y[data.train_mask]).backward()
        optimizer.step()
        if epoch % 10 == 0:
            print(f"epoch {epoch}: validation {100 * data.accuracy(logits)['val']:.2f} %")

    model.eval()
    with torch.no_grad():
        accuracy = data.accuracy(model(data.x, data.edge_index))["test"]
    ticket = gslt.Ticket.of(model, dataset=data.name)
    size = ticket.size()
    print(f"test {100 * accuracy:.2f} %, {size.kept:,} of {size.total:,} random weights kept")
    print(f"mask {size.bits:,} bits, × {size.ratio:.0f} smaller than float32 weights")
    return accuracy


if __name__ == "__main__":
    main()
