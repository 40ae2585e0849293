"""Every error that gslt raises on purpose: one family, each message says what to do."""

from __future__ import annotations

import difflib
import shlex
import sys
import warnings
from typing import TYPE_CHECKING
from unicodedata import category

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Any


class GsltError(Exception):
    """Base of all errors raised by gslt."""


class ConfigError(GsltError, ValueError):
    """A setting, or a combination of settings, that cannot be carried out."""


class DataError(GsltError, ValueError):
    """A graph, a feature matrix, labels or a split that breaks a rule of node classification."""


class GraphError(GsltError, ValueError):
    """A graph handed to a layer in a form or with a property that the layer cannot use."""


class TicketError(GsltError):
    """A ticket file that is damaged, of another version, or does not fit what it is loaded into."""


class ConstructionError(GsltError):
    """A source network that does not hold the target: too few random channels, or out of reach."""


class RunError(GsltError):
    """A run folder that is in use, damaged, of another run, or of another version."""


class RunInUseError(RunError):
    """A run folder that another process is using."""


class UnwrittenError(RunError):
    """The end of a run that could not be written to its folder; nothing of it is lost in memory.

    Args:
        message: what could not be written, and how to go on.
        result: the :class:`gslt.Result`.
    """

    def __init__(self, message: str, result: Any) -> None:
        super().__init__(message)
        self.result = result


class Interrupted(KeyboardInterrupt):
    """A run that was asked to stop, and has: its checkpoint is written.

    Args:
        message: how to go on.
        signal_number: the signal that asked, such as ``signal.SIGINT``.
    """

    def __init__(self, message: str, signal_number: int) -> None:
        super().__init__(message)
        self.signal_number = signal_number


class GsltWarning(UserWarning):
    """Something that a user should know, and that does not stop a run."""


class FreezingWarning(GsltWarning):
    """One layer has nearly all of the frozen weights, or a layer has lost every weight."""


class DataWarning(GsltWarning):
    """Something of a graph that is not used or looks wrong, with its figure."""


#: Packages that have no wheel from a Python on, nor for some systems: the markers of the extras.
_NO_WHEEL: dict[str, tuple[tuple[int, int], tuple[str, ...]]] = {
    "dgl": ((3, 12), ("win32",)),
    "ray": ((3, 14), ()),
}


class MissingPackageError(GsltError, ImportError):
    """An optional package is needed and not installed.

    >>> print(MissingPackageError("ogb", "the data set arxiv", "ogb"))
    the data set arxiv needs the package 'ogb', which is not installed; run: pip install "gslt[ogb]"

    Args:
        package: name of the package.
        purpose: what needs it, the subject of the sentence.
        extra: extra of gslt that installs it; empty where none does.
    """

    def __init__(self, package: str, purpose: str, extra: str) -> None:
        install = f'"gslt[{extra}]"' if extra else package
        super().__init__(
            f"{purpose} needs the package {package!r}, which is not installed; "
            + (_without_wheel(package) or f"run: pip install {install}")
        )


def _without_wheel(package: str) -> str:
    """What to do where an extra cannot install its package; empty where it can."""
    if package not in _NO_WHEEL:
        return ""
    (major, minor), systems = _NO_WHEEL[package]
    newest = f"Python {major}.{minor - 1}"
    if sys.platform in systems:
        return f"it has no wheel for {sys.platform}: take Linux or macOS, with {newest}"
    if sys.version_info >= (major, minor):
        here = "{}.{}".format(*sys.version_info)
        return f"it has no wheel for Python {here}: take a virtual environment of {newest}"
    return ""


def warn(message: str, kind: type[Warning]) -> None:
    """Warn the first function outside of gslt that asked for what is warned of.

    Args:
        message: a sentence.
        kind: of the warning.
    """
    frame, level = sys._getframe(1), 2
    while frame.f_back is not None and str(frame.f_globals.get("__name__")).startswith("gslt."):
        frame, level = frame.f_back, level + 1
    warnings.warn(message, kind, stacklevel=level)


def plain_warning(message: object, category: type[Warning], *place: Any, **options: Any) -> str:
    """A warning as ``warnings.formatwarning`` is to give it: one of gslt's is one sentence.

    Args:
        message: the warning.
        category: its class.
        *place: in the code.
        **options: likewise.
    """
    if issubclass(category, GsltWarning):
        return f"gslt: warning: {message}\n"
    return _USUAL_WARNING(message, category, *place, **options)  # type: ignore[arg-type]


_USUAL_WARNING = warnings.formatwarning


def shown(text: str) -> str:
    r"""Text as it may be shown anywhere: what has no look of its own is written as an escape.

    Control characters (a terminal would obey them), what turns the direction of writing, unpaired
    surrogates and unusual line breaks; the ordinary line break and tab stay.

    >>> print(shown("cora\x1b[2J\u202e"))
    cora\x1b[2J\u202e

    Args:
        text: any text, also one that no file could hold.
    """
    return "".join(map(_shown_character, text)) if not text.isprintable() else text


def listed(names: Sequence[str], most: int = 8) -> str:
    """The first of some names, and how many more there are.

    >>> listed(["a", "b"]), listed(["a", "b", "c"], most=2)
    ('a, b', 'a, b and 1 more')

    Args:
        names: what a sentence lists.
        most: how many of them it names.
    """
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def differences(there: Mapping[str, Any], here: Mapping[str, Any]) -> str:
    """The fields in which two configs differ, as a sentence.

    >>> differences({"lr": 0.1, "seed": 0}, {"lr": 0.2, "seed": 0})
    'lr is 0.1 there and 0.2 here'

    Args:
        there: plain values, as they were stored.
        here: plain values, as they are wanted.
    """
    names = [name for name in {**there, **here} if there.get(name) != here.get(name)]
    return ", ".join(f"{n} is {there.get(n)!r} there and {here.get(n)!r} here" for n in names)


def nearest(name: object, known: Iterable[object], most: int = 1000) -> str:
    """What a sentence on a wrong name ends with: a question that names the nearest, or nothing.

    >>> nearest("serach", ["search", "train"])
    ' (did you mean search?)'

    Args:
        name: what was given.
        known: what there is.
        most: what is longer is not compared.
    """
    names = [str(each) for each in known]
    if not isinstance(name, str) or not 0 < len(name) <= most:
        return ""
    # What somebody began to type is near, however short it is.
    began = [each for each in names if len(name.lstrip("-")) > 2 and each.startswith(name)]
    found = [*began, *difflib.get_close_matches(name, names, 1)]
    return f" (did you mean {found[0]}?)" if found else ""


def pasted(*words: object) -> str:
    """A command line as a shell takes it, for advice that is to work when it is pasted.

    >>> pasted("gslt", "search", "--resume", "runs/my graph")
    "gslt search --resume 'runs/my graph'"

    Args:
        *words: the command and what follows it.
    """
    return shlex.join(map(str, words))


def _shown_character(character: str) -> str:
    # A space of another width is no printable character, and harmless.
    harmless = character.isprintable() or character in "\n\t" or category(character) == "Zs"
    return character if harmless else character.encode("unicode_escape").decode("ascii")
