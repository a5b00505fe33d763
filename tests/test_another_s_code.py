"""Transformer++ and Mamba give the scores that the transformers package gives for the same weights.

The package is a tool of the tests: where it is not installed they are skipped, but not in CI.
"""

import os
from functools import partial

import pytest
import torch

from mmf_teach.model.build import build
from mmf_teach.model.config import ModelConfig

VOCAB, WIDTH, TIME = 13, 32, 20
TOLERANCE = 2e-5                             # scores of order 1 in float32, sums in another order


@pytest.fixture(scope="module")
def transformers():
    """The package of independent implementations, or a reason why there is nothing to compare with."""
    os.environ.setdefault("HF_HUB_OFFLINE", "1")             # nothing is ever downloaded
    if os.environ.get("CI"):
        import transformers
        return transformers
    return pytest.importorskip("transformers", reason="the package transformers, which CI has, is not installed here")


def model_of(kind: str, **sizes):
    """Ours, with every weight, gain and bias moved a little, so that none is 0 or 1 by chance."""
    torch.manual_seed(1)
    model = build(ModelConfig(kind, VOCAB, WIDTH, 2, **sizes)).eval().requires_grad_(False)
    for p in model.parameters():
        p.add_(0.1 * torch.randn_like(p))
    return model, model.state_dict()


def agree(ours, theirs) -> None:
    tokens = torch.randint(VOCAB, (2, TIME), generator=torch.Generator().manual_seed(3))
    with torch.no_grad():
        got, wanted = ours(tokens)[0], theirs.eval()(tokens, use_cache=False).logits
    print(f"scores differ by at most {(got - wanted).abs().max():.1e}")
    torch.testing.assert_close(got, wanted, rtol=TOLERANCE, atol=TOLERANCE)


def test_transformer_plus_plus_is_llama_as_the_package_has_it(transformers):
    """Random weights, fewer heads of keys and values than of queries, every weight put where Llama keeps it."""
    ours, mine = model_of("transformer", heads=4, kv_heads=2)
    theirs = transformers.LlamaForCausalLM(transformers.LlamaConfig(
        vocab_size=VOCAB, hidden_size=WIDTH, intermediate_size=ours.config.inner, num_hidden_layers=2,
        num_attention_heads=4, num_key_value_heads=2, rms_norm_eps=1e-6, tie_word_embeddings=False,
    ))
    places = {"model.embed_tokens": "embedding", "model.norm": "head.0", "lm_head": "head.1"}
    parts = {
        "self_attn.q_proj": "token_mixer.to_q", "self_attn.k_proj": "token_mixer.to_k",
        "self_attn.v_proj": "token_mixer.to_v", "self_attn.o_proj": "token_mixer.to_o",
        "mlp.gate_proj": "channel_mixer.to_gate", "mlp.up_proj": "channel_mixer.to_up",
        "mlp.down_proj": "channel_mixer.to_down", "input_layernorm": "token_norm",
        "post_attention_layernorm": "channel_norm",
    }
    places |= {f"model.layers.{n}.{their}": f"blocks.{n}.{our}" for n in range(2) for their, our in parts.items()}
    their_name = {our: their for their, our in places.items()}
    theirs.load_state_dict({
        f"{their_name[name.rpartition('.')[0]]}.weight": weight for name, weight in mine.items()
    })
    agree(ours, theirs)


def test_mamba_is_mamba_as_the_package_has_it(transformers):
    ours, mine = model_of("mamba", state=6)
    theirs = transformers.MambaForCausalLM(transformers.MambaConfig(
        vocab_size=VOCAB, hidden_size=WIDTH, state_size=6, num_hidden_layers=4, expand=2, conv_kernel=4,
        time_step_rank=WIDTH // 16, layer_norm_epsilon=1e-6, tie_word_embeddings=False,
    ))
    named = {
        "backbone.embeddings.weight": mine["embedding.weight"], "backbone.norm_f.weight": mine["head.0.gain"],
        "lm_head.weight": mine["head.1.weight"],
    }
    for n in range(4):
        block, layer = f"backbone.layers.{n}", partial("blocks.{}.token_mixer.{}".format, n)
        named |= {
            f"{block}.norm.weight": mine[f"blocks.{n}.token_norm.gain"],
            f"{block}.mixer.in_proj.weight": mine[layer("to_u_and_z.weight")],
            f"{block}.mixer.conv1d.weight": mine[layer("taps")].T[:, None],
            f"{block}.mixer.conv1d.bias": mine[layer("taps_bias")],
            f"{block}.mixer.x_proj.weight": mine[layer("to_selection.weight")],
            f"{block}.mixer.dt_proj.weight": mine[layer("to_delta.weight")],
            f"{block}.mixer.dt_proj.bias": mine[layer("to_delta.bias")],
            f"{block}.mixer.A_log": mine[layer("log_a")].view(-1, 6),
            f"{block}.mixer.D": mine[layer("d")],
            f"{block}.mixer.out_proj.weight": mine[layer("to_o.weight")],
        }
    theirs.load_state_dict(named)
    agree(ours, theirs)
