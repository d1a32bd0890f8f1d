"""`wakeword export`: a bundle as its ONNX graph alone, or as a package for a device or a browser."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class Target(StrEnum):
    """What a bundle can be turned into."""

    ONNX = "onnx"
    ESPHOME = "esphome"
    WEB = "web"


def command(
    bundle: Annotated[Path, typer.Argument(help="A model bundle.")],
    out: Annotated[Path, typer.Option(help="The .onnx file, or the package's folder, to write.")],
    to: Annotated[Target, typer.Option("--to", help="What to write.")] = Target.ONNX,
    onnxruntime_web: Annotated[
        Path | None, typer.Option(help="For web: the folder of the npm package onnxruntime-web.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Write a bundle for somewhere else: its ONNX graph, an ESPHome model, or a web page that listens.

    The graph is compared with torch, the ESPHome model with its integer twin; one that differs is not written.
    """
    from wakeword.errors import WakewordError

    if onnxruntime_web and to is not Target.WEB:
        raise WakewordError("--onnxruntime-web: got it without --to web")
    if to is Target.ONNX:
        facts, text = _onnx(bundle, out)
    elif to is Target.ESPHOME:
        facts, text = _esphome(bundle, out)
    else:
        facts, text = _web(bundle, out, onnxruntime_web)
    print(_json(facts) if as_json else text)


def _onnx(bundle: Path, out: Path) -> tuple[dict, str]:
    from wakeword.bundle import read_bundle
    from wakeword.errors import BundleError
    from wakeword.export import PARITY_TOLERANCE, export
    from wakeword.files import write_bytes
    from wakeword.model import model_from_weights

    if out.suffix != ".onnx":
        raise BundleError(f"--out: got {out}, expected a file that ends in .onnx")
    opened = read_bundle(bundle)
    graph, _, _ = export(model_from_weights(opened.card.config, opened.weights()), opened.card)
    write_bytes(out, graph)
    facts = {"path": str(out), "bytes": len(graph), "parity_tolerance": PARITY_TOLERANCE}
    return facts, f"wrote {out}: {len(graph)} bytes, equal to torch within {PARITY_TOLERANCE}"


def _esphome(bundle: Path, out: Path) -> tuple[dict, str]:
    from dataclasses import asdict

    from firmware_export.esphome import export_esphome

    r = export_esphome(bundle, out)
    return asdict(r), (
        f"wrote {r.manifest}: a model of {r.model_bytes} bytes, {r.operators} operators, {r.variables} variables, "
        f"arena {r.arena_bytes} bytes ({r.arena_measured_bytes} measured). In {r.steps_checked} steps TensorFlow Lite "
        f"Micro gave what the twin gives; both are {r.mean_distance:.4f} from the float model in the mean, "
        f"{r.largest_distance:.3f} at most"
    )


def _web(bundle: Path, out: Path, onnxruntime_web: Path | None) -> tuple[dict, str]:
    from wakeword.web import export_web

    facts = export_web(bundle, out, onnxruntime_web)
    return facts, f"wrote {out}: {facts['files']} files, {facts['bytes']} bytes; serve it: {facts['serve']}"


def _json(facts: dict) -> str:
    import json

    return json.dumps(facts, ensure_ascii=False)
