"""`wakeword export`: a bundle as its ONNX graph alone, as code for a device, or as a page for a browser."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

FLASH_KB, RAM_KB = 40, 8  # what a C package may need unless told otherwise
PHONES_WEIGH_SINCE = 4  # the bundle format from which a spotter weighs as it does today
MAX_AUDIO_S = 600  # of --audio: ten minutes say what is to be said, and every step of them is computed in numpy


class Target(StrEnum):
    """What a bundle can be turned into."""

    ONNX = "onnx"
    C = "c"
    ARDUINO = "arduino"
    ESP_IDF = "esp-idf"
    ZEPHYR = "zephyr"
    ESPHOME = "esphome"
    WEB = "web"


def command(
    bundle: Annotated[Path, typer.Argument(help="A model bundle.")],
    out: Annotated[Path, typer.Option(help="The .onnx file, or the package's folder, to write.")],
    to: Annotated[Target, typer.Option("--to", help="What to write.")] = Target.ONNX,
    onnxruntime_web: Annotated[
        Path | None, typer.Option(help="For web: the folder of the npm package onnxruntime-web.")
    ] = None,
    audio: Annotated[
        Path | None, typer.Option(help="For C: a recording, or folder of them, to calibrate and compare with.")
    ] = None,
    flash_kb: Annotated[
        float | None, typer.Option(help=f"For C: refuse what needs more flash (default {FLASH_KB}).", min=1)
    ] = None,
    ram_kb: Annotated[
        float | None, typer.Option(help=f"For C: refuse what needs more RAM (default {RAM_KB}).", min=1)
    ] = None,
    emulate: Annotated[bool, typer.Option(help="For C: prove it on emulated boards, too, and count there.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Write a bundle for somewhere else: its ONNX graph, C for a device, an ESPHome model, or a page that listens.

    The graph is compared with torch, code with its integer twin, here and now; what differs is not written.
    """
    for_c = {"--audio": audio, "--flash-kb": flash_kb, "--ram-kb": ram_kb, "--emulate": emulate or None}
    _refuse_foreign({"--onnxruntime-web": onnxruntime_web}, to, (Target.WEB,))
    _refuse_foreign(for_c, to, (Target.C, Target.ARDUINO, Target.ESP_IDF, Target.ZEPHYR))
    if to is Target.ONNX:
        facts, text = _onnx(bundle, out)
    elif to is Target.ESPHOME:
        facts, text = _esphome(bundle, out)
    elif to is Target.WEB:
        facts, text = _web(bundle, out, onnxruntime_web)
    else:
        facts, text = _device(bundle, to.value, out, (flash_kb or FLASH_KB, ram_kb or RAM_KB), audio, emulate)
    print(_json(facts) if as_json else text)


def _refuse_foreign(flags: dict[str, object], to: Target, targets: tuple[Target, ...]) -> None:
    """Raises WakewordError for a flag that was given, but means something for other targets only."""
    from wakeword.errors import WakewordError

    given = [flag for flag, value in flags.items() if value is not None]
    if given and to not in targets:
        expected = ", ".join(targets[:-1]) + " or " * (len(targets) > 1) + targets[-1]
        raise WakewordError(f"{given[0]}: got it with --to {to}, expected --to {expected}, or no {given[0]}")


def _onnx(bundle: Path, out: Path) -> tuple[dict, str]:
    from wakeword.bundle import read_bundle
    from wakeword.errors import BundleError
    from wakeword.export import PARITY_TOLERANCE, export
    from wakeword.files import write_bytes
    from wakeword.model import model_from_weights
    from wakeword.path import Paths, hearing_in

    if out.suffix != ".onnx":
        raise BundleError(f"--out: got {out}, expected a file that ends in .onnx")
    opened = read_bundle(bundle)
    config, paths, weights = opened.card.config, opened.card.paths, opened.weights()
    if config.model.spotter and opened.card.format_version < PHONES_WEIGH_SINCE:
        raise BundleError(
            f"{bundle}: got a model of format {opened.card.format_version}, whose phones weighed otherwise, expected "
            "one of this version: train it again, or take its model.onnx"
        )
    spotted = Paths.of(paths) if config.model.spotter else None
    graph, _, _ = export(model_from_weights(config, weights, spotted), opened.card, hearing_in(weights))
    write_bytes(out, graph)
    facts = {"path": str(out), "bytes": len(graph), "parity_tolerance": PARITY_TOLERANCE}
    return facts, f"wrote {out}: {len(graph)} bytes, equal to torch within {PARITY_TOLERANCE}"


def _esphome(bundle: Path, out: Path) -> tuple[dict, str]:
    from dataclasses import asdict

    from firmware_export.esphome import export_esphome

    r = export_esphome(bundle, out)
    return asdict(r), (
        f"wrote {r.manifest}: a model of {r.model_bytes} bytes, {r.operators} operators, {r.variables} variables, "
        f"{r.macs_per_second} products a second, arena {r.arena_bytes} bytes ({r.arena_measured_bytes} measured). "
        f"In {r.steps_checked} steps TensorFlow Lite Micro gave what the twin gives; "
        f"both are {r.mean_distance:.4f} from the float model in the mean, {r.largest_distance:.3f} at most"
    )


def _web(bundle: Path, out: Path, onnxruntime_web: Path | None) -> tuple[dict, str]:
    from wakeword.web import export_web

    facts = export_web(bundle, out, onnxruntime_web)
    return facts, f"wrote {out}: {facts['files']} files, {facts['bytes']} bytes; serve it: {facts['serve']}"


def _device(
    bundle: Path,
    target: str,
    out: Path,
    limits_kb: tuple[float, float],
    audio: Path | None,
    emulate: bool,
) -> tuple[dict, str]:
    from firmware_export.device import export_device
    from wakeword.bundle import read_bundle

    heard = None if audio is None else _recordings(audio, read_bundle(bundle).card.config.audio.sample_rate_hz)
    report = export_device(bundle, target, out, *limits_kb, heard, emulated=emulate)
    return {"path": str(out), **report}, _summary(out, report)


def _summary(out: Path, report: dict) -> str:
    ways = ", ".join(f"{proof['compiler']} {proof['flags'].split(' -g')[0]}" for proof in report["proof"])
    last, hits, fired = report["distance"][-1], report["detections"], report["proof_detections"]
    lines = [
        f"wrote {out}: {report['flash_bytes']} bytes of flash with {report['macs_per_second']} products a second,",
        f"  {report['stream_bytes']} bytes of RAM a stream and {report['scratch_bytes']} of scratch",
        f"proven bit for bit on {report['proof_s']:g} s of audio: {ways}",
        f"  with {fired['own thresholds']} detections, and {fired['at the median']} of a copy with lowered thresholds",
        *(f"proven on {board['board']}: {_cost(board)}" for board in report["boards"]),
        *(f"not proven on {board}: {why}" for board, why in report["boards_missing"].items()),
        f"float model: probabilities differ by at most {last['worst']:.4f} ({last['rms']:.5f} rms) on "
        f"{report['distance_s']:.0f} s of audio, {hits['float']} detections against {hits['integer']} in integers",
    ]
    return "\n".join(lines)


def _cost(board: dict) -> str:
    return (
        f"{board['instructions_per_second'] / 1e6:.1f} million instructions and {board['macs_per_second']} products "
        f"for a second of audio, {board['flash_bytes']} bytes of flash, {board['ram_bytes']} of RAM, "
        f"{board['stack_bytes']} of stack"
    )


def _recordings(path: Path, sample_rate_hz: int):
    """int16 [N]: a recording, or those of a folder one after another, at the bundle's rate; MAX_AUDIO_S at most."""
    import numpy as np

    from wakeword.audio import audio_files, read, to_int16
    from wakeword.errors import AudioError

    files = audio_files(path)[0] if path.is_dir() else [path]
    pieces, room = [], MAX_AUDIO_S * sample_rate_hz
    for file in files:
        if room > 0:
            pieces.append(to_int16(read(file, sample_rate_hz))[:room])
            room -= len(pieces[-1])
    if not pieces:
        raise AudioError(f"--audio: got {path}, which holds no recordings, expected at least one")
    return np.concatenate(pieces)


def _json(facts: dict) -> str:
    import json

    return json.dumps(facts, ensure_ascii=False)
