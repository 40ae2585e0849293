"""Whether data is still what a result is of: facts that are kept with it, and compared."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gslt.data.labelled import SPLITS, Facts, LabelledData
from gslt.errors import DataError, GsltError, GsltWarning, RunError, warn

#: The option of commands that allows other data.
ALLOWING = "--allow_other_data"

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


def judge_facts(data: LabelledData) -> Facts:
    """By what runs on a data set are judged, where that is an evaluator of its own; else nothing.

    Args:
        data: the data set.

    Raises:
        DataError: for an evaluator whose name does not tell it from others.
    """
    name = data.evaluator_name
    if "<lambda>" in name or " at 0x" in name or getattr(data.evaluator, "__closure__", None):
        raise DataError(
            f"the evaluator of data set {data.name!r} is {name}, a name that others may have too, "
            "and a run is known by it; write it as a function with def, outside of any other and "
            "with all that it needs in it"
        )
    return {"evaluator": name} if name else {}


def run_facts(data: LabelledData) -> Facts:
    """What is kept of the data of a run: :func:`content_facts`, and by what the run is judged.

    Args:
        data: the data set.

    Raises:
        DataError: see :func:`judge_facts`.
    """
    return {**content_facts(data), "metric": data.metric, **judge_facts(data)}


def runs_differ(one: Mapping[str, Any], other: Mapping[str, Any]) -> str:
    """How the data of two runs differ, or what judges them; empty if neither does.

    Args:
        one: facts, see :func:`run_facts`; what an older gslt did not keep is not compared.
        other: facts to compare them with.

    >>> runs_differ({"metric": "accuracy"}, {"metric": "accuracy", "evaluator": "my.macro"})
    'judged by accuracy and my.macro'
    """
    found = data_differ(one, other)
    if "metric" not in one or "metric" not in other:
        return found
    judges = [str(facts.get("evaluator", facts["metric"])) for facts in (one, other)]
    how = f"judged by {judges[0]} and {judges[1]}" if judges[0] != judges[1] else ""
    return ", ".join(filter(None, [found, how]))


def data_differ(one: Mapping[str, Any], other: Mapping[str, Any]) -> str:
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


def hold_to_data(
    known: Mapping[str, Any],
    what: str,
    data: LabelledData,
    *,
    allowed: bool,
    flag: str = ALLOWING,
) -> str:
    """Refuse data other than what a ticket, a model or a run was found on.

    Args:
        known: facts of that data, see :func:`content_facts`, or its ``content_hash`` alone.
        what: was found on it, the beginning of the sentence.
        data: that it is to be used on.
        allowed: whether the user has allowed other data, which is a warning then.
        flag: how that is said.

    Returns:
        A sentence, for the user, where the content is not known, because an older gslt wrote it;
        else an empty text.

    Raises:
        DataError: says how the data differs.
    """
    return hold_to_facts(known, what, data.name, content_facts(data), allowed=allowed, flag=flag)


def hold_to_facts(
    known: Mapping[str, Any],
    what: str,
    name: str,
    facts: Mapping[str, Any],
    *,
    allowed: bool,
    flag: str = ALLOWING,
) -> str:
    """The same as :func:`hold_to_data`, for data of which facts are known.

    Args:
        known: facts of the data that it was found on.
        what: was found on it, the beginning of the sentence.
        name: of the data that it is to be used on.
        facts: of that data.
        allowed: whether the user has allowed other data, which is a warning then.
        flag: how that is said.

    Returns:
        A sentence where the content is not known, or an empty text.

    Raises:
        DataError: says how the data differs.
    """
    if how := data_differ(known, facts):
        if "images" in facts:
            how += "; its pixels are normalised by its own training images"
        refuse_other_data(
            f"{what} was found on other data than {name!r} is now: {how}",
            "read it with the options that it was read with (undirected, split and the like), "
            "bring back the data, or see what it is worth on this one",
            allowed=allowed,
            error=DataError,
            flag=flag,
        )
    if known.get("content_hash"):
        return ""
    return (
        f"{what} does not say on what content it was found (content_hash), so whether "
        f"{name!r} is still that could not be compared"
    )


def refuse_other_data(
    what: str,
    cure: str,
    *,
    allowed: bool,
    error: type[GsltError] = RunError,
    flag: str = ALLOWING,
) -> None:
    """Refuse to use a result on other data than it is of; a warning where that is allowed.

    Args:
        what: is of other data, and how that differs; the beginning of the sentence.
        cure: what the user can do beside allowing it.
        allowed: whether the user has allowed it.
        error: that is raised.
        flag: how the user can allow it.

    Raises:
        GsltError: the error, unless it is allowed.
    """
    if not allowed:
        raise error(f"{what}; {cure} ({flag} goes on all the same)")
    warn(what, GsltWarning)
