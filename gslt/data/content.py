"""Whether data is still what a result is of: facts that are kept with it, and compared."""

from __future__ import annotations

from gslt.data.labelled import SPLITS, Facts, LabelledData
from gslt.errors import GsltError, GsltWarning, RunError, warn

#: Facts that say how two data sets differ.
_COUNTED = ("nodes", "edges", "images", "features", "channels", "classes", *SPLITS)


def content_facts(data: LabelledData) -> Facts:
    """What is kept of a data set to know it again: its hash, and its counts for a message.

    Args:
        data: the data set.
    """
    return {
        "content_hash": data.content_hash,
        **data.counts,
        **{name: int(mask.sum()) for name, mask in data.splits.items()},
    }


def data_differ(one: Facts, other: Facts) -> str:
    """How two data sets differ, by what ``info()`` says of them; empty if they do not.

    An older gslt kept no hash: what it kept is compared, and no more.

    Args:
        one: facts, at least ``content_hash`` where it is known.
        other: facts to compare them with.

    >>> data_differ({"content_hash": 8 * "ab", "nodes": 3}, {"content_hash": 8 * "c", "nodes": 4})
    'nodes 3 and 4 (content abababab… and cccccccc…)'
    """
    hashes = [str(facts.get("content_hash", "")) for facts in (one, other)]
    counts = [
        f"{name} {one[name]} and {other[name]}"
        for name in _COUNTED
        if name in one and name in other and one[name] != other[name]
    ]
    if hashes[0] == hashes[1] or ("" in hashes and not counts):
        return ""
    named = [f"content {hashes[0][:8]}… and {hashes[1][:8]}…"] if "" not in hashes else []
    return f"{', '.join(counts)} ({named[0]})" if counts and named else ", ".join([*counts, *named])


def refuse_other_data(
    what: str, cure: str, *, allowed: bool, error: type[GsltError] = RunError
) -> None:
    """Refuse to use a result on other data than it is of; a warning where that is allowed.

    Args:
        what: is of other data, and how that differs; the beginning of the sentence.
        cure: what the user can do beside allowing it.
        allowed: whether the user has allowed it.
        error: that is raised.

    Raises:
        GsltError: the error, unless it is allowed.
    """
    if not allowed:
        raise error(f"{what}; {cure} (--allow_other_data goes on all the same)")
    warn(what, GsltWarning)
