"""The stored comparisons are made again by their names, with the engine's update of the weights."""

import pytest

from mmf_teach.engine.training_step import make_step
from mmf_teach.tools import comparisons
from mmf_teach.training import gru_to_mlgru, paper_to_released_runs


@pytest.mark.parametrize(("name", "module"), [
    ("gru_to_mlgru", gru_to_mlgru), ("paper_to_released", paper_to_released_runs)])
def test_every_model_learns_by_the_engine_s_update_and_the_results_go_where_they_are_asked_for(
        without_type_checks, name, module, tmp_path, monkeypatch):
    steps = set()

    def learn(*given, **named):
        steps.add(named.get("make_step", given[-1]))
        return {"rung": given[0], "learning_rate": given[1]} if module is gru_to_mlgru else 1.0

    monkeypatch.setattr(module, "learn", learn)
    monkeypatch.setattr(module, "grammar", lambda: None)
    comparisons.main(name, str(tmp_path / "rows.json"))
    assert steps == {make_step} and (tmp_path / "rows.json").exists()


def test_a_comparison_that_there_is_not_is_refused_with_those_there_are():
    with pytest.raises(ValueError, match="the comparisons gru_to_mlgru and paper_to_released, not 'all'"):
        comparisons.main("all")
