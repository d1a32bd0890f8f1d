"""`wakeword models`: the bundles that come with the package."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer


class Action(StrEnum):
    LIST = "list"
    GET = "get"


def command(
    action: Annotated[Action, typer.Argument(help="What to do.")],
    name: Annotated[str | None, typer.Argument(help="Of the model to get.")] = None,
    out: Annotated[Path | None, typer.Option(help="The copy's folder. Default: models/NAME.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object a line.")] = False,
) -> None:
    """List the models that come with the package, or copy one into a folder of yours.

    Each works by its name wherever a bundle is asked for (`wakeword listen hey_computer`). A copy is for what changes
    it: `calibrate`, or a device's tools.
    """
    import json

    from wakeword.bundle import ready_models
    from wakeword.errors import DataError

    if action is Action.GET:
        print(_get(name, out))
    elif name is not None or out is not None:
        raise DataError(f"models list: got {name or out}, expected nothing more: models get NAME copies one")
    elif as_json:
        for model in ready_models():
            print(json.dumps(_facts(model)))
    else:
        for model in ready_models():
            _print(_facts(model))


def _get(name: str | None, out: Path | None) -> str:
    from wakeword.bundle import read_bundle, ready_models, write_bundle
    from wakeword.errors import BundleError

    if name not in ready_models():
        raise BundleError(f"models get: got {name}, expected one of {', '.join(ready_models())}")
    out = out or Path("models") / name
    if out.exists():
        raise BundleError(f"{out}: is there already, expected a folder to be made: choose another --out")
    model = read_bundle(name)
    return f"wrote {write_bundle(out, model.card, model.graph(), model.weights(), model.golden()).path}"


def _facts(name: str) -> dict[str, Any]:
    from wakeword.bundle import read_bundle

    model = read_bundle(name)
    return {
        "name": name,
        "phrases": model.card.phrases,
        "thresholds": model.card.thresholds,
        "bytes": sum(path.stat().st_size for path in model.path.iterdir() if path.is_file()),
        "measured": model.card.provenance.get("measured", {}),
        "trained_on": model.card.provenance.get("sources", []),
    }


def _print(model: dict[str, Any]) -> None:
    """A head and what was measured below it, each in a line that a narrow terminal holds."""
    says = ", ".join(
        f"{phrase!r} at threshold {threshold:.3f}"
        for phrase, threshold in zip(model["phrases"], model["thresholds"], strict=True)
    )
    print(f"{model['name']}: {says}, {model['bytes'] / 1e6:.1f} MB")
    for name, value in model["measured"].items():
        print(f"    {name}: {value}")
