"""The shape of a decoder from a Hugging Face config.json: GPT-2, Llama, Qwen2 and Mistral.

Every key is known, as one that sets the shape, as one that must have a certain value, or as one
that changes no count; any other key is an error that names it, and so is one that is missing.
Nothing is guessed: a key may be absent only where the format itself says what that means, as in
`DEFAULTS`.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kondo_ref import checks
from kondo_ref.flops.decoder import Decoder

ACTIVATIONS = {
    "relu": "relu",
    "gelu": "gelu",
    "gelu_new": "gelu_tanh",
    "gelu_fast": "gelu_tanh",
    "gelu_pytorch_tanh": "gelu_tanh",
    "silu": "silu",
    "swish": "silu",
}

LLAMA_KEYS = (
    "vocab_size",
    "hidden_size",
    "intermediate_size",
    "num_hidden_layers",
    "num_attention_heads",
    "max_position_embeddings",
    "hidden_act",
)
REQUIRED = {
    "gpt2": ("vocab_size", "n_positions", "n_embd", "n_layer", "n_head", "activation_function"),
    "llama": LLAMA_KEYS,
    "qwen2": (*LLAMA_KEYS, "num_key_value_heads"),
    "mistral": (*LLAMA_KEYS, "num_key_value_heads", "sliding_window"),
}

# What an absent key means, by the configuration classes of transformers 5.23. None: as many
# key-value heads as heads, a head of hidden_size / heads, an n_inner of 4 n_embd, no window.
LLAMA_DEFAULTS = {"tie_word_embeddings": False, "head_dim": None, "layer_types": None}
DEFAULTS: dict[str, dict[str, Any]] = {
    "gpt2": {"n_inner": None, "tie_word_embeddings": True},
    "llama": {
        **LLAMA_DEFAULTS,
        "num_key_value_heads": None,
        "attention_bias": False,
        "mlp_bias": False,
    },
    "qwen2": {
        "tie_word_embeddings": False,
        "layer_types": None,
        "use_sliding_window": False,
        "sliding_window": None,
    },
    "mistral": LLAMA_DEFAULTS,
}

# What changes the model, and so is counted only with this value.
FIXED = {"is_encoder_decoder": False, "add_cross_attention": False}

# What changes no count.
IGNORED = frozenset(
    {
        *("_name_or_path", "architectures", "attention_dropout", "attn_pdrop", "bos_token_id"),
        *("chunk_size_feed_forward", "dtype", "embd_pdrop", "eos_token_id"),
        *("gradient_checkpointing", "id2label", "initializer_range", "label2id"),
        *("layer_norm_epsilon", "max_window_layers", "model_type", "n_ctx", "output_attentions"),
        *("output_hidden_states", "output_past", "pad_token_id", "pretraining_tp", "problem_type"),
        *("reorder_and_upcast_attn", "resid_pdrop", "return_dict", "rms_norm_eps"),
        *("rope_parameters", "rope_scaling", "rope_theta", "scale_attn_by_inverse_layer_idx"),
        *("scale_attn_weights", "summary_activation", "summary_first_dropout"),
        *("summary_proj_to_labels", "summary_type", "summary_use_proj", "task_specific_params"),
        *("tokenizer_class", "torch_dtype", "transformers_version", "unk_token_id", "use_cache"),
        "use_mrope",
    }
)


def read_config(path: str | Path) -> Decoder:
    """Return the shape that a config.json says.

    Raises
    ------
    OSError
        The file cannot be read.
    ValueError
        It is not a JSON object, or as in `decoder_of`; the message names the file.
    """
    try:
        config = json.loads(Path(path).read_text("utf-8"), object_pairs_hook=_no_key_twice)
        if not isinstance(config, dict):
            raise ValueError(f"expected a JSON object, got {checks.shown(config)}")
        return decoder_of(config)
    except OSError as error:
        raise type(error)(f"config: cannot read {path} ({error.strerror})") from None
    except json.JSONDecodeError as error:
        raise ValueError(f"{path}: no JSON ({error})") from None
    except (ValueError, TypeError) as error:
        raise ValueError(f"{path}: {error}") from None


def decoder_of(config: Mapping[str, Any]) -> Decoder:
    """Return the shape that the content of a config.json says.

    Parameters
    ----------
    config : mapping of str to JSON values

    Raises
    ------
    ValueError, TypeError
        A key that is missing, one that is not known, or a value that is not counted here. With a
        sliding window the longest sequence is the window: up to it, attention sees everything.
    """
    if "model_type" not in config:
        raise ValueError("model_type: missing")
    kind = config["model_type"]
    checks.one_of("model_type", kind, tuple(REQUIRED))
    for key in REQUIRED[kind]:
        if key not in config:
            raise ValueError(f"{key}: missing, and a {kind} configuration needs it")
    for key, value in config.items():
        if key in FIXED:
            if value != FIXED[key]:
                raise ValueError(f"{key}: only {FIXED[key]} is counted, got {checks.shown(value)}")
        elif key not in REQUIRED[kind] and key not in DEFAULTS[kind] and key not in IGNORED:
            raise ValueError(f"{key}: unknown for {kind}, and it might change the counts")
    values = {**DEFAULTS[kind], **config}
    return _gpt2(values) if kind == "gpt2" else _llama(kind, values)


def _gpt2(config: Mapping[str, Any]) -> Decoder:
    width = checks.count("n_embd", config["n_embd"], 1)
    inner = config["n_inner"]
    return Decoder(
        vocabulary=checks.count("vocab_size", config["vocab_size"], 1),
        length=checks.count("n_positions", config["n_positions"], 1),
        width=width,
        layers=checks.count("n_layer", config["n_layer"], 1),
        heads=_heads(config, "n_head", "n_embd"),
        feed_forward=4 * width if inner is None else checks.count("n_inner", inner, 1),
        activation=_activation("activation_function", config["activation_function"]),
        biases=("query_key_value", "projection", "feed_forward", "norm"),
        tied=_flag(config, "tie_word_embeddings"),
    )


def _heads(config: Mapping[str, Any], name: str, of: str) -> int:
    """Return the number of heads, which divide the width where they have none of their own."""
    heads, width = checks.count(name, config[name], 1), checks.count(of, config[of], 1)
    if config.get("head_dim") is None and width % heads:
        raise ValueError(f"{name}: expected a divisor of {of} = {width}, got {heads}")
    return heads


def _llama(kind: str, config: Mapping[str, Any]) -> Decoder:
    types = config.get("layer_types")
    full = isinstance(types, list) and all(layer == "full_attention" for layer in types)
    if types is not None and not full:
        raise ValueError(f"layer_types: only full_attention is counted, got {checks.shown(types)}")
    biases: tuple[str, ...] = ("query_key_value",) if kind == "qwen2" else ()
    if kind == "llama":
        biases += ("query_key_value", "projection") * _flag(config, "attention_bias")
        biases += ("feed_forward",) * _flag(config, "mlp_bias")
    length = checks.count("max_position_embeddings", config["max_position_embeddings"], 1)
    window = config.get("sliding_window")
    if kind == "qwen2" and not _flag(config, "use_sliding_window"):
        window = None
    if window is not None:
        length = min(length, checks.count("sliding_window", window, 1))
    return Decoder(
        vocabulary=checks.count("vocab_size", config["vocab_size"], 1),
        length=length,
        width=checks.count("hidden_size", config["hidden_size"], 1),
        layers=checks.count("num_hidden_layers", config["num_hidden_layers"], 1),
        heads=_heads(config, "num_attention_heads", "hidden_size"),
        feed_forward=checks.count("intermediate_size", config["intermediate_size"], 1),
        key_value_heads=config["num_key_value_heads"],
        head_width=config.get("head_dim"),
        activation=_activation("hidden_act", config["hidden_act"]),
        gated=True,
        norm="rms",
        positions="rotary",
        biases=biases,
        tied=_flag(config, "tie_word_embeddings"),
    )


def _flag(config: Mapping[str, Any], key: str) -> bool:
    value = config[key]
    if not isinstance(value, bool):
        raise TypeError(f"{key}: expected true or false, got {checks.shown(value)}")
    return value


def _activation(key: str, value: object) -> str:
    checks.one_of(key, value, tuple(ACTIVATIONS))
    return ACTIVATIONS[str(value)]


def _no_key_twice(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    seen: dict[str, Any] = {}
    for key, value in pairs:
        if key in seen:
            raise ValueError(f"{key}: there twice")
        seen[key] = value
    return seen
