"""Who may import whom, as a table, and the house rules that a program can check. Read with `ast`, so nothing is run.

A file that is not in the table, or an import that goes up in it, fails. If the plan is what should change, change the
table with the code.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
ROOMS = ("wakeword", "synth", "firmware_export")

# What a room may use of `wakeword`. `wakeword` uses neither of the others, but for its command line.
FROM_WAKEWORD = {
    "synth": {"errors", "files", "sections", "config", "audio", "clips", "shards"},
    "firmware_export": {"errors", "files", "sections", "config", "audio", "features", "bundle", "detector"},
}

# Inside wakeword: a file or folder imports only from lines above its own.
FLOORS = (
    {"errors", "sections"},
    {"config", "files", "halves", "phones", "wire"},
    {"audio", "joined", "likeness", "path", "safety"},
    {"capture", "clips", "detector", "features", "gate", "prefetch"},
    {"bundle", "graph", "labels", "metrics", "portaudio", "shards", "sources"},
    {"ctc", "spotter", "spotting", "team"},
    {"batches", "bundle_stream", "checkpoint", "ear", "info", "microphone", "model"},
    {"rounding", "stream"},
    {
        "actions",
        "bench",
        "chime",
        "export",
        "hardness",
        "hits",
        "listener",
        "run",
        "trials",
        "validate",
        "web",
        "webhook",
    },
    {"backbone", "evaluation", "teacher"},
    {"brief", "train"},
    {"enroll"},
    {"evaluate", "report"},
    {"calibrate"},
    {"__init__"},
    {"serve"},
    {"cli"},
    {"__main__"},
)

# Packages that a listener does without: the only files that may import them as they load.
HEAVY = {
    "torch": {
        "wakeword.backbone",
        "wakeword.batches",
        "wakeword.brief",
        "wakeword.ctc",
        "wakeword.model",
        "wakeword.rounding",
        "wakeword.run",
        "wakeword.teacher",
        "wakeword.spotter",
        "wakeword.spotting",
        "wakeword.team",
        "wakeword.validate",
        "wakeword.train",
        "wakeword.export",
        "wakeword.checkpoint",
        "wakeword.cli.training",
    },
    "scipy": set(),
    "soundfile": {"wakeword.trials"},
    "matplotlib": set(),
    "sounddevice": set(),
    "espeakng_loader": set(),
    "ray": set(),
    "starlette": {"wakeword.serve.guard", "wakeword.serve.live", "wakeword.serve.web"},
    "uvicorn": {"wakeword.serve.http"},
    "wyoming": {"wakeword.serve.conversation", "wakeword.serve.framing", "wakeword.serve.wyoming"},
}


def modules() -> Iterator[tuple[str, Path]]:
    for room in ROOMS:
        for path in sorted((ROOT / room).rglob("*.py")):
            yield ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"), path


@cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"))


def imports(nodes: Iterator[ast.AST]) -> Iterator[str]:
    """Full names of the modules that these statements import."""
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute here"
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                yield inner if is_module(inner) else node.module


def is_module(name: str) -> bool:
    path = ROOT.joinpath(*name.split("."))
    return path.is_dir() or path.with_suffix(".py").is_file()


def floor(module: str) -> int:
    part = module.split(".")[1] if "." in module else "__init__"
    found = [level for level, parts in enumerate(FLOORS) if part in parts]
    assert found, f"wakeword/{part} has no place in the table of this test"
    return found[0]


MODULES = list(modules())
NAMES = [name for name, _ in MODULES]


@pytest.mark.parametrize(("module", "path"), MODULES, ids=NAMES)
def test_imports_run_one_way(module: str, path: Path) -> None:
    room, *inside = module.split(".")
    for used in imports(ast.walk(parsed(path))):
        target, *part = used.split(".")
        if target not in ROOMS or (room, inside[:1]) == ("wakeword", ["cli"]):
            continue
        if room == "wakeword":
            assert target == "wakeword", f"{module} imports {used}"
            assert floor(used) < floor(module) or part[:1] == inside[:1], f"{module} imports {used}, which is above it"
        elif target != room:
            assert target == "wakeword", f"{module} imports {used}"
            assert part, f"{module} imports the whole of wakeword"
            assert part[0] in FROM_WAKEWORD[room], f"{module} imports {used}"


@pytest.mark.parametrize(("module", "path"), MODULES, ids=NAMES)
def test_heavy_packages_are_imported_where_they_are_needed(module: str, path: Path) -> None:
    inner = {id(n) for f in ast.walk(parsed(path)) if isinstance(f, FUNCTIONS) for n in ast.walk(f)}
    while_loading = (node for node in ast.walk(parsed(path)) if id(node) not in inner and not typing_only(node, path))
    for used in imports(while_loading):
        assert module in HEAVY.get(used.split(".")[0], {module}), f"{module} imports {used} as it loads"


def typing_only(node: ast.AST, path: Path) -> bool:
    guarded = (n for n in ast.walk(parsed(path)) if isinstance(n, ast.If) and ast.unparse(n.test) == "TYPE_CHECKING")
    return any(node in ast.walk(block) for block in guarded)


def test_the_stream_loads_no_training_package_and_no_sound_device() -> None:
    script = "import sys, wakeword.stream; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert not set(HEAVY) & set(done.stdout.split())


@pytest.mark.parametrize(("module", "path"), MODULES, ids=NAMES)
def test_files_stay_under_300_lines_and_functions_under_40(module: str, path: Path) -> None:
    assert len(path.read_text("utf-8").splitlines()) < 300
    for node in ast.walk(parsed(path)):
        if isinstance(node, FUNCTIONS):
            length = node.end_lineno - node.lineno + 1 - docstring_lines(node)
            assert length < 40, f"{module}.{node.name} has {length} lines"


def docstring_lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    first = function.body[0]
    return first.end_lineno - first.lineno + 1 if ast.get_docstring(function) else 0


def test_no_file_names_a_machines_folder_or_a_package_registry() -> None:
    # Written so that this file does not match itself.
    private = re.compile(r"(?<![\w.~-])/(?:work|root|home|Users)/|\.\./shared|pypi\.org|python[h]osted|pytorch\.org")
    for path in repository_files():
        found = private.search(path.read_text("utf-8", errors="replace"))
        assert not found, f"{path.relative_to(ROOT)}: {found.group()!r}"


def test_nothing_loads_a_pickle() -> None:
    for module, path in MODULES:
        for node in ast.walk(parsed(path)):
            if isinstance(node, ast.keyword) and node.arg == "allow_pickle":
                assert ast.unparse(node.value) == "False", module
        assert not {"pickle", "dill", "joblib"} & set(imports(ast.walk(parsed(path)))), module


def repository_files() -> Iterator[Path]:
    folders = (*ROOMS, "tests", "configs", "benchmarks", "docs", ".ci")
    yield from (path for path in ROOT.iterdir() if path.is_file() and path.suffix in {".md", ".toml", ".txt", ""})
    for folder in folders:
        for path in (ROOT / folder).rglob("*"):
            if path.is_file() and "__pycache__" not in path.parts and path.suffix not in {".png", ".wav", ".onnx"}:
                yield path
