"""What the benchmark can be asked for, and what it says about the rest."""

from __future__ import annotations

import sys

import options
import pytest


@pytest.fixture
def parse(monkeypatch):
    """Parses a line of arguments."""

    def parsed(line):
        monkeypatch.setattr(sys, "argv", ["benchmarks", *line.split()])
        return options.parse("benchmarks", None)

    return parsed


@pytest.mark.parametrize("line", ["", "--rounds 5 --most-rounds 7", "--turns 3 --seconds 0.5"])
def test_a_run_of_every_row_on_every_loop_is_whole(parse, line):
    assert options.is_whole(parse(line))


@pytest.mark.parametrize("line", ["--rows echo", "--loops asyncio --rounds 1", "--quick"])
def test_a_restricted_run_is_not_whole(parse, line):
    assert not options.is_whole(parse(line))


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("--rounds 0", "--rounds: 0 is no whole number from 1 on"),
        ("--most-rounds -2", "--most-rounds: -2 is no whole number"),
        ("--turns 1.5", "--turns: 1.5 is no whole number"),
        ("--seconds 0", "--seconds: 0 is no number above 0"),
        ("--seconds -0.1", "--seconds: -0.1 is no number above 0"),
        ("--seconds nan", "--seconds: nan is no number above 0"),
        ("--loops nosuch", "--loops: invalid choice: 'nosuch'"),
        ("--loops bare", "--loops: bare is none: name one beside it"),
        ("--counted --rounds 3", "--rounds: what is --counted is neither repeated nor timed"),
        ("--counted --quick", "--quick: what is --counted"),
        ("--counted --chart x.png", "--chart: what is --counted"),
        ("--counted --rows memory import", "neither memory nor what starting takes"),
        ("--rows echo nosuch", 'no row matches "nosuch"; rows are: call_soon; '),
    ],
)
def test_what_makes_no_sense_is_told(parse, capsys, line, said):
    with pytest.raises(SystemExit, check=lambda ended: ended.code == 2):
        parse(line)
    assert said in capsys.readouterr().err


def test_rows_are_known_without_the_packages_that_they_import(monkeypatch):
    for name in [name for name in sys.modules if name.partition(".")[0] == "rows"]:
        monkeypatch.delitem(sys.modules, name)
    for name in ("trustme", "zloop"):
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.setattr("frame.ROWS", {})
    assert "TLS echo 1 KiB, rustls" in options.known_rows()
