"""Cora, CiteSeer and PubMed from the original Planetoid files (Yang et al. 2016, 1603.08861)."""

from __future__ import annotations

from pathlib import Path

from gslt.data.dataset import NodeDataset, to_undirected
from gslt.environment import import_quietly, quiet
from gslt.errors import DataError

SOURCE = (
    "Planetoid citation networks (Sen et al. 2008; Yang et al. 2016, arXiv 1603.08861); "
    "no licence stated"
)

NUM_CLASSES = {"cora": 7, "citeseer": 6, "pubmed": 3}
_PARTS = ("x", "tx", "allx", "y", "ty", "ally", "graph", "test.index")


def raw_files(name: str) -> list[str]:
    """Names of the raw files of one network.

    >>> raw_files("cora")[-2:]
    ['ind.cora.graph', 'ind.cora.test.index']
    """
    return [f"ind.{name}.{part}" for part in _PARTS]


def load_planetoid(raw: Path, name: str) -> NodeDataset:
    """Read one network from its folder of raw files, with its public split.

    PyTorch Geometric's reader does the parsing; nothing is downloaded, cached or written. The bag
    of words of each node is divided by its sum, as in Kipf & Welling (1609.02907); the few nodes
    without words keep zeros. Self-loops and repeated edges are merged away. The raw files are
    pickles, so read only those that you trust.

    Args:
        raw: folder of the raw files.
        name: ``"cora"``, ``"citeseer"`` or ``"pubmed"``.

    Raises:
        DataError: if a raw file is missing or damaged.
    """
    missing = [file for file in raw_files(name) if not (raw / file).is_file()]
    if missing:
        raise DataError(
            f"{name} lacks the file {missing[0]} in {raw}; "
            f"fetch it with `gslt data download {name}`"
        )
    reader = import_quietly("torch_geometric.io")
    try:
        # The pickles name classes of old NumPy and SciPy versions, which warn.
        with quiet():
            data = reader.read_planetoid_data(str(raw), name)
        edge_index = to_undirected(data.edge_index, data.x.shape[0])
    except Exception as error:  # what a damaged pickle raises is anyone's guess
        raise DataError(
            f"the files of {name} in {raw} cannot be read ({error}); remove them and run "
            f"`gslt data download {name}`"
        ) from error
    return NodeDataset(
        name=name,
        x=data.x / data.x.sum(dim=1, keepdim=True).clamp(min=1.0),
        edge_index=edge_index,
        y=data.y,
        train_mask=data.train_mask,
        val_mask=data.val_mask,
        test_mask=data.test_mask,
        num_classes=NUM_CLASSES[name],
        source=SOURCE,
    )
