"""environment.yml asks conda for what pyproject.toml asks pip for."""

import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

ROOT = Path(__file__).resolve().parent.parent
ENVIRONMENT = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]

CONDA_NAME = {"torch": "pytorch-cpu", "playwright": "playwright-python"}      # where conda-forge has another name

REQUIREMENTS = [Requirement(text) for text in PROJECT["dependencies"] + PROJECT["optional-dependencies"]["test"]]
FROM_CONDA = {entry.name: entry.specifier
              for entry in (Requirement(text) for text in ENVIRONMENT["dependencies"] if isinstance(text, str))}


@pytest.mark.parametrize("requirement", REQUIREMENTS, ids=str)
def test_conda_is_asked_for_the_same_versions_as_pip(requirement):
    name = CONDA_NAME.get(requirement.name, requirement.name)
    assert name in FROM_CONDA, f"environment.yml has no line for {name}"
    assert FROM_CONDA[name] == requirement.specifier


def test_conda_is_asked_for_nothing_else():
    wanted = {CONDA_NAME.get(requirement.name, requirement.name) for requirement in REQUIREMENTS}
    assert set(FROM_CONDA) - wanted == {"python", "pip"}


def test_no_package_is_asked_for_twice():
    assert len(FROM_CONDA) == len(ENVIRONMENT["dependencies"]) - 1            # the last entry is pip's list


def test_python_has_the_range_of_the_project():
    assert FROM_CONDA["python"] == SpecifierSet(PROJECT["requires-python"])


def test_only_the_community_channel_is_used():
    assert ENVIRONMENT["channels"] == ["conda-forge", "nodefaults"]


def test_the_course_itself_is_installed_last_and_in_place():
    """pip then finds every requirement met by the conda packages, because the ranges agree."""
    assert ENVIRONMENT["dependencies"][-1] == {"pip": ["-e ."]}
