"""``gslt evaluate`` and ``gslt inspect``."""

from commands import TINY

from gslt.cli import main, parse
from gslt.cli.tickets import ACTIONS


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


def test_defaults_are_the_tickets_own():
    options = parse(["evaluate", "t"]).evaluate
    assert (options.dataset, options.split, options.backend) == (None, None, "pyg")
    assert list(ACTIONS) == ["evaluate", "inspect"]


def test_what_a_ticket_file_holds(as_debian, tmp_path, capsys):
    out = tmp_path / "run"
    assert main(["search", *TINY, "--out", str(out), "--freezing_ratio", "0.4"]) == 0
    capsys.readouterr()
    assert main(["inspect", str(out / "ticket.safetensors")]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[:6]] == [
        "model", "source", "found", "ticket", "size", "file",
    ]  # fmt: skip
    # Every mask with the number of weights that it keeps; together they are the searched ones.
    searched = [int(line.split()[-2].replace(",", "")) for line in lines[6:]]
    assert f"{sum(searched):,} searched" in lines[3]
