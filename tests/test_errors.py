"""One family of errors."""

from __future__ import annotations

import inspect
import re
import signal
import sys
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gslt import errors
from gslt.backends import get_backend
from gslt.errors import GsltError, GsltWarning, Interrupted, MissingPackageError, shown


def test_every_error_is_of_the_family() -> None:
    kinds = {kind for _, kind in inspect.getmembers(errors, inspect.isclass)}
    assert all(issubclass(kind, GsltError | GsltWarning) for kind in kinds - {Interrupted})
    # An interruption passes through ``except Exception``, as Ctrl-C does.
    assert not issubclass(Interrupted, Exception)
    assert issubclass(GsltWarning, UserWarning)


@pytest.mark.parametrize("kind", [errors.ConfigError, errors.DataError, errors.GraphError])
def test_wrong_values_are_value_errors(kind: type[Exception]) -> None:
    assert issubclass(kind, ValueError)


def test_messages_by_hand() -> None:
    assert str(MissingPackageError("ogb", "the data set arxiv", "ogb")) == (
        "the data set arxiv needs the package 'ogb', which is not installed; "
        'run: pip install "gslt[ogb]"'
    )
    stopped = Interrupted("stopped after epoch 3", signal.SIGINT)
    assert (str(stopped), stopped.signal_number) == ("stopped after epoch 3", signal.SIGINT)


@pytest.mark.parametrize(
    ("package", "python", "system", "advice"),
    [
        ("dgl", (3, 11), "linux", 'run: pip install "gslt[dgl]"'),
        (
            "dgl",
            (3, 12),
            "linux",
            "no wheel for Python 3.12: take a virtual environment of Python 3.11",
        ),
        ("dgl", (3, 11), "win32", "no wheel for win32: take Linux or macOS, with Python 3.11"),
        ("ray", (3, 13), "linux", 'run: pip install "gslt[ray]"'),
        (
            "ray",
            (3, 14),
            "win32",
            "no wheel for Python 3.14: take a virtual environment of Python 3.13",
        ),
    ],
)
def test_an_extra_that_cannot_be_installed_is_not_advised(
    package: str,
    python: tuple[int, int],
    system: str,
    advice: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("sys.version_info", python)
    monkeypatch.setattr("sys.platform", system)
    assert str(MissingPackageError(package, "This", package)).endswith(advice)


def test_the_packages_without_a_wheel_are_those_of_the_markers() -> None:
    text = (Path(__file__).parents[1] / "pyproject.toml").read_text(encoding="utf-8")
    marked = {
        package: ((3, int(minor)), tuple(re.findall(r"sys_platform != '(\w+)'", more)))
        for package, minor, more in re.findall(
            r"\"(\w+)[^\";]*; python_version < '3\.(\d+)'(.*)\"", text
        )
    }
    assert marked == errors._NO_WHEEL


def test_dgl_says_what_is_the_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "dgl", None)  # as where it is not installed
    monkeypatch.delitem(sys.modules, "gslt.backends.dgl", raising=False)
    monkeypatch.setattr("sys.version_info", (3, 13))
    with pytest.raises(MissingPackageError, match=r"no wheel for Python 3\.13: take .* 3\.11"):
        get_backend("dgl")


def test_text_is_shown_by_hand() -> None:
    assert shown("ok ×…é\n\tü") == "ok ×…é\n\tü"
    assert shown("a\x1b[31m\r\x00\x7f\x9b") == r"a\x1b[31m\r\x00\x7f\x9b"
    assert shown("\u202eevil\u2066\u200b\ufeff") == r"\u202eevil\u2066\u200b\ufeff"
    assert shown("\ud800\u2028\U000e0001") == r"\ud800\u2028\U000e0001"


@given(st.text(st.characters()))
def test_what_is_shown_has_nothing_to_obey(text: str) -> None:
    found = shown(text)
    assert all(unicodedata.category(c)[0] != "C" or c in "\n\t" for c in found)
    assert shown(found) == found
    found.encode("utf-8")
