"""Tests of the download of MNIST, from a local server that misbehaves as mirrors do."""

import gzip
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from mnist_files import IMAGES, Arrays, Contents, assert_same, error_of

from kondo_ref.tasks.mnist import data, fetch, idx


class Server:
    """Mirrors on localhost, and the cache that is filled from them.

    `files` maps a URL path to what is sent, `short` names those that are cut off half way, and
    `requests` records what was asked for.
    """

    def __init__(self, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.cache = cache
        self.monkeypatch = monkeypatch
        self.files: dict[str, bytes] = {}
        self.short: set[str] = set()
        self.requests: list[str] = []
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                server.requests.append(self.path)
                body = server.files.get(self.path, b"")
                self.send_response(200 if body else 404)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body[: len(body) // 2] if self.path in server.short else body)

            def log_message(self, *_: object) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.http.serve_forever, args=(0.01,))
        self.thread.start()

    def put(self, name: str, contents: Contents) -> None:
        for key, content in contents.items():
            self.files[f"/{name}/{idx.IDX_FILES[key]}.gz"] = content

    def use(self, *names: str) -> tuple[str, ...]:
        mirrors = tuple(
            # Nothing listens on port 1.
            "http://127.0.0.1:1/"
            if name == "refused"
            else f"http://127.0.0.1:{self.http.server_port}/{name}/"
            for name in names
        )
        self.monkeypatch.setattr(fetch, "MIRRORS", mirrors)
        return mirrors

    def close(self) -> None:
        self.http.shutdown()
        self.http.server_close()
        self.thread.join()


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    pooch = pytest.importorskip("pooch")
    monkeypatch.setattr(pooch, "os_cache", lambda project: tmp_path / project)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    server = Server(tmp_path / "kondo-ref", monkeypatch)
    yield server
    server.close()


def packed(contents: Contents) -> Contents:
    return {key: gzip.compress(content) for key, content in contents.items()}


BAD_MIRRORS = {
    "absent": lambda _: {},
    "refused": lambda _: {},
    "cut connection": packed,
    "truncated": lambda good: {key: file[:-30] for key, file in packed(good).items()},
    "damaged": lambda good: {key: file[:40] + b"\xff" * 99 for key, file in packed(good).items()},
    "html": lambda good: dict.fromkeys(good, b"<html>log in to this network</html>"),
    "other data": lambda good: packed({key: file[:-1] + b"\xaa" for key, file in good.items()}),
}


class TestDownload:
    def test_once_then_from_the_cache(
        self, server: Server, contents: Contents, arrays: Arrays, capsys, caplog
    ) -> None:
        server.put("good", packed(contents))
        server.use("good")
        pooch = pytest.importorskip("pooch")
        logger = pooch.get_logger()  # not the one of logging.getLogger("pooch")
        level = logger.level
        logger.addHandler(caplog.handler)
        assert_same(data.load("full"), arrays)
        assert len(server.requests) == 4
        assert_same(data.load("full"), arrays)
        assert len(server.requests) == 4
        assert sorted(path.name for path in server.cache.iterdir()) == sorted(
            f"{file}.gz" for file in idx.IDX_FILES.values()
        )
        logger.removeHandler(caplog.handler)
        assert capsys.readouterr() == ("", "")
        assert caplog.text == ""
        assert logger.level == level

    @pytest.mark.parametrize("bad", BAD_MIRRORS)
    def test_bad_mirror_first(
        self, server: Server, contents: Contents, arrays: Arrays, bad: str
    ) -> None:
        server.put("bad", BAD_MIRRORS[bad](contents))
        if bad == "cut connection":
            server.short = set(server.files)
        server.put("good", packed(contents))
        server.use("refused" if bad == "refused" else "bad", "good")
        assert_same(data.load("full"), arrays)
        asked = [path.split("/")[1] for path in server.requests]
        assert asked == (["good"] * 4 if bad == "refused" else ["bad", "good"] * 4)
        for key, file in idx.IDX_FILES.items():
            assert gzip.decompress((server.cache / f"{file}.gz").read_bytes()) == contents[key]
        assert len(list(server.cache.iterdir())) == 4

    def test_no_good_mirror(self, server: Server, contents: Contents) -> None:
        server.put("half", BAD_MIRRORS["truncated"](contents))
        mirrors = server.use("none", "half", "refused")
        message = error_of()
        for part in (
            *mirrors,
            "404",
            "truncated gzip",
            "refused",
            "--data-dir",
            "KONDO_REF_DATA",
            IMAGES,
        ):
            assert part in message
        assert str(server.cache) not in message
        assert list(server.cache.iterdir()) == []

    def test_damaged_cache_is_replaced(
        self, server: Server, contents: Contents, arrays: Arrays
    ) -> None:
        server.put("good", packed(contents))
        server.use("good")
        data.load("full")
        (server.cache / f"{IMAGES}.gz").write_bytes(b"\x1f\x8b half a file")
        assert_same(data.load("full"), arrays)
        assert server.requests[4:] == [f"/good/{IMAGES}.gz"]

    def test_damaged_cache_does_not_stay(self, server: Server) -> None:
        server.cache.mkdir()
        (server.cache / f"{IMAGES}.gz").write_bytes(b"\x1f\x8b half a file")
        server.use("absent")
        assert "no mirror gave" in error_of()
        assert list(server.cache.iterdir()) == []

    def test_server_that_unpacks(self, server: Server, contents: Contents, arrays: Arrays) -> None:
        server.put("plain", contents)
        server.use("plain")
        assert_same(data.load("full"), arrays)
        assert_same(data.load("full"), arrays)
        assert len(server.requests) == 4

    def test_cache_that_cannot_be_written(self, server: Server) -> None:
        server.cache.write_text("a file where the folder should be")
        message = error_of()
        assert "cannot be written" in message
        assert "KONDO_REF_DATA" in message

    @pytest.mark.parametrize("module", ["pooch", "requests"])
    def test_missing_package(
        self, server: Server, monkeypatch: pytest.MonkeyPatch, module: str
    ) -> None:
        server.use("good")
        monkeypatch.setitem(sys.modules, module, None)
        message = error_of()
        assert 'python -m pip install "kondo-ref[data]"' in message
        assert module in message
        assert "KONDO_REF_DATA" in message

    @pytest.mark.parametrize("tqdm_there", [True, False])
    def test_progress_on_a_terminal(
        self, server: Server, contents: Contents, capsys, tqdm_there: bool
    ) -> None:
        pytest.importorskip("tqdm")
        server.put("good", packed(contents))
        server.use("good")
        server.monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
        if not tqdm_there:
            server.monkeypatch.setitem(sys.modules, "tqdm", None)
        data.load("full")
        assert ("100%" in capsys.readouterr().err) == tqdm_there
