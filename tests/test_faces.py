"""Packages that load their names when they are asked for (gslt.faces)."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest

import gslt
import gslt.freezing
from gslt.faces import lazy


def test_names_are_loaded_when_they_are_asked_for() -> None:
    find, listed = lazy("gslt.freezing", {"window": ["search_window"]})
    assert find("search_window") is gslt.freezing.window.search_window
    assert "search_window" in listed()
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        find("nothing")


@pytest.mark.parametrize("package", ["gslt", "gslt.conjecture", "gslt.comparison"])
def test_the_face_of_a_package(package: str) -> None:
    face = importlib.import_module(package)
    assert set(face.__all__) <= set(dir(face))
    assert all(getattr(face, name) is not None for name in face.__all__)
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        _ = face.nothing
    # No name is that of a module: which of them was there depended on what is imported.
    modules = {path.stem for path in Path(str(face.__file__)).parent.glob("*")}
    assert not modules & set(face.__all__)


def test_a_room_is_there_without_an_import() -> None:
    assert gslt.diagnostics.measures.__name__ == "gslt.diagnostics.measures"
