"""Graphs to classify nodes of: embedded, downloaded, generated or your own; one NodeDataset out.

Beside them sets of images, an :class:`ImageDataset` each: CIFAR-10 and CIFAR-100.

:func:`load_dataset` reads a data set by name or by path and never asks the network;
:func:`download_dataset` alone does. :func:`as_dataset` takes graphs of PyG, DGL and NetworkX, and
:func:`write_standin` makes a synthetic graph of OGBN-Arxiv's size. Whatever the source is, a
:class:`NodeDataset` comes out, checked when it is made.
"""

from __future__ import annotations

from gslt.data.catalogue import Dataset, DatasetFacts, list_datasets, load_dataset
from gslt.data.convert import as_dataset, random_split
from gslt.data.dataset import NodeDataset, to_undirected
from gslt.data.download import download_dataset
from gslt.data.images import ImageDataset
from gslt.data.synthetic import write_standin

__all__ = [
    "Dataset",
    "DatasetFacts",
    "ImageDataset",
    "NodeDataset",
    "as_dataset",
    "download_dataset",
    "list_datasets",
    "load_dataset",
    "random_split",
    "to_undirected",
    "write_standin",
]
