"""The bipartite training graph, products with it, and propagation over it reweighted."""

from irllrec.graph.aggregation import similarity_aggregation
from irllrec.graph.structure import BipartiteGraph, EdgeValues

__all__ = ["BipartiteGraph", "EdgeValues", "similarity_aggregation"]
