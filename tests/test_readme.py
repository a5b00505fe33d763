"""The README says what is there."""

import json
import re

from mmf_teach.__main__ import COMMANDS
from mmf_teach.lesson import course_map
from mmf_teach.model.checkpoint import size_bytes
from mmf_teach.paths import ROOT, SHIPPED_MODEL

README = (ROOT / "README.md").read_text("utf-8")


def test_the_map_is_the_course_as_it_stands():
    assert course_map.into_readme(README) == README
    assert all(f"notebooks/{lesson.name}.ipynb" in README for lesson in course_map.lessons() if lesson.written)


def test_every_file_it_links_to_is_there():
    links = re.findall(r"\]\((?!https?:)([^)#]+)\)", README)
    assert len(links) > 4
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_every_command_it_shows_exists():
    shown = set(re.findall(r"\bmmf ([a-z]+)", README))
    assert shown and shown <= COMMANDS.keys()


def test_the_loss_it_promises_is_the_one_stored_with_the_model():
    stored = json.loads((SHIPPED_MODEL / "training.json").read_text("utf-8"))["held_out_nats"]
    assert f"{stored:.3f} on held-out Shakespeare (measured)" in README
    assert size_bytes(SHIPPED_MODEL) <= 300_000
