"""Corpora arrive whole, checked and with their licence, from a server that does everything a server can do wrong."""

from __future__ import annotations

import hashlib
import io
import json
import stat
import tarfile
import threading
import zipfile
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from synth import corpora
from synth.corpora import CORPORA, Archive, Corpus
from synth.download import TRIES, DownloadError, download
from synth.fetch import fetch
from synth.sources import read_source
from synth.unpack import unpack
from wakeword.cli import main
from wakeword.errors import DataError, FileError

CONTENT = np.random.default_rng(0).bytes(300_000)
AHEAD = 100_000  # bytes after which the server breaks off


class Server(ThreadingHTTPServer):
    """Serves `content`; `behaviour` says how the next request is answered, the last one again and again."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.content, self.behaviour, self.ranges = CONTENT, ["whole"], []

    def archive(self, name: str = "a.tar.gz") -> Archive:
        md5 = hashlib.md5(self.content, usedforsecurity=False).hexdigest()
        return Archive(f"http://127.0.0.1:{self.server_address[1]}/{name}", len(self.content), md5)


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        content, wanted = self.server.content, self.headers.get("Range")
        self.server.ranges.append(wanted)
        how = self.server.behaviour[0] if len(self.server.behaviour) == 1 else self.server.behaviour.pop(0)
        if how.isdigit():
            self.send_error(int(how))
            return
        first = int(wanted.removeprefix("bytes=").removesuffix("-")) if wanted and how != "no ranges" else 0
        self.send_response(206 if first else 200)
        if first:
            self.send_header("Content-Range", f"bytes {first}-{len(content) - 1}/{len(content)}")
        self.send_header("Content-Length", str(len(content) - first))
        self.end_headers()
        if how == "drops":
            self.wfile.write(content[first : first + AHEAD])
            self.close_connection = True
        elif how == "wrong":
            self.wfile.write(bytes(len(content) - first))
        elif how != "nothing":
            self.wfile.write(content[first:])

    def log_message(self, *_: object) -> None:
        """Quiet."""


@pytest.fixture
def server() -> Iterator[Server]:
    running = Server()
    thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield running
    running.shutdown()
    thread.join()
    running.server_close()


def test_a_connection_that_drops_is_gone_on_with_where_it_broke(server: Server, tmp_path: Path) -> None:
    server.behaviour = ["drops", "drops", "whole"]
    seen: list[tuple[int, int]] = []
    path = download(server.archive(), tmp_path, lambda *done: seen.append(done), pause_s=0.0)
    assert path.read_bytes() == CONTENT
    assert server.ranges == [None, f"bytes={AHEAD}-", f"bytes={2 * AHEAD}-"]
    assert seen[-1] == (len(CONTENT), len(CONTENT))
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)


def test_what_an_earlier_run_left_is_gone_on_with(server: Server, tmp_path: Path) -> None:
    (tmp_path / "a.tar.gz.part").write_bytes(CONTENT[:1234])
    assert download(server.archive(), tmp_path, pause_s=0.0).read_bytes() == CONTENT
    assert server.ranges == ["bytes=1234-"]
    download(server.archive(), tmp_path)
    assert len(server.ranges) == 1  # what is there is not asked for again


def test_a_server_without_ranges_begins_again(server: Server, tmp_path: Path) -> None:
    server.behaviour = ["drops", "no ranges"]
    assert download(server.archive(), tmp_path, pause_s=0.0).read_bytes() == CONTENT


def test_a_server_that_gives_nothing_is_given_up_and_what_is_there_is_kept(server: Server, tmp_path: Path) -> None:
    server.behaviour = ["drops", "nothing"]
    with pytest.raises(DownloadError, match=r"broke off 200,000 bytes before the end; 100,000 bytes are kept"):
        download(server.archive(), tmp_path, pause_s=0.0)
    assert len(server.ranges) == 1 + TRIES
    assert (tmp_path / "a.tar.gz.part").stat().st_size == AHEAD


def test_wrong_bytes_are_refused_and_deleted(server: Server, tmp_path: Path) -> None:
    server.behaviour = ["wrong"]
    with pytest.raises(DownloadError, match="MD5 .*, expected .*; deleted"):
        download(server.archive(), tmp_path, pause_s=0.0)
    assert not list(tmp_path.iterdir())


def test_another_size_is_refused_and_deleted(server: Server, tmp_path: Path) -> None:
    archive = Archive(server.archive().url, len(CONTENT) - 5, None)
    with pytest.raises(DownloadError, match="got 300,000 bytes, expected 299,995"):
        download(archive, tmp_path, pause_s=0.0)
    assert not list(tmp_path.iterdir())


def test_a_missing_file_is_one_line_at_once_and_a_busy_server_is_asked_again(server: Server, tmp_path: Path) -> None:
    server.behaviour = ["404"]
    with pytest.raises(DownloadError, match="got 404 Not Found, expected a file"):
        download(server.archive(), tmp_path, pause_s=0.0)
    assert len(server.ranges) == 1
    server.behaviour = ["503", "503", "whole"]
    assert download(server.archive(), tmp_path, pause_s=0.0).read_bytes() == CONTENT


def test_a_beginning_that_the_server_does_not_know_is_begun_again(server: Server, tmp_path: Path) -> None:
    (tmp_path / "a.tar.gz.part").write_bytes(bytes(10))
    server.behaviour = ["416", "whole"]
    assert download(server.archive(), tmp_path, pause_s=0.0).read_bytes() == CONTENT


def test_a_server_that_is_not_there_is_one_line(server: Server, tmp_path: Path) -> None:
    gone = Archive("http://127.0.0.1:9/a.zip", None, None)  # the discard port: nobody listens
    with pytest.raises(DownloadError, match="cannot be downloaded"):
        download(gone, tmp_path, pause_s=0.0)


def tar_of(fill: Callable[[tarfile.TarFile], None]) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as tar:
        fill(tar)
    return file.getvalue()


def with_file(name: str, content: bytes = b"sound") -> Callable[[tarfile.TarFile], None]:
    def fill(tar: tarfile.TarFile) -> None:
        info = tarfile.TarInfo(name)
        info.size = len(content)
        tar.addfile(info, io.BytesIO(content))

    return fill


def with_link(kind: bytes) -> Callable[[tarfile.TarFile], None]:
    def fill(tar: tarfile.TarFile) -> None:
        info = tarfile.TarInfo("link")
        info.type, info.linkname = kind, "../outside"
        tar.addfile(info)

    return fill


def corpus(server: Server, name: str = "a.tar.gz") -> Corpus:
    title = 'A "corpus"'
    return Corpus("mine", title, "CC BY 4.0", "https://mine.example", "--negatives", (server.archive(name),))


def test_a_corpus_is_unpacked_with_its_licence_and_then_nothing_is_left_over(server: Server, tmp_path: Path) -> None:
    server.content = tar_of(with_file("speech/one/1.wav"))
    folder = fetch(corpus(server), tmp_path, pause_s=0.0)
    assert (folder / "speech/one/1.wav").read_bytes() == b"sound"
    source = read_source(folder / "source.toml")
    assert (source.name, source.licence, source.url) == ('A "corpus"', "CC BY 4.0", "https://mine.example")
    assert [path.name for path in tmp_path.rglob("*")].count("a.tar.gz") == 0
    fetch(corpus(server), tmp_path)
    assert len(server.ranges) == 1


@pytest.mark.parametrize("name", ["../out.wav", "/abs.wav", "a/../../out.wav", "..\\out.wav", "c:out.wav"])
@pytest.mark.parametrize("kind", ["tar", "zip"])
def test_a_path_that_leads_out_is_refused(name: str, kind: str, tmp_path: Path) -> None:
    archive = tmp_path / f"a.{kind}"
    if kind == "tar":
        archive.write_bytes(tar_of(with_file(name)))
    else:
        with zipfile.ZipFile(archive, "w") as found:
            found.writestr(name, b"sound")
    with pytest.raises(DataError, match="leads out of its folder"):
        unpack(archive, tmp_path / "inner" / "folder")
    assert [path.name for path in tmp_path.rglob("*.wav")] == []


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE])
def test_links_and_devices_are_refused_and_nothing_stays(kind: bytes, server: Server, tmp_path: Path) -> None:
    server.content = tar_of(with_link(kind))
    with pytest.raises(DataError, match="neither a file nor a folder"):
        fetch(corpus(server), tmp_path, pause_s=0.0)
    assert not (tmp_path / "mine").exists()


def test_a_link_in_a_zip_and_a_damaged_archive_are_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as found:
        info = zipfile.ZipInfo("link")
        info.external_attr = (stat.S_IFLNK | 0o777) << 16
        found.writestr(info, "../outside")
    with pytest.raises(DataError, match="a link"):
        unpack(tmp_path / "a.zip", tmp_path / "out")
    for name in ("b.zip", "b.tar.gz"):
        (tmp_path / name).write_bytes(CONTENT)
        with pytest.raises(DataError, match="cannot be unpacked"):
            unpack(tmp_path / name, tmp_path / "out")


def test_an_archive_in_volumes_stays_packed(server: Server, tmp_path: Path) -> None:
    both = (server.archive("a.z01"), server.archive("a.zip"))
    volumes = Corpus("volumes", "Volumes", "CC0", "https://x.example", "--rooms", both)
    folder = fetch(volumes, tmp_path, pause_s=0.0)
    assert sorted(path.name for path in folder.iterdir()) == ["a.z01", "a.zip", "source.toml"]


def test_a_folder_that_cannot_be_written_is_one_line(server: Server, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(FileError, match="cannot be written"):
        fetch(corpus(server), tmp_path / "file", pause_s=0.0)


def test_the_list_is_complete_and_unambiguous() -> None:
    names = [one.name for one in CORPORA]
    assert len(names) == len(set(names))
    for one in CORPORA:
        assert one.licence
        assert one.use in ("--negatives", "--backgrounds", "--rooms")
        assert one.archives or one.note
        for archive in one.archives:
            assert archive.url.startswith("https://")
            assert archive.bytes
            assert archive.md5 is None or len(archive.md5) == 32


def test_the_command_line_lists_gets_and_refuses(server: Server, tmp_path: Path, monkeypatch, capsys) -> None:
    server.content = tar_of(with_file("1.wav"))
    monkeypatch.setattr(corpora, "CORPORA", (*CORPORA, corpus(server)))
    assert main(["corpora", "list", "--json"]) == 0
    assert {json.loads(line)["name"] for line in capsys.readouterr().out.splitlines()} >= {
        "musan",
        "rirs-noises",
        "mine",
    }
    assert main(["corpora", "list"]) == 0
    assert "librispeech-dev-clean  338 MB  --negatives" in capsys.readouterr().out
    assert main(["corpora", "get", "mine", "--out", str(tmp_path)]) == 0
    printed = capsys.readouterr()
    assert "Licence: CC BY 4.0" in printed.out
    assert "a.tar.gz: " in printed.err
    assert (tmp_path / "mine" / "1.wav").exists()
    for wrong in (["get"], ["list", "musan"], ["steal"], ["get", "nothing"], ["get", "common-voice"]):
        assert main(["corpora", *wrong, "--out", str(tmp_path)]) == 2
        assert capsys.readouterr().err.startswith("wakeword: error: ")
