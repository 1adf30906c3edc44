"""What every request passes: a look at the name it asks for, a limit on its size, a count, and headers that keep a browser
from anything but this service."""

from __future__ import annotations

import ipaddress
import json
import time
from collections.abc import Callable, Collection
from typing import Any

from graphrec.serve.numbers import Numbers

__all__ = ["MAX_BODY", "Guard"]

MAX_BODY = 64 * 1024
_TOO_LARGE = b'{"error":"the request is larger than %d bytes."}' % MAX_BODY
_STRANGE = b'{"error":"this service is not known by that name; start it with %s if it is meant."}'
_FAILED = b'{"error":"the service failed; its log says why."}'
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'%s; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


class Guard:
    """ASGI middleware.

    Parameters
    ----------
    app : ASGI application
    numbers : Numbers
    pictures : callable
        Whether the page may show pictures from other places: when the items have addresses of some.
    hosts : collection of str
        Names by which the service may be asked. A page elsewhere can make its own name point here (DNS rebinding), and its
        scripts would read the answers; it cannot do that with ``localhost`` or an address in numbers, which are always good.
    """

    def __init__(self, app: Any, numbers: Numbers, pictures: Callable[[], bool], hosts: Collection[str] = ()) -> None:
        self._app, self._numbers, self._pictures = app, numbers, pictures
        self._hosts = {"", "localhost", *(name.lower().rstrip(".") for name in hosts)}

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Pass a request on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun, status = time.perf_counter(), 0

        async def guarded(message: Any) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message.get("headers", ()), *self._headers()]
            await send(message)

        try:
            if (name := self._strange_host(scope)) is not None:
                meant = json.dumps(f"--allow-host {name}")[1:-1].replace("<", "\\u003c")
                await _answer(guarded, 421, _STRANGE % meant.encode())
                return
            inner = receive if scope["method"] in ("GET", "HEAD") else await _whole(receive)
            if inner is None:
                await _answer(guarded, 413, _TOO_LARGE)
            else:
                await self._app(scope, inner, guarded)
        except Exception:
            if not status:
                await _answer(guarded, 500, _FAILED)
            raise
        finally:
            self._numbers.count(scope["path"], status, time.perf_counter() - begun)

    def _strange_host(self, scope: Any) -> str | None:
        """The name that a request asks for, if it is none of ours."""
        if "*" in self._hosts:
            return None
        given = next((value for name, value in scope["headers"] if name == b"host"), b"").decode("latin-1")
        host = given.rpartition(":")[0] if given.rpartition(":")[2].isdecimal() else given
        if host.lower().rstrip(".") in self._hosts:
            return None
        try:
            ipaddress.ip_address(host.strip("[]"))
        except ValueError:
            return host[:200]
        return None

    def _headers(self) -> list[tuple[bytes, bytes]]:
        return [
            (b"content-security-policy", (_POLICY % (" https: http:" if self._pictures() else "")).encode()),
            (b"x-content-type-options", b"nosniff"),
            (b"referrer-policy", b"no-referrer"),
            (b"cache-control", b"no-store"),
        ]


async def _whole(receive: Any) -> Any:
    """Read a body and hand it on in one piece; None when it is too large."""
    body, more = b"", True
    while more:
        message = await receive()
        if message["type"] != "http.request":
            break
        body, more = body + message.get("body", b""), message.get("more_body", False)
        if len(body) > MAX_BODY:
            return None
    given = False

    async def again() -> Any:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again


async def _answer(send: Any, status: int, body: bytes) -> None:
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
