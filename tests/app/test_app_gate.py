"""What the page's server does not even look at."""

import asyncio

import pytest

from fec_jax.app.gate import Gate

HOME = {"host": "127.0.0.1:7860"}


def ask(method, path, headers=None, bodies=(b"",), loopback=True):
    """Status, headers and how many bytes of the body came through, of one request to a server that answers 200."""
    came = []

    async def server(scope, receive, send):
        more = True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                break
            came.append(len(message["body"]))
            more = message.get("more_body", False)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    chunks = [{"type": "http.request", "body": b, "more_body": i + 1 < len(bodies)} for i, b in enumerate(bodies)]
    sent = []

    async def receive():
        return chunks.pop(0)

    async def send(message):
        sent.append(message)

    names = {**HOME, **(headers or {})}
    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "headers": [(name.encode(), value.encode()) for name, value in names.items()],
    }
    asyncio.run(Gate(server, 100, loopback)(scope, receive, send))
    return sent[0]["status"], dict(sent[0]["headers"]), sum(came)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/"),
        ("HEAD", "/"),
        ("GET", "/assets/index-abc.js"),
        ("GET", "/theme.css"),
        ("GET", "/gradio_api/heartbeat/abc123"),
        ("GET", "/gradio_api/queue/data"),
        ("GET", "/gradio_api/file=/tmp/fec-app-x/visit-x/1/after.png"),
        ("POST", "/gradio_api/upload"),
        ("POST", "/gradio_api/queue/join"),
        ("POST", "/gradio_api/component_server"),
    ],
)
def test_the_pages_own_requests_pass(method, path):
    """Broken: the page does not work, or the browser may load things from elsewhere into it."""
    status, headers, _ = ask(method, path, {"origin": "http://127.0.0.1:7860"})
    assert status == 200
    assert b"default-src 'self'" in headers[b"content-security-policy"]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/gradio_api/proxy=https://example.org/x"),
        ("GET", "/gradio_api/file=https://example.org/x.png"),
        ("GET", "/gradio_api/file=ftp:x"),
        ("GET", "/gradio_api/run-history/records"),
        ("POST", "/gradio_api/vibe-edit"),
        ("POST", "/gradio_api/run/open"),
        ("POST", "/gradio_api/call/open"),
        ("PUT", "/gradio_api/upload"),
        ("GET", "/docs"),
        ("GET", "/monitoring"),
        ("GET", "/login"),
    ],
)
def test_nothing_else_does(method, path):
    """Broken: a request can make the server fetch an address, or use parts of Gradio that the page does without."""
    assert ask(method, path)[0] == 404


def test_other_names_and_other_sites_are_refused():
    """Broken: a web page elsewhere can send photos to this one, or read from it under a name of its own."""
    assert ask("GET", "/", {"host": "evil.example:7860"})[0] == 403
    assert ask("GET", "/", {"host": ""})[0] == 403
    assert ask("GET", "/", {"host": "localhost:7860"})[0] == 200
    assert ask("GET", "/", {"host": "[::1]:7860"})[0] == 200
    assert ask("POST", "/gradio_api/upload", {"origin": "https://evil.example"})[0] == 403
    assert ask("POST", "/gradio_api/upload", {"origin": "null"})[0] == 403
    assert ask("GET", "/", {"host": "computer.lan:7860"}, loopback=False)[0] == 200


def test_bodies_are_bounded_announced_or_not():
    """Broken: one request fills memory or disk."""
    assert ask("POST", "/gradio_api/upload", {"content-length": "101"})[0] == 413
    assert ask("POST", "/gradio_api/upload", {"content-length": "-1"})[0] == 413
    assert ask("POST", "/gradio_api/upload", {"content-length": "100"}, [b"x" * 100])[2] == 100
    assert ask("POST", "/gradio_api/upload", {}, [b"x" * 60, b"x" * 60, b"x"])[2] == 60
