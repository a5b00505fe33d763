"""`mmf audit`: every operation of a forward pass, by kind and by layer, and the multiplications that remain."""

import argparse
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from mmf_teach.model.config import ModelConfig

VOCAB, WIDTH, BLOCKS, HEADS = 65, 128, 6, 4          # of the model that comes with the course


def add_arguments(parser: argparse.ArgumentParser) -> None:
    from mmf_teach.cost.operation_counter.audit import FORMS
    from mmf_teach.cost.sizes import NAMED
    from mmf_teach.model.build import MODELS

    parser.add_argument("--model", default="matmul_free", metavar="NAME", help=f"one of {', '.join(MODELS)}")
    parser.add_argument("--width", type=int, default=WIDTH, metavar="D", help=f"features a token (default: {WIDTH})")
    parser.add_argument("--blocks", type=int, default=BLOCKS, metavar="N", help=f"blocks (default: {BLOCKS})")
    parser.add_argument("--vocab", type=int, default=VOCAB, metavar="V", help=f"distinct tokens (default: {VOCAB})")
    parser.add_argument("--heads", type=int, default=None, metavar="H", help="heads of attention, where there is any")
    parser.add_argument("--kv-heads", type=int, default=None, metavar="H", help="heads of keys, where they are shared")
    parser.add_argument("--size", choices=["shipped", *NAMED], help="instead of the sizes above, one that has a name")
    parser.add_argument("--checkpoint", type=Path, metavar="FOLDER", help="instead of random weights, a trained model")
    parser.add_argument("--tokens", type=int, default=1, metavar="T", help="tokens to read (default: 1)")
    parser.add_argument(
        "--form", choices=FORMS, default=FORMS[0],
        help="inference: packed trits and int8 codes (default); training: dense products, as the authors' code runs")
    parser.add_argument("--float-head", action="store_true", help="with a dense last map, as most ternary models have")
    parser.add_argument("--formula", action="store_true", help="in closed form, without running: for large models")
    parser.add_argument("--json", action="store_true", help="print everything as one JSON document")


def run(options: argparse.Namespace) -> None:
    document = by_formula(options) if options.formula else by_running(options)
    print(json.dumps(document, indent=1) if options.json else table(document))


def sizes_of(options: argparse.Namespace) -> ModelConfig:
    """The sizes that were asked for."""
    from mmf_teach.cost.sizes import sizes
    from mmf_teach.model.build import require_kind

    require_kind(options.model)
    if options.size:
        config = sizes(options.size, options.model)
    else:
        heads = options.heads or (HEADS if options.width % (2 * HEADS) == 0 else 1)
        config = ModelConfig(options.model, options.vocab, options.width, options.blocks, heads)
    return replace(config, kv_heads=options.kv_heads) if options.kv_heads else config


def by_running(options: argparse.Namespace) -> dict[str, Any]:
    """Count what is executed."""
    from mmf_teach.cost.operation_counter.audit import exchange_head, fresh
    from mmf_teach.engine.operation_counts import audit
    from mmf_teach.model.checkpoint import load_model

    if options.checkpoint:
        if options.form == "training":
            raise ValueError("a stored model has trits and no weights that learn: it has no training form")
        model = load_model(options.checkpoint)[0]
        if options.float_head:
            exchange_head(model)
    else:
        model = fresh(sizes_of(options), options.form, options.float_head)
    return audit(model, options.tokens, options.form).to_json()


def by_formula(options: argparse.Namespace) -> dict[str, Any]:
    """Count in closed form: the mean over so many tokens, one after the other."""
    from mmf_teach.cost import closed_form
    from mmf_teach.cost.operation_counter.audit import percent_left, shared
    from mmf_teach.model.checkpoint import read_config

    if options.tokens < 1:
        raise ValueError(f"at least one token must be read, not {options.tokens}")
    config = read_config(options.checkpoint) if options.checkpoint else sizes_of(options)
    if options.form == "training":
        if options.float_head:
            raise ValueError("the closed form has no training form with a float head: leave one of the two out")
        total = closed_form.training(config, options.tokens)
    else:
        count = closed_form.with_float_head if options.float_head else closed_form.operations
        total = closed_form.reading(config, options.tokens, count)
    operations = {kind: shared(count, options.tokens) for kind, count in sorted(total.items())}
    return {
        "model": config.to_json(), "form": options.form, "tokens": options.tokens, "kind": "counted by formula",
        "operations": operations, "multiplications_percent": percent_left(total["multiply"], total["ternary"]),
    }


def table(document: dict[str, Any]) -> str:
    """The document as lines for a terminal."""
    from mmf_teach.model.build import RUNNING

    sizes = ", ".join(f"{name} {value}" for name, value in document["model"].items())
    lines = [f"{sizes}; {document['form']} form, {document['tokens']} tokens. Per token ({document['kind']}):", ""]
    lines += _rows(document["operations"])
    for title, key in (("multiplications, by what for", "multiplications"), ("bytes moved", "bytes")):
        if key in document:
            lines += ["", f"{title}:", *_rows(document[key])]
    lines += ["", f"{document['multiplications_percent']} % of multiplications and trits together still multiply"]
    if "matmul_calls" in document:
        said = ", ".join(f"{who} {count}" for who, count in document["matmul_by"].items()) or "none"
        lines.append(f"products of matrices that were called: {document['matmul_calls']} ({said})")
        if document["form"] == "training" and document["model"]["kind"] in RUNNING:
            lines.append("this form hands trits to a dense product: MatMul-free in meaning, not in execution")
    return "\n".join(lines)


def _rows(counts: dict[str, float]) -> list[str]:
    width = max(map(len, counts))
    return [f"  {name.replace('_', ' '):{width}}  {count:>18,.10g}" for name, count in counts.items()]
