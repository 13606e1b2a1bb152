"""Tiny random models of every family, made by the reference implementation."""

from __future__ import annotations

import torch
import transformers

SHAPE = {
    "vocab_size": 97,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "hidden_size": 64,
    "intermediate_size": 96,
}
ROPE = {"max_position_embeddings": 64, "num_key_value_heads": 2, "rms_norm_eps": 1e-6}
LLAMA3 = {
    "rope_type": "llama3",
    "rope_theta": 500.0,
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 32,
}

CONFIGS = {
    "gpt2": lambda: transformers.GPT2Config(vocab_size=97, n_positions=64, n_layer=3, n_head=4, n_embd=64),
    "llama": lambda: transformers.LlamaConfig(**SHAPE, **ROPE, tie_word_embeddings=False),
    "llama-tied": lambda: transformers.LlamaConfig(**SHAPE, **ROPE, tie_word_embeddings=True),
    "llama-stretched": lambda: transformers.LlamaConfig(**SHAPE, **ROPE, rope_parameters=LLAMA3),
    "qwen2": lambda: transformers.Qwen2Config(**SHAPE, **ROPE),
    "qwen3": lambda: transformers.Qwen3Config(**SHAPE, **ROPE, head_dim=32),
}


def reference(name: str, seed: int = 0) -> transformers.PreTrainedModel:
    """A reference model whose every parameter, biases and norms too, is random and matters."""
    torch.manual_seed(seed)
    model = transformers.AutoModelForCausalLM.from_config(CONFIGS[name](), attn_implementation="eager").eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.05)
    return model
