"""`wakeword serve` as a command: its addresses, its mistakes, its end."""

from __future__ import annotations

import asyncio
import re
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="the tests' bundle is made with the extra 'train'")
pytest.importorskip("wyoming", reason="the Wyoming server needs the extra 'serve'")

from serving import Client, noise, write_babbler
from wyoming.info import Describe, Info
from wyoming.wake import Detection

from wakeword import cli
from wakeword.errors import ServeError
from wakeword.serve.address import Address, listen_on, parse_address


@pytest.fixture(scope="module")
def babbler(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_babbler(tmp_path_factory.mktemp("bundles") / "babbler")


async def first_hit(port: int) -> tuple[int, Detection]:
    async with Client(port) as client:
        info = await client.ask(Describe(), Info)
        await client.send(noise(6.0, seed=1).tobytes())
        return len(info.wake[0].models), Detection.from_event(await client.read_event())


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_one_command_serves_both_prints_what_it_hears_and_ends_well(babbler: Path, number: int) -> None:
    command = [sys.executable, "-m", "wakeword", "serve", str(babbler), "--wyoming", "tcp://127.0.0.1:0"]
    process = subprocess.Popen(
        [*command, "--http", "127.0.0.1:0"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    said = process.stderr.readline() + process.stderr.readline()
    wyoming, page = (int(re.search(rf"{scheme}://127.0.0.1:(\d+)", said).group(1)) for scheme in ("tcp", "http"))
    models, hit = asyncio.run(first_hit(wyoming))
    assert urllib.request.urlopen(f"http://127.0.0.1:{page}/", timeout=20).status == 200
    with socket.create_connection(("127.0.0.1", wyoming)), socket.create_connection(("127.0.0.1", page)):
        process.send_signal(number)
        printed, rest = process.communicate(timeout=20)
    assert (process.returncode, rest) == (0, ""), rest
    assert models == 2
    phrase = hit.name.replace("_", " ")
    assert re.match(rf"wyoming client 1 \(127\.0\.0\.1\): {phrase} 0\.\d\d at \d\.\d\d s\n", printed)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([], "got no address, expected --wyoming tcp://127.0.0.1:10400 or --http 127.0.0.1:8080"),
        (["--wyoming", "127.0.0.1"], "address: got '127.0.0.1', expected tcp://HOST:PORT"),
        (["--wyoming", "http://127.0.0.1:1"], "address: got 'http://127.0.0.1:1', expected tcp://"),
        (["--http", "127.0.0.1:99999"], "address: got '127.0.0.1:99999'"),
        (["--http", "no.such.host.invalid:80"], "no.such.host.invalid:80: cannot be listened on"),
        (["--wyoming", "127.0.0.1:0", "--takes", "x"], "--takes: got it without --http"),
        (["--http", "127.0.0.1:0", "--tls-cert", "x.pem"], "got one of --tls-cert and --tls-key, expected both"),
        (
            ["--http", "127.0.0.1:0", "--tls-cert", "x.pem", "--tls-key", "x.pem"],
            "certificate: cannot be used: No such",
        ),
        (["--http", "127.0.0.1:0", "--token", ""], "--token: got an empty one"),
        (["--http", "127.0.0.1:0", "--token", "пароль"], "expected characters of ASCII"),
    ],
)
def test_mistakes_are_one_line(
    babbler: Path, options: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["serve", str(babbler), *options]) == 2
    shown = capsys.readouterr()
    assert shown.err.startswith("wakeword: error: ") and message in shown.err
    assert shown.err.count("\n") == 1 and shown.out == ""


def test_a_port_that_is_taken_is_named() -> None:
    taken, address = listen_on(Address("127.0.0.1", 0))
    with taken, pytest.raises(ServeError, match=f"127.0.0.1:{address.port}: cannot be listened on: .*in use"):
        listen_on(address)


def test_beyond_loopback_the_page_has_a_token_and_says_so(babbler: Path) -> None:
    command = [sys.executable, "-m", "wakeword", "serve", str(babbler), "--http", "0.0.0.0:0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        https, where = process.stderr.readline(), process.stderr.readline()
        process.terminate()
    assert "give the microphone to https only" in https
    assert re.search(r"http://0\.0\.0\.0:\d+/\?token=[\w-]{20,}\n", where)


@pytest.mark.skipif(not shutil.which("openssl"), reason="there is no openssl here to make a certificate with")
def test_with_a_certificate_the_page_is_served_by_https(tmp_path: Path, babbler: Path) -> None:
    key, cert = tmp_path / "key.pem", tmp_path / "cert.pem"
    make = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    make += ["-addext", "subjectAltName=DNS:localhost", "-keyout", str(key), "-out", str(cert)]
    subprocess.run(make, check=True, capture_output=True)
    command = [sys.executable, "-m", "wakeword", "serve", str(babbler), "--http", "localhost:0", "--token", "abc"]
    command += ["--tls-cert", str(cert), "--tls-key", str(key)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        url = re.search(r"https://localhost:\d+/\?token=abc\n", process.stderr.readline()).group().strip()
        opener = urllib.request.build_opener(
            urllib.request.HTTPSHandler(context=ssl.create_default_context(cafile=str(cert))),
            urllib.request.HTTPCookieProcessor(),
        )
        page = opener.open(url, timeout=20)
        process.terminate()
    assert b"Start listening" in page.read()
    assert page.url == url.partition("?")[0]


@pytest.mark.parametrize(
    ("host", "loopback"),
    [("127.0.0.1", True), ("127.9.9.9", True), ("localhost", True), ("::1", True), ("0.0.0.0", False), ("::", False)],
)
def test_what_counts_as_loopback(host: str, loopback: bool) -> None:
    address = Address(host, 80)
    assert address.is_loopback == loopback
    assert parse_address(str(address), "http") == address
