"""Training as a whole on a task that can be learnt in seconds: a rising chirp is the word, a falling one is not."""

import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator, Mapping
from itertools import count
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs the extra 'train'")

import wakeword  # noqa: E402
from wakeword.backbone import packaged_backbone  # noqa: E402
from wakeword.batches import TrainingData  # noqa: E402
from wakeword.bundle import read_bundle  # noqa: E402
from wakeword.checkpoint import load  # noqa: E402
from wakeword.clips import Event, Example  # noqa: E402
from wakeword.config import Config, load_config, override  # noqa: E402
from wakeword.errors import ConfigError, DataError  # noqa: E402
from wakeword.model import weighted_loss  # noqa: E402
from wakeword.train import WakeRun, train  # noqa: E402

RATE_HZ = 16000
EARLY_S = 0.2  # what labels.ignore_steps allows before the end of a word


def chirp(rising: bool, samples: int = 4800) -> np.ndarray:
    hz = np.linspace(400, 2000, samples) if rising else np.linspace(2000, 400, samples)
    return 0.3 * np.sin(2 * np.pi * np.cumsum(hz) / RATE_HZ)


def example(index: int, config: Config) -> Example:
    rng = np.random.default_rng(index)
    pcm = 0.003 * rng.standard_normal(config.example_samples)
    events = []
    for slot in range(2):
        rising = bool(rng.integers(2))
        start = slot * 24000 + int(rng.integers(12000))
        pcm[start : start + 4800] += chirp(rising) * rng.uniform(0.1, 1.0)
        kind = "activate" if rising else "negative"
        span = {"start_sample": start, "end_sample": start + 4800, "source": f"{'up' if rising else 'down'}{slot}"}
        events.append(Event(kind=kind, label="rise" if rising else "", **span))
    return Example(np.clip(np.rint(pcm * 32768), -32768, 32767).astype(np.int16), tuple(events), {})


def chirps(config: Config) -> TrainingData:
    def endless(start: int, times: Mapping[str, float]) -> Iterator[Example]:
        drawn_anew = sum(round(1000 * value) for value in times.values())
        return (example(index + drawn_anew, config) for index in count(start))

    held_out = lambda n: (example(10**6 + index, config) for index in range(n))  # noqa: E731
    return TrainingData(["rise"], endless, held_out, {"clips": "chirps"})


def tiny(**limits: object) -> Config:
    return override(
        load_config("tiny"), train={"batch_size": 8, "validation_examples": 24, "calibration_examples": 24, **limits}
    )


def test_training_learns_and_its_bundle_detects(tmp_path: Path) -> None:
    config = tiny(max_steps=150, validate_every_steps=50)
    events: list[dict] = []
    bundle = train(config, chirps(config), tmp_path / "rise", events.append)
    last = [event for event in events if event["event"] == "validation"][-1]
    assert last["miss_rate"] < 0.05
    pcm = np.zeros(5 * RATE_HZ, np.float32) + 0.001 * np.random.default_rng(5).standard_normal(5 * RATE_HZ)
    pcm[16000:20800] += chirp(rising=True)
    pcm[48000:52800] += chirp(rising=False)
    heard = wakeword.load(bundle.path).feed(pcm.astype(np.float32))
    assert [d.phrase for d in heard] == ["rise"]
    assert 20800 / RATE_HZ - EARLY_S < heard[0].end_s < 20800 / RATE_HZ + 0.4


@pytest.mark.parametrize(("hard_negatives", "carried"), [(0.0, 0.0), (0.5, 0.0), (0.0, 0.5)])
def test_a_run_cut_in_two_ends_with_the_same_weights(hard_negatives: float, carried: float, tmp_path: Path) -> None:
    config = tiny(max_steps=12, validate_every_steps=4, hard_negatives=hard_negatives, carried=carried)
    train(config, chirps(config), tmp_path / "whole")
    run = WakeRun(config, chirps(config), tmp_path / "cut")
    for _ in range(6):
        run.train_step(next(run.batches()))
        run.count(0.0, 0.0)
        if run.progress.step % 4 == 0:
            run.validate()
            assert run.renew() == (hard_negatives > 0)
    run.save()
    train(config, chirps(config), tmp_path / "cut")
    whole, cut = (read_bundle(tmp_path / name).weights() for name in ("whole", "cut"))
    for name, value in whole.items():
        np.testing.assert_array_equal(cut[name], value)


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_examples_begin_with_what_others_ended_with(share: float, tmp_path: Path) -> None:
    config = tiny(max_steps=2, carried=share)
    run = WakeRun(config, chirps(config), tmp_path)
    assert not any(gru.any() for gru in run._begun(config.train.batch_size).gru), "nothing was heard yet"
    run.train_step(next(run.batches()))
    begun = run._begun(config.train.batch_size).gru
    for gru, ended in zip(begun, run.ended, strict=True):
        rows, known = ({tuple(row.tolist()) for row in one[0]} for one in (gru, ended))
        assert rows == (known if share else {(0.0,) * ended.shape[2]})


def test_members_learn_alone_and_say_their_mean(tmp_path: Path) -> None:
    config = override(tiny(max_steps=6, validate_every_steps=3, frozen_layers=1), model={"members": 3})
    run = WakeRun(config, chirps(config), tmp_path)
    before = {name: value.clone() for name, value in run.model.state_dict().items()}
    batch = next(run.batches())
    alone, _ = run.model.eval().each(batch.pcm, run.model.empty_state(len(batch.pcm)))
    together, _ = run.model(batch.pcm, run.model.empty_state(len(batch.pcm)))
    torch.testing.assert_close(alone.mean(dim=0), together)
    assert (alone[0] != alone[1]).any()
    weighted_loss(alone[1], batch.target, batch.weight, 1.0).backward()
    assert [gru.weight_hh_l0.grad is not None and bool(gru.weight_hh_l0.grad.any()) for gru in run.model.gru] == [
        False,
        True,
        False,
    ]
    assert run.model.conv.weight.grad is None
    run.train_step(batch)
    for gru in range(3):
        name = f"gru.{gru}.weight_hh_l0"
        assert (run.model.state_dict()[name] != before[name]).any()


def test_after_kill_9_training_goes_on_from_the_last_checkpoint(tmp_path: Path) -> None:
    script = textwrap.dedent(
        """
        import sys
        import wakeword.run
        from wakeword.train import train
        from tests.test_train import chirps, tiny
        wakeword.run.CHECKPOINT_EVERY_S = 0.0
        config = tiny(max_steps=100000, validate_every_steps=10, patience=1000)
        train(config, chirps(config), sys.argv[1], lambda event: print(event["step"], flush=True))
        """
    )
    root = Path(__file__).resolve().parent.parent
    child = subprocess.Popen([sys.executable, "-c", script, str(tmp_path)], stdout=subprocess.PIPE, text=True, cwd=root)
    reached = int(child.stdout.readline())
    child.send_signal(signal.SIGKILL if hasattr(signal, "SIGKILL") else signal.SIGTERM)
    child.wait()
    child.stdout.close()
    assert not (tmp_path / "model.json").exists()
    _, facts = load(tmp_path / "training" / "checkpoint.safetensors")
    saved = facts["progress"]["step"]
    assert saved >= reached - 1
    config, steps = tiny(max_steps=saved + 3, validate_every_steps=10, patience=1000), []
    train(config, chirps(config), tmp_path, lambda event: steps.append(event["step"]))
    assert saved < min(steps) <= max(steps) == saved + 3
    assert (tmp_path / "model.json").exists()


def test_a_run_with_another_configuration_is_refused(tmp_path: Path) -> None:
    config = tiny(max_steps=2, validate_every_steps=2)
    train(config, chirps(config), tmp_path)
    other = tiny(max_steps=2, validate_every_steps=2, learning_rate=1e-4)
    with pytest.raises(DataError, match="another configuration"):
        train(other, chirps(other), tmp_path)


def test_a_damaged_checkpoint_is_named(tmp_path: Path) -> None:
    config = tiny(max_steps=2, validate_every_steps=2)
    (tmp_path / "training").mkdir()
    (tmp_path / "training" / "checkpoint.safetensors").write_bytes(b"not this")
    with pytest.raises(DataError, match="damaged checkpoint"):
        train(config, chirps(config), tmp_path)


def test_early_stop_ends_after_the_patience(tmp_path: Path) -> None:
    config = tiny(max_steps=1000, validate_every_steps=1, patience=2, learning_rate=1e-9, warmup_steps=0)
    events: list[dict] = []
    train(config, chirps(config), tmp_path, events.append)
    assert len([event for event in events if event["event"] == "validation"]) < 20


def test_a_run_can_begin_with_the_weights_of_another(tmp_path: Path) -> None:
    config = tiny(max_steps=2, validate_every_steps=2)
    first = train(config, chirps(config), tmp_path / "first")
    still = tiny(max_steps=1, validate_every_steps=1, learning_rate=1e-12, warmup_steps=0, weight_decay=0.0)
    second = train(still, chirps(still), tmp_path / "second", start_from=tmp_path / "first")
    np.testing.assert_allclose(second.weights()["head.weight"], first.weights()["head.weight"], atol=0.05)
    with pytest.raises(DataError, match="expected that of an earlier training run"):
        train(config, chirps(config), tmp_path / "third", start_from=tmp_path)


def test_frozen_layers_keep_the_weights_they_began_with(tmp_path: Path) -> None:
    config = tiny(max_steps=2, validate_every_steps=2)
    first = train(config, chirps(config), tmp_path / "first")
    frozen = tiny(max_steps=3, validate_every_steps=3, frozen_layers=1)
    second = train(frozen, chirps(frozen), tmp_path / "second", start_from=tmp_path / "first")
    before, after = first.weights(), second.weights()
    for name in ("conv.weight", "conv.bias"):
        np.testing.assert_array_equal(after[name], before[name])
    assert np.abs(after["gru.0.weight_hh"] - before["gru.0.weight_hh"]).max() > 0


def test_a_word_begins_with_the_packaged_backbone_where_the_configuration_says_so(tmp_path: Path) -> None:
    config = override(
        load_config("default"),
        audio={"example_s": 3.0},
        train={"max_steps": 1, "batch_size": 4, "validation_examples": 24, "calibration_examples": 24},
    )
    run = WakeRun(config, chirps(config), tmp_path)
    backbone = packaged_backbone(config)
    for name, value in run.model.named_parameters():
        if not name.startswith("head"):
            torch.testing.assert_close(value.data, backbone.weights[name])
    assert run.start_from == backbone.name
    other = override(config, model={"gru_units": [8]})
    with pytest.raises(ConfigError, match="not the backbone's"):
        WakeRun(other, chirps(other), tmp_path / "other")
