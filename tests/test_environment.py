"""What a run runs on, and imports that say nothing."""

from __future__ import annotations

import json
import sys
import warnings
from importlib.metadata import version
from pathlib import Path

import pytest
import torch

from gslt.environment import environment, import_quietly, processor, quiet, versions
from gslt.version import __version__


def test_versions_are_those_of_the_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gslt.environment._PACKAGES", {"torch": "torch", "no-such": "nothing"})
    expected = {"gslt": __version__, "torch": version("torch"), "nothing": "not installed"}
    assert versions() == expected


def test_the_environment_is_plain() -> None:
    found = environment()
    assert json.loads(json.dumps(found)) == found
    assert found["threads"] == torch.get_num_threads()
    assert found["processor"] == processor()
    assert processor().endswith(torch.backends.cpu.get_cpu_capability())


def test_quiet_hides_output_and_warnings(capsys: pytest.CaptureFixture[str]) -> None:
    with quiet():
        print("nobody reads this")
        print("nor this", file=sys.stderr)
        warnings.warn("nor this", stacklevel=1)
    assert capsys.readouterr() == ("", "")


def test_a_noisy_module(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    text = "import warnings\nprint('hello')\nwarnings.warn('old', DeprecationWarning)\nvalue = 3\n"
    (tmp_path / "noisy_module.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    assert import_quietly("noisy_module").value == 3
    assert capsys.readouterr().out == ""
    with pytest.raises(ImportError, match="no_such_module"):
        import_quietly("no_such_module")
