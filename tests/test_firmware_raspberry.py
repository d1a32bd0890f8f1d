"""The exported C as a program for a Raspberry Pi, emulated: the reference's integers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from firmware_export import raspberry
from firmware_export.raspberry import PACKAGES, PROCESSORS, missing, prove_on_raspberry
from tests.micro_word import Exported, exported_micro
from wakeword.errors import BundleError

pytest.importorskip("torch", reason="making a bundle needs the extra 'train'")


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Exported:
    return exported_micro(tmp_path_factory.mktemp("exported"), 0.25)


@pytest.mark.parametrize("processor", PROCESSORS.values(), ids=PROCESSORS)
def test_a_raspberry_pis_processor_gives_the_references_integers(processor: str, exported: Exported) -> None:
    if missing():
        pytest.skip(missing())
    proofs = prove_on_raspberry(exported.folder, exported.signal, exported.trace, processor)
    assert [proof.steps for proof in proofs] == [len(exported.trace.probabilities)] * 3


def test_another_sound_than_the_traces_fails_the_proof(exported: Exported) -> None:
    if missing():
        pytest.skip(missing())
    _, folder, signal, trace = exported
    with pytest.raises(BundleError, match="differs from the reference: step"):
        prove_on_raspberry(folder, np.roll(signal, 8000), trace)


def test_a_missing_tool_is_named_with_its_package(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(raspberry.shutil, "which", lambda program: None)
    first = next(iter(PACKAGES))
    with pytest.raises(BundleError, match=f"no {first}: install {PACKAGES[first]}"):
        prove_on_raspberry(tmp_path, np.zeros(0, np.int16), None)
