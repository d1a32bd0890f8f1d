import numpy as np
import pytest

from wakeword.clips import Event
from wakeword.config import load_config, override
from wakeword.errors import ConfigError
from wakeword.labels import first_step_after, targets


def activate(start: int, end: int, label: str = "x") -> Event:
    return Event(kind="activate", label=label, start_sample=start, end_sample=end)


@pytest.mark.parametrize("name", ["default", "activate", "tiny"])
def test_the_label_begins_at_the_first_step_that_has_heard_beyond_the_end(name: str) -> None:
    config = load_config(name)
    seen_up_to = config.receptive_samples + config.step_samples * np.arange(config.output_steps)
    for end in (0, config.receptive_samples, config.receptive_samples + 1, config.example_samples // 2):
        assert first_step_after(end, config) == int(np.argmax(seen_up_to > end))


def test_the_seed_labels_50_steps_after_each_end_and_clips_them_at_the_end_of_the_example() -> None:
    config = load_config("activate")
    middle, late = config.example_samples // 2, config.example_samples - 10 * config.step_samples
    target, weight = targets([activate(1000, middle), activate(middle + 1, late)], ["x"], config)
    ones = np.flatnonzero(target[:, 0])
    first = first_step_after(middle, config)
    assert ones[:50].tolist() == list(range(first, first + 50))
    assert len(ones) < 100
    assert ones[-1] == config.output_steps - 1
    assert (weight == 1.0).all()


@pytest.mark.parametrize("late_steps", [0, 3])
def test_steps_just_before_the_end_and_the_first_after_it_do_not_count_in_the_loss(late_steps: int) -> None:
    config = override(load_config("default"), labels={"late_steps": late_steps})
    target, weight = targets([activate(10000, 40000)], ["x"], config)
    first = first_step_after(40000, config)
    left_out = np.flatnonzero(weight[:, 0] == 0.0)
    labels = config.labels
    assert left_out.tolist() == list(range(first - labels.ignore_steps, first + labels.late_steps))
    assert np.flatnonzero(target).tolist() == list(range(first + labels.late_steps, first + labels.label_steps))


def test_a_word_that_follows_at_once_keeps_the_labels_of_the_first() -> None:
    config = load_config("default")
    target, weight = targets([activate(10000, 40000), activate(40000, 43200)], ["x"], config)
    assert (weight[target == 1.0] == 1.0).all()


def test_negatives_are_never_labelled_and_phrases_have_their_own_column() -> None:
    config = load_config("default")
    negative = Event(kind="negative", label="", start_sample=0, end_sample=30000)
    target, _ = targets([negative, activate(40000, 50000, "b")], ["a", "b"], config)
    assert target[:, 0].sum() == 0
    assert target[:, 1].sum() == config.labels.label_steps - config.labels.late_steps


def test_labels_that_would_label_nothing_are_refused() -> None:
    with pytest.raises(ConfigError, match="late_steps 8 leave none of label_steps 8"):
        override(load_config("default"), labels={"label_steps": 8, "late_steps": 8})
