"""Weights in half the space, and the same numbers when they are read."""

from pathlib import Path

import numpy as np
import onnx
import pytest

torch = pytest.importorskip("torch", reason="training needs the extra 'train'")

from wakeword.bundle import Card, read_bundle, write_bundle  # noqa: E402
from wakeword.config import SystemConfig, load_config, override  # noqa: E402
from wakeword.export import export  # noqa: E402
from wakeword.halves import SMALLEST, halved, in_halves  # noqa: E402
from wakeword.model import WakeModel  # noqa: E402


def test_only_what_loses_nothing_is_halved() -> None:
    numbers = np.random.default_rng(0).standard_normal(SMALLEST).astype(np.float32)
    rounded = in_halves({"weight": numbers, "bias": numbers[:10]})
    assert halved(numbers).dtype == np.float32
    assert halved(rounded["weight"]).dtype == np.float16
    np.testing.assert_array_equal(halved(rounded["weight"]).astype(np.float32), rounded["weight"])
    np.testing.assert_allclose(rounded["weight"], numbers, rtol=2**-11, atol=1e-7)
    assert rounded["bias"] is not numbers and halved(rounded["bias"]).dtype == np.float32
    assert halved(np.full(SMALLEST, 1e6, np.float32)).dtype == np.float32  # more than float16 holds
    assert halved(np.arange(SMALLEST)).dtype == np.arange(1).dtype


def test_a_bundle_of_halves_is_half_as_large_and_says_the_same(tmp_path: Path) -> None:
    config = override(load_config("tiny"), model={"gru_units": [64, 64]})
    model = WakeModel(config).eval()
    card = Card(
        phrases=["hey test"],
        thresholds=[0.5],
        phrase_s=[0.5],
        config=SystemConfig.model_validate(config.model_dump(include=set(SystemConfig.model_fields))),
        provenance={},
    )
    whole, half = (write_bundle(tmp_path / str(x), card, *export(model, card, half=x)) for x in (False, True))
    sizes = [(one.path / "weights.safetensors").stat().st_size for one in (whole, half)]
    assert sizes[1] < 0.6 * sizes[0]
    for name, value in read_bundle(half.path).weights().items():
        assert value.dtype == np.float32
        np.testing.assert_allclose(value, whole.weights()[name], rtol=2**-11, atol=1e-6)
    np.testing.assert_allclose(half.golden()[1], whole.golden()[1], atol=5e-3)
    kept = {one.data_type for one in onnx.load_model_from_string(half.graph()).graph.initializer}
    assert onnx.TensorProto.FLOAT16 in kept
