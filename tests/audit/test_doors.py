"""The doors: claims, `check`, `assert_conforms`, the command line; the audit itself is a stub."""

import json
import subprocess
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fake_subjects import BATCH, CLAIM, KEPT, NAN, FakeSubject, audit

import kondo_ref.audit
from kondo_ref import Calibrated, Fixed, Gate, Quantile, Rolling
from kondo_ref.audit import Audit, Options, assert_conforms, check
from kondo_ref.audit.claims import claim_of, price_of
from kondo_ref.audit.json_schema import audit_json
from kondo_ref.audit.request import Request, accepted
from kondo_ref.audit.verdict import Claim
from kondo_ref.audit.words import OPTIONS, command, default, request_of
from kondo_ref.cli import main, parser
from kondo_ref.files import to_json


@pytest.mark.parametrize(
    ("method", "arguments", "gate"),
    [
        ("dg", {}, Gate.named("dg")),
        ("dg", {"temperature": 0.5, "price": "1.5"}, Gate(price=Fixed(1.5), temperature=0.5)),
        ("dg", {"price": "quantile", "rate": 0.5}, Gate(price=Quantile(0.5))),
        ("pg", {}, Gate.named("pg")),
        ("zero-price", {"unit": "sequence"}, Gate.named("zero-price", unit="sequence")),
        ("kondo-top-k", {"rate": 0.03}, Gate.named("kondo-top-k", rate=0.03)),
        ("kondo", {"rate": 0.1}, Gate.named("kondo", rate=0.1)),
        ("kondo", {"price": 0}, Gate.named("kondo", price=Fixed(0.0))),
        ("kondo", {"price": "-inf"}, Gate.named("kondo", price=Fixed(float("-inf")))),
        ("kondo", {"price": Fixed(2.0)}, Gate.named("kondo", price=Fixed(2.0))),
        ("kondo", {"price": "quantile", "rate": 0.1}, Gate.named("kondo", rate=0.1)),
        (
            "kondo",
            {"price": "calibrated", "rate": 0.1},
            Gate.named("kondo", price=Calibrated(0.1)),
        ),
        (
            "kondo",
            {"price": "rolling:64:8", "rate": 0.1, "temperature": 0},
            Gate.named("kondo", price=Rolling(0.1, 64, 8), temperature=0.0),
        ),
        ("kondo", {"price": "rolling", "rate": 0.1}, Gate.named("kondo", price=Rolling(0.1))),
    ],
)
def test_a_claim(method: str, arguments: dict[str, Any], gate: Gate) -> None:
    samples = "unit" not in arguments
    assert claim_of(method, **arguments) == Claim(method, gate, samples=samples)
    whole = claim_of(method, **arguments, normalizer="kept", skips=True)
    assert whole == Claim(method, gate, "kept", skips=True, samples=samples)


@pytest.mark.parametrize(
    ("method", "arguments", "message"),
    [
        ("reinforce", {}, "claim: expected one of dg, kondo, kondo-top-k, zero-price, pg; got"),
        ("kondo", {}, "rate: kondo needs either a rate or a price"),
        ("kondo", {"rate": 0.1, "price": 0.5}, "rate: kondo needs either a rate or a price"),
        ("kondo-top-k", {}, "rate: the draw top_k needs a rate"),
        ("kondo-top-k", {"rate": 0.1, "temperature": 1}, "temperature: the method kondo-top-k"),
        ("kondo-top-k", {"rate": 0.1, "price": 0}, "price: the method kondo-top-k has none"),
        ("dg", {"rate": 0.1}, "rate: the method dg has none"),
        ("pg", {"price": 0.0}, "price: the method pg has none"),
        ("dg", {"price": "quantile"}, "rate: the price quantile needs a rate"),
        ("dg", {"price": "cheap"}, "price: expected a number, quantile, calibrated, rolling or"),
        ("dg", {"price": "quantile:3", "rate": 0.1}, "price: expected a number"),
        ("kondo", {"price": "rolling:8:64", "rate": 0.1}, "price: warmup: expected at most"),
        ("kondo", {"price": "rolling:x", "rate": 0.1}, "price: invalid literal"),
        ("kondo", {"rate": 1.5}, "rate: expected a number in"),
        ("dg", {"unit": "row"}, "unit: expected one of sample, token, sequence"),
        ("dg", {"normalizer": "all"}, "normalizer: expected one of decisions, kept, none"),
        (None, {"rate": 0.1}, "rate: a part of a claim, and there is none"),
        ("dg", {"baseline": "mean"}, "baseline: expected one of zero, batch, leave-one-out"),
        (None, {"baseline": "batch"}, "baseline: a part of a claim, and there is none"),
        (None, {"skips": True}, "skips: a part of a claim, and there is none"),
    ],
)
def test_what_no_claim_can_be(method: str | None, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=f"^{message}"):
        claim_of(method, **arguments)


def test_no_claim() -> None:
    assert claim_of(None) is None
    assert price_of(None, 0.1) is None


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"surface": "loss"}, "surface: expected one of logits, logprobs"),
        ({"framework": "tensorflow"}, "framework: expected one of torch"),
        ({"seed": -1}, "seed: expected at least 0"),
        ({"accept": {"ties.all-kep": "x"}}, r".*'ties\.all-kep'; did you mean ties\.all-kept"),
        ({"accept": {"zzz": "x"}}, "accept: no finding has the id 'zzz'$"),
        ({"accept": {"ties.all-kept": " "}}, r"accept: ties\.all-kept needs a reason, as in"),
    ],
)
def test_what_cannot_be_asked_for(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=f"^{message}"):
        Request("a:b", **arguments)


def test_accepted_words() -> None:
    assert accepted(["a.b=why = so", " c.d = x "]) == {"a.b": "why = so", "c.d": "x"}
    with pytest.raises(ValueError, match=r"accept: expected id=reason, got 'a\.b'"):
        accepted(["a.b"])


class Stub:
    """Stands in for the engine: what it was asked for, and what it says."""

    def __init__(self) -> None:
        self.answer = audit()
        self.asked: dict[str, Any] = {}
        self.subject = FakeSubject(CLAIM.gate)

    def subject_of(self, target: Any, **others: Any) -> FakeSubject:
        self.asked |= {"target": target, **others}
        print("loading")  # noqa: T201
        return self.subject

    def audit(self, subject: FakeSubject, claim: Claim | None, **others: Any) -> Audit:
        assert subject is self.subject
        self.asked |= {"claim": claim, **others}
        print("the target prints")  # noqa: T201
        subprocess.run([sys.executable, "-c", "print('its child prints')"], check=True)
        if others["progress"] is not None:
            for done in range(3):
                others["progress"]("edges", done, 3)
            others["progress"]("draws", 1, 1)
        return self.answer


@pytest.fixture
def stub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Stub]:
    made = Stub()
    monkeypatch.setattr("kondo_ref.audit.target.subject", made.subject_of)
    monkeypatch.setattr("kondo_ref.audit.engine.audit", made.audit)
    return made


def test_check_asks_for_what_it_was_given(stub: Stub) -> None:
    found = check(
        len,
        claim="kondo",
        surface="gate",
        framework="python",
        rate=0.1,
        accept={"ties.all-kept": "why"},
        seed=3,
        quick=True,
        names={"logp": "lp"},
        time_limit=2.0,
    )
    assert found is stub.answer
    assert stub.asked == {
        "target": len,
        "surface": "gate",
        "framework": "python",
        "options": Options(names={"logp": "lp"}, time_limit=2.0),
        "claim": Claim("kondo", Gate.named("kondo", rate=0.1), samples=True),
        "accept": {"ties.all-kept": "why"},
        "seed": 3,
        "quick": True,
        "progress": None,
    }


def test_check_without_a_claim(stub: Stub) -> None:
    check("a:b", claim=None, options=Options(sign="objective"))
    assert stub.asked["claim"] is None
    assert stub.asked["options"].sign == "objective"
    with pytest.raises(TypeError, match="options: given, so sign must be among them"):
        check("a:b", options=Options(), sign="loss")


def test_assert_conforms(stub: Stub) -> None:
    with pytest.raises(AssertionError, match=r"targets\.py:loss deviates") as stop:
        assert_conforms("a:b", claim="kondo-top-k", rate=0.25)
    message = str(stop.value)
    assert message.index("* normalizer.kept") < message.index("* robustness.nan-silent")
    assert message.count("\n") > 10
    stub.answer = audit("unusable", (NAN,))
    with pytest.raises(AssertionError, match="is unusable"):
        assert_conforms("a:b")
    stub.answer = audit("conforms", ())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert assert_conforms("a:b") is stub.answer
    stub.answer = audit("conforms", (), accepted={"ties.other": "old"}, stale=("ties.other",))
    with pytest.warns(UserWarning, match=r"no longer shown: ties\.other \(old\); take it off"):
        assert_conforms("a:b")
    with pytest.raises(ValueError, match="claim: expected a method"):
        assert_conforms("a:b", claim=None)


def test_the_package_exports_lazily() -> None:
    for name in kondo_ref.audit.__all__:
        assert getattr(kondo_ref.audit, name).__name__ == name
    assert dir(kondo_ref.audit) == kondo_ref.audit.__all__
    with pytest.raises(AttributeError, match="has no attribute 'chec'"):
        _ = kondo_ref.audit.chec  # type: ignore[attr-defined]


def run(capfd: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    code = main(["audit", *words])
    out, err = capfd.readouterr()
    return code, out, err


@pytest.mark.parametrize(
    ("verdict", "code"), [("conforms", 0), ("identified", 0), ("deviates", 1), ("unusable", 2)]
)
def test_exit_codes(verdict: str, code: int, stub: Stub, capfd: Any) -> None:
    stub.answer = audit(verdict, (NAN,) if code else ())
    assert run(capfd, "a:b")[0] == code


def test_standard_output_is_the_report(stub: Stub, capfd: Any) -> None:
    _, out, err = run(capfd, "a:b", "--claim", "dg")
    assert out.startswith("target     targets.py:loss\n")
    assert "prints" not in out
    assert {"loading", "the target prints", "its child prints"} <= set(err.splitlines())
    assert "replay     add --report FILE.json, then kondo-ref audit --replay FILE.json" in out
    _, out, err = run(capfd, "a:b", "--json")
    assert json.loads(out)["verdict"] == "deviates"
    assert stub.asked["claim"] is None


def test_a_baseline_is_of_rewards_alone() -> None:
    with pytest.raises(ValueError, match=r"^baseline: of the surface rewards alone, got 'batch'"):
        check("a:b", claim="dg", baseline="batch", surface="logits")


def test_every_option_arrives(stub: Stub, capfd: Any) -> None:
    words = ["--claim", "kondo", "--rate", ".1", "--price", "calibrated", "--temperature", ".5"]
    words += [
        "--unit",
        "token",
        "--normalizer",
        "kept",
        "--skips",
        "--baseline",
        "group",
        "--surface",
        "rewards",
    ]
    words += ["--framework", "torch", "--map", "logits=z", "--map", "actions=a"]
    words += ["--arg", "eta=0.5", "--init", "rate=0.1", "--method", "call=step"]
    words += ["--returns", "loss,info", "--give", "old_logp", "--shape", "flat"]
    words += ["--sign", "objective", "--reduction", "mean", "--dtype", "float32"]
    words += ["--mask-dtype", "int64", "--factory", "--learning-rate", ".01"]
    words += ["--model-output", "logits", "--seed", "5", "--quick"]
    words += ["--time-limit", "3", "--isolate", "--accept", "count.ceil=as published"]
    assert {f"--{name}" for group in OPTIONS.values() for name in group} <= set(words)
    run(capfd, "a:b", *words)
    price = Calibrated(0.1)
    gate = Gate.named("kondo", price=price, temperature=0.5)
    assert stub.asked.pop("progress") is not None
    assert stub.asked == {
        "target": "a:b",
        "surface": "rewards",
        "framework": "torch",
        "claim": Claim("kondo", gate, "kept", skips=True, baseline="group"),
        "accept": {"count.ceil": "as published"},
        "seed": 5,
        "quick": True,
        "options": Options(
            names={"logits": "z", "actions": "a"},
            arguments={"eta": 0.5},
            init={"rate": 0.1},
            methods={"call": "step"},
            returns=("loss", "info"),
            shape="flat",
            sign="objective",
            reduction="mean",
            give=("old_logp",),
            dtype="float32",
            mask_dtype="int64",
            factory=True,
            learning_rate=0.01,
            model_output="logits",
            time_limit=3.0,
            isolate=True,
        ),
    }
    args = vars(parser().parse_args(["audit", "a:b", *words]))
    again = command("a:b", lambda name: args[name.replace("-", "_")])
    other = vars(parser().parse_args(again[1:]))
    assert other == args
    assert command("a:b", default) == ["kondo-ref", "audit", "a:b"]
    assert request_of("a:b", default) == Request("a:b")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "TARGET: expected module:object, path.py:object or a command"),
        (["a:b", "--finding", "x"], "--finding: belongs to --replay FILE.json"),
        (["a:b", "--report", "a.pdf"], "report: expected a .md, .html or .json file, got a.pdf"),
        (["a:b", "--report", "no/a.md"], "report: no folder no"),
        (["a:b", "--claim", "x"], "claim: expected one of dg"),
        (["a:b", "--rate", ".1"], "rate: a part of a claim, and there is none"),
        (["a:b", "--accept", "x"], "accept: expected id=reason"),
        (["a:b", "--map", "x"], "map: expected name=value"),
        (["a:b", "--surface", "x"], "surface: expected one of"),
        (["--replay", "no.json"], "--replay: no file no.json"),
    ],
)
def test_errors_in_one_line(words: list[str], message: str, stub: Stub, capfd: Any) -> None:
    code, out, err = run(capfd, *words)
    assert (code, out) == (2, "")
    assert err.startswith(f"kondo-ref: {message}")
    assert err.count("\n") == 1
    assert stub.asked == {}


@pytest.mark.usefixtures("stub")
def test_reports_are_written(tmp_path: Path, capfd: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("matplotlib", reason="the extra plots is not installed")
    monkeypatch.chdir(tmp_path)
    reports = [word for name in ("a.md", "a.html", "a.json") for word in ("--report", name)]
    code, out, _ = run(capfd, "a:b", "--claim", "kondo-top-k", "--rate", "0.25", *reports)
    assert code == 1
    assert "replay     kondo-ref audit --replay a.json --finding normalizer.kept" in out
    names = {path.name for path in tmp_path.iterdir()}
    figures = {"a-coefficients.png", "a-keep-probability.png", "a-rates.png"}
    assert names == {"a.md", "a.html", "a.json", *figures}
    again = "kondo-ref audit a:b --claim kondo-top-k --rate 0.25"
    assert again in Path("a.md").read_text("utf-8")
    assert Path("a.html").read_text("utf-8").count("data:image/svg+xml") == 6
    assert json.loads(Path("a.json").read_text("utf-8"))["verdict"] == "deviates"


@pytest.mark.usefixtures("stub")
def test_a_report_without_matplotlib(
    tmp_path: Path, capfd: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    path = tmp_path / "a.md"
    assert run(capfd, "a:b", "--report", str(path))[0] == 1
    assert "None: matplotlib" in path.read_text("utf-8")


def test_a_finding_is_run_again(stub: Stub, tmp_path: Path, capfd: Any) -> None:
    path = tmp_path / "a.json"
    request = Request("targets.py:loss", "logits", "numpy", CLAIM)
    path.write_text(to_json(audit_json(audit(), request)))
    stub.subject = FakeSubject(CLAIM.gate, normalizer="kept")
    code, out, _ = run(capfd, "--replay", str(path), "--finding", KEPT.id)
    assert code == 0
    assert out.startswith("normalizer.kept: The mean is over the kept")
    assert f"decisions ({BATCH.actions.size},)" in out
    assert out.count("differs") == 1
    assert stub.asked["target"] == "targets.py:loss"
    code, out, _ = run(capfd, "c:d", "--replay", str(path), "--json")
    replayed = json.loads(out)["replayed"]
    assert [one["id"] for one in replayed] == [KEPT.id]
    assert stub.asked["target"] == "c:d"
    code, _, err = run(capfd, "--replay", str(path), "--finding", NAN.id)
    assert code == 2
    assert "--finding: 'robustness.nan-silent' is not among those with an input: norm" in err


def test_a_replay_of_something_else(tmp_path: Path, capfd: Any) -> None:
    path = tmp_path / "a.json"
    path.write_text("{}")
    code, _, err = run(capfd, "--replay", str(path))
    assert code == 2
    assert "the JSON is not that of an audit (expected the schema kondo-ref/audit/1)" in err
