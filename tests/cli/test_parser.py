"""What users may type: spellings, lists, and options that are not there (gslt.cli.parser)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gslt.cli import build_parser, main, parse
from gslt.cli.parser import files_first, spelled
from gslt.cli.usage import children


@pytest.mark.parametrize(
    "words", [["--dataset-dir", "a"], ["--dataset_dir", "a"], ["--dataset-dir=a"]], ids=" ".join
)
def test_dashes_or_underscores(words: list[str]) -> None:
    assert parse(["search", *words]).search.dataset_dir == Path("a")
    assert parse(["data", "info", "cora", *words]).data.info.dataset_dir == Path("a")


def test_what_follows_two_dashes_or_is_a_value_stays_as_it_is() -> None:
    parser = children(build_parser(["data", "info"]))["data"]
    info = children(parser)["info"]
    assert spelled(["--y", "class-name", "--", "--my-graph"], info) == [
        *("--y", "class-name", "--", "--my-graph")
    ]
    assert spelled(["--y=a-b", "-5", "my-graph"], info) == ["--y=a-b", "-5", "my-graph"]


@pytest.mark.parametrize(
    "typed",
    [
        *(["64,128"], ["64", "128"], ["[64,128]"], ["[64,", "128]"], ["64,", "128"]),
        ["[64, 128]"],
    ],
    ids=" ".join,
)
def test_lists_are_typed_as_users_type_them(typed: list[str]) -> None:
    options = parse(["compare-backends", "--hidden-channels", *typed, "--lr", "0.1"])
    assert options["compare-backends"].hidden_channels == (64, 128)
    assert options["compare-backends"].lr == 0.1
    assert parse(["smooth", "--untrained", "--depths", *typed]).smooth.depths == [64, 128]


@pytest.mark.parametrize("typed", [["gin,gat"], ["gin", "gat"], ["[gin,gat]"], ["['gin','gat']"]])
def test_lists_of_names(typed: list[str]) -> None:
    options = parse(["compare-backends", "--architectures", *typed])
    assert options["compare-backends"].architectures == ("gin", "gat")
    words = ["smooth", "--untrained", "--measures", "mad,collapse"]
    assert parse(words).smooth.measures == ["mad", "collapse"]


def test_a_list_of_three_leaves_what_follows_it() -> None:
    for typed in (["0.6,0.2,0.2"], ["0.6", "0.2", "0.2"], ["[0.6,0.2,0.2]"]):
        options = parse(["data", "info", "--fractions", *typed, "graph.gml"]).data.info
        assert (options.fractions, options.name) == ([0.6, 0.2, 0.2], "graph.gml")


def test_names_with_commas_between_them() -> None:
    for typed in (["layers.1,layers.2"], ["layers.1", "layers.2"], ["[layers.1,layers.2]"]):
        assert parse(["search", "--place", *typed]).search.place == "layers.1,layers.2"
    # Where a path could follow, one word is one word.
    options = parse(["data", "info", "--x", "a,b", "graph.gml"]).data.info
    assert (options.x, options.name) == ("a,b", "graph.gml")


@pytest.mark.parametrize(
    "words",
    [
        ["--epochs", "2", "--config", "e.yaml"],
        ["--config", "e.yaml", "--epochs", "2"],
        ["--epochs=2", "-q", "--config=e.yaml"],
        ["--config", "lr.yaml", "--epochs", "2", "--config", "e.yaml"],
    ],
    ids=" ".join,
)
def test_typed_options_win_over_a_file_wherever_they_stand(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("e.yaml").write_text("epochs: 7\nlr: 0.5\n")
    Path("lr.yaml").write_text("lr: 0.25\nnum_layers: 3\n")
    options = parse(["search", *words]).search
    # Of two files the later one wins.
    assert (options.epochs, options.lr) == (2, 0.5)
    assert options.num_layers == (3 if "lr.yaml" in words else parse(["search"]).search.num_layers)


def test_a_file_takes_along_what_follows_it() -> None:
    assert files_first(["--depths", "2", "--config", "e", "PATH"]) == [
        *("--config", "e", "PATH", "--depths", "2")
    ]
    for words in (["PATH", "--config"], ["--lr", "-1", "--", "--config", "e"]):
        assert files_first(words) == words


REFUSED = [
    (["search", "--epo", "3"], "there is no option --epo (did you mean --epochs?)"),
    (["search", "--lrr", "3"], "there is no option --lrr (did you mean --lr?)"),
    (["search", "--data-set", "x"], "there is no option --data-set (did you mean --dataset?)"),
    (["search", "--zzz"], "there is no option --zzz"),
    (["search", "--seeds", "3"], "there is no option --seeds (did you mean --runs?)"),
    (["compare", "--runs", "3"], "there is no option --runs (did you mean --seeds?)"),
    (["search", "extra"], "there is no place for 'extra'"),
    (["search", "--epochs", "many"], "--epochs must be a whole number, got 'many'"),
    (["search", "--epochs", "3.5"], "--epochs must be a whole number, got '3.5'"),
    (["search", "--sparsity", "x"], "--sparsity must be a number, got 'x'"),
    (["search", "--head", "maybe"], "--head must be true or false, got 'maybe'"),
    (["search", "--epochs"], "--epochs needs a whole number"),
    (["search", "--probe_every", "x"], "must be a whole number above 0 or log, got 'x'"),
    (["search", "--checkpoint_seconds", "-1"], "must be a number of at least 0, got '-1'"),
    (["search", "--edges", "non"], "one of all, none, got 'non' (did you mean none?)"),
    (["search", "--log", "tensorbord"], "got 'tensorbord' (did you mean tensorboard?)"),
    (["search", "--fractions", "1", "2"], "--fractions needs 3 values, each a number"),
    (["smooth", "--depths", "2,x"], "every value of --depths must be a whole number above 0"),
    (["compare-backends", "--architectures", "gni"], "got 'gni' (did you mean gin?)"),
    (["study", "run"], "--out is missing"),
    (["study", "run", "--out", "x", "--preset", "tabel"], "(did you mean table?)"),
    (["data", "info"], "DATASET is missing"),
    (["search", "--print_config=no"], "Invalid option"),
    (["serach"], "there is no command serach (did you mean search?)"),
    (["data", "inf"], "there is no command inf (did you mean info?)"),
    (["data"], "name a command: list, info, convert"),
    ([], "name a command: search, train"),
    (["--bogus"], "there is no option --bogus before the command"),
    (["--config", "a.yaml", "search"], "there is no option --config before the command; others"),
]


@pytest.mark.parametrize(("words", "said"), REFUSED, ids=[" ".join(w) for w, _ in REFUSED])
def test_a_usage_error_is_one_line(words: list[str], said: str, capsys: Any) -> None:
    with pytest.raises(SystemExit) as stop:
        main(words)
    assert stop.value.code == 2
    found = capsys.readouterr()
    assert found.out == ""
    assert found.err.count("\n") == 1
    assert said in found.err
    # The command that it names is the one that was meant, and has that help.
    advice = found.err.rpartition("; try gslt")[2].split()
    with pytest.raises(SystemExit) as stop:
        main(advice)
    assert stop.value.code == 0
    assert capsys.readouterr().out.startswith(f"usage: {' '.join(['gslt', *advice[:-1]])} ")


def test_settings_that_are_not_there(tmp_path: Path, capsys: Any) -> None:
    file = tmp_path / "settings.yaml"
    for text, said in (("epocs: 3", "epochs"), ("dataset-dir: x", "dataset_dir")):
        file.write_text(text)
        with pytest.raises(SystemExit):
            main(["search", "--config", str(file)])
        wrong = text.partition(":")[0]
        expected = f"gslt search: {file}: there is no setting {wrong} (did you mean {said}?); try "
        assert capsys.readouterr().err.startswith(expected)


def test_a_wrong_value_is_told_with_its_file(tmp_path: Path, capsys: Any) -> None:
    file = tmp_path / "settings.yaml"
    for text, typed, expected in (
        ("epochs: x", [], f"gslt search: {file}: --epochs must be a whole number, got 'x'"),
        ("lr: 1", ["--epochs", "x"], "gslt search: --epochs must be a whole number, got 'x'"),
        ("- epochs", [], f"gslt search: {file}: there are no settings, lines such as epochs: 100"),
    ):
        file.write_text(text)
        with pytest.raises(SystemExit):
            main(["search", *typed, "--config", str(file)])
        assert capsys.readouterr().err.startswith(expected)


@pytest.mark.parametrize("value", ["\b", "\x1b[2J", "a: b", "[1", "'", "null", "é\u202e"])
def test_odd_values_are_printed_as_settings(value: str, tmp_path: Path, capsys: Any) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["search", "--metric", value, "--print-config", "--json", "-q"])
    assert stop.value.code == 0
    file = tmp_path / "settings.yaml"
    file.write_text(capsys.readouterr().out)
    expected = None if value == "null" else value
    if expected is None or expected.isprintable():
        assert parse(["search", "--config", str(file)]).search.metric == expected
    with pytest.raises(SystemExit):
        main([f"--print_config={value}"])
    capsys.readouterr()


def test_a_parser_is_made_when_it_is_wanted() -> None:
    wanted, other = children(build_parser(["train"])), children(build_parser())
    assert "--epochs" in wanted["train"]._option_string_actions
    assert "--epochs" not in wanted["search"]._option_string_actions
    assert "--epochs" in other["search"]._option_string_actions
