"""Several processes that train one network: what torchrun starts, on this machine's processor."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="training needs the extra 'train'")
pytest.importorskip("torch.distributed.run", reason="torch was built without torchrun")

from wakeword.bundle import read_bundle  # noqa: E402
from wakeword.config import load_config, override  # noqa: E402
from wakeword.model import WakeModel, weighted_loss  # noqa: E402
from wakeword.path import Paths  # noqa: E402
from wakeword.rounding import rounded_weights  # noqa: E402

ROOT = Path(__file__).parent.parent
TOGETHER = """
import dataclasses, hashlib, json, sys
from pathlib import Path
import torch

from tests.test_train import chirps, tiny
from wakeword.team import Team
from wakeword.train import WakeRun, train

team, config, out = Team.gathered(), tiny(max_steps=int(sys.argv[2]), validate_every_steps=5), Path(sys.argv[1])
numbers = torch.tensor([float(team.rank), 10.0])
team.average([numbers])
data, apart = chirps(config), 10**7 * team.rank
data = dataclasses.replace(data, train=lambda start, times, of=data.train: of(apart + start, times))
first = next(WakeRun(config, data, out).batches()).pcm.sum().item()
events = []
run = WakeRun(config, data, out)
run.to_its_end(events.append)
weights = hashlib.sha256(b"".join(value.numpy().tobytes() for value in run.model.state_dict().values())).hexdigest()
led = team.led(team.rank + 5.0)  # before `train`, which ends by waiting for all: see Team.wait
bundle = train(config, data, out)
Path(sys.argv[3], f"said_{team.rank}.json").write_text(json.dumps({
    "rank": team.rank, "mean": numbers.tolist(), "led": led, "first": first,
    "events": len(events), "steps": run.progress.step, "weights": weights, "bundle": bundle.card.sha256,
}), "utf-8")
"""


def together(folder: Path, steps: int) -> list[dict]:
    """What each of two processes says after it trained so many steps with the other."""
    script = folder / "together.py"
    script.write_text(TOGETHER, "utf-8")
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    command = [*torchrun, str(script), str(folder / "out"), str(steps), str(folder)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr
    return [json.loads((folder / f"said_{rank}.json").read_text("utf-8")) for rank in (0, 1)]


def test_two_processes_hold_one_network_and_one_of_them_writes_it(tmp_path: Path) -> None:
    first, second = together(tmp_path, steps=10)
    assert first["mean"] == second["mean"] == [0.5, 10.0]
    assert first["led"] == second["led"] == 5.0
    assert first["first"] != second["first"]  # each draws examples of its own
    assert first["events"] > 0 == second["events"]
    assert first["steps"] == second["steps"] == 10
    assert first["weights"] == second["weights"]
    assert first["bundle"] == second["bundle"] == read_bundle(tmp_path / "out").card.sha256
    again, other = together(tmp_path, steps=15)
    assert again["steps"] == 15
    assert again["weights"] == other["weights"] != first["weights"]


def test_nothing_of_a_network_is_computed_elsewhere_than_where_its_weights_are() -> None:
    """On "meta" nothing is computed at all, but a tensor that was made on the processor would be refused."""
    config = override(load_config("default"), model={"members": 2, "spotter": True})
    model = WakeModel(config, 1, Paths.of([[[1, 2, 3]]])).to("meta")
    pcm = torch.zeros(2, 16000, device="meta")
    with rounded_weights(model):
        _, state = model(pcm, model.empty_state(2))
        logits, _ = model(pcm, state)
        target = torch.zeros_like(logits)
        weighted_loss(logits, target, target + 1.0, 1.0).backward()
    assert logits.device.type == "meta"
    assert model.head.weight.grad.device.type == "meta"
