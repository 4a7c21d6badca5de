"""What may reach the page's server: its own pages' requests, of limited size, naming no address elsewhere.

Gradio's server can do more than this page needs: fetch addresses that a request names, relay to other servers, serve
files by their path. The gate stands before it and lets through the routes that the page uses, nothing else.
"""

import re
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Asgi = Callable[[Message, Receive, Send], Awaitable[None]]

GET = re.compile(
    r"/|/(assets|static|svelte)/.*|/(theme\.css|favicon\.ico|manifest\.json|config)"
    r"|/gradio_api/(startup-events|theme\.css|app_id|info|heartbeat/\w+|queue/(data|status)|upload_progress)"
    r"|/gradio_api/file=(?!\w+:).*"
)
POST = re.compile(r"/gradio_api/(upload|queue/join|component_server|cancel|reset)/?")
LOOPBACK = ("127.0.0.1", "localhost", "::1")
POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; worker-src 'self' blob:; connect-src 'self' data: blob:; frame-ancestors 'none'; "
    "form-action 'none'; object-src 'none'; base-uri 'self'"
)
"""The browser itself refuses whatever lies outside this server."""


def unbracketed(host: str) -> str:
    """An address to listen on, as sockets want it: that of IPv6 may come in brackets, as in a URL."""
    return host[1:-1] if host.startswith("[") and host.endswith("]") else host


def is_local(host: str) -> bool:
    """Whether who listens on that address hears this machine alone."""
    return unbracketed(host) in LOOPBACK


class Gate:
    """ASGI: answers 403, 404 or 413 itself, in one line, or passes the request on.

    max_bytes   of one request's body
    loopback    the server listens on this machine alone: requests that name another host are refused, which stops pages
                elsewhere from reaching it under a name of theirs (DNS rebinding)
    """

    def __init__(self, app: Asgi, max_bytes: int, loopback: bool) -> None:
        self.app, self.max_bytes, self.loopback = app, max_bytes, loopback

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            return await self.app(scope, receive, send)
        if scope["type"] != "http":
            return await send({"type": "websocket.close"})
        refused = self._refused(scope)
        if refused:
            return await _answer(send, *refused)
        return await self.app(scope, self._counted(receive), _guarded(send))

    def _refused(self, scope: Message) -> tuple[int, str] | None:
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        host, method = headers.get("host", ""), scope["method"]
        if self.loopback and _name(host) not in LOOPBACK:
            return 403, "this page answers to 127.0.0.1 and localhost only"
        origin = headers.get("origin")
        if origin is not None and origin.split("://")[-1] != host:
            return 403, "requests from other sites are refused"
        allowed = {"GET": GET, "HEAD": GET, "POST": POST}.get(method)
        if allowed is None or not allowed.fullmatch(scope["path"]):
            return 404, "there is nothing here"
        length = headers.get("content-length", "0")
        if not length.isdigit() or int(length) > self.max_bytes:
            return 413, f"more than {self.max_bytes / 2**20:g} MiB: make the photo smaller"
        return None

    def _counted(self, receive: Receive) -> Receive:
        left = self.max_bytes

        async def counted() -> Message:
            nonlocal left
            message = await receive()
            left -= len(message.get("body", b""))
            return message if left >= 0 else {"type": "http.disconnect"}

        return counted


def _name(host: str) -> str:
    """A Host header without its port."""
    return host[1:].partition("]")[0] if host.startswith("[") else host.partition(":")[0]


def _guarded(send: Send) -> Send:
    async def guarded(message: Message) -> None:
        if message["type"] == "http.response.start":
            extra = {"content-security-policy": POLICY, "referrer-policy": "no-referrer", "x-frame-options": "DENY"}
            more = [(name.encode(), value.encode()) for name, value in extra.items()]
            message = {**message, "headers": [*message.get("headers", []), *more]}
        await send(message)

    return guarded


async def _answer(send: Send, status: int, reason: str) -> None:
    body = reason.encode()
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
