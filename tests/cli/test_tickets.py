"""``gslt evaluate`` and ``gslt inspect``."""

from commands import TINY

from gslt.cli import main


def test_evaluate_uses_the_split_of_the_ticket(as_debian, blocks, tmp_path, capsys):
    out = tmp_path / "run"
    assert main(["search", *TINY, "--out", str(out), "--split", "3"]) == 0
    ticket = str(out / "ticket.safetensors")
    capsys.readouterr()
    assert main(["evaluate", ticket, "--dataset", "debian"]) == 0
    assert as_debian[-1] == ("debian", None, 3)
    assert "at the search" in capsys.readouterr().out
    assert main(["evaluate", ticket, "--dataset", "debian", "--split", "0"]) == 0
    assert "at the search" not in capsys.readouterr().out
    assert main(["evaluate", ticket]) == 2
    assert "no known name; give --dataset" in capsys.readouterr().err
