"""`mmf train`: a recipe in, a trained model out."""

import argparse
import dataclasses
import json
from pathlib import Path

from mmf_teach.engine.accelerate import exchange
from mmf_teach.engine.training import train
from mmf_teach.files import write_file
from mmf_teach.hardware import describe
from mmf_teach.model.checkpoint import load_model, save_model, size_bytes
from mmf_teach.progress import Progress
from mmf_teach.training import corpus
from mmf_teach.training.loop import STATE
from mmf_teach.training.recipe import Recipe
from mmf_teach.training.validation_loss import loss_nats

RECORD = "training.json"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("recipe", type=Path, help="a TOML file, such as data/recipes/shakespeare.toml")
    parser.add_argument("--out", type=Path, required=True, help="folder for the model; a run cut short goes on there")
    parser.add_argument("--device", choices=["auto", "cpu", "cuda"], default="auto", help="where to train")
    parser.add_argument("--corpus", help="another corpus, or a text file, than the recipe names")
    parser.add_argument("--steps", type=int, help="another number of steps than the recipe says")
    parser.add_argument("--json", action="store_true", help="print the result as one JSON document")


def run(options: argparse.Namespace) -> None:
    recipe = Recipe.read(options.recipe)
    changes = {"corpus": options.corpus, "steps": options.steps}
    recipe = dataclasses.replace(recipe, **{name: value for name, value in changes.items() if value is not None})
    out = options.out
    if (out / RECORD).exists():
        raise ValueError(f"{out} holds a finished model: choose another folder, or remove it to train again")
    text, device = corpus.load(recipe.corpus), choose_device(options.device)

    bar = Progress(recipe.steps)
    result = train(
        recipe, text, out, device,
        report=lambda step, loss, speed: bar.show(step, f"loss {loss:.3f} nat  {speed:,.0f} tokens/s"),
    )
    save_model(out, result.model, text.vocabulary)
    packed, _ = load_model(out)
    exchange(packed)
    held_out = loss_nats(packed, text.held_out, recipe.window)
    record = {
        "recipe": recipe.to_json(),
        "hardware": describe(device),
        "seconds": round(result.seconds, 1),
        "held_out_nats": round(held_out, 4),
        "held_out_nats_is":
            f"measured: the stored model on the last 10 % of the text, in windows of {recipe.window}, on a CPU",
        "curve": {name: [round(value, 4) for value in values] for name, values in result.curve.items()},
    }
    write_file(out / RECORD, (json.dumps(record) + "\n").encode("utf-8"))
    (out / STATE).unlink()
    if options.json:
        print(json.dumps({"folder": str(out), "size_bytes": size_bytes(out)} | record))
    else:
        print(f"{out}: {size_bytes(out):,} bytes, {held_out:.4f} nat per character on held-out text (measured)")


def choose_device(asked: str) -> str:
    """The device to use; ValueError when a GPU is asked for and there is none."""
    import torch

    there = torch.cuda.is_available()
    if asked == "cuda" and not there:
        raise ValueError("torch sees no CUDA GPU here; leave out --device, or say --device cpu")
    if asked == "cuda" or (asked == "auto" and there):
        torch.set_float32_matmul_precision("high")   # TF32: exact for codes and trits, faster for gradients
        return "cuda"
    return "cpu"
