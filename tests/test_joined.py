"""Several bundles in one graph: the same scores as each alone, and nothing computed twice."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import wakeword
from tests.signals import speech_like
from tests.test_safety import put
from wakeword.bundle import GRAPH, read_bundle
from wakeword.errors import BundleError
from wakeword.joined import Carried, Graph, JoinError, joined, metadata

torch = pytest.importorskip("torch", reason="exporting needs the extra 'train'")
onnx = pytest.importorskip("onnx", reason="changing graphs needs the extra 'train'")
from onnx import numpy_helper  # noqa: E402

from wakeword.bundle import Card, write_bundle  # noqa: E402
from wakeword.config import load_config, override  # noqa: E402
from wakeword.export import export  # noqa: E402
from wakeword.model import WakeModel  # noqa: E402

RATE_HZ = 16000
READY = Path(wakeword.__file__).parent / "models"
TYPED = ("computer", "hey_computer", "activate")
ROUNDING = 1e-6  # the runtime may fuse other nodes where several take one value


@pytest.fixture
def pcm() -> np.ndarray:
    return speech_like(4 * RATE_HZ, RATE_HZ)


def made(folder: Path, name: str, seed: int, phrases: int = 1, **changes: dict) -> Path:
    torch.manual_seed(seed)
    config = override(load_config("tiny"), **changes)
    facts = {"thresholds": [0.5] * phrases, "phrase_s": [0.6] * phrases, "config": config, "provenance": {}}
    card = Card(phrases=[f"{name} {k}" for k in range(phrases)], **facts)
    return write_bundle(folder / name, card, *export(WakeModel(config, phrases).eval(), card)).path


def alone(bundles: list[Path], pcm: np.ndarray) -> np.ndarray:
    return np.concatenate([wakeword.load(bundle).scores(pcm)[1] for bundle in bundles], axis=1)


def parts_of(bundle: Path) -> dict[str, int]:
    """The sizes of the state's parts by name."""
    carried = Carried(Graph.read(read_bundle(bundle).graph()))
    return dict(zip(carried.names, carried.sizes, strict=True))


def heard(ww: wakeword.WakeWord, pcm: np.ndarray, chunk: int) -> np.ndarray:
    """Probabilities as they come in a stream, by `on_score` of detectors that do not smooth."""
    curves: dict[str, list[float]] = {phrase: [] for phrase in ww.phrases}
    ww.on_score = lambda phrase, end_s, score, fired: curves[phrase].append(score)
    for at in range(0, len(pcm), chunk):
        ww.feed(pcm[at : at + chunk])
    return np.array(list(curves.values())).T


def test_ready_models_side_by_side_score_as_each_alone(pcm: np.ndarray) -> None:
    bundles = [READY / name for name in TYPED]
    together = wakeword.load(bundles)
    assert [ear.numbers for ear in together._ears] == [(0, 1, 2)]
    np.testing.assert_allclose(together.scores(pcm)[1], alone(bundles, pcm), rtol=0.0, atol=ROUNDING)
    streamed = heard(wakeword.load(bundles, smoothing_steps=1), pcm, 1280)
    expected = np.concatenate([heard(wakeword.load(each, smoothing_steps=1), pcm, 1280) for each in bundles], axis=1)
    np.testing.assert_allclose(streamed, expected, rtol=0.0, atol=ROUNDING)


def test_what_typed_phrases_have_in_common_is_in_the_graph_once() -> None:
    contents = [(READY / name / GRAPH).read_bytes() for name in TYPED]
    model = onnx.load_from_string(joined(contents, [1] * len(contents)))
    onnx.checker.check_model(model, full_check=True)
    count = lambda graph: sum(node.op_type == "GRU" for node in graph.node)  # noqa: E731
    members, shared = 4, 3  # the first GRU of the backbone, and the two by which its phones are heard
    assert [count(onnx.load_from_string(content).graph) for content in contents] == [members + shared] * 3
    assert count(model.graph) == 3 * members + shared
    assert [node.op_type for node in model.graph.node].count("RNN") == 1  # the running norm of the front end
    assert len(model.SerializeToString()) < 0.6 * sum(map(len, contents))


def test_networks_of_their_own_share_the_front_end_alone(tmp_path: Path, pcm: np.ndarray) -> None:
    bundles = [made(tmp_path, "one", 1), made(tmp_path, "two", 2, phrases=2), made(tmp_path, "three", 3)]
    ww = wakeword.load(bundles)
    own = [parts_of(bundle) for bundle in bundles]
    front = sum(size for name, size in own[0].items() if "gru" not in name)  # samples, norm, and the frames heard last
    assert ww.state_size == front + sum(size for each in own for name, size in each.items() if "gru" in name)
    assert ww.phrases == ["one 0", "two 0", "two 1", "three 0"]
    np.testing.assert_allclose(ww.scores(pcm)[1], alone(bundles, pcm), rtol=0.0, atol=ROUNDING)


def test_state_that_is_followed_by_something_else_is_not_shared(tmp_path: Path, pcm: np.ndarray) -> None:
    """Two graphs that differ in one number of the front end: how fast its norm forgets."""
    one = made(tmp_path, "one", 1)
    other = made(tmp_path, "other", 1, features={"norm_time_constant_s": 0.4})
    same = made(tmp_path, "same", 1)
    sizes = [wakeword.load([one, each]).state_size for each in (same, other)]
    assert sizes[0] == wakeword.load(one).state_size  # nothing of it is there twice
    assert sizes[1] == 2 * sizes[0] - parts_of(one)["state_pcm"]  # the last samples, which both want alike
    np.testing.assert_allclose(wakeword.load([one, other]).scores(pcm)[1], alone([one, other], pcm), atol=ROUNDING)
    assert not np.allclose(*alone([one, other], pcm).T, atol=1e-3)


def test_detections_come_in_order_and_with_their_own_phrases(tmp_path: Path, pcm: np.ndarray) -> None:
    bundles = [made(tmp_path, "one", 1), made(tmp_path, "two", 2)]
    thresholds = {f"{bundle.name} 0": float(np.quantile(alone([bundle], pcm)[20:], 0.9)) for bundle in bundles}
    ww = wakeword.load(bundles, thresholds)
    together = ww.feed(pcm) + ww.flush()
    apart = [
        hit
        for b, (name, t) in zip(bundles, thresholds.items(), strict=True)
        for hit in wakeword.load(b, {name: t}).feed(pcm)
    ]
    assert {hit.phrase for hit in together} == set(thresholds)
    assert [hit.end_s for hit in together] == sorted(hit.end_s for hit in apart)
    ww.reset()
    assert ww.feed(pcm) + ww.flush() == together


def test_a_stream_of_some_bundles_runs_these_alone(tmp_path: Path, pcm: np.ndarray) -> None:
    bundles = [made(tmp_path, "one", 1), made(tmp_path, "two", 2), made(tmp_path, "three", 3)]
    ww = wakeword.load(bundles)
    some = ww.fresh(["three 0", "one 0"])
    assert [ear.numbers for ear in some._ears] == [(0,), (2,)]
    np.testing.assert_allclose(some.scores(pcm)[1], alone([bundles[0], bundles[2]], pcm), rtol=0.0, atol=ROUNDING)
    assert [ear.numbers for ear in ww.fresh()._ears] == [(0, 1, 2)]
    assert ww.fresh()._ears[0]._graph._session is ww._ears[0]._graph._session


def test_bundles_with_other_steps_have_a_graph_of_their_own(tmp_path: Path, pcm: np.ndarray) -> None:
    bundles = [made(tmp_path, "one", 1), made(tmp_path, "two", 2, model={"conv_stride": 4}), made(tmp_path, "three", 3)]
    ww = wakeword.load(bundles)
    assert [ear.numbers for ear in ww._ears] == [(0, 2), (1,)]
    assert ww.phrases == ["one 0", "two 0", "three 0"]
    counts: dict[str, int] = {}
    ww.on_score = lambda phrase, *_: counts.update({phrase: counts.get(phrase, 0) + 1})
    ww.feed(pcm)
    assert counts == {
        phrase: len(pcm) // word.step_samples for phrase, word in zip(ww.phrases, ww._words.values(), strict=True)
    }


def with_another_state(model: onnx.ModelProto) -> None:
    """As somebody else might write it: the state split by slices."""
    graph = model.graph
    split = next(node for node in graph.node if node.op_type == "Split" and node.output[0].startswith("state_"))
    sizes = numpy_helper.to_array(next(t for t in graph.initializer if t.name == split.input[1]))
    at = list(graph.node).index(split)
    bounds = np.concatenate([[0], np.cumsum(sizes)])
    graph.initializer.append(numpy_helper.from_array(np.array([2]), "last"))
    slices = []
    for i, name in enumerate(split.output):
        for end in (0, 1):
            graph.initializer.append(numpy_helper.from_array(bounds[i + end : i + end + 1], f"b{i}_{end}"))
        slices.append(onnx.helper.make_node("Slice", [split.input[0], f"b{i}_0", f"b{i}_1", "last"], [name]))
    rest = [node for i, node in enumerate(graph.node) if i != at]
    del graph.node[:]
    graph.node.extend([*rest[:at], *slices, *rest[at:]])


def test_a_graph_of_another_form_listens_beside_the_others(tmp_path: Path, tiny_bundle: Path, pcm: np.ndarray) -> None:
    other = Path(shutil.copytree(tiny_bundle, tmp_path / "other"))
    model = onnx.load_from_string((other / GRAPH).read_bytes())
    with_another_state(model)
    put(other, GRAPH, model.SerializeToString())
    ww = wakeword.load([tiny_bundle, other])
    assert [ear.numbers for ear in ww._ears] == [(0,), (1,)]
    np.testing.assert_allclose(*ww.scores(pcm)[1].T, rtol=0.0, atol=ROUNDING)


def test_a_bad_graph_among_good_ones_is_told_by_its_name(tmp_path: Path, tiny_bundle: Path) -> None:
    bad = Path(shutil.copytree(tiny_bundle, tmp_path / "bad"))
    model = onnx.load_from_string((bad / GRAPH).read_bytes())
    for tensor in model.graph.initializer:
        if tensor.data_type == onnx.TensorProto.FLOAT:
            tensor.raw_data = np.full(len(tensor.raw_data) // 4, np.nan, np.float32).tobytes()
    put(bad, GRAPH, model.SerializeToString())
    with pytest.raises(BundleError, match="bad: model.onnx gives no probabilities"):
        wakeword.load([tiny_bundle, bad])


def cut(content: bytes) -> bytes:
    return content[: len(content) // 2]


def without_state(content: bytes) -> bytes:
    model = onnx.load_from_string(content)
    del model.graph.input[1]
    return model.SerializeToString()


def of_another_version(content: bytes) -> bytes:
    model = onnx.load_from_string(content)
    model.opset_import[0].version = 18
    return model.SerializeToString()


def with_an_output_left_out(content: bytes) -> bytes:
    model = onnx.load_from_string(content)
    gru = next(node for node in model.graph.node if node.op_type == "GRU")
    model.graph.node.append(onnx.helper.make_node("GRU", gru.input, ["", "last"], hidden_size=1))
    return model.SerializeToString()


def from_nowhere(content: bytes) -> bytes:
    model = onnx.load_from_string(content)
    model.graph.node[5].input[0] = "nothing"
    return model.SerializeToString()


@given(st.data())
def test_damage_anywhere_is_refused_or_harmless(data: st.DataObject) -> None:
    content = bytearray((READY / "computer_micro" / GRAPH).read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(JoinError):  # nothing else may come out; of most bytes, the weights, nobody can tell
        joined([bytes(content), (READY / "computer_micro" / GRAPH).read_bytes()], [1, 1])
        metadata(bytes(content))


def with_a_chain(content: bytes, last: int) -> bytes:
    """With 300 more parts of state, each followed by the next one, and the last by the part of that number."""
    model = onnx.load_from_string(content)
    by_output = {name: node for node in model.graph.node for name in node.output}
    split, concat = by_output["state_pcm"], by_output[by_output["next_state"].input[0]]
    sizes = next(tensor for tensor in model.graph.initializer if tensor.name == split.input[1])
    names = [f"chain_{i}" for i in range(300)]
    split.output.extend(names)
    concat.input.extend([*names[1:], names[last]])
    known = numpy_helper.to_array(sizes).tolist()
    sizes.CopyFrom(numpy_helper.from_array(np.array([*known, *[1] * len(names)]), sizes.name))
    return model.SerializeToString()


def test_state_made_to_take_hundreds_of_rounds_is_given_up_on(tiny_bundle: Path) -> None:
    content = (tiny_bundle / GRAPH).read_bytes()
    joined([with_a_chain(content, 0), with_a_chain(content, 0)], [1, 1])
    with pytest.raises(JoinError, match="more than 50 rounds"):
        joined([with_a_chain(content, 0), with_a_chain(content, 1)], [1, 1])


@pytest.mark.parametrize(
    "change",
    [cut, without_state, of_another_version, from_nowhere, with_an_output_left_out, lambda _: b"", lambda _: b"\xff"],
)
def test_what_cannot_be_joined_says_so(tiny_bundle: Path, change: Callable[[bytes], bytes]) -> None:
    good = (tiny_bundle / GRAPH).read_bytes()
    with pytest.raises(JoinError):
        joined([good, change(good)], [1, 1])
