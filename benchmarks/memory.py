"""Bytes of a search's state and of its ticket against the freezing ratio.

    python benchmarks/memory.py [--json FILE] [--plot FILE]

The state is what a search must hold beside activations and what the seed regenerates: one score and
AdamW's two moments for every unfrozen weight. It is counted from the tensors of a model and its
optimizer after one step; the ticket from its file. With dense masks, as published, every weight has
a score, two moments and a mask whatever is frozen. The model is the Frozen paper's GIN with the
widths of OGBN-Arxiv, on a small synthetic graph: the state does not depend on the graph.
"""

import tempfile
from pathlib import Path

import common
import torch
from common import Values
from pictures import plot_memory

import gslt
from gslt.backends import get_backend
from gslt.config import SearchConfig

RATIOS = tuple(n / 10 for n in range(10))
SPARSITY = 0.5
#: Dense masks: score, two moments and mask, four bytes each.
DENSE_BYTES = 16


def measure(freezing_ratio: float, hidden_channels: int) -> Values:
    """State and ticket at one freezing ratio."""
    config = SearchConfig(
        freezing_ratio=freezing_ratio, sparsity=SPARSITY, hidden_channels=hidden_channels
    )
    dataset = common.arxiv_shape(1 / 256)
    backend = get_backend("pyg")
    model = gslt.GNN(dataset.num_features, dataset.num_classes, config, backend)
    report = gslt.freeze(model, config)
    optimizer = torch.optim.AdamW(model.parameters(), lr=config.lr)
    model(dataset.x, dataset.edge_index).square().mean().backward()
    optimizer.step()
    scores = sum(p.nbytes for p in model.parameters())
    moments = sum(
        value.nbytes
        for state in optimizer.state.values()
        for value in state.values()
        if torch.is_tensor(value) and value.dim() > 0
    )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "ticket.safetensors"
        gslt.Ticket.of(model).save(path)
        ticket = path.stat().st_size
    weights = report.counts.total
    return {
        "freezing_ratio": freezing_ratio,
        "weights": weights,
        "searched": report.counts.searched,
        "score_bytes": scores,
        "moment_bytes": moments,
        "state_bytes": scores + moments,
        "dense_state_bytes": DENSE_BYTES * weights,
        "ticket_bytes": ticket,
        "float32_bytes": 4 * weights,
    }


def main() -> None:
    """Measure every ratio, print, save, draw."""
    args = common.options(__doc__).parse_args()
    rows = [measure(ratio, 64 if args.quick else 386) for ratio in RATIOS]
    print(
        f"{'F':>4} {'state kB':>9} {'of dense source':>15} {'dense masks kB':>14} {'ticket kB':>9}"
    )
    for row in rows:
        print(
            f"{row['freezing_ratio']:>4.1f} {row['state_bytes'] / 1e3:>9.1f} "
            f"{row['state_bytes'] / rows[0]['state_bytes']:>15.4f} "
            f"{row['dense_state_bytes'] / 1e3:>14.1f} {row['ticket_bytes'] / 1e3:>9.1f}"
        )
    common.save(args.json, rows=rows, sparsity=SPARSITY)
    if args.plot:
        plot_memory(rows, args.plot)


if __name__ == "__main__":
    main()
