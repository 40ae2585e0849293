"""Layers and models, maths written once: no layer here knows a backend or a mask.

``graph`` says what a layer needs of a graph (sums over neighbours), ``conv`` has the four
layers over it, ``gnn`` the one skeleton around them, ``vision`` the networks of images, ``ops`` the
products and norms that cost time on a large graph, ``memory`` where their results live, ``budget``
how much memory there is, and ``hooks`` lets a probe see every step and says whether torch records
them. ``equivariant`` has networks of linear maps that commute with a group, in ``bases``,
``grid_bases``, ``tensor_bases``, and ``source`` the random networks that hold them as tickets.
"""

from gslt.nn.conv import GATConv, GCNConv, GINConv, SAGEConv
from gslt.nn.gnn import GNN, weight_shapes
from gslt.nn.graph import Backend, Graph, Propagation
from gslt.nn.vision import VisionNet, vision_net

__all__ = [
    "GNN",
    "Backend",
    "GATConv",
    "GCNConv",
    "GINConv",
    "Graph",
    "Propagation",
    "SAGEConv",
    "VisionNet",
    "vision_net",
    "weight_shapes",
]
