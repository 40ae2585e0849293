"""What a user may have to say about how a graph is read, also as one text with its place."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlencode

from gslt.errors import ConfigError, listed, nearest

Fractions = tuple[float, float, float]


@dataclass(frozen=True, kw_only=True)
class ReadOptions:
    """How a file is read, where it does not say so itself or is to be read otherwise."""

    x: str | None = None
    """Name of the features in the file; of a GraphML, GML or JSON file also several node
    attributes, with commas between them."""
    y: str | None = None
    """Name of the labels in the file."""
    features: str | None = None
    """Features that are made where the file has none: degree, one-hot, constant or spectral."""
    undirected: bool | None = None
    """True adds the reverse of every edge, False leaves the edges as they are; default: as the
    format has it."""
    fractions: Fractions | None = None
    """Split at random within each class, with the number of the split as the seed, into fractions
    of training, validation and test nodes; default: the file's split, or else 0.6, 0.2, 0.2."""
    metric: str | None = None
    """What runs are judged by: accuracy, roc_auc or micro_f1; default: the benchmark's, or the
    usual one of the labels."""

    def __post_init__(self) -> None:
        if self.fractions is not None:
            object.__setattr__(self, "fractions", tuple(map(float, self.fractions)))

    @property
    def given(self) -> dict[str, Any]:
        """Those that differ from the defaults."""
        return {name: v for name, v in vars(self).items() if v is not None}

    def refuse(self, name: str) -> None:
        """Refuse any of them, for what is read in one way.

        Args:
            name: of the data set.

        Raises:
            ConfigError: names the first that is given.
        """
        if self.given:
            raise ConfigError(
                f"{name} is read as those who made it have it, and {next(iter(self.given))} is for "
                "tables and single files; leave it out"
            )


#: Nothing is said: everything is read as it stands.
AS_IT_STANDS = ReadOptions()


def names_nothing(option: str, name: str, kind: str, known: Iterable[str]) -> ConfigError:
    """What to raise where an option names what a graph does not have: the file is not at fault.

    >>> print(names_nothing("y", "lable", "column", ["label", "age"]))
    y='lable' names no column (did you mean label?); there is 'label', 'age'

    Args:
        option: x or y.
        name: what was given.
        kind: what it should name.
        known: names of all of them.
    """
    names = list(map(str, known))
    has = listed(list(map(repr, names))) or "nothing"
    return ConfigError(f"{option}={name!r} names no {kind}{nearest(name, names)}; there is {has}")


# One text for a file and how it is read


def with_options(place: str, options: ReadOptions) -> str:
    """A name or path and how it is read, as one text: what run folders and studies store.

    >>> with_options("club.gml", ReadOptions(y="club", fractions=(0.5, 0.25, 0.25)))
    'club.gml?y=club&fractions=0.5,0.25,0.25'

    Args:
        place: name or path.
        options: nothing is added for those that have their defaults.
    """
    if not options.given:
        return place
    return f"{place}?{urlencode([(n, _text(v)) for n, v in options.given.items()], safe=',')}"


def _text(value: Any) -> str:
    return ",".join(map(repr, value)) if isinstance(value, tuple) else str(value)


def split_address(text: str) -> tuple[str, ReadOptions]:
    """Name or path, and how it is read; the inverse of :func:`with_options`.

    >>> place, options = split_address("club.gml?y=club")
    >>> place, options.given
    ('club.gml', {'y': 'club'})

    Args:
        text: of :func:`with_options`, or any name or path; a ``?`` of a file that is there is
            no mark.

    Raises:
        ConfigError: if there is no such option, or a value does not fit.
    """
    place, mark, query = text.rpartition("?")
    if not mark or "=" not in query:
        return text, ReadOptions()
    try:
        pairs = parse_qsl(query, keep_blank_values=True, strict_parsing=True)
        if len(dict(pairs)) < len(pairs):
            raise ValueError("an option is there twice")
        return place, ReadOptions(**{name: _PARSERS[name](value) for name, value in pairs})
    except (KeyError, ValueError) as error:
        example = with_options("a.gml", ReadOptions(y="club", undirected=True))
        says = f"there is no option {error}" if isinstance(error, KeyError) else str(error)
        raise ConfigError(
            f"behind the ? of {text[:200]!r} stand options of reading a file, such as "
            f"{example!r}, and {says}; known are "
            f"{', '.join(_PARSERS)}"
        ) from None


def _truth(text: str) -> bool:
    if text not in ("True", "true", "False", "false"):
        raise ValueError(f"undirected is true or false, got {text[:50]!r}")
    return text.lower() == "true"


def _fractions(text: str) -> Fractions:
    train, val, test = map(float, text.split(","))
    return train, val, test


_PARSERS: dict[str, Callable[[str], Any]] = {
    "x": str,
    "y": str,
    "features": str,
    "undirected": _truth,
    "fractions": _fractions,
    "metric": str,
}
