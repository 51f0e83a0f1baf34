"""The networks still compute what they computed when golden.json was written."""

import importlib.util
import json
from pathlib import Path

import pytest

from alanet_core import presets

HERE = Path(__file__).parent
spec = importlib.util.spec_from_file_location("make_golden", HERE / "make_golden.py")
make_golden = importlib.util.module_from_spec(spec)
spec.loader.exec_module(make_golden)


@pytest.mark.parametrize("name", list(presets()))
def test_outputs_are_the_recorded_ones(name: str) -> None:
    recorded = json.loads((HERE / "golden.json").read_text())[name]
    found = make_golden.measure(name)
    assert found.keys() == recorded.keys()
    for output, values in recorded.items():
        assert found[output] == pytest.approx(values, abs=2e-4), output
