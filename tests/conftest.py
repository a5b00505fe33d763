"""What several test files share."""

import os

import jaxtyping
import pytest

# One thread a process, before torch is imported: models this small wait for their threads more than they compute.
os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.fixture
def without_type_checks():
    """As a reader runs the library: while testing, a wrong type would be refused before the library sees it."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)


@pytest.fixture(autouse=True)
def nothing_is_remembered(monkeypatch):
    """What a test records without a file is gone with the test."""
    monkeypatch.setattr("mmf_teach.lesson.ledger._in_no_file", [])
