"""Layers and models, maths written once: no layer here knows a backend or a mask."""

from gslt.nn.conv import GCNConv, GINConv, SAGEConv
from gslt.nn.gnn import GNN
from gslt.nn.graph import Backend, Graph

__all__ = ["GNN", "Backend", "GCNConv", "GINConv", "Graph", "SAGEConv"]
