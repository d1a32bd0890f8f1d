"""`wakeword bench`: what a bundle costs on this machine."""

from __future__ import annotations

from typing import Annotated, Any

import typer


def command(
    bundle: Annotated[str, typer.Argument(help="A bundle folder, or a ready model's name.")],
    seconds: Annotated[float, typer.Option(min=1.0, max=3600.0, help="Length of the sound it hears.")] = 20.0,
    rounds: Annotated[int, typer.Option(min=1, max=1000, help="How often; the median counts.")] = 3,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on one line.")] = False,
) -> None:
    """Measure how much of this machine a bundle takes while it listens: time on one thread, memory, start."""
    from wakeword.bench import measured

    found = measured(bundle, seconds, rounds)
    if as_json:
        import json
        import math

        # JSON has no number for what a system does not tell.
        typer.echo(json.dumps({name: None if math.isnan(value) else value for name, value in found.items()}))
    else:
        _print(found)


def _print(found: dict[str, Any]) -> None:
    for ms in (80, 20):
        share = found[f"rtf_{ms}ms"]
        typer.echo(f"{ms} ms chunks: {share:.5f} of real time, {share * ms * 1000:.0f} us a chunk on one thread")
    typer.echo(f"from nothing to the first score: {found['import_to_first_score_s']:.2f} s")
    typer.echo(f"memory of a listener: {found['resident_mb']:.0f} MB")
    typer.echo(f"added latency: {found['added_latency_ms']:g} ms")
