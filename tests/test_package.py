"""What ``import gslt`` gives, and the process around the commands."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import gslt
from gslt.__main__ import run


def test_every_public_name_is_there() -> None:
    for name in gslt.__all__:
        assert getattr(gslt, name) is not None
    assert set(gslt.__all__) <= set(dir(gslt))
    assert gslt.diagnostics.probe.__name__ == "probe"
    with pytest.raises(AttributeError, match="module 'gslt' has no attribute 'serach'"):
        _ = gslt.serach


def test_the_import_alone_loads_nothing_heavy() -> None:
    code = "import gslt, sys; print({'torch', 'numpy', 'yaml', 'pandas'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == "set()\n"


def test_a_command_gives_its_status(monkeypatch: pytest.MonkeyPatch) -> None:
    usual = signal.getsignal(signal.SIGINT)
    monkeypatch.setattr(sys, "argv", ["gslt", "inspect", "none"])
    try:
        assert run() == 2
    finally:
        signal.signal(signal.SIGINT, usual)


@pytest.mark.slow
@pytest.mark.parametrize("after", [0.15, 0.5, 1.0, 2.0])
def test_ctrl_c_while_torch_is_loaded_is_quiet(after: float) -> None:
    code = (
        "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler);"
        "print(flush=True); sys.argv = ['gslt', 'data', 'info', 'debian'];"
        "from gslt.__main__ import run; sys.exit(run())"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    process.stdout.readline()
    time.sleep(after)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    if process.returncode != 0:  # A fast machine is done by then.
        assert process.returncode == 130
        assert err == "gslt: interrupted\n"
    assert "Traceback" not in err


def test_a_closed_file_is_not_taken_for_standard_output(tmp_path: Path) -> None:
    code = (
        "from gslt.__main__ import _open_standard_files as o; o(); print(open('f', 'w').fileno())"
    )
    command = f'{sys.executable} -c "{code}" <&- >&- 2>&-; stat -c %s f'
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, cwd=tmp_path)
    assert done.stdout == "0\n"
    assert os.path.exists(tmp_path / "f")


def test_a_current_folder_that_is_gone_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "gone").mkdir()
    command = f"cd {tmp_path}/gone && rmdir ../gone && {sys.executable} -m gslt data list"
    environment = {**os.environ, "PYTHONPATH": str(Path(gslt.__file__).parents[1])}
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, env=environment)
    assert done.returncode == 2
    assert done.stderr == "gslt: the current folder is no longer there; go to another one\n"
