"""The mutants still fit the code: each names a line that stands in its file once, and tests that there are."""

from tests.mutants import PACKAGES, ROOT, read_mutants


def test_every_mutant_changes_one_place_of_a_file_and_names_tests_that_there_are():
    mutants = read_mutants(ROOT / "tests" / "mutants", [])
    lost = [one.name for one in mutants if (ROOT / one.file).read_text("utf-8").count(one.find) != 1]
    assert lost == []
    assert [one.name for one in mutants if one.find == one.replace] == []
    assert {one.file.partition("/")[0] for one in mutants} >= set(PACKAGES)
    assert [test for one in mutants for test in one.tests if not (ROOT / test.partition("::")[0]).exists()] == []
