"""Weight training and tickets of a dense, a sparse and a frozen source on the embedded graph.

Run: python examples/compare_sources.py
"""

from pathlib import Path

import gslt


def main(epochs: int = 10, seeds: int = 3, out: Path = Path("runs/sources")) -> None:
    """Each ticket in the middle of its search window; run it again and nothing is computed anew."""
    config = gslt.SourcesConfig(epochs=epochs, hidden_channels=64, lr=0.05, seeds=seeds)
    found = gslt.compare(gslt.load_dataset("debian"), config, out=out)
    print(found)
    print(found.frame().groupby("arm", sort=False)["train_accuracy"].agg(["mean", "std"]))
    found.plot().savefig(out / "both.pdf")


if __name__ == "__main__":
    main()
