"""`wakeword export`: a bundle's weights to the streaming ONNX graph, checked against torch."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def command(
    bundle: Annotated[Path, typer.Argument(help="A model bundle.")],
    out: Annotated[Path, typer.Option(help="The .onnx file to write.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Rebuild the ONNX graph of a bundle from its weights, prove it equal to torch, and write it on its own."""
    import json

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
    print(
        json.dumps(facts) if as_json else f"wrote {out}: {len(graph)} bytes, equal to torch within {PARITY_TOLERANCE}"
    )
