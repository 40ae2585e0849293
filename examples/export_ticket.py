"""A ticket as a plain model, exported into a file that runs without gslt.

Run: python examples/export_ticket.py
"""

from pathlib import Path

import torch

import gslt


def main(epochs: int = 20, hidden_channels: int = 64, out: Path = Path("runs/example")) -> float:
    """Search, bake and export a ticket; returns the accuracy of what is loaded again."""
    data = gslt.load_dataset("debian")
    config = gslt.SearchConfig(
        sparsity=0.5, freezing_ratio=0.4, epochs=epochs, hidden_channels=hidden_channels
    )
    ticket = gslt.search(data, config).ticket
    # Plain weights, half of them zero, in the place of scores and masks; for a model of your own,
    # gslt.bake(model) is the same.
    model = ticket.model(baked=True)

    # Any number of nodes and edges. torch.onnx.export takes the same model and inputs, and so does
    # torch.compile(model, fullgraph=True).
    nodes, edges = torch.export.Dim("nodes"), torch.export.Dim("edges")
    example = (data.x[:4].clone(), torch.tensor([[0, 1, 2], [1, 2, 3]]))
    program = torch.export.export(model, example, dynamic_shapes=(({0: nodes}, {1: edges}),))
    path = out / "ticket.pt2"
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.export.save(program, path)

    loaded = torch.export.load(path).module()
    with torch.no_grad():
        logits = loaded(data.x, data.edge_index)
        difference = float((logits - model(data.x, data.edge_index)).abs().max())
    accuracy = data.accuracy(logits)["test"]
    print(f"ticket {ticket.size().bytes:,} bytes, exported {path.stat().st_size:,} bytes")
    print(f"test {100 * accuracy:.2f} %, largest difference of a logit {difference:.1e}")
    return accuracy


if __name__ == "__main__":
    main()
