"""Every property of `properties/` against the reference, under the loaded Hypothesis profile."""

import pytest
from properties import PROPERTIES


@pytest.mark.parametrize("name", PROPERTIES)
def test_property_holds(name: str) -> None:
    PROPERTIES[name].run()
