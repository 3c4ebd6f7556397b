"""Results that are committed: whether they are of the settings that a page says."""

import json
from pathlib import Path

from kondo_ref.runs import configuration_hash
from kondo_ref.task import Settings


def require_settings(folder: Path, task: str, settings: Settings, backend: str = "numpy") -> None:
    """Assert that a run folder is of a task with these settings, under its own hash."""
    result = json.loads((folder / "result.json").read_text("utf-8"))
    assert result["configuration"] == {"task": task, "backend": backend, **settings.to_dict()}
    assert result["hash"] == configuration_hash(result["configuration"])
