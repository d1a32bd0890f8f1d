"""A small network that learns from a larger one, on the task of `test_train`: a rising chirp is the word."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="training needs the extra 'train'")

from tests.synth_clips import make_clips  # noqa: E402
from tests.test_train import chirps, tiny  # noqa: E402
from wakeword import cli  # noqa: E402
from wakeword.batches import TrainingData  # noqa: E402
from wakeword.bundle import Bundle, read_bundle  # noqa: E402
from wakeword.config import Config, load_config, override  # noqa: E402
from wakeword.errors import DataError  # noqa: E402
from wakeword.model import model_from_weights  # noqa: E402
from wakeword.teacher import Teacher  # noqa: E402
from wakeword.train import WakeRun, train  # noqa: E402


@pytest.fixture(scope="module")
def teacher(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    config = tiny(max_steps=150, validate_every_steps=50)
    return train(config, chirps(config), tmp_path_factory.mktemp("teacher") / "rise")


def unlabelled(config: Config) -> TrainingData:
    """The same sounds, but nobody says which of them are the word; only validation knows."""
    told = chirps(config)

    def nameless(start: int, times: dict[str, float]):
        for example in told.train(start, times):
            events = (event.model_copy(update={"kind": "negative", "label": ""}) for event in example.events)
            yield replace(example, events=tuple(events))

    return replace(told, train=nameless)


def test_a_student_learns_the_word_from_its_teacher_alone(teacher: Bundle, tmp_path: Path) -> None:
    config = override(tiny(max_steps=150, validate_every_steps=50), model={"conv_filters": 12, "gru_units": (12,)})
    taught, events = tmp_path / "taught", list[dict]()
    bundle = train(config, unlabelled(config), taught, events.append, teacher=teacher)
    assert [event for event in events if event["event"] == "validation"][-1]["miss_rate"] < 0.1
    assert bundle.card.provenance["training"]["teacher"].startswith("rise ")
    with pytest.raises(DataError, match="holds a run with another configuration"):
        train(config, unlabelled(config), taught)


def test_who_says_what_the_teacher_says_has_nothing_to_learn(teacher: Bundle) -> None:
    model = model_from_weights(teacher.card.config, teacher.weights())
    pcm = 0.1 * torch.randn(2, 32000)
    logits = model(pcm, model.empty_state(2))[0].detach().requires_grad_()
    Teacher(teacher, ["rise"], teacher.card.config).loss(pcm, logits).backward()
    assert logits.grad.abs().max() < 1e-6


def test_the_outputs_that_are_compared_heard_the_same(teacher: Bundle) -> None:
    """A student whose first output comes two steps later is told what the teacher says two steps later."""
    sizes = teacher.card.config.model
    later = override(tiny(), model={"conv_kernel": sizes.conv_kernel + 2 * sizes.conv_stride})
    pcm = 0.1 * torch.randn(2, 32000)
    model = model_from_weights(teacher.card.config, teacher.weights())
    said = model(pcm, model.empty_state(2))[0].detach()
    shifted = said[:, 2:].clone().requires_grad_()
    Teacher(teacher, ["rise"], later).loss(pcm, shifted).backward()
    assert shifted.grad.abs().max() < 1e-6


def test_where_outputs_come_more_often_each_is_told_what_ends_nearest_to_it(teacher: Bundle) -> None:
    sizes = teacher.card.config.model
    often = override(tiny(), model={"conv_stride": 1})
    pcm = 0.1 * torch.randn(1, 32000)
    model = model_from_weights(teacher.card.config, teacher.weights())
    said = model(pcm, model.empty_state(1))[0].detach()
    repeated = said.repeat_interleave(sizes.conv_stride, dim=1)
    ahead = sizes.conv_stride // 2  # half of those that an output is nearest to come before it
    told = repeated[:, ahead : ahead + said.shape[1] * sizes.conv_stride - 2 * sizes.conv_stride].requires_grad_()
    Teacher(teacher, ["rise"], often).loss(pcm, told).backward()
    assert told.grad.abs().max() < 1e-6


@pytest.mark.parametrize(
    ("phrases", "name", "reason"),
    [(["fall"], "tiny", "got a model of"), (["rise"], "activate", "expected 44100")],
)
def test_a_teacher_of_something_else_is_refused(teacher: Bundle, phrases: list[str], name: str, reason: str) -> None:
    with pytest.raises(DataError, match=reason):
        Teacher(teacher, phrases, load_config(name))


def test_what_was_learned_is_part_of_what_a_run_is(teacher: Bundle, tmp_path: Path) -> None:
    config = tiny(max_steps=1)
    runs = [WakeRun(config, chirps(config), tmp_path, None, one) for one in (None, teacher)]
    assert runs[0].identity != runs[1].identity


def test_a_typed_phrase_of_a_small_network_has_its_teacher_trained_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("espeakng_loader", reason="needs the extra 'espeak'")
    from wakeword.cli import training

    monkeypatch.setenv("WAKEWORD_CACHE", str(tmp_path / "cache"))
    folder = make_clips(tmp_path / "clips")
    monkeypatch.setattr(training, "speak_clips", lambda *_, **__: folder)
    monkeypatch.setattr(training, "pronunciations", lambda *_: [])
    text = Path("configs/tiny.toml").read_text("utf-8").replace("[train]", '[train]\nteacher = "tiny"')
    (tmp_path / "small.toml").write_text(text, "utf-8")
    small, out = str(tmp_path / "small.toml"), tmp_path / "model"
    words = ["train", "hey test", "--config", small, "--max-steps", "20", "--out"]
    assert cli.main([*words, str(out)]) == 0
    assert read_bundle(out / "teacher").card.phrases == read_bundle(out).card.phrases == ["hey test"]
    again = tmp_path / "again"
    assert cli.main([*words, str(again), "--teacher", str(out / "teacher")]) == 0
    assert not (again / "teacher").exists()
    told = [read_bundle(one).card.provenance["training"]["teacher"] for one in (out, again)]
    assert told[0] == told[1]
    assert cli.main([*words, str(again), "--teacher", "athena_micro"]) == 2
    assert "got a model of ['athena']" in capsys.readouterr().err
