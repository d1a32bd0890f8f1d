"""`wakeword export BUNDLE --to web`: a static folder that listens in a browser; no server hears anything."""

from __future__ import annotations

import json
import shlex
import shutil
from importlib import resources
from pathlib import Path

from wakeword.bundle import Bundle, read_bundle
from wakeword.errors import BundleError, WakewordError
from wakeword.files import check_writable, write_bytes
from wakeword.stream import WakeWord

RUNTIME = ("ort.wasm.min.mjs", "ort-wasm-simd-threaded.mjs", "ort-wasm-simd-threaded.wasm")
PACKAGE = "onnxruntime-web"


def export_web(bundle: str | Path, out: str | Path, onnxruntime_web: str | Path | None = None) -> dict:
    """Writes the folder `out`: page, worklet, model, and the runtime from the npm package onnxruntime-web.

    That package is `onnxruntime_web`, or the one that npm installed into node_modules here or in a folder above.
    Returns {"path", "files", "bytes", "onnxruntime_web", "serve"}, the last being a command. Raises BundleError for a
    bundle that a browser cannot run, WakewordError if the package is missing, FileError if `out` cannot be written.
    """
    opened = read_bundle(bundle)
    card = _card(opened)
    package = _package(onnxruntime_web)
    out = Path(out)
    contents = {path.name: path.read_bytes() for path in _page()}
    contents |= {f"ort/{name}": (package / "dist" / name).read_bytes() for name in RUNTIME}
    contents |= {"model.onnx": opened.graph(), "NOTICE.txt": _notice(package).encode()}
    contents |= {"wakeword.json": (json.dumps(card, indent=2, ensure_ascii=False) + "\n").encode()}
    check_writable(out / "index.html")
    for name, content in sorted(contents.items()):
        write_bytes(out / name, content)
    return {
        "path": str(out),
        "files": len(contents),
        "bytes": sum(map(len, contents.values())),
        "onnxruntime_web": _version(package),
        "serve": f"python -m http.server 8000 --bind 127.0.0.1 --directory {shlex.quote(str(out))}",
    }


def _card(bundle: Bundle) -> dict:
    """What the page needs to know of a bundle."""
    config = bundle.card.config
    if config.features.kind == "micro":
        raise BundleError(
            f"{bundle.path}: got features.kind micro, which a browser has not got, expected a bundle that takes samples"
        )
    stream = WakeWord([bundle])
    return {
        "phrases": stream.phrases,
        "phrase_s": bundle.card.phrase_s,
        "rules": [rule.model_dump(mode="json") for rule in stream.detector_configs],
        "sample_rate_hz": stream.sample_rate_hz,
        "step_samples": stream.step_samples,
        "warmup_steps": stream.warmup_steps,
        "state_size": stream.state_size,
    }


def _page() -> list:
    """The files that are the same for every bundle."""
    return [path for path in (resources.files("wakeword") / "web" / "page").iterdir() if path.is_file()]


def _package(given: str | Path | None) -> Path:
    here = Path.cwd()
    places = [Path(given)] if given else [folder / "node_modules" / PACKAGE for folder in (here, *here.parents)]
    for place in places:
        if all((place / "dist" / name).is_file() for name in RUNTIME):
            return place
    if given:
        raise WakewordError(
            f"--onnxruntime-web: got {given}, expected the npm package's folder, with {RUNTIME[0]} in dist"
        )
    npm = "" if shutil.which("npm") else " (npm is missing too: install Node.js)"
    raise WakewordError(f"export --to web needs the npm package {PACKAGE}: npm install {PACKAGE}{npm}")


def _version(package: Path) -> str:
    try:
        return str(json.loads((package / "package.json").read_bytes())["version"])
    except (OSError, ValueError, KeyError, TypeError):
        return "unknown"


def _notice(package: Path) -> str:
    return (
        f"ort/ is {PACKAGE} {_version(package)}, (c) Microsoft Corporation, MIT licence.\n"
        "The page is part of wakeword, Apache-2.0. model.onnx is the model that it was exported from.\n"
    )
