"""Search a ticket, save it, load it on the other backend, compare it with weight training.

Run: python examples/search_ticket.py
"""

from pathlib import Path

import gslt


def main(epochs: int = 20, hidden_channels: int = 128, out: Path = Path("runs/example")) -> None:
    """A ticket of the Frozen paper's GIN on the embedded graph, at a tenth of the paper's cost."""
    data = gslt.load_dataset("debian")
    print(data)
    config = gslt.SearchConfig(
        sparsity=0.5, freezing_ratio=0.4, epochs=epochs, hidden_channels=hidden_channels
    )
    found = gslt.search(data, config)
    print("ticket          ", found)
    trained = gslt.train(data, gslt.TrainConfig(epochs=epochs, hidden_channels=hidden_channels))
    print("weight training ", trained)

    path = out / "ticket.safetensors"
    found.ticket.save(path)
    ticket = gslt.load_ticket(path)
    print(ticket.size())
    print("the ticket on DGL", gslt.evaluate(ticket.model(backend="dgl"), data))


if __name__ == "__main__":
    main()
