"""The loss of phrases that are looked for: by hand, and against the path that a listener follows."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs the extra 'train'")

from wakeword.path import Paths, hearing_in, path_scores  # noqa: E402
from wakeword.phones import BLANK, PHONES, phones  # noqa: E402
from wakeword.spotting import PHRASE_PHONES, PHRASES, best_paths, drawn, spotting_loss  # noqa: E402

KITCHEN, STATION, SUMMER = (phones(text) for text in ("kɪtʃən", "steɪʃən", "sʌmərtaɪm"))


def hearing() -> dict[str, np.ndarray]:
    likeness = 0.9 * np.eye(len(PHONES)) + 0.05 * np.eye(len(PHONES), k=1)
    scalars = {"pace": 0.9, "doubt": 0.3}
    return {"likeness": likeness.astype(np.float32), **{k: np.array([v], np.float32) for k, v in scalars.items()}}


def tensors(values: dict[str, np.ndarray]) -> dict[str, torch.Tensor]:
    return {name: torch.from_numpy(value) for name, value in values.items()}


def heard(said: list[list[int]], sure: float) -> torch.Tensor:
    """Logits [B, T, S] in which each example's phones come one a step, a blank after each."""
    steps = 2 * max(map(len, said)) + 2
    logits = torch.zeros(len(said), steps, len(PHONES))
    for example, numbers in zip(logits, said, strict=True):
        spread = [BLANK] * steps
        spread[: 2 * len(numbers) : 2] = numbers
        example[torch.arange(steps), torch.tensor(spread)] = sure
    return logits


def test_the_best_path_is_the_one_that_a_listener_follows() -> None:
    logits = torch.from_numpy(np.random.default_rng(3).normal(0.0, 3.0, (4, 50, len(PHONES))).astype(np.float32))
    paths = Paths.of([[KITCHEN], [STATION], [SUMMER[:4]]])
    got = best_paths(logits, paths, tensors(hearing())).exp().numpy()
    for number, example in enumerate(torch.softmax(logits, dim=2).numpy()):
        scores = path_scores(example, paths, hearing()).max(axis=0)
        np.testing.assert_allclose(got[:, number] ** (1 / paths.counts), scores, rtol=1e-3)


def test_phrases_are_runs_of_what_one_recording_says() -> None:
    said = [[KITCHEN, STATION], [SUMMER], [[1, 2]]]
    phrases = drawn(said, np.random.default_rng(1))
    assert len(phrases) == PHRASES
    assert {phrase.example for phrase in phrases} == {0, 1}  # what is too short is never looked for
    for phrase in phrases:
        count = len(phrase.said)
        assert PHRASE_PHONES[0] <= count < PHRASE_PHONES[1]
        runs = [tuple(one[i : i + count]) for one in said[phrase.example] for i in range(len(one) - count + 1)]
        assert phrase.said in runs
    assert drawn([[[1, 2]], []], np.random.default_rng(1)) == []


def test_the_loss_is_small_where_phrases_are_heard_and_nowhere_else() -> None:
    said = [KITCHEN, STATION, SUMMER]
    recordings, ways = [[one] for one in said], tensors(hearing_in({}))
    losses = {
        name: spotting_loss(logits, recordings, ways, np.random.default_rng(2)).item()
        for name, logits in {
            "right": heard(said, 9.0),
            "unsure": heard(said, 2.0),
            "nothing": heard(said, 0.0),
            "elsewhere": heard([STATION, SUMMER, KITCHEN], 9.0),
        }.items()
    }
    assert losses["right"] < 0.01
    assert losses["right"] < losses["unsure"] < losses["nothing"] == pytest.approx(np.log(3.0), abs=0.01)
    assert losses["elsewhere"] > 5.0


def test_who_says_the_same_is_not_held_against_a_phrase() -> None:
    said = [KITCHEN, KITCHEN, SUMMER]
    ways, logits = tensors(hearing_in({})), heard(said, 9.0)
    assert spotting_loss(logits, [[one] for one in said], ways, np.random.default_rng(2)).item() < 0.01
    others = [[KITCHEN], [STATION], [SUMMER]]  # what the second says is told wrongly
    assert spotting_loss(logits, others, ways, np.random.default_rng(2)).item() > 0.1


def test_its_gradient_makes_phrases_heard() -> None:
    said, ways = [KITCHEN, STATION, SUMMER], tensors(hearing())
    logits = torch.zeros(3, 40, len(PHONES)).normal_(0.0, 0.1, generator=torch.Generator().manual_seed(1))
    logits.requires_grad_()
    optimizer, losses = torch.optim.Adam([logits], lr=0.3), []
    for step in range(60):
        loss = spotting_loss(logits, [[one] for one in said], ways, np.random.default_rng(step))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert np.mean(losses[-5:]) < 0.2 < 1.0 < losses[0]


def test_where_nothing_can_be_looked_for_nothing_is_learned() -> None:
    logits = torch.zeros(2, 5, len(PHONES), requires_grad=True)
    loss = spotting_loss(logits, [[[1, 2]], []], tensors(hearing_in({})), np.random.default_rng(0))
    loss.backward()
    assert loss.item() == 0.0
    assert not logits.grad.any()
