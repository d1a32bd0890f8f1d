"""The command line: one file a verb, loaded only when that verb is asked for.

A verb's file defines `command`, a plain function with typer's annotations. It raises a `WakewordError` for the user's
mistakes; `main` turns that into one line on stderr and exit code 2.
"""

from __future__ import annotations

import errno
import importlib
import io
import os
import sys
from collections.abc import Callable

import typer

from wakeword.errors import MissingExtraError, WakewordError

VERBS = {
    "train": "Train a wake word from recordings, or from its text.",
    "enroll": "Listen for a phrase in seconds.",
    "record": "Record takes of a phrase, or the sound of a room.",
    "speak": "Say a phrase in many synthetic voices.",
    "synth": "Write a dataset of labelled examples.",
    "corpora": "List and download open recordings to make examples of.",
    "evaluate": "Measure a bundle's misses and false accepts.",
    "calibrate": "Set a bundle's threshold by recordings without the word.",
    "export": "Write a bundle as ONNX alone, as C, for ESPHome, or as a web page.",
    "listen": "Listen to a microphone, a wav file or stdin.",
    "models": "List the models that come with the package, or get one.",
    "serve": "Listen for Home Assistant (Wyoming) and in a web page.",
    "bench": "Measure what a bundle costs on this machine.",
    "info": "Print every number of a configuration or bundle.",
    "demo": "Make clips, train, listen and draw, in minutes.",
}
EXTRA_OF_MODULE = {
    "torch": "train",
    "scipy": "train",
    "onnx": "train",
    "matplotlib": "train",
    "platformdirs": "train",
    "espeakng_loader": "espeak",
    "starlette": "serve",
    "uvicorn": "serve",
    "websockets": "serve",
    "wyoming": "serve",
    "ray": "cluster",
    "flatbuffers": "firmware",
    "pymicro_features": "firmware",
    "tflite_micro": "firmware",
}
INTERRUPTED = 130  # 128 + SIGINT, as shells report it
UsageError = typer.BadParameter.__base__  # whether typer stands on click or on its own copy of it


def main(arguments: list[str] | None = None) -> int:
    """Runs one command line and returns its exit code: 0 fine, 2 the user's mistake, 130 Ctrl-C.

    Anything else that goes wrong is ours: the exception comes through, and Python exits with 1.
    """
    arguments = list(sys.argv[1:] if arguments is None else arguments) or ["--help"]
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a file's name may hold what a terminal cannot show
    try:
        code = _run(arguments)
        if sys.stdout:
            sys.stdout.flush()
        return code
    except WakewordError as error:
        return _complain(str(error))
    except UsageError as error:
        hint = f" (see: {error.ctx.command_path} --help)" if error.ctx else ""
        return _complain(error.format_message() + hint)
    except ModuleNotFoundError as error:
        return _complain(_missing_extra(error, arguments[0]))
    except (KeyboardInterrupt, typer.Abort):
        return INTERRUPTED
    except BrokenPipeError:
        _abandon_stdout()
        return 1
    except OSError as error:
        if error.errno == errno.ENOSPC:
            _abandon_stdout()
            return _complain(f"{error.filename or 'output'}: cannot be written: {error.strerror}")
        if error.filename is None:
            raise
        return _complain(f"{error.filename}: {(error.strerror or str(error)).lower()}")


def _run(arguments: list[str]) -> int:
    verb = next((argument for argument in arguments if not argument.startswith("-")), None)
    command = typer.main.get_command(_app(verb))
    result = command.main(arguments, prog_name="wakeword", standalone_mode=False)
    return result if isinstance(result, int) else 0


def _app(verb: str | None) -> typer.Typer:
    """All verbs by name, but only the one that will run is imported."""
    app = typer.Typer(
        name="wakeword",
        help="Train your own wake word, and listen for it anywhere.",
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(_version_option)
    for name, summary in VERBS.items():
        if name == verb:
            app.command(name)(load_verb(name))
        else:
            app.command(name, help=summary)(_not_loaded)
    return app


def load_verb(name: str) -> Callable[..., None]:
    """The `command` function of a verb's own file."""
    return importlib.import_module(f"wakeword.cli.{name}").command


def _not_loaded() -> None:
    raise AssertionError("a verb was called that was not loaded")


def _print_version(wanted: bool) -> None:
    if wanted:
        from wakeword import __version__

        typer.echo(f"wakeword {__version__}")
        raise typer.Exit


def _version_option(
    version: bool = typer.Option(False, "--version", callback=_print_version, is_eager=True, help="Print the version."),
) -> None:
    """Its docstring is not shown: the application's help is."""


def _missing_extra(error: ModuleNotFoundError, verb: str) -> str:
    package = (error.name or "").partition(".")[0]
    if package not in EXTRA_OF_MODULE:
        raise error
    return str(MissingExtraError(f"wakeword {verb}", package, EXTRA_OF_MODULE[package]))


def _complain(message: str) -> int:
    sys.stderr.write(f"wakeword: error: {' '.join(message.splitlines())}\n")
    return 2


def _abandon_stdout() -> None:
    """Whoever read our output is gone; without this, Python complains again when it flushes at exit."""
    if sys.stdout:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
