"""Where freezing takes place: which layers take part in it, by the names of their weights."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence

from gslt.errors import ConfigError, listed, nearest

#: Words that stand for layers wherever they are; anything else is a name.
PLACES = ("all", "hidden", "input")
#: A module of this name maps the last hidden layer to the classes, beside the message passing.
HEAD = "head"


def canonical_place(place: str) -> str:
    """One spelling of a place: names once, in the order of the alphabet, without blanks.

    >>> canonical_place("layers.2, input,layers.2")
    'input,layers.2'

    Args:
        place: a word of :data:`PLACES`, or names of layers, with commas between them.

    Raises:
        ConfigError: for an empty name, or for "all" beside something else.
    """
    parts = sorted({part.strip() for part in place.split(",")})
    if "" in parts:
        raise ConfigError(f"place must be {_CHOICES}, got {place[:200]!r}, which has an empty name")
    if "all" in parts and len(parts) > 1:
        raise ConfigError(
            f"place {place[:200]!r} names all layers and others; leave one of them out"
        )
    return ",".join(parts)


_CHOICES = f"{', '.join(PLACES)}, or names of layers with commas between them"


def layer_of(weight: str) -> str:
    """The layer that a weight belongs to: its name up to the first number, else the weight itself.

    >>> layer_of("layers.0.lin_l.weight"), layer_of("convs.1.nn.lins.0.weight")
    ('layers.0', 'convs.1')
    >>> layer_of("encoder.weight")
    'encoder.weight'
    """
    parts = weight.split(".")
    end = next((i for i, part in enumerate(parts) if part.isdecimal()), len(parts) - 1)
    return ".".join(parts[: end + 1])


def taking_part(weights: Sequence[str], place: str) -> list[bool]:
    """Which weights take part in freezing.

    Weights belong to one layer where their names agree up to the first number (:func:`layer_of`),
    so that both matrices of a GraphSAGE layer do. ``all`` are all weights; ``input`` are those of
    the first layer; ``hidden`` are those of every layer between the first and the last. Weights of
    a module called ``head`` belong to no layer: they take part in ``all``, or where they are named.

    ========================== ================================== ==================================
    4 layers of gslt.GNN       ``input``                          ``hidden``
    ========================== ================================== ==================================
    GIN                        layers.0.nn.weight                 layers.1, layers.2: nn.weight
    GCN                        layers.0.lin.weight                layers.1, layers.2: lin.weight
    SAGE                       layers.0: lin_l, lin_r             layers.1, layers.2: lin_l, lin_r
    ========================== ================================== ==================================

    >>> names = ["layers.0.nn.weight", "layers.1.nn.weight", "layers.2.nn.weight", "head.weight"]
    >>> taking_part(names, "hidden"), taking_part(names, "input,head")
    ([False, True, False, False], [True, False, False, True])

    Args:
        weights: qualified names of all weights, in the order of the network.
        place: words of :data:`PLACES` and names, with commas between them. A name is that of a
            weight, or of a module and then means all weights in it.

    Raises:
        ConfigError: for a name that the network does not have; it names those that there are.
    """
    layers = list(dict.fromkeys(layer_of(w) for w in weights if w.split(".")[0] != HEAD))
    words = {
        "all": set(weights),
        "input": {w for w in weights if layer_of(w) in layers[:1]},
        "hidden": {w for w in weights if layer_of(w) in layers[1:-1]},
    }
    chosen: set[str] = set()
    # Names that begin alike stand together: many names in many weights stay cheap.
    ordered = sorted(f"{w}." for w in weights)
    for name in canonical_place(place).split(","):
        first, behind = (bisect_left(ordered, name + end) for end in "./")
        found = words.get(name, {w[:-1] for w in ordered[first:behind]})
        if name not in words and not found:
            raise ConfigError(
                f"place {name[:200]!r} is no layer of this network; use {', '.join(PLACES)}, or of "
                f"its names: {listed(weights, most=20)}{nearest(name, (*PLACES, *weights))}"
            )
        chosen |= found
    return [w in chosen for w in weights]
