"""The exported C as a program for a Raspberry Pi, emulated: the reference's integers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from firmware_export import raspberry
from firmware_export.device import generated
from firmware_export.layers import read_layers
from firmware_export.package import lay_out
from firmware_export.quantize import quantize
from firmware_export.raspberry import PACKAGES, PROCESSORS, missing, prove_on_raspberry
from firmware_export.reference import run
from firmware_export.verify import proof_signal
from tests.micro_word import micro_bundle
from wakeword.bundle import read_bundle
from wakeword.errors import BundleError

pytest.importorskip("torch", reason="making a bundle needs the extra 'train'")


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> tuple:
    folder = tmp_path_factory.mktemp("exported")
    golden, _ = micro_bundle(folder / "bundle", ["hey micro"], small=False).golden()
    q = quantize(read_layers(folder / "bundle"), golden / 32768)
    lay_out(folder / "c", "c", ("hey micro",), generated(q, read_bundle(folder / "bundle").golden()[0]))
    signal = proof_signal(16000, golden, part_s=0.25)
    return folder / "c", signal, run(q, signal)


@pytest.mark.parametrize("processor", PROCESSORS.values(), ids=PROCESSORS)
def test_a_raspberry_pis_processor_gives_the_references_integers(processor: str, exported: tuple) -> None:
    if missing():
        pytest.skip(missing())
    proofs = prove_on_raspberry(*exported, processor)
    assert [proof.steps for proof in proofs] == [len(exported[2].probabilities)] * 3


def test_another_sound_than_the_traces_fails_the_proof(exported: tuple) -> None:
    if missing():
        pytest.skip(missing())
    folder, signal, trace = exported
    with pytest.raises(BundleError, match="differs from the reference: step"):
        prove_on_raspberry(folder, np.roll(signal, 8000), trace)


def test_a_missing_tool_is_named_with_its_package(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(raspberry.shutil, "which", lambda program: None)
    first = next(iter(PACKAGES))
    with pytest.raises(BundleError, match=f"no {first}: install {PACKAGES[first]}"):
        prove_on_raspberry(tmp_path, np.zeros(0, np.int16), None)
