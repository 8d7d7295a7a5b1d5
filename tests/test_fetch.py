"""Fetching, from a server of this test: the checksum decides, and nothing is half-written."""

import functools
import hashlib
import http.server
import subprocess
import sys
import threading

import pytest

from videolstm_jax.errors import FileError
from videolstm_jax.nn.fetch_weights import SOURCES, PublishedWeights, fetch_vgg_weights

DATA = bytes(range(256)) * 12_000


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("served")
    (folder / "weights.h5").write_bytes(DATA)
    (folder / "other.h5").write_bytes(DATA[:-1] + b"?")

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *args):
            pass

        def do_GET(self):
            if self.path == "/short.h5":  # promises more than it sends
                self.send_response(200)
                self.send_header("Content-Length", str(len(DATA)))
                self.end_headers()
                self.wfile.write(DATA[:1000])
            else:
                super().do_GET()

    with http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), functools.partial(Handler, directory=str(folder))
    ) as httpd:
        threading.Thread(target=httpd.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{httpd.server_port}"
        httpd.shutdown()


def _source(server, name="weights.h5", kind="sha256"):
    return PublishedWeights(
        f"{server}/{name}",
        "vgg.h5",
        f"{kind}:{hashlib.new(kind, DATA).hexdigest()}",
        "caffe",
        "a test",
    )


@pytest.mark.parametrize("kind", ["sha256", "md5"])
def test_what_is_published_is_fetched(server, tmp_path, kind, capsys):
    path = fetch_vgg_weights(_source(server, kind=kind), tmp_path / "deep" / "down")
    assert path.read_bytes() == DATA and path.name == "vgg.h5"
    assert "3 of 3 MB" in capsys.readouterr().out


def test_what_is_there_is_checked_and_not_fetched_again(server, tmp_path):
    path = fetch_vgg_weights(_source(server), tmp_path)
    before = path.stat().mtime
    gone = _source(server, "gone.h5")
    assert fetch_vgg_weights(gone, tmp_path).stat().mtime == before
    (tmp_path / "vgg.h5").write_bytes(DATA[1:])
    with pytest.raises(
        FileError, match=r"vgg.h5: its sha256 is .*; expected .*; remove it to fetch it again"
    ):
        fetch_vgg_weights(gone, tmp_path)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "other.h5",
            r"other.h5: its sha256 is \w+; expected \w+ after 3072000 bytes; nothing was kept",
        ),
        ("gone.h5", "gone.h5 cannot be fetched: .*404.*put it at .*vgg.h5"),
        ("short.h5", "short.h5.*(cannot be fetched|after 1000 bytes)"),
    ],
)
def test_nothing_else_is_kept(server, tmp_path, name, message):
    with pytest.raises(FileError, match=message):
        fetch_vgg_weights(_source(server, name), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_mirror_must_have_the_same_bytes(server, tmp_path):
    source = _source("http://127.0.0.1:9")
    with pytest.raises(FileError, match="cannot be fetched"):
        fetch_vgg_weights(source, tmp_path)
    with pytest.raises(FileError, match="nothing was kept"):
        fetch_vgg_weights(source, tmp_path, url=f"{server}/other.h5")
    assert fetch_vgg_weights(source, tmp_path, url=f"{server}/weights.h5").read_bytes() == DATA


def test_what_is_published_where():
    for source in SOURCES.values():
        kind, _, digest = source.checksum.partition(":")
        assert source.url.startswith("https://") and len(digest) == {"sha256": 64, "md5": 32}[kind]
        assert source.preprocessing in ("caffe", "torch")
    # torchvision names its files by the first digits of their sha256
    assert SOURCES["torchvision"].name == f"vgg16-{SOURCES['torchvision'].checksum[7:15]}.pth"


def test_the_command_says_what_went_wrong(server, tmp_path):
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "launch.fetch_weights",
            "--source=timm",
            f"--folder={tmp_path}",
            f"--url={server}/weights.h5",
        ],
        capture_output=True,
        text=True,
    )
    assert (
        done.returncode == 1
        and "expected 57b026918159a6bf" in done.stderr
        and "Traceback" not in done.stderr
    )
    assert list(tmp_path.iterdir()) == []
