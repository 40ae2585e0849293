"""Graphs to classify nodes of: embedded, downloaded, generated or your own; one NodeDataset out."""

from __future__ import annotations

from gslt.data.convert import as_dataset
from gslt.data.dataset import NodeDataset, to_undirected
from gslt.data.download import download_dataset
from gslt.data.registry import DatasetFacts, list_datasets, load_dataset
from gslt.data.splits import random_split
from gslt.data.synthetic import write_standin

__all__ = [
    "DatasetFacts",
    "NodeDataset",
    "as_dataset",
    "download_dataset",
    "list_datasets",
    "load_dataset",
    "random_split",
    "to_undirected",
    "write_standin",
]
