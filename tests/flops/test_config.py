"""Hugging Face configurations: what is read, and what is refused by name."""

import json

import pytest

from kondo_ref.flops.config import IGNORED, decoder_of, read_config
from kondo_ref.flops.presets import PRESETS, preset

# Of openai-community/gpt2, all of it.
GPT2 = {
    "activation_function": "gelu_new",
    "architectures": ["GPT2LMHeadModel"],
    "attn_pdrop": 0.1,
    "bos_token_id": 50256,
    "embd_pdrop": 0.1,
    "eos_token_id": 50256,
    "initializer_range": 0.02,
    "layer_norm_epsilon": 1e-05,
    "model_type": "gpt2",
    "n_ctx": 1024,
    "n_embd": 768,
    "n_head": 12,
    "n_layer": 12,
    "n_positions": 1024,
    "resid_pdrop": 0.1,
    "summary_activation": None,
    "summary_first_dropout": 0.1,
    "summary_proj_to_labels": True,
    "summary_type": "cls_index",
    "summary_use_proj": True,
    "task_specific_params": {"text-generation": {"do_sample": True, "max_length": 50}},
    "vocab_size": 50257,
}
LLAMA = {
    "architectures": ["LlamaForCausalLM"],
    "attention_bias": False,
    "attention_dropout": 0.0,
    "bos_token_id": 128000,
    "eos_token_id": 128001,
    "hidden_act": "silu",
    "hidden_size": 4096,
    "initializer_range": 0.02,
    "intermediate_size": 14336,
    "max_position_embeddings": 8192,
    "model_type": "llama",
    "num_attention_heads": 32,
    "num_hidden_layers": 32,
    "num_key_value_heads": 8,
    "pretraining_tp": 1,
    "rms_norm_eps": 1e-05,
    "rope_scaling": None,
    "rope_theta": 500000.0,
    "tie_word_embeddings": False,
    "torch_dtype": "bfloat16",
    "transformers_version": "4.40.0.dev0",
    "use_cache": True,
    "vocab_size": 128256,
}
MISTRAL = {
    "hidden_act": "silu",
    "hidden_size": 4096,
    "intermediate_size": 14336,
    "max_position_embeddings": 32768,
    "model_type": "mistral",
    "num_attention_heads": 32,
    "num_hidden_layers": 32,
    "num_key_value_heads": 8,
    "sliding_window": 4096,
    "tie_word_embeddings": False,
    "vocab_size": 32000,
}


def test_whole_published_files_give_the_presets():
    assert decoder_of(GPT2) == preset("gpt2")
    assert decoder_of(LLAMA) == preset("llama-3-8b")


def test_mistral_is_counted_as_far_as_its_window_sees_everything():
    decoder = decoder_of(MISTRAL)
    assert decoder.parameter_count == 7_241_732_096  # mistralai/Mistral-7B-v0.1
    assert decoder.length == 4096
    assert decoder_of({**MISTRAL, "sliding_window": None}).length == 32768


def test_qwen_has_a_window_only_where_it_is_used():
    config = {**PRESETS["qwen2.5-7b"].config, "sliding_window": 4096}
    assert decoder_of(config).length == 131072
    assert decoder_of({**config, "use_sliding_window": True}).length == 4096


def test_absent_keys_mean_what_the_format_says():
    llama = {k: v for k, v in LLAMA.items() if k not in ("num_key_value_heads", "attention_bias")}
    assert decoder_of(llama).key_value_heads == 32
    assert decoder_of({**LLAMA, "head_dim": 64}).query_width == 32 * 64
    assert decoder_of({**GPT2, "n_inner": 100}).feed_forward == 100
    assert not decoder_of({**GPT2, "tie_word_embeddings": False}).tied
    biased = decoder_of({**LLAMA, "attention_bias": True, "mlp_bias": True})
    assert biased.biases == ("query_key_value", "projection", "feed_forward")


@pytest.mark.parametrize("key", ["vocab_size", "n_embd", "n_layer", "activation_function"])
def test_a_missing_key_is_named(key):
    with pytest.raises(ValueError, match=f"{key}: missing, and a gpt2 configuration needs it"):
        decoder_of({k: v for k, v in GPT2.items() if k != key})


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({}, "model_type: missing"),
        ({"model_type": "bert"}, "model_type: expected one of gpt2, llama, qwen2, mistral"),
        ({**LLAMA, "num_local_experts": 8}, "num_local_experts: unknown for llama"),
        ({**LLAMA, "n_embd": 8}, "n_embd: unknown for llama"),
        ({**GPT2, "add_cross_attention": True}, "add_cross_attention: only False is counted"),
        ({**LLAMA, "hidden_act": "mish"}, "hidden_act: expected one of"),
        ({**LLAMA, "hidden_size": "4096"}, "hidden_size: expected an integer, got '4096'"),
        ({**LLAMA, "tie_word_embeddings": 1}, "tie_word_embeddings: expected true or false"),
        ({**LLAMA, "layer_types": ["sliding_attention"]}, "layer_types: only full_attention"),
        ({**LLAMA, "layer_types": 3}, "layer_types: only full_attention"),
        ({**LLAMA, "num_key_value_heads": 5}, "key_value_heads: expected a divisor of the 32"),
    ],
)
def test_what_is_not_counted_is_refused(config, message):
    with pytest.raises((ValueError, TypeError), match=message):
        decoder_of(config)


def test_a_file_is_named_in_its_error(tmp_path):
    path = tmp_path / "config.json"
    path.write_text(json.dumps(GPT2))
    assert read_config(path) == preset("gpt2")
    for text, message in (
        ("{", "Expecting property name"),
        ("[1]", "expected a JSON object"),
        ('{"model_type": "gpt2", "n_embd": 8, "n_embd": 9}', "n_embd: there twice"),
        (json.dumps({**GPT2, "n_head": 5}), "n_head: expected a divisor"),
        (json.dumps({**GPT2, "n_head": 2.0}), "n_head: expected an integer"),
    ):
        path.write_text(text)
        with pytest.raises(ValueError, match=message) as error:
            read_config(path)
        assert str(error.value).startswith(f"{path}: ")
    with pytest.raises(OSError, match="absent"):
        read_config(tmp_path / "absent.json")


def test_what_is_ignored_are_keys_not_letters() -> None:
    assert min(map(len, IGNORED)) > 3
    assert "use_mrope" in IGNORED
    with pytest.raises(ValueError, match=r"^u: unknown for gpt2"):
        decoder_of({**GPT2, "u": 1})
    assert decoder_of({**GPT2, "use_mrope": False}) == decoder_of(GPT2)


def test_heads_that_do_not_divide_the_width_are_named_as_the_file_names_them() -> None:
    told = r"^num_attention_heads: expected a divisor of hidden_size = 4096, got 7$"
    with pytest.raises(ValueError, match=told):
        decoder_of({**LLAMA, "num_attention_heads": 7})
    with pytest.raises(ValueError, match=r"^n_head: expected a divisor of n_embd = 768, got 5$"):
        decoder_of({**GPT2, "n_head": 5})
