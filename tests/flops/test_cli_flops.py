"""``kondo-ref flops``: what it prints, what it writes, what it refuses."""

import csv
import json
import subprocess
import sys
from pathlib import Path

import pytest

from kondo_ref.cli import main
from kondo_ref.flops.conventions import SOURCES
from kondo_ref.flops.counts import STAGES

MLP = ("mlp", "--sizes", "784", "128", "10", "--batch", "64")
TRANSFORMER = (
    *("transformer", "--layers", "2", "--d-model", "64", "--heads", "2", "--d-ff", "256"),
    *("--vocab", "10", "--length", "20", "--batch", "64"),
)
CURVES = Path(__file__).parents[2] / "docs" / "results" / "mnist" / "curves.csv"


def report(capsys, *words: str) -> dict:
    assert main(["flops", *words, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def text(capsys, *words: str) -> str:
    assert main(["flops", *words]) == 0
    return capsys.readouterr().out


def refusal(capsys, *words: str) -> str:
    assert main(["flops", *words]) == 2
    out, error = capsys.readouterr()
    assert out == ""
    assert error.startswith("kondo-ref: ")
    assert error.count("\n") == 1
    return error


def test_a_dense_mlp(capsys):
    result = report(capsys, *MLP)
    assert result["schema"] == "kondo-ref/flops/1"
    assert result["model"] == {"kind": "mlp", "sizes": [784, 128, 10], "parameters": 101_770}
    assert result["convention"] == "matmul"
    assert result["expectation"] is False
    assert result["batch"] == 64
    assert list(result["stages"]) == list(STAGES)
    assert result["forward"] == result["stages"]["forward"] == 13_008_896
    assert result["backward"] == 13_172_736
    assert result["step"] == sum(result["stages"].values())
    assert result["logical"] == result["structural"] == result["executed"] == 13_172_736
    assert result["backward_to_forward"] == pytest.approx(1.0126, abs=1e-4)
    assert result["types"]["update"]["sqrt"] == 101_770
    assert all(isinstance(number, int) for number in result["stages"].values())


def test_a_dense_mlp_as_text(capsys):
    lines = text(capsys, *MLP).splitlines()
    assert lines[0] == "MLP 784-128-10 (101,770 parameters), 64 samples"
    assert lines[1] == "convention matmul: FLOP, 2 m k n a product, nothing else"
    assert "forward          13,008,896" in lines
    assert "backward / forward  1.013" in lines
    assert any(line.split() == ["backward", "logical", "structural", "executed"] for line in lines)


def test_conventions_change_the_numbers_by_name(capsys):
    macs, scalar = (report(capsys, *MLP, "--convention", c) for c in ("macs", "scalar"))
    assert macs["forward"] == 13_008_896 // 2
    assert scalar["forward"] == 13_008_896 + 64 * (128 + 128 + 128 + 10)
    assert scalar["stages"]["update"] == 12 * 101_770


def test_a_gated_mlp(capsys):
    result = report(capsys, *MLP, "--rate", "0.03", "--convention", "matmul")
    assert (result["rate"], result["unit"], result["screen"]) == (0.03, "sample", "cached")
    assert result["expectation"] is True
    assert result["kept"] == {"decisions": 1.92, "rows": 1.92, "sequences": 0}
    assert result["logical"] == result["executed"] == 395_182.08
    assert result["dense"]["step"] == 26_181_632
    assert result["saving_over_pg"] == pytest.approx(26_181_632 / (13_008_896 + 395_182.08))
    assert result["ceiling"] == pytest.approx(1 + 13_172_736 / 13_008_896)
    assert result["break_even_rate"] is None


def test_a_transformer_of_ours(capsys):
    dense = report(capsys, *TRANSFORMER)
    assert dense["model"]["kind"] == "transformer"
    assert dense["attention"] == "dense"
    rows = 64 * 20
    block = 2 * rows * (4 * 64 * 64 + 2 * 64 * 256) + 4 * 64 * 64 * 20**2
    assert dense["forward"] == 2 * block + 2 * rows * 64 * 10
    assert dense["backward"] == 2 * dense["forward"]
    assert dense["structural"] < dense["executed"] == dense["backward"]
    causal = report(capsys, *TRANSFORMER, "--attention", "causal")
    saved = 2 * 4 * 64 * 64 * (20**2 - 210)
    assert causal["forward"] == dense["forward"] - saved
    assert causal["structural"] == causal["backward"] == dense["structural"]


def test_a_prompt_has_no_decisions(capsys):
    result = report(capsys, *TRANSFORMER, "--rate", "1", "--prompt", "10")
    assert result["kept"] == {"decisions": 640, "rows": 1280, "sequences": 64}
    assert result["prompt"] == 10
    whole = report(capsys, *TRANSFORMER, "--rate", "1")
    assert result["forward"] == whole["forward"]
    assert result["backward"] < whole["backward"]


def test_units_and_screens(capsys):
    gate = ("--rate", "0.1", "--unit", "sequence")
    cached = report(capsys, *TRANSFORMER, *gate)
    again = report(capsys, *TRANSFORMER, *gate, "--screen", "recompute")
    draft = report(capsys, *TRANSFORMER, *gate, "--screen", "draft", "--draft-ratio", "0.25")
    assert cached["stages"]["recompute"] == 0
    assert again["stages"]["recompute"] * 10 == cached["forward"]
    assert again["break_even_rate"] == pytest.approx(2 / 3)
    assert draft["forward"] == cached["forward"] // 4
    assert draft["draft_ratio"] == 0.25
    assert draft["ceiling"] == pytest.approx(12)


def test_a_backward_cost_that_is_given(capsys):
    result = report(capsys, *MLP, "--rate", "0.03", "--backward-cost", "2")
    cost = result["backward_cost"]
    assert cost["ratio"] == 2
    assert cost["dense"] == 3
    assert cost["logical"] == cost["executed"] == pytest.approx(1.06)
    assert cost["logical_saving"] == pytest.approx(3 / 1.06)
    assert "at r = 2, logical" in text(capsys, *MLP, "--rate", "0.03", "--backward-cost", "2")


def test_presets_and_configurations(capsys, tmp_path):
    result = report(capsys, "--preset", "gpt2")
    assert result["model"]["source"] == "openai-community/gpt2"
    assert result["model"]["parameters"] == 124_439_808
    assert (result["length"], result["batch"]) == (1024, 1)
    assert result["forward"] == 291_648_307_200
    config = tmp_path / "config.json"
    config.write_text(
        json.dumps(
            {
                "model_type": "gpt2",
                "vocab_size": 50257,
                "n_positions": 1024,
                "n_embd": 768,
                "n_layer": 12,
                "n_head": 12,
                "activation_function": "gelu_new",
            }
        )
    )
    own = report(capsys, "--config", str(config))
    assert own["stages"] == result["stages"]
    assert own["model"]["source"] == str(config)


def test_what_others_report(capsys):
    result = report(capsys, "--preset", "gpt2", "--convention", "palm")
    items = sum(item["forward"] for item in result["items"])
    assert result["forward"] == result["ours"]["forward"] + items
    assert result["source"].startswith("Chowdhery")
    assert result["expectation"] is False
    everything = report(capsys, "--preset", "gpt2", "--convention", "all")
    assert list(everything["conventions"]) == list(SOURCES)
    assert everything["conventions"]["fvcore"]["backward"] is None
    lines = text(capsys, "--preset", "gpt2", "--convention", "6nd")
    assert "convention 6nd: FLOP, 6 N R, N all parameters" in lines
    assert "  attention  " in lines
    assert "not counted" in text(capsys, "--preset", "gpt2", "--convention", "fvcore")
    assert list(report(capsys, *MLP, "--convention", "all")["conventions"]) == [
        "torch",
        "fvcore",
        "6nd",
    ]


def test_a_sweep_prints_writes_and_draws(capsys, tmp_path):
    rows, figure = tmp_path / "sweep.csv", tmp_path / "sweep.png"
    words = (*TRANSFORMER, "--sweep", "--rates", "0.1", "1", "--draft-ratio", "0.1")
    lines = text(capsys, *words, "--csv", str(rows), "--figure", str(figure)).splitlines()
    assert sum(line.startswith(("0.1 ", "1 ")) for line in lines) == 2 * 2 * 3
    with rows.open() as file:
        assert len(list(csv.DictReader(file))) == 12
    assert figure.read_bytes().startswith(b"\x89PNG")
    result = report(capsys, *words, "--unit", "token", "--screen", "cached")
    assert result["schema"] == "kondo-ref/flops-sweep/1"
    assert result["expectation"] is True
    assert [(row["rate"], row["expectation"]) for row in result["rows"]] == [
        (0.1, True),
        (1.0, False),
    ]
    single = report(capsys, *TRANSFORMER, "--rate", "0.1", "--unit", "token")
    row = result["rows"][0]
    assert row == {key: single[key] for key in row}
    assert result["dense"] == single["dense"]
    assert isinstance(row["stages"]["forward"], int)
    assert len(report(capsys, *MLP, "--sweep")["rows"]) == 7 * 2


def test_a_sweep_says_that_it_has_no_draft(capsys):
    missing = "No rows of --screen draft: it needs --draft-ratio"
    assert missing in text(capsys, *MLP, "--sweep")
    assert missing not in text(capsys, *MLP, "--sweep", "--draft-ratio", "0.1")
    assert missing not in text(capsys, *MLP, "--sweep", "--screen", "cached")
    assert "At a rate below 1 every number is an expectation" in text(capsys, *MLP, "--sweep")


def test_the_help_says_whose_each_option_is(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["flops", "mlp", "--help"])
    assert stop.value.code == 0
    out = capsys.readouterr().out
    group, groups = "", {}
    for line in out.splitlines():
        if line.endswith(":") and not line.startswith(" "):
            group = line[:-1]
        elif line.startswith("  --"):
            groups.setdefault(group, []).append(line.split()[0])
    assert groups["options of mlp"] == ["--sizes"]
    assert groups["options of transformer"][:2] == ["--vocab", "--actions"]
    assert groups["options of decoders (--preset, --config)"] == ["--preset", "--config"]
    assert groups["options of transformer and of decoders"] == [
        "--length",
        "--prompt",
        "--attention",
    ]
    assert groups["gate"][0] == "--rate"
    assert groups["output"] == ["--csv", "--figure", "--json"]
    assert "only with --draft-ratio" in " ".join(out.split())


def test_the_time_to_an_error(capsys, tmp_path):
    words = ("mlp", "--sizes", "784", "100", "100", "10", "--rate", "0.03", "--curves", str(CURVES))
    figure = tmp_path / "time.png"
    result = report(capsys, *words, "--figure", str(figure))
    assert result["backward_to_forward"] == pytest.approx(1.123, abs=1e-3)
    assert len(result["rows"]) == 10
    assert figure.read_bytes().startswith(b"\x89PNG")
    assert "executed  1.123" in text(capsys, *words)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "MODEL: expected one of mlp, transformer, --preset or --config, got none"),
        (("cnn",), "MODEL: expected one of mlp, transformer; got 'cnn'"),
        ((*MLP, "--preset", "gpt2"), "got mlp and preset"),
        (("mlp",), "--sizes: needed by mlp"),
        (("mlp", "--sizes", "4"), "--sizes: expected at least inputs and actions"),
        (
            (*MLP, "--length", "3"),
            "--length: mlp has none; it belongs to transformer, --preset and --config",
        ),
        ((*MLP, "--biases"), "--biases: mlp has none; it belongs to transformer"),
        (("transformer", "--vocab", "3"), "--length: needed by transformer"),
        ((*TRANSFORMER, "--heads", "5"), "kondo-ref: --heads: expected a divisor of the width 64"),
        (("--preset", "gpt9"), "kondo-ref: --preset: expected one of gpt2"),
        (("--preset", "gpt2", "--d-ff", "3"), "--d-ff: preset has none"),
        (
            ("--preset", "gpt2", "--length", "2048"),
            "kondo-ref: --length: expected at most the model's 1024",
        ),
        (("--preset", "gpt2", "--length", "0"), "--length: expected at least 1"),
        (("--config", "absent.json"), "kondo-ref: config: cannot read absent.json (No such file"),
        ((*MLP, "--convention", "flop"), "--convention: expected one of matmul"),
        (
            (*MLP, "--convention", "palm"),
            "kondo-ref: --convention: expected one of torch, fvcore, 6nd",
        ),
        ((*MLP, "--convention", "6nd", "--rate", "0.1"), "--convention: 6nd counts a dense step"),
        ((*MLP, "--rate", "nan"), "--rate: expected a number, got nan"),
        ((*MLP, "--rate", "1.5"), "--rate: expected a number in [0, 1]"),
        ((*MLP, "--rate", "x"), "--rate: expected a number in [0, 1], got 'x'"),
        ((*MLP, "--rate", "0.1", "--unit", "token"), "kondo-ref: --unit: expected one of sample"),
        ((*MLP, "--rate", "0.1", "--screen", "draft"), "kondo-ref: --draft-ratio: needed"),
        ((*MLP, "--rate", "0.1", "--draft-ratio", "0.1"), "--draft-ratio: belongs to"),
        ((*MLP, "--rate", "0.1", "--backward-cost", "-1"), "kondo-ref: --backward-cost: expected"),
        (
            (*MLP, "--unit", "sample"),
            "--unit: has no effect here; it belongs to --rate without --curves",
        ),
        ((*MLP, "--csv", "x.csv"), "no effect here; it belongs to --sweep and --curves"),
        ((*MLP, "--rates", "0.1"), "--rates: has no effect here; it belongs to --sweep"),
        (
            (*MLP, "--sweep", "--rate", "0.1"),
            "here; it belongs to a single rate; those of --sweep are",
        ),
        ((*MLP, "--sweep", "--backward-cost", "1"), "it belongs to --rate without --sweep"),
        ((*MLP, "--curves", str(CURVES)), "--rate: needed by --curves"),
        (
            (*TRANSFORMER, "--curves", str(CURVES)),
            "--curves: has no effect here; it belongs to mlp",
        ),
        ((*MLP, "--optimizer", "lion"), "--optimizer: expected one of sgd, adam"),
        ((*MLP, "--batch", "0"), "kondo-ref: --batch: expected at least 1"),
        ((*TRANSFORMER, "--d-model", "0"), "kondo-ref: --d-model: expected at least 1"),
        ((*TRANSFORMER, "--d-ff", "0"), "kondo-ref: --d-ff: expected at least 1"),
        ((*MLP, "--rate", "0.1", "--screen", "oracle"), "kondo-ref: --screen: expected one of"),
    ],
)
def test_one_line_says_what_is_wrong(capsys, words, message):
    assert message in refusal(capsys, *words)


def test_no_framework_is_loaded():
    words = [*MLP, "--rate", "0.1", "--json"]
    code = (
        "import sys; from kondo_ref.cli import main; "
        f"code = main(['flops', *{words!r}]); "
        "assert not {'torch', 'jax', 'numba', 'matplotlib'} & set(sys.modules), 'loaded'; "
        "sys.exit(code)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60
    )
    assert (done.returncode, done.stderr) == (0, "")
