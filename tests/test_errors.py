"""One family of errors."""

from __future__ import annotations

import inspect
import signal
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gslt import errors
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
