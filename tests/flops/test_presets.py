"""Published numbers of parameters, by the readers of configurations and by plain arithmetic."""

import pytest

from kondo_ref.flops.presets import PRESETS, preset

PUBLISHED = {
    "gpt2": 124_439_808,
    "gpt2-medium": 354_823_168,
    "gpt2-large": 774_030_080,
    "gpt2-xl": 1_557_611_200,
    "llama-3-8b": 8_030_261_248,
    "llama-3-70b": 70_553_706_496,
    "qwen2.5-0.5b": 494_032_768,
    "qwen2.5-7b": 7_615_616_512,
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_preset_has_the_published_number_of_parameters(name):
    assert PRESETS[name].parameters == preset(name).parameter_count == PUBLISHED[name]


def test_all_presets_are_checked():
    assert set(PRESETS) == set(PUBLISHED)
    assert len({p.source for p in PRESETS.values()}) == len(PRESETS)


@pytest.mark.parametrize(
    ("name", "width", "layers"),
    [("gpt2", 768, 12), ("gpt2-medium", 1024, 24), ("gpt2-large", 1280, 36), ("gpt2-xl", 1600, 48)],
)
def test_gpt2_by_arithmetic(name, width, layers):
    d = width
    attention, feed_forward = d * 3 * d + 3 * d + d * d + d, d * 4 * d + 4 * d + 4 * d * d + d
    block = 2 * d + attention + 2 * d + feed_forward
    assert PUBLISHED[name] == 50257 * d + 1024 * d + layers * block + 2 * d


def test_llama_by_arithmetic():
    d, f, keys = 4096, 14336, 8 * 128
    block = d * d + 2 * d * keys + d * d + 3 * d * f + 2 * d
    assert PUBLISHED["llama-3-8b"] == 2 * 128256 * d + 32 * block + d
    d, f = 8192, 28672
    block = d * d + 2 * d * keys + d * d + 3 * d * f + 2 * d
    assert PUBLISHED["llama-3-70b"] == 2 * 128256 * d + 80 * block + d


def test_qwen_has_biases_on_queries_keys_and_values_alone():
    d, f, keys = 896, 4864, 2 * 64
    block = d * d + d + 2 * (d * keys + keys) + d * d + 3 * d * f + 2 * d
    assert PUBLISHED["qwen2.5-0.5b"] == 151936 * d + 24 * block + d
    d, f, keys = 3584, 18944, 4 * 128
    block = d * d + d + 2 * (d * keys + keys) + d * d + 3 * d * f + 2 * d
    assert PUBLISHED["qwen2.5-7b"] == 2 * 152064 * d + 28 * block + d


def test_an_unknown_preset_is_refused_with_the_names_there_are():
    with pytest.raises(ValueError, match=r"preset: expected one of gpt2, .*; got 'gpt5'"):
        preset("gpt5")
