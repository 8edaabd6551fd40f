"""What the comparison of two runs finds, and what it says of the differences that are listed."""

from __future__ import annotations

import pytest
import runs
from expected import Expectation, read, unexpected
from runs import Difference, Run, differences

FILE = "tests/test_one.py"
LISTED = [Expectation(f"{FILE}::test_known", "for a reason")]


def test_outcomes_that_differ():
    on_asyncio = Run({"a": "passed", "b": "failed", "c": "skipped", "d": "error in setup"})
    on_chosen = Run({"a": "failed", "b": "failed", "c": "skipped", "d": "failed", "e": "passed"})
    assert differences(on_asyncio, on_chosen) == [
        Difference("a", "passed", "failed"),
        Difference("e", "not run", "passed"),
    ]


@pytest.mark.parametrize(
    ("on_asyncio", "on_chosen", "is_better"),
    [("failed", "passed", True), ("passed", "failed", False), ("not run", "passed", False)],
)
def test_what_is_better(on_asyncio, on_chosen, is_better):
    assert Difference("a", on_asyncio, on_chosen).is_better is is_better


@pytest.mark.parametrize("parameters", ["", "[one]"])
def test_listed_difference_is_expected(parameters):
    name = f"{FILE}::test_known{parameters}"
    assert unexpected(LISTED, {name}, Run({name: "failed"})) == []


def test_listed_difference_that_is_none_is_told():
    name = f"{FILE}::test_known"
    (told,) = unexpected(LISTED, set(), Run({name: "passed"}))
    assert told == f"{name}: is listed as a difference, and there is none"


def test_listed_test_that_the_suite_no_longer_has_is_told():
    (told,) = unexpected(LISTED, set(), Run({f"{FILE}::test_other": "passed"}))
    assert told == f"{FILE}::test_known: is listed as a difference, and there is no such test"


def test_listed_test_of_a_file_that_did_not_run_is_not_told():
    assert unexpected(LISTED, set(), Run({"tests/test_two.py::test_other": "passed"})) == []


def test_listed_test_is_not_missed_where_single_ones_were_chosen(tmp_path):
    chosen = runs.Tests(tmp_path, tmp_path, [f"{FILE}::test_other"])
    assert not chosen.are_whole_files
    assert runs.Tests(tmp_path, tmp_path, [FILE]).are_whole_files
    ran = Run({f"{FILE}::test_other": "passed"})
    assert unexpected(LISTED, set(), ran, whole_files=chosen.are_whole_files) == []


def test_list_gives_each_a_reason(tmp_path):
    path = tmp_path / "list.toml"
    path.write_text('[[difference]]\ntest = "a"\nreason = "so it is"\n')
    assert read(path) == [Expectation("a", "so it is")]
    path.write_text('[[difference]]\ntest = "a"\n')
    with pytest.raises(KeyError, match="reason"):
        read(path)
    path.write_text('[[difference]]\ntest = "a"\nreason = " "\n')
    with pytest.raises(ValueError, match="a is listed without a reason"):
        read(path)
