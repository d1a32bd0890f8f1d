"""Bundles from strangers: right checksums, and something else inside. Each is refused in one line, and quickly."""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import wakeword
from wakeword import cli
from wakeword.bundle import CARD, GOLDEN, GRAPH, WEIGHTS, read_bundle
from wakeword.errors import BundleError
from wakeword.safety import LARGEST_ARRAY_BYTES, LARGEST_BYTES, check_graph

onnx = pytest.importorskip("onnx", reason="making hostile graphs needs the extra 'train'")
from onnx import TensorProto, helper, numpy_helper  # noqa: E402


@pytest.fixture
def copy(tiny_bundle: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_bundle, tmp_path / "bundle"))


def put(bundle: Path, name: str, content: bytes) -> None:
    """Replaces a file, and its checksum."""
    (bundle / name).write_bytes(content)
    edit(bundle, lambda card: card["sha256"].update({name: hashlib.sha256(content).hexdigest()}))


def edit(bundle: Path, change: Callable[[dict], object]) -> None:
    card = json.loads((bundle / CARD).read_text())
    change(card)
    (bundle / CARD).write_text(json.dumps(card))


def refused(bundle: Path, match: str) -> None:
    with pytest.raises(BundleError, match=match) as caught:
        wakeword.load(bundle)
    assert "\n" not in str(caught.value)


def external(model: onnx.ModelProto) -> None:
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="/etc/passwd")


def external_in_a_scan(model: onnx.ModelProto) -> None:
    tensor = numpy_helper.from_array(np.zeros(3, np.float32), "x")
    tensor.external_data.add(key="location", value="../../secret")
    inner = helper.make_graph([helper.make_node("Constant", [], ["y"], value=tensor)], "inner", [], [])
    model.graph.node.append(helper.make_node("Scan", [], ["z"], body=inner, num_scan_inputs=1))


def add_node(operator: str, domain: str = "") -> Callable[[onnx.ModelProto], None]:
    return lambda model: model.graph.node.append(helper.make_node(operator, [], ["z"], domain=domain))


def sparse(model: onnx.ModelProto) -> None:
    model.graph.sparse_initializer.add(dims=[1 << 40])


def function(model: onnx.ModelProto) -> None:
    model.functions.add(name="f", domain="d")


def nested(model: onnx.ModelProto) -> None:
    inner = helper.make_graph([], "g", [], [])
    for _ in range(20):
        inner = helper.make_graph([helper.make_node("Scan", [], [], body=inner, num_scan_inputs=1)], "g", [], [])
    model.graph.node.extend(inner.node)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (external, "a reference to another file"),
        (external_in_a_scan, "a reference to another file"),
        (add_node("Loop"), "the operator or domain 'Loop'"),
        (add_node("ConstantOfShape"), "'ConstantOfShape'"),
        (add_node("MatMul", "com.evil"), "'com.evil'"),
        (sparse, "sparse tensors"),
        (function, "functions"),
        (nested, "more than 8 levels deep"),
    ],
)
def test_a_graph_with_more_than_a_wake_word_needs_is_refused(copy: Path, change, complaint: str) -> None:
    model = onnx.load_from_string((copy / GRAPH).read_bytes())
    change(model)
    put(copy, GRAPH, model.SerializeToString())
    refused(copy, f"model.onnx: holds .*{complaint}")


def without_a_number(model: onnx.ModelProto) -> None:
    for tensor in model.graph.initializer:
        if tensor.data_type == TensorProto.FLOAT:
            tensor.raw_data = np.full(len(tensor.raw_data) // 4, np.nan, np.float32).tobytes()


def another_name(model: onnx.ModelProto) -> None:
    model.graph.input[0].name = "sound"


def enormous_state(model: onnx.ModelProto) -> None:
    model.graph.input[1].type.tensor_type.shape.dim[1].dim_value = 1 << 40


def absurd_tensor(model: onnx.ModelProto) -> None:
    model.graph.initializer[0].dims[:] = [1 << 20, 1 << 20]


@pytest.mark.parametrize("change", [without_a_number, another_name, enormous_state, absurd_tensor])
def test_a_graph_that_is_no_wake_words_is_refused_while_loading(copy: Path, change) -> None:
    model = onnx.load_from_string((copy / GRAPH).read_bytes())
    change(model)
    put(copy, GRAPH, model.SerializeToString())
    refused(copy, "model.onnx (cannot be loaded|cannot be run|has inputs and outputs|gives no probabilities)")


@given(st.binary(max_size=300))
def test_no_bytes_make_the_check_of_a_graph_fail_otherwise(content: bytes) -> None:
    try:
        check_graph(content, Path("model.onnx"))
    except BundleError:
        return


def test_a_graph_cut_short_anywhere_is_refused_or_read(tiny_bundle: Path) -> None:
    content = (tiny_bundle / GRAPH).read_bytes()
    for length in range(0, len(content), max(1, len(content) // 200)):
        try:
            check_graph(content[:length], Path("model.onnx"))
        except BundleError as error:
            assert "damaged" in str(error)  # noqa: PT017 - where it is cut between two fields, it is whole


def test_a_graph_of_millions_of_empty_fields_is_refused_before_it_takes_time() -> None:
    with pytest.raises(BundleError, match="more than 200000 fields"):
        check_graph(b"\x10\x00" * 5_000_000, Path("model.onnx"))


@pytest.mark.parametrize("name", [CARD, GRAPH, WEIGHTS, GOLDEN])
def test_a_file_that_is_far_too_large_is_refused_unread(copy: Path, name: str) -> None:
    os.truncate(copy / name, LARGEST_BYTES[name] + 1)
    refused(copy, f"{name}: got more than")


@pytest.mark.skipif(os.name == "nt", reason="needs named pipes")
@pytest.mark.parametrize("name", [CARD, GRAPH])
def test_a_pipe_in_place_of_a_file_is_refused_and_not_waited_for(copy: Path, name: str) -> None:
    (copy / name).unlink()
    os.mkfifo(copy / name)
    refused(copy, "no file|has no model.json")


def npz(**members: bytes) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(f"{name}.npy", content)
    return packed.getvalue()


def npy(array: np.ndarray) -> bytes:
    packed = io.BytesIO()
    np.save(packed, array)
    return packed.getvalue()


def header(shape: tuple[int, ...], dtype: str = "<i2") -> bytes:
    packed = io.BytesIO()
    np.lib.format.write_array_header_1_0(packed, {"descr": dtype, "fortran_order": False, "shape": shape})
    return packed.getvalue()


PCM, SCORES = npy(np.zeros(640, np.int16)), npy(np.zeros((2, 1), np.float32))


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (npz(pcm=header((LARGEST_ARRAY_BYTES,)) + bytes(LARGEST_ARRAY_BYTES), probabilities=SCORES), "unpacks to more"),
        (npz(pcm=header((1 << 50,)), probabilities=SCORES), r"pcm is int16 \[1125899906842624\] in 0 bytes"),
        (npz(pcm=npy(np.zeros(4, np.float64)), probabilities=SCORES), "pcm is float64"),
        (npz(pcm=header((1,), "|O") + b"cos\nsystem\n", probabilities=SCORES), "pcm is object"),
        (npz(pcm=PCM), "got pcm.npy in it, expected pcm, probabilities"),
        (npz(pcm=PCM, probabilities=b"no array"), "damaged"),
        (b"no archive", "damaged: File is not a zip file"),
    ],
)
def test_an_archive_is_unpacked_no_further_than_it_may(copy: Path, content: bytes, complaint: str) -> None:
    put(copy, GOLDEN, content)
    with pytest.raises(BundleError, match=complaint):
        read_bundle(copy).golden()


@pytest.mark.parametrize("content", [b"", b"\xff" * 100, (1 << 60).to_bytes(8, "little") + b"{}"])
def test_weights_that_are_no_safetensors_are_refused(copy: Path, content: bytes) -> None:
    put(copy, WEIGHTS, content)
    with pytest.raises(BundleError, match="not a safetensors file"):
        read_bundle(copy).weights()


def enormous_step(card: dict) -> None:
    config = card["config"]
    config["audio"]["example_s"] = 600.0
    frames = 500 * config["audio"]["sample_rate_hz"] // config["features"]["hop_samples"]
    config["model"].update(conv_stride=frames, conv_kernel=frames)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (lambda card: card.update(thresholds=[float("nan")]), "thresholds.0"),
        (lambda card: card.update(phrase_s=[float("inf")]), "phrase_s"),
        (lambda card: card.update(phrase_s=[-1.0]), r"phrase_s: got \[-1.0\]"),
        (lambda card: card.update(phrases=["hey\x1b]0;owned\x07"]), r"got a phrase 'hey\\x1b"),
        (lambda card: card.update(phrases=["hey\ntest"]), r"got a phrase 'hey\\ntest'"),
        (lambda card: card.update(phrases=["a" * 100_000]), "got a phrase 'a{40}'"),
        (
            lambda card: card.update(phrases=["a"] * 2000, thresholds=[0.5] * 2000, phrase_s=[1.0] * 2000),
            "2000 phrases",
        ),
        (lambda card: card["config"]["model"].update(conv_stride=1 << 40, conv_kernel=1 << 40), "is shorter than one"),
        (enormous_step, "an output takes"),
        (lambda card: card["config"]["detector"].update(smoothing_steps=1 << 40), "smoothing_steps"),
        (lambda card: card["config"]["audio"].update(sample_rate_hz=10**400), "sample_rate_hz"),
        (lambda card: card.update(run="import os"), "run: extra inputs are not permitted"),
    ],
)
def test_a_card_that_makes_no_sense_is_refused(copy: Path, change, complaint: str) -> None:
    edit(copy, change)
    refused(copy, f"model.json: damaged: .*{complaint}")


def test_the_command_line_refuses_a_hostile_bundle_in_one_line(copy: Path, tmp_path: Path, capsys) -> None:
    model = onnx.load_from_string((copy / GRAPH).read_bytes())
    external(model)
    put(copy, GRAPH, model.SerializeToString())
    assert cli.main(["listen", str(copy), "--wav", str(tmp_path / "a.wav")]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_a_card_nested_without_end_is_refused(copy: Path) -> None:
    (copy / CARD).write_text("[" * 1_000_000)
    refused(copy, "not valid JSON")
