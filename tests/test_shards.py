"""Reading shards: training, several processes at once, and other people's readers."""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from synth_clips import make_clips, tiny

from synth import open_clips, write_shards
from wakeword.audio import FULL_SCALE, decoded
from wakeword.cli import main
from wakeword.clips import Clip
from wakeword.errors import DataError
from wakeword.shards import Shards

EXAMPLES, EACH = 22, 4
ROOT = Path(__file__).parent.parent
PATHS = os.pathsep.join([str(ROOT / "tests"), str(ROOT)])


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Shards that no test changes."""
    folder = tmp_path_factory.mktemp("shards")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WAKEWORD_CACHE", str(folder / "cache"))
        clips = open_clips(make_clips(folder / "clips"), tiny(examples=EXAMPLES), ["hey test"])
        write_shards(clips, folder / "dataset", "flac", EACH)
    return folder / "dataset"


def test_training_reads_shards(dataset: Path, tmp_path: Path, capsys) -> None:
    arguments = ["train", "--data", str(dataset), "--config", "tiny", "--max-steps", "2"]
    assert main([*arguments, "--out", str(tmp_path / "model")]) == 0
    assert "'hey test' at threshold" in capsys.readouterr().out
    assert main(["train", "--data", str(dataset), "--config", "default", "--out", str(tmp_path / "other")]) == 2
    assert "another config?" in capsys.readouterr().err


def test_a_folder_without_a_finished_index_is_the_users_mistake(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="was `wakeword synth` finished"):
        Shards(tmp_path)
    (tmp_path / "index.json").write_text("{}")
    with pytest.raises(DataError, match="expected one of `wakeword synth`"):
        Shards(tmp_path)


def test_processes_share_a_round_without_overlap_and_go_on_where_they_were(dataset: Path) -> None:
    shards = Shards(dataset)
    indices = [[e.recipe["index"] for e in islice(shards.stream(0, rank, 2), 19)] for rank in (0, 1)]
    together = [index for pair in zip(*indices, strict=True) for index in pair]
    assert together == [*range(19), *range(19)]
    assert next(shards.stream(5, 1, 2)).recipe["index"] == indices[1][5]


RANKS = """
import json, sys, torch.distributed as group
from itertools import islice
from pathlib import Path
from wakeword.cli.training import from_dataset
from wakeword.config import load_config
group.init_process_group("gloo")
data = from_dataset(Path(sys.argv[1]), load_config("tiny"))
mine = [example.recipe["index"] for example in islice(data.train(0, {}), int(sys.argv[2]))]
everyones = [None] * group.get_world_size()
group.all_gather_object(everyones, mine)
if group.get_rank() == 0:
    print(json.dumps(everyones))
group.destroy_process_group()
"""


def test_two_processes_of_torchrun_train_on_different_examples(dataset: Path, tmp_path: Path) -> None:
    pytest.importorskip("torch.distributed.run", reason="torch was built without torchrun")
    (tmp_path / "ranks.py").write_text(RANKS)
    count = len(Shards(dataset)) // 2
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    script = [str(tmp_path / "ranks.py"), str(dataset), str(count)]
    environment = {**os.environ, "PYTHONPATH": PATHS, "OMP_NUM_THREADS": "1"}
    done = subprocess.run([*torchrun, *script], env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    first, second = json.loads(done.stdout.splitlines()[-1])
    assert len(first) == len(second) == count
    assert len({*first, *second}) == 2 * count


def shown(reader: str, dataset: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, object]:
    """What the lines of docs/datasets.md that name a reader leave behind, run beside the dataset."""
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "datasets.md").read_text("utf-8"), re.DOTALL)
    (code,) = [block for block in blocks if reader in block]
    assert sum(bool(line) for line in code.splitlines()) == 3
    monkeypatch.chdir(dataset.parent)
    left: dict[str, object] = {}
    exec(code.replace("000099", "000004"), left)
    return left


def test_a_torch_loader_reads_shards_in_the_three_lines_shown(dataset: Path, monkeypatch) -> None:
    pytest.importorskip("torch")
    batches = list(shown("DataLoader", dataset, monkeypatch)["loader"])
    assert [pcm.shape for pcm, _ in batches] == [(19, 48000)]
    assert batches[0][0].dtype == np.float32
    assert len({row.tobytes() for pcm, _ in batches for row in pcm}) == 19


def test_webdataset_reads_shards_in_the_three_lines_shown(dataset: Path, monkeypatch) -> None:
    pytest.importorskip("webdataset", reason="needs the extra 'readers'")
    examples = list(shown("webdataset", dataset, monkeypatch)["examples"])
    assert [example["json"]["recipe"]["index"] for example in examples] == list(range(19))
    assert np.array_equal(examples[3]["flac"] * FULL_SCALE, Shards(dataset)[3].pcm)


def test_hugging_face_datasets_read_shards_in_the_three_lines_shown(dataset: Path, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    datasets = pytest.importorskip("datasets", reason="needs the extra 'readers'")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path)
    found = shown("load_dataset", dataset, monkeypatch)["examples"]
    assert {split: len(rows) for split, rows in found.items()} == {"train": 19, "validation": 3}
    row = found["train"][3]
    assert Clip.model_validate(row["json"]).samples == 48000
    assert np.array_equal(decoded(io.BytesIO(row["flac"])), Shards(dataset)[3].pcm)
