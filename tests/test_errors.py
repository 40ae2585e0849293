"""One family of errors."""

from __future__ import annotations

import inspect
import signal

import pytest

from gslt import errors
from gslt.errors import GsltError, GsltWarning, Interrupted, MissingPackageError


def test_every_error_is_of_the_family() -> None:
    kinds = {kind for _, kind in inspect.getmembers(errors, inspect.isclass)}
    others = {Interrupted, GsltWarning}
    assert all(issubclass(kind, GsltError) for kind in kinds - others)
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
