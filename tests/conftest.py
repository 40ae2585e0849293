import os
import warnings
from collections.abc import Iterator

# Before torch starts its threads, and for the commands that tests start: on tensors this small
# threads only wait for one another.
os.environ["OMP_NUM_THREADS"] = "1"

import hypothesis
import pytest
import torch

import gslt
from gslt.data import to_undirected
from gslt.random import Stream

with warnings.catch_warnings():
    # PyG compiles functions with torch.jit at import, which newer torch calls deprecated.
    warnings.simplefilter("ignore")
    import torch_geometric  # noqa: F401

# A busy machine must not fail a property, nor a day's luck decide what is tested.
hypothesis.settings.register_profile("gslt", deadline=None, derandomize=True)
hypothesis.settings.load_profile("gslt")


def synthetic_dataset(
    num_nodes: int = 120, num_features: int = 8, num_classes: int = 3, seed: int = 0
) -> gslt.NodeDataset:
    """A small synthetic graph whose features and edges follow the classes."""
    y = torch.arange(num_nodes) % num_classes
    noise = Stream(seed, "x", "test").normal(num_nodes * num_features)
    x = torch.from_numpy(noise).float().view(num_nodes, num_features)
    x[torch.arange(num_nodes), y] += 1.5
    pairs = torch.from_numpy(Stream(seed, "edges", "test").permutation(num_nodes**2))
    source, target = pairs // num_nodes, pairs % num_nodes
    alike = (y[source] == y[target]).nonzero().flatten()[: 3 * num_nodes]
    edges = torch.stack([source[alike], target[alike]])
    splits = torch.arange(num_nodes) // num_classes % 4
    return gslt.NodeDataset(
        name="blocks (synthetic)",
        x=x,
        edge_index=to_undirected(edges, num_nodes),
        y=y,
        train_mask=splits < 2,
        val_mask=splits == 2,
        test_mask=splits == 3,
        num_classes=num_classes,
        synthetic=True,
    )


@pytest.fixture(scope="session", autouse=True)
def unflushed() -> Iterator[None]:
    """Nobody pulls the plug on a test, and waiting for disks was a third of what many took."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda handle: None)
        yield


@pytest.fixture(scope="session")
def blocks() -> gslt.NodeDataset:
    return synthetic_dataset()


@pytest.fixture
def any_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small graphs may have the names of published ones."""
    monkeypatch.setattr("gslt.data.published.COUNTS", {})
    monkeypatch.setattr("gslt.data.published.LABELS", {})
