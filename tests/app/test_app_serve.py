"""The page's server: what it answers, what it refuses, and what is left of it."""

import asyncio
import contextlib
import html
import importlib
import os
import re
import shutil
import socket
import sys
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from typer.testing import CliRunner

from fec_jax.cli import main as cli
from fec_jax.types import UserError

gradio = pytest.importorskip("gradio", reason="the extra `app` is not installed")
httpx = pytest.importorskip("httpx")

from fec_jax.app import desk, inputs, page, serve  # noqa: E402
from fec_jax.app.desk import Desk  # noqa: E402
from fec_jax.app.events import Events, careful  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore")  # Gradio's and its server's own


def temporary():
    return set(Path(tempfile.gettempdir()).glob("fec-app-*"))


@pytest.fixture(scope="module")
def address(app_weights):
    """The address of a page that takes files of up to a MiB."""
    with serve.running(app_weights, max_bytes=2**20) as url:
        yield url.rstrip("/")


def test_the_first_page_names_nothing_elsewhere(address):
    """Broken: without a network the page hangs or looks different; with one it tells others that it was opened."""
    answer = httpx.get(address)
    assert answer.status_code == 200
    assert "connect-src 'self'" in answer.headers["content-security-policy"]
    text = html.unescape(answer.text)
    loaded = re.findall(r"<(?:script|link|img|iframe)[^>]*?(?:src|href)=[\"']([^\"']+)", text)
    assert loaded
    assert not [url for url in loaded if re.match(r"(?:\w+:)?//", url)]
    assert "@import" not in httpx.get(f"{address}/theme.css").text
    assert not re.findall(r"url\(['\"]?(?:https?:)?//", httpx.get(f"{address}/theme.css").text)


def test_it_listens_on_this_machine_alone(address):
    """Broken: everybody in the cafe can use the page and see the photos."""
    assert address.startswith("http://127.0.0.1:")
    port = int(address.rsplit(":", 1)[1])
    with socket.socket() as other:
        other.settimeout(5)
        assert other.connect_ex(("127.0.0.2", port)) != 0


@pytest.mark.parametrize(
    "path",
    [
        "/etc/passwd",
        str(Path(__file__).resolve()),
        "pyproject.toml",
        "../../../../etc/passwd",
        "https://example.org/x.png",
    ],
)
def test_no_file_or_address_is_served(address, path):
    """Broken: whoever reaches the page reads files of this computer, or lets it fetch addresses."""
    assert httpx.get(f"{address}/gradio_api/file={path}").status_code in (403, 404)


def test_large_uploads_are_refused(address):
    """Broken: an upload fills the disk."""
    answer = httpx.post(f"{address}/gradio_api/upload", files={"files": ("x.png", b"x" * (3 * 2**20))})
    assert answer.status_code == 413
    answer = httpx.post(f"{address}/gradio_api/upload", files={"files": ("x.png", b"x" * (2**20 + 1000))})
    assert answer.status_code == 413
    assert httpx.post(f"{address}/gradio_api/upload", files={"files": ("x.png", b"x")}).status_code == 200


def test_events_cannot_be_called_by_name(address):
    """Broken: the page is also an interface for programs, which nobody has thought about."""
    config = httpx.get(f"{address}/config").json()
    assert config["dependencies"]
    assert all(d["api_visibility"] == "private" for d in config["dependencies"])
    assert httpx.post(f"{address}/gradio_api/run/open", json={"data": [None]}).status_code == 404


def test_photos_by_address_are_refused():
    """Broken: a request makes the server fetch an address of its choice."""
    with gradio.Blocks():
        components = inputs.PhotoInput(), inputs.BrushInput()
    for component in components:
        for address in ("http://127.0.0.1:1/x.png", "https://example.org/x.png"):
            with pytest.raises(gradio.Error, match="not followed"):
                asyncio.run(component.async_move_resource_to_block_cache(address))


def test_a_file_of_another_page_is_not_opened(completer, astronaut, tmp_path):
    """Broken: a request with the path of somebody's photo shows it to others, and deletes it."""
    found = Desk(completer, tmp_path, 10**6)
    upload = tmp_path / "5eed" / "me.png"
    upload.parent.mkdir()
    shutil.copy(astronaut, upload)
    events = Events(found)
    events.open(gradio.Request(session_hash="one"), str(upload))
    assert not upload.exists()
    (theirs,) = found.visit("one").folder.glob("*/photo.png")
    with pytest.raises(UserError, match="choose it again"):
        events.open(gradio.Request(session_hash="other"), str(theirs))
    assert theirs.exists()
    assert found.visit("other").opened is None


def test_the_brush_keeps_layers_alone_and_few():
    """Broken: made-up requests fill memory: with pictures nobody reads, or by the number of a layer."""
    with gradio.Blocks():
        brush = inputs.BrushInput()

    def send(kind, index, name):
        data = {"type": kind, "index": index, "id": name, "file": None}
        brush.accept_blobs(
            gradio.components.image_editor.AcceptBlobs.model_construct(data=data, files=[("x", b"bytes")])
        )

    send("composite", "null", "a")
    send("layer", str(10**9), "b")
    assert not brush.blob_storage
    for i in range(20):
        send("layer", "0", str(i))
    assert list(brush.blob_storage) == [str(i) for i in range(20 - inputs.KEPT, 20)]
    payload = gradio.components.image_editor.EditorData(id="19")
    assert brush.preprocess(payload) == b"bytes"
    assert brush.preprocess(payload) is None


def test_nothing_is_left_behind(app_weights, monkeypatch):
    """Broken: photos stay on the disk when the page has ended."""
    monkeypatch.setenv("GRADIO_ALLOWED_PATHS", "/")
    before = temporary()
    with serve.running(app_weights) as url:
        (folder,) = temporary() - before
        answer = httpx.post(f"{url}gradio_api/upload", files={"files": ("x.png", b"x")})
        assert Path(answer.json()[0]).is_relative_to(folder)
        assert Path(answer.json()[0]).exists()
        assert "GRADIO_ALLOWED_PATHS" not in os.environ
    assert temporary() == before


def test_a_taken_port_is_one_line(app_weights):
    """Broken: a second page on the same port ends in a traceback, or stops the first one."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with (
            pytest.raises(UserError, match=r"port \d+: taken"),
            serve.running(app_weights, port=taken.getsockname()[1]),
        ):
            pass


def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


@pytest.mark.parametrize("host", ["::1", "[::1]"])
def test_this_machine_by_its_ipv6_address(app_weights, host):
    """Broken: `--host ::1` ends in a traceback, or other names of this machine are not refused."""
    try:
        with socket.socket(socket.AF_INET6) as tried:
            tried.bind(("::1", 0))
    except OSError:
        pytest.skip("there is no IPv6 here")
    with serve.running(app_weights, host, free_port()) as url:
        assert url.startswith("http://[::1]:")
        assert httpx.get(url).status_code == 200
        assert httpx.get(url, headers={"host": "evil.example"}).status_code == 403


def test_an_address_that_is_none_is_one_line(app_weights, monkeypatch, capfd):
    """Broken: a mistyped host is one error per port, or a traceback."""
    with (
        pytest.raises(UserError, match=r"192.0.2.1, any port.*not this machine's"),
        serve.running(app_weights, "192.0.2.1"),
    ):
        pass

    def unknown(*_, **__):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with (
        pytest.raises(UserError, match=r"nowhere\.invalid: no such address"),
        serve.running(app_weights, "nowhere.invalid"),
    ):
        pass
    assert "ERROR" not in capfd.readouterr().err


def test_a_server_that_fails_late_is_closed(app_weights, monkeypatch):
    """Broken: the command ends with an error, and its server goes on listening."""
    monkeypatch.setattr(gradio.networking, "url_ok", lambda _: False)
    port = free_port()
    with pytest.raises(ValueError, match="not accessible"), serve.running(app_weights, port=port):
        pass
    with socket.socket() as other:
        assert other.connect_ex(("127.0.0.1", port)) != 0


@pytest.mark.parametrize(
    ("host", "warned"), [("::1", False), ("[::1]", False), ("localhost", False), ("0.0.0.0", True)]
)
def test_the_command_warns_if_others_can_come_in(monkeypatch, host, warned):
    """Broken: everybody in the cafe can use the page and the user is not told; or it is said and not true."""

    class Interrupted:
        def wait(self):
            raise KeyboardInterrupt

    command = importlib.import_module("fec_jax.cli.app")
    monkeypatch.setattr(command, "threading", SimpleNamespace(Event=Interrupted))
    monkeypatch.setattr("fec_jax.weights.load.weights_from", lambda _: None)
    monkeypatch.setattr(serve, "running", lambda *_: contextlib.nullcontext("http://address"))
    result = CliRunner().invoke(cli.app, ["app", "--host", host])
    assert "http://address" in result.output
    assert ("everybody" in result.output) == warned


def test_a_page_left_open_keeps_its_files(completer, tmp_path):
    """Broken: after an hour the download is dead and the picture under the brush is gone, for Gradio deletes both."""
    assert page.build(Desk(completer, tmp_path, 10**6)).delete_cache is None


def test_uploads_that_nobody_opened_go(app_weights, monkeypatch):
    """Broken: a photo stays when the tab is closed during its upload."""
    monkeypatch.setattr(desk, "SWEEP_S", 0.1)
    monkeypatch.setattr(desk, "UNOPENED_S", 0.5)
    with serve.running(app_weights) as url:
        answer = httpx.post(f"{url}gradio_api/upload", files={"files": ("x.png", b"x")})
        upload = Path(answer.json()[0])
        for _ in range(1000):
            if not upload.exists():
                break
            time.sleep(0.02)
        assert not upload.exists()


def test_a_failing_event_is_one_line(completer, tmp_path, caplog):
    """Broken: a fault in one request shows the user a traceback or nothing, or is in no log."""

    def broken():
        raise ZeroDivisionError("secret detail")

    def refused():
        raise UserError("two\nlines <b>and</b> a tag")

    with pytest.raises(gradio.Error) as caught:
        careful(broken, 1)()
    assert "ZeroDivisionError" in caught.value.message
    assert "secret" not in caught.value.message
    assert "secret detail" in caplog.text
    with pytest.raises(gradio.Error) as caught:
        careful(refused, 1)()
    assert caught.value.message == "two lines &lt;b&gt;and&lt;/b&gt; a tag"
    with pytest.raises(UserError, match="reload"):
        Events(Desk(completer, tmp_path, 10**6))._values((0.5, float("nan"), 2.0))


def test_without_gradio_the_command_says_what_to_install(monkeypatch):
    """Broken: `fec app` on a plain installation ends in a traceback."""
    monkeypatch.setitem(sys.modules, "gradio", None)
    result = CliRunner().invoke(cli.app, ["app"])
    assert isinstance(result.exception, UserError)
    assert "pip install -e '.[app]'" in str(result.exception)
