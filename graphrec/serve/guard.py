"""What every request passes: a limit on its size, a count, and headers that keep a browser from anything but this service."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from graphrec.serve.numbers import Numbers

__all__ = ["MAX_BODY", "Guard"]

MAX_BODY = 64 * 1024
_TOO_LARGE = b'{"error":"the request is larger than %d bytes."}' % MAX_BODY
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
    """

    def __init__(self, app: Any, numbers: Numbers, pictures: Callable[[], bool]) -> None:
        self._app, self._numbers, self._pictures = app, numbers, pictures

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
