"""kondo-ref vectors check: what it prints and its exit codes."""

import json
import subprocess
import sys
from typing import Any

import jsonschema
import pytest

import kondo_ref
from kondo_ref.cli import main
from kondo_ref.vectors.load import PUBLISHED

SCHEMA = json.loads(PUBLISHED.with_name("schema.json").read_text(encoding="utf-8"))


class DividesByTheKept:
    """Wrong on purpose: a mean over the kept decisions, and no answer for large logits."""

    name = "divides-by-the-kept"

    def policy_gradient(self, logits: Any, *args: Any, normalizer: str, **kwargs: Any) -> Any:
        del normalizer
        if logits.max() >= 1000.0:
            raise RuntimeError("too\nlarge")
        return kondo_ref.policy_gradient(logits, *args, normalizer="kept", **kwargs)


WRONG = f"{__name__}:{DividesByTheKept.__name__}"


def validate(report: Any) -> None:
    schema = {"$ref": f"{SCHEMA['$id']}#/$defs/report", "$defs": {"vectors": SCHEMA}}
    jsonschema.Draft202012Validator(schema).validate(report)


def test_the_published_file_is_the_default_and_holds(capsys):
    assert main(["vectors", "check"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert str(PUBLISHED) in out
    assert "87, of which 0 fail" in out


def test_json_is_one_report_for_one_file_and_a_list_for_more(capsys):
    assert main(["vectors", "check", "--json"]) == 0
    one, err = capsys.readouterr()
    assert err == ""
    report = json.loads(one)
    validate(report)
    assert report["file"] == str(PUBLISHED)
    assert (report["backend"], report["cases"], report["failed"]) == ("numpy", 87, [])
    assert main(["vectors", "check", str(PUBLISHED), str(PUBLISHED), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == [report, report]


def test_a_wrong_backend_exits_1_and_its_cases_are_named(capsys):
    assert main(["vectors", "check", "--backend", WRONG]) == 1
    out, err = capsys.readouterr()
    assert err == ""
    lines = out.splitlines()
    assert "worst ratio  infinite (limit 32)" in lines
    topk = next(line for line in lines if line.startswith("topk-0.25") and "grad_logits" in line)
    assert topk.split()[-1] == "top_k"
    raised = next(i for i, line in enumerate(lines) if line.startswith("extreme-logits-soft"))
    assert lines[raised].split()[1:] == ["error", "infinite", "overflow"]
    assert lines[raised + 1].strip() == "RuntimeError: too large"
    assert not any(line.startswith("pg-uniform-everything-kept") for line in lines)

    assert main(["vectors", "check", "--backend", WRONG, "--json"]) == 1
    validate(json.loads(capsys.readouterr().out))


@pytest.mark.parametrize("flags", [[], ["--json"]])
def test_what_cannot_run_exits_2_with_one_line(tmp_path, capsys, flags):
    broken = tmp_path / "broken.json"
    broken.write_text("{", encoding="utf-8")
    for extra in (
        [str(broken)],
        [str(PUBLISHED), str(broken)],
        [str(tmp_path)],
        [str(tmp_path / "missing.json")],
        ["--backend", "no-such-backend"],
    ):
        assert main(["vectors", "check", *extra, *flags]) == 2
        out, err = capsys.readouterr()
        assert out == ""
        assert err.count("\n") == 1


@pytest.mark.parametrize("argv", [["vectors"], ["vectors", "check", "--what"]])
def test_a_wrong_command_line_exits_2(argv, capsys):
    with pytest.raises(SystemExit) as caught:
        main(argv)
    assert caught.value.code == 2
    assert capsys.readouterr().out == ""


def test_help_loads_neither_the_checker_nor_numpy():
    code = (
        "import contextlib, sys\n"
        "from kondo_ref.cli import main\n"
        "with contextlib.suppress(SystemExit): main(['vectors', 'check', '--help'])\n"
        "sys.exit(any(name in sys.modules for name in ('numpy', 'kondo_ref.vectors.check')))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "--backend NAME" in done.stdout
