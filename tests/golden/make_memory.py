"""Regenerate memory.csv: what PyTorch keeps for the backward pass of small models.

Needs torch and transformers, which neither users nor CI need. Run from the repository root:

    python tests/golden/make_memory.py

`layer_bytes` is what one layer saves per token: saved tensors of three layers minus those of one,
over two, each storage counted once, parameters left out. `outer_bytes` is the rest per token:
final norm, logits, loss. `peak_bytes` is the most that forward and backward pass together
allocate per token with three layers, gradients included, by PyTorch's own memory profile;
`peak_recomputed_bytes` the same with each layer checkpointed.
"""

import csv
import json
from pathlib import Path

import torch
import transformers
from torch.autograd.graph import saved_tensors_hooks
from torch.profiler import ProfilerActivity, profile

HERE = Path(__file__).parent
BATCH, SEQ_LEN, LAYERS = 2, 256, 3
COLUMNS = ["name", "config", "dtype", "attention", "batch", "seq_len"]
COLUMNS += ["layer_bytes", "outer_bytes", "peak_bytes", "peak_recomputed_bytes"]

LLAMA = {"model_type": "llama", "hidden_size": 192, "intermediate_size": 512}
LLAMA |= {"num_attention_heads": 6, "num_key_value_heads": 6, "vocab_size": 1000}
GPT2 = {"model_type": "gpt2", "n_embd": 192, "n_head": 6, "vocab_size": 1000}
GPT2 |= {"resid_pdrop": 0.0, "attn_pdrop": 0.0, "embd_pdrop": 0.0}
GPT2 |= {"bos_token_id": None, "eos_token_id": None}
LATENT = {"model_type": "deepseek_v3", "hidden_size": 192, "intermediate_size": 512}
LATENT |= {"num_attention_heads": 6, "num_key_value_heads": 6, "vocab_size": 1000}
LATENT |= {"q_lora_rank": 96, "kv_lora_rank": 64, "qk_nope_head_dim": 32, "qk_rope_head_dim": 16}
LATENT |= {"v_head_dim": 48, "first_k_dense_replace": 99, "moe_intermediate_size": 64}
CONFIGS = {
    "llama": LLAMA,
    "llama-grouped": {**LLAMA, "num_key_value_heads": 2},
    "llama-one-kv-head": {**LLAMA, "num_key_value_heads": 1},
    "llama-wide-mlp": {**LLAMA, "num_key_value_heads": 2, "intermediate_size": 768},
    "llama-large-vocab": {**LLAMA, "vocab_size": 8000},
    "smollm2-like": {**LLAMA, "hidden_size": 288, "intermediate_size": 768}
    | {"num_attention_heads": 9, "num_key_value_heads": 3},
    "qwen3": {**LLAMA, "model_type": "qwen3", "num_key_value_heads": 2, "head_dim": 64},
    "gpt2": GPT2,
    "gpt2-relu": {**GPT2, "activation_function": "relu"},
    "gpt2-fused-gelu": {**GPT2, "activation_function": "gelu"},
    "gpt-neox": {"model_type": "gpt_neox", "hidden_size": 192, "intermediate_size": 768}
    | {"num_attention_heads": 6, "vocab_size": 1000, "use_parallel_residual": True},
    "mixtral": {**LLAMA, "model_type": "mixtral", "num_key_value_heads": 2}
    | {"intermediate_size": 256, "num_local_experts": 8, "num_experts_per_tok": 2},
    "gemma": {**LLAMA, "model_type": "gemma", "num_key_value_heads": 1, "head_dim": 64},
    "deepseek-latent": LATENT,
}
DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}


def build(config: dict, layers: int, dtype: str, attention: str) -> torch.nn.Module:
    """Return a model in training, with so many layers."""
    keys = dict(config)
    keys[layers_key(keys)] = layers
    parsed = transformers.CONFIG_MAPPING[keys.pop("model_type")](**keys)
    parsed._attn_implementation = attention
    parsed.use_cache = False
    model = transformers.AutoModelForCausalLM.from_config(parsed)
    return model.to(DTYPES[dtype]).train()


def layers_key(config: dict) -> str:
    """Return the key that holds the number of layers."""
    return "n_layer" if config["model_type"] == "gpt2" else "num_hidden_layers"


def tokens_of(model: torch.nn.Module) -> torch.Tensor:
    """Return random tokens."""
    return torch.randint(0, model.config.vocab_size, (BATCH, SEQ_LEN))


def saved_bytes(model: torch.nn.Module) -> int:
    """Return the bytes that the forward pass saves for the backward pass."""
    own = {part.untyped_storage().data_ptr() for part in model.parameters()}
    own |= {part.untyped_storage().data_ptr() for part in model.buffers()}
    held: dict[int, torch.Tensor] = {}

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        address = tensor.untyped_storage().data_ptr()
        if address not in own:
            held.setdefault(address, tensor)
        return tensor

    tokens = tokens_of(model)
    with saved_tensors_hooks(pack, lambda tensor: tensor):
        model(input_ids=tokens, labels=tokens)
    return sum(tensor.untyped_storage().nbytes() for tensor in held.values())


def peak_bytes(model: torch.nn.Module, recompute: bool) -> int:
    """Return the most that one forward and backward pass allocates."""
    if recompute:
        model.gradient_checkpointing_enable({"use_reentrant": False})
    tokens = tokens_of(model)
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiled:
        model(input_ids=tokens, labels=tokens).loss.backward()
    events = profiled.profiler.kineto_results.events()
    events = sorted((e for e in events if e.name() == "[memory]"), key=lambda e: e.start_ns())
    held = most = 0
    for event in events:
        held += event.nbytes()
        most = max(most, held)
    return most


def row_of(name: str, dtype: str, attention: str) -> list:
    """Return one row of the table."""
    config = CONFIGS[name]
    one, most = (saved_bytes(build(config, n, dtype, attention)) for n in (1, LAYERS))
    tokens = BATCH * SEQ_LEN
    layer = (most - one) / (LAYERS - 1)
    peaks = [peak_bytes(build(config, LAYERS, dtype, attention), again) for again in (False, True)]
    figures = [layer / tokens, (one - layer) / tokens, *(peak / tokens for peak in peaks)]
    text = json.dumps({**config, layers_key(config): LAYERS, "max_position_embeddings": 2048})
    return [name, text, dtype, attention, BATCH, SEQ_LEN, *(f"{figure:.2f}" for figure in figures)]


def main() -> None:
    """Write one row per model, format and kind of attention."""
    torch.manual_seed(0)
    with (HERE / "memory.csv").open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        for name in CONFIGS:
            for dtype in DTYPES:
                for attention in ("sdpa", "eager"):
                    if attention == "sdpa" or name in ("llama", "llama-grouped", "gpt2"):
                        writer.writerow(row_of(name, dtype, attention))


if __name__ == "__main__":
    main()
