"""What a run runs on, and imports that say nothing."""

from __future__ import annotations

import json
import sys
import warnings
from importlib.metadata import version
from pathlib import Path

import pytest
import torch

from gslt.environment import (
    check_limit,
    environment,
    import_quietly,
    limits,
    processor,
    quiet,
    raised,
    versions,
)
from gslt.errors import ConfigError
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


def test_limits_are_raised_by_the_caller_and_by_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    usual = limits()
    check_limit("seeds", usual.seeds, "the study has")
    with pytest.raises(ConfigError, match=r"more than .*GSLT_LIMITS=seeds=10001"):
        check_limit("seeds", 10_001, "the study has")
    with raised(seeds=20_000):
        check_limit("seeds", 10_001, "the study has")
        assert limits().weights == usual.weights
    assert limits() == usual
    monkeypatch.setenv("GSLT_LIMITS", "seeds=1e6, weights=2000000000")
    assert (limits().seeds, limits().weights) == (10**6, 2 * 10**9)


@pytest.mark.parametrize("text", ["seed=1", "seeds", "seeds=x", "seeds=0", "seeds=inf"])
def test_limits_that_are_none(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GSLT_LIMITS", text)
    with pytest.raises(ConfigError, match=r"GSLT_LIMITS should be such as weights=1e9"):
        limits()
