"""Decoders that people use, by their published configurations.

A preset is the shape-setting part of a published config.json, read by `config` as any other, with
the number of parameters that is published with the weights: the two agree exactly.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from kondo_ref.flops.config import decoder_of
from kondo_ref.flops.decoder import Decoder


@dataclass(frozen=True)
class Preset:
    """A published configuration.

    Parameters
    ----------
    source : str
        Name of the model on Hugging Face, whose config.json it is.
    parameters : int
        Published number of parameters.
    config : mapping
        What of that config.json sets the shape.
    """

    source: str
    parameters: int
    config: Mapping[str, Any]

    @cached_property
    def decoder(self) -> Decoder:
        """The shape."""
        return decoder_of(self.config)


def _gpt2(name: str, parameters: int, width: int, layers: int, heads: int) -> Preset:
    config = {
        "model_type": "gpt2",
        "vocab_size": 50257,
        "n_positions": 1024,
        "n_embd": width,
        "n_layer": layers,
        "n_head": heads,
        "activation_function": "gelu_new",
    }
    return Preset(f"openai-community/{name}", parameters, config)


LLAMA_3 = {
    "model_type": "llama",
    "vocab_size": 128256,
    "max_position_embeddings": 8192,
    "num_key_value_heads": 8,
    "hidden_act": "silu",
    "attention_bias": False,
    "tie_word_embeddings": False,
}
QWEN_2_5 = {"model_type": "qwen2", "hidden_act": "silu", "use_sliding_window": False}

PRESETS: Mapping[str, Preset] = {
    "gpt2": _gpt2("gpt2", 124_439_808, 768, 12, 12),
    "gpt2-medium": _gpt2("gpt2-medium", 354_823_168, 1024, 24, 16),
    "gpt2-large": _gpt2("gpt2-large", 774_030_080, 1280, 36, 20),
    "gpt2-xl": _gpt2("gpt2-xl", 1_557_611_200, 1600, 48, 25),
    "llama-3-8b": Preset(
        "meta-llama/Meta-Llama-3-8B",
        8_030_261_248,
        {
            **LLAMA_3,
            "hidden_size": 4096,
            "intermediate_size": 14336,
            "num_hidden_layers": 32,
            "num_attention_heads": 32,
        },
    ),
    "llama-3-70b": Preset(
        "meta-llama/Meta-Llama-3-70B",
        70_553_706_496,
        {
            **LLAMA_3,
            "hidden_size": 8192,
            "intermediate_size": 28672,
            "num_hidden_layers": 80,
            "num_attention_heads": 64,
        },
    ),
    "qwen2.5-0.5b": Preset(
        "Qwen/Qwen2.5-0.5B",
        494_032_768,
        {
            **QWEN_2_5,
            "vocab_size": 151936,
            "max_position_embeddings": 32768,
            "hidden_size": 896,
            "intermediate_size": 4864,
            "num_hidden_layers": 24,
            "num_attention_heads": 14,
            "num_key_value_heads": 2,
            "tie_word_embeddings": True,
        },
    ),
    "qwen2.5-7b": Preset(
        "Qwen/Qwen2.5-7B",
        7_615_616_512,
        {
            **QWEN_2_5,
            "vocab_size": 152064,
            "max_position_embeddings": 131072,
            "hidden_size": 3584,
            "intermediate_size": 18944,
            "num_hidden_layers": 28,
            "num_attention_heads": 28,
            "num_key_value_heads": 4,
            "tie_word_embeddings": False,
        },
    ),
}


def preset(name: str) -> Decoder:
    """Return the shape of a preset.

    Raises
    ------
    ValueError
        No such preset; the message has their names.
    """
    if name not in PRESETS:
        raise ValueError(f"preset: expected one of {', '.join(PRESETS)}; got {name!r}")
    return PRESETS[name].decoder
