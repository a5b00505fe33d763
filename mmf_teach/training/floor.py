"""How far a model is above the floor of the language whose entropy is known, and how far each rival came.

Course    notebook 08, "Training with three values"
Equation  distance = nats of N whole stories / characters in them - H(story) / E[characters in a story]
          Each story is read alone, after the line break that ends the one before, so the floor can be reached.
"""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn.functional import cross_entropy

from mmf_teach.model.character_tokenizer import Vocabulary
from mmf_teach.model.language_model import LanguageModel
from mmf_teach.paths import DATA
from mmf_teach.training.grammar import Grammar
from mmf_teach.training.sweep import read_rows

STORIES = 2000                               # enough for a standard error below 0.0004 nat a character
SEED = 1_000_003                             # of stories that no training text begins with
AT_ONCE = 100
RESULTS = DATA / "sweeps" / "rivals.json"
ENTRY = "nats_above_floor"


@torch.no_grad()
def nats_above_floor(model: LanguageModel, vocabulary: Vocabulary, stories: int = STORIES) -> float:
    """Mean surprise per character over whole stories, less the entropy rate: 0 for a reader who knows all rules."""
    grammar, rng, device = Grammar(), np.random.default_rng(SEED), model.embedding.weight.device
    texts = sorted((grammar.story(rng) for _ in range(stories)), key=len)           # of like length together
    total, was_training = 0.0, model.training
    model.eval()
    for first in range(0, stories, AT_ONCE):
        rows = [torch.from_numpy(vocabulary.encode("\n" + text)) for text in texts[first : first + AT_ONCE]]
        rows = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=-1).to(device)
        logits, _ = model(rows[:, :-1].clamp(min=0))
        total += cross_entropy(
            logits.flatten(0, 1), rows[:, 1:].flatten(), ignore_index=-1, reduction="sum").double().item()
    model.train(was_training)
    return total / sum(map(len, texts)) - grammar.floor_nats


def rival_rows(path: Path = RESULTS) -> list[dict[str, Any]]:
    """The stored distance of each kind of model at its best learning rate: plain data, in the order of the file.

    A row has kind, learning_rate, parameters, hardware and nats_above_floor: one distance for each seed. Every rate
    was tried with the first seed, which decided; the best was then run with another.
    """
    runs: dict[str, dict[float, list[dict[str, Any]]]] = {}
    for row in read_rows(path, ENTRY):
        runs.setdefault(row["trial"]["kind"], {}).setdefault(row["trial"]["learning_rate"], []).append(row)
    found = []
    for kind, rates in runs.items():
        rate, rows = min(rates.items(), key=lambda item: item[1][0]["held_out_nats"])
        found.append({
            "kind": kind, "learning_rate": rate, ENTRY: [row[ENTRY] for row in rows],
            "parameters": rows[0]["parameters"], "hardware": rows[0]["hardware"],
        })
    return found
