"""Links predicted by a PyG model with batch norm and dropout, whose layers are frozen.

Run: python examples/link_prediction.py
"""

import torch
import torch.nn.functional as F
from torch_geometric.data import Data
from torch_geometric.transforms import RandomLinkSplit
from torch_geometric.utils import negative_sampling

import gslt

# was: from torch_geometric.nn import SAGEConv
from gslt.backends.pyg import FrozenSAGEConv as SAGEConv


class Encoder(torch.nn.Module):
    """Two layers; a link is scored by the inner product of its two nodes."""

    def __init__(self, in_channels: int, hidden_channels: int) -> None:
        super().__init__()
        self.conv1 = SAGEConv(in_channels, hidden_channels)
        self.norm = torch.nn.BatchNorm1d(hidden_channels)
        self.conv2 = SAGEConv(hidden_channels, hidden_channels)

    def forward(
        self, x: torch.Tensor, edge_index: torch.Tensor, pairs: torch.Tensor
    ) -> torch.Tensor:
        """Logits of the pairs of nodes ``(2, P)``."""
        x = F.relu(self.norm(self.conv1(x, edge_index)))
        x = F.normalize(self.conv2(F.dropout(x, 0.1, self.training), edge_index))
        return 5 * (x[pairs[0]] * x[pairs[1]]).sum(-1)


def area_under_curve(score: torch.Tensor, label: torch.Tensor) -> float:
    """Probability that a link has a higher score than a pair without one (Mann & Whitney 1947)."""
    rank = torch.empty(len(score), dtype=torch.float64)
    rank[score.argsort()] = torch.arange(1, len(score) + 1, dtype=torch.float64)
    links, others = int((label == 1).sum()), int((label == 0).sum())
    return float((rank[label == 1].sum() - links * (links + 1) / 2) / (links * others))


def main(epochs: int = 12) -> float:
    """Search a ticket in the frozen encoder; returns the area under the ROC curve of the test."""
    torch.manual_seed(0)
    dataset = gslt.load_dataset("debian")
    split = RandomLinkSplit(
        num_val=0.0, num_test=0.1, is_undirected=True, add_negative_train_samples=False
    )
    train, _, test = split(Data(x=dataset.x, edge_index=dataset.edge_index))

    model = Encoder(dataset.num_features, 64)
    print(gslt.freeze(model, gslt.FreezeConfig(sparsity=0.5, freezing_ratio=0.3)))
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.02)
    all_links = train.edge_label_index
    for epoch in range(1, epochs + 1):
        model.train()
        optimizer.zero_grad()
        links = all_links[:, torch.randperm(all_links.size(1))[:50_000]]
        others = negative_sampling(train.edge_index, train.num_nodes, links.size(1))
        logits = model(train.x, train.edge_index, torch.cat([links, others], dim=1))
        label = torch.cat([torch.ones(links.size(1)), torch.zeros(others.size(1))])
        loss = F.binary_cross_entropy_with_logits(logits, label)
        loss.backward()
        optimizer.step()
        if epoch % 4 == 0:
            print(f"epoch {epoch}: loss {loss.item():.3f}")

    model.eval()
    with torch.no_grad():
        score = model(test.x, test.edge_index, test.edge_label_index)
    area = area_under_curve(score, test.edge_label)
    size = gslt.Ticket.of(model, dataset=dataset.name).size()
    print(f"test AUC {area:.3f}, {size.kept:,} of {size.total:,} random weights kept")
    return area


if __name__ == "__main__":
    main()
