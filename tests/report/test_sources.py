"""What is taken for a result, and what is refused with the reason."""

import json
from pathlib import Path

import pytest

from kondo_ref.report.sources import sources


def put(path: Path, value: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value), "utf-8")
    return path


RUN = {"schema": "kondo-ref/run/1"}
FLOPS = {"schema": "kondo-ref/flops/1"}


def test_a_run_folder_is_one_result(tmp_path: Path) -> None:
    put(tmp_path / "mine" / "result.json", RUN)
    put(tmp_path / "mine" / "other.json", FLOPS)
    (found,) = sources([tmp_path / "mine"])
    assert (found.name, found.schema) == ("mine", "kondo-ref/run/1")


def test_a_folder_stands_for_the_results_in_it_by_name(tmp_path: Path) -> None:
    put(tmp_path / "b.json", FLOPS)
    put(tmp_path / "a" / "result.json", RUN)
    put(tmp_path / "settings.json", {"not": "a result"})
    assert [source.name for source in sources([tmp_path])] == ["a", "b"]


def test_the_order_is_that_of_the_paths(tmp_path: Path) -> None:
    second = put(tmp_path / "z.json", FLOPS)
    first = put(tmp_path / "a.json", FLOPS)
    assert [source.path for source in sources([second, first])] == [second, first]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{", "is no JSON"),
        ("[1, 2]", "is no result"),
        ('{"schema": 3}', "is no result"),
        ('{"schema": "somebody/1"}', "is no result"),
    ],
)
def test_a_file_that_is_no_result_is_refused(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "x.json"
    path.write_text(text, "utf-8")
    with pytest.raises(ValueError, match=f"^PATH: .*x.json {says}"):
        sources([path])


def test_what_is_not_there_is_empty_or_interrupted_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"^PATH: no file or folder"):
        sources([tmp_path / "nothing"])
    with pytest.raises(ValueError, match=r"^PATH: no result in the folder"):
        sources([tmp_path])
    partial = tmp_path / "run.partial"
    partial.mkdir()
    with pytest.raises(ValueError, match="interrupted"):
        sources([partial])
