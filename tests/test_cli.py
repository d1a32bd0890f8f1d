"""The shell of the command line: verbs, exit codes, one-line errors. What a verb does is tested with the verb."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from wakeword import cli
from wakeword.errors import WakewordError


@pytest.mark.parametrize("verb", cli.VERBS)
def test_every_verb_has_a_file_with_a_documented_command(verb: str) -> None:
    assert (cli.load_verb(verb).__doc__ or "").strip()


@pytest.mark.parametrize("verb", cli.VERBS)
def test_every_verb_explains_itself_with_help_and_succeeds(verb: str) -> None:
    assert cli.main([verb, "--help"]) == 0


def test_help_lists_the_verbs_and_no_arguments_mean_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([]) == cli.main(["--help"]) == 0
    shown = capsys.readouterr().out
    assert all(f"  {verb} " in shown for verb in cli.VERBS)


def test_version_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    from wakeword import __version__

    assert cli.main(["--version"]) == 0
    assert capsys.readouterr().out == f"wakeword {__version__}\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["lisen"], "No such command 'lisen'. Did you mean 'listen'?"),
        (["info"], "Missing argument"),
        (["info", "default", "--jsn"], "No such option: --jsn"),
        (["info", "nonsense"], "config: got 'nonsense', expected a .toml file or one of"),
        (["info", "."], "not a model bundle"),
    ],
)
def test_a_users_mistake_is_one_line_on_stderr_and_exit_code_2(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(arguments) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.startswith("wakeword: error: ")
    assert message in shown.err
    assert shown.err.count("\n") == 1


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (WakewordError("two\nlines"), 2, "wakeword: error: two lines\n"),
        (KeyboardInterrupt(), 130, ""),
        (BrokenPipeError(), 1, ""),
        (
            ModuleNotFoundError("no torch", name="torch.nn"),
            2,
            "wakeword: error: wakeword info needs the package torch: pip install 'wakeword[train]'\n",
        ),
    ],
)
def test_what_a_verb_raises_becomes_an_exit_code(error: BaseException, code: int, message: str) -> None:
    script = "import sys, wakeword.cli as cli; cli.load_verb = lambda name: verb; sys.exit(cli.main(['info']))"
    kind, arguments, keywords = type(error).__name__, error.args, {"name": error.name} if hasattr(error, "name") else {}
    verb = f"from wakeword.errors import *\ndef verb() -> None:\n    raise {kind}(*{arguments!r}, **{keywords!r})\n"
    done = run(verb + script)
    assert (done.returncode, done.stdout, done.stderr) == (code, "", message)


def test_a_mistake_of_ours_shows_its_traceback_and_exits_with_1() -> None:
    verb = "def verb() -> None:\n    raise RuntimeError('ours')\n"
    done = run(verb + "import wakeword.cli as cli; cli.load_verb = lambda name: verb; cli.main(['info'])")
    assert done.returncode == 1
    assert done.stderr.endswith("RuntimeError: ours\n")


def test_a_reader_that_stops_reading_is_no_error() -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "wakeword", "info", "default"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    process.stdout.close()
    assert process.stderr.read() == b""
    process.stderr.close()
    assert process.wait(60) == 1


def test_only_the_verb_that_runs_is_imported_and_help_needs_no_torch() -> None:
    done = run("import sys, wakeword.cli as cli; cli.main(['listen', '--help']); print(*sys.modules, sep='\\n')")
    modules = set(done.stdout.split())
    assert "wakeword.cli.listen" in modules
    assert not {"torch", "scipy", "matplotlib", "sounddevice", "wakeword.cli.train", "wakeword.cli.demo"} & modules


@pytest.mark.parametrize("name", ["default", "activate", "tiny"])
def test_info_prints_one_json_object_with_every_given_and_derived_number(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["info", name, "--json"]) == 0
    printed = capsys.readouterr().out
    found = json.loads(printed)
    assert printed.count("\n") == 1
    assert found["macs_per_second"] == sum(found["macs_per_second_by_part"].values())
    assert found["config"]["audio"]["sample_rate_hz"] == found["sample_rate_hz"]


def test_info_of_the_seed_system_shows_its_numbers(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["info", "activate"]) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    rows = dict(line for line in lines if len(line) == 2)
    assert (rows["input_frames"], rows["input_bins"], rows["output_steps"]) == ("5,511", "101", "1,375")
    assert rows["parameters"] == "522,425"


def test_info_tells_the_latency_that_is_added_by_the_method_itself(tiny_bundle: Path) -> None:
    import numpy as np

    import wakeword
    from wakeword.info import numbers

    found = numbers("default")
    assert (found["added_latency_ms"], found["rule_latency_ms"]) == (
        40.0 + 25.0,
        40.0,
    )  # a step, a window; a second score
    ww, latency_s = wakeword.load(tiny_bundle), numbers(tiny_bundle)["added_latency_ms"] / 1000
    quiet = np.random.default_rng(0).normal(0.0, 0.01, 2 * ww.sample_rate_hz).astype(np.float32)
    times_s, before = ww.scores(quiet)
    for at in range(20_000, 20_000 + ww.step_samples, 97):
        clicked = quiet.copy()
        clicked[at] += 0.5
        heard_s = times_s[np.flatnonzero(ww.scores(clicked)[1][:, 0] != before[:, 0])[0]]
        assert 0.0 < heard_s - at / ww.sample_rate_hz <= latency_s


def test_info_counts_the_parameters_that_the_model_has() -> None:
    pytest.importorskip("torch")
    from wakeword.config import load_config, override
    from wakeword.info import parameters
    from wakeword.model import WakeModel, folded_weights

    for name, phrases, members in [("default", 1, 1), ("activate", 1, 1), ("tiny", 3, 1), ("default", 2, 6)]:
        config = override(load_config(name), model={"members": members})
        model = WakeModel(config, phrases).eval()
        assert parameters(config, phrases) == sum(p.numel() for p in model.parameters())
        assert parameters(config, phrases, folded=True) == sum(w.size for w in folded_weights(model).values())


def test_info_of_a_bundle_adds_what_the_bundle_holds(tiny_bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["info", str(tiny_bundle), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["kind"], found["phrases"], found["thresholds"]) == ("bundle", ["hey test"], [0.5])
    assert found["file_bytes"]["model.onnx"] == (tiny_bundle / "model.onnx").stat().st_size
    assert found["provenance"] == {"made": "for tests"}


def run(script: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize("verb", [["listen"], ["info"], ["bench"], ["train", "--config"], ["speak", "hey", "--out"]])
def test_a_name_that_no_system_takes_is_one_line(verb: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([*verb, "a" * 300]) == 2
    assert capsys.readouterr().err.count("\n") == 1
