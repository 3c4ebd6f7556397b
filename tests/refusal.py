"""How a refusal reads: one line that starts with the argument's name and shows what came."""

import re
from collections.abc import Callable
from typing import Any

import pytest


def refused(call: Callable[[], Any], error: type[Exception], name: str, shown: str) -> None:
    """Assert that the call raises just `error`, naming the argument and showing what came."""
    with pytest.raises(error, match=re.escape(shown)) as caught:
        call()
    message = str(caught.value)
    assert type(caught.value) is error
    assert message.startswith(f"{name}: "), message
    assert "\n" not in message
