"""The routes: what may be asked over HTTP, within which limits, and how a refusal reads."""

from __future__ import annotations

import asyncio
import difflib
import json
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager, suppress
from importlib import resources
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, FastAPI, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field, StrictInt, StrictStr
from starlette.exceptions import HTTPException

from graphrec._version import __version__
from graphrec.errors import InputError
from graphrec.serve.answers import MAX_EXCLUDED, MAX_HISTORY, MAX_K, MAX_REASONS, Answers
from graphrec.serve.guard import Guard
from graphrec.serve.live import Live
from graphrec.serve.numbers import Numbers

__all__ = ["Liked", "application"]

Id = Annotated[str, Query(min_length=1, max_length=1000)]
Length = Annotated[int, Query(ge=1, le=MAX_K)]
Reasons = Annotated[int, Query(ge=0, le=MAX_REASONS)]
Search = Annotated[str, Query(max_length=200)]
Limit = Annotated[int, Query(ge=1, le=200)]
LeftOut = Annotated[list[str], Query(max_length=MAX_EXCLUDED)]
_SEVERAL = ("exclude",)  # parameters that may be given more than once
_STATIC = {"page.js": "text/javascript", "page.css": "text/css", "docs.js": "text/javascript"}


class Liked(BaseModel):
    """A person by what they like."""

    model_config = ConfigDict(extra="forbid")

    history: Annotated[list[StrictInt | StrictStr], Field(min_length=1, max_length=MAX_HISTORY)]
    k: Annotated[StrictInt, Field(ge=1, le=MAX_K)] = 10
    explain: Annotated[StrictInt, Field(ge=0, le=MAX_REASONS)] = 0
    exclude: Annotated[list[StrictInt | StrictStr], Field(max_length=MAX_EXCLUDED)] = []


def application(live: Live, every: float = 1.0, hosts: Collection[str] = ()) -> FastAPI:
    """The service for a run.

    Parameters
    ----------
    live : Live
    every : float
        Seconds between looks at the disk.
    hosts : collection of str
        Names by which it may be asked, beside ``localhost`` and addresses in numbers; ``"*"`` for any.

    Returns
    -------
    fastapi.FastAPI
    """

    @asynccontextmanager
    async def life(_: FastAPI) -> AsyncIterator[None]:
        watching = asyncio.create_task(live.watch(every))
        yield
        watching.cancel()

    app = FastAPI(title="graphrec", version=__version__, lifespan=life, docs_url=None, redoc_url=None)
    numbers = Numbers(live)
    app.add_middleware(Guard, numbers=numbers, pictures=lambda: live.now.names.has_images, hosts=hosts)
    _add_refusals(app)
    app.include_router(_questions(live))
    _add_pages(app, numbers)
    return app


async def _only_known(request: Request) -> None:
    """Refuse a parameter that a question does not have, and one that is given twice: it would be passed over in silence."""
    known = [field.alias for field in request.scope["route"].dependant.query_params]
    given = [name for name, _ in request.query_params.multi_items()]
    for name in given:
        if name not in known:
            in_body = " What is asked of POST stands in the body." if request.method == "POST" else ""
            raise InputError(_no_such("parameter", name, known) + in_body)
        if given.count(name) > 1 and name not in _SEVERAL:
            raise InputError(f"parameter {name!r} is given more than once.")
    if request.method == "POST":
        with suppress(json.JSONDecodeError, UnicodeDecodeError, RecursionError):  # told when the body is read into its fields
            json.loads(await request.body(), object_pairs_hook=_given_once)


def _given_once(fields: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object of JSON, whose text may name a field twice."""
    known: dict[str, Any] = {}
    for name, value in fields:
        if name in known:
            raise InputError(f"field {name[:100]!r} is given more than once.")
        known[name] = value
    return known


def _no_such(what: str, name: str, known: Collection[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.4)
    hint = f" did you mean {near[0]!r}?" if near else ""
    return f"there is no {what} {name[:100]!r};{hint} known are {', '.join(known) or 'none'}."


def _questions(live: Live) -> APIRouter:
    app = APIRouter(dependencies=[Depends(_only_known)])

    async def slow(answer: Callable[[], dict[str, Any]]) -> Response:
        return _json(await asyncio.to_thread(answer))

    @app.head("/health", include_in_schema=False)
    @app.get("/health")
    async def health() -> Any:
        """That there is a model, and which; status "stale" and a reason while a newer one on the disk cannot be read."""
        return _json(live.health())

    @app.get("/recommend")
    async def recommend(
        user: Id,
        k: Length = 10,
        explain: Reasons = 0,
        exclude: LeftOut = [],  # noqa: B006
        cold: Literal["error", "popular"] = "error",
    ) -> Any:
        """The items with the highest scores for a person of the training data, each with its `explain` strongest reasons.

        The contributions under "why" and the "rest" add up to the score. `exclude` is an item to leave out, and may be given
        several times; with cold=popular somebody whom the training data do not know gets what most people have.
        """
        now: Answers = live.now
        if now.quick and not explain:
            return _json(now.recommend(user, k, 0, exclude, cold))
        return await slow(lambda: now.recommend(user, k, explain, exclude, cold))

    @app.post("/recommend")
    async def recommend_new(liked: Liked) -> Any:
        """The same for somebody who likes some items."""
        now = live.now
        return await slow(lambda: now.recommend_new(liked.history, liked.k, liked.explain, liked.exclude))

    @app.get("/similar")
    async def similar(item: Id, k: Length = 10) -> Any:
        """The items most like one."""
        now = live.now
        return await slow(lambda: now.similar(item, k))

    @app.get("/explain")
    async def explain(user: Id, item: Id) -> Any:
        """What the score of a person and an item is made of."""
        now = live.now
        return await slow(lambda: now.explain(user, item))

    @app.get("/users")
    async def users(search: Search = "", limit: Limit = 50) -> Any:
        """People of the training data whose id contains a text."""
        now = live.now
        return await slow(lambda: now.users(search, limit))

    @app.get("/items")
    async def items(search: Search = "", limit: Limit = 50) -> Any:
        """Items whose title contains a text."""
        now = live.now
        return await slow(lambda: now.items(search, limit))

    @app.get("/history")
    async def history(user: Id, limit: Limit = 50) -> Any:
        """What a person has in training."""
        now = live.now
        return await slow(lambda: now.history(user, limit))

    return app


def _add_pages(app: FastAPI, numbers: Numbers) -> None:
    folder = resources.files("graphrec.serve").joinpath("static")
    pages = {name: folder.joinpath(name).read_bytes() for name in ("index.html", "docs.html", *_STATIC)}

    @app.head("/", include_in_schema=False)
    @app.get("/", include_in_schema=False)
    async def page() -> Response:
        return Response(pages["index.html"], media_type="text/html; charset=utf-8")

    @app.get("/docs", include_in_schema=False)
    async def docs() -> Response:
        return Response(pages["docs.html"], media_type="text/html; charset=utf-8")

    @app.get("/static/{name}", include_in_schema=False)
    async def static(name: str) -> Response:
        if name not in _STATIC:
            raise HTTPException(404, "there is no such page.")
        return Response(pages[name], media_type=f"{_STATIC[name]}; charset=utf-8")

    @app.get("/metrics", include_in_schema=False)
    async def metrics() -> Response:
        return Response(*numbers.text())


def _add_refusals(app: FastAPI) -> None:
    @app.exception_handler(InputError)
    async def refused(_: Request, error: InputError) -> Response:
        return _json({"error": str(error)}, 404 if str(error).startswith("unknown ") else 422)

    @app.exception_handler(RequestValidationError)
    async def malformed(request: Request, error: RequestValidationError) -> Response:
        first = next((one for one in error.errors() if one["type"] == "extra_forbidden"), error.errors()[0])
        where = ".".join(str(part) for part in first["loc"][1:]) or str(first["loc"][0])
        if first["type"] == "extra_forbidden":
            return _json({"error": _no_such("field", where, [*Liked.model_fields])}, 422)
        as_text = where == "body" and not request.headers.get("content-type", "").startswith("application/json")
        hint = ". Send it with the header Content-Type: application/json." if as_text else ""
        return _json({"error": f"{where}: {first['msg']}{hint}"}, 422)

    @app.exception_handler(HTTPException)
    async def no_such(_: Request, error: HTTPException) -> Response:
        return _json({"error": error.detail}, error.status_code)

    @app.exception_handler(NotImplementedError)
    async def cannot(_: Request, error: NotImplementedError) -> Response:
        return _json({"error": str(error) or "this model cannot answer that."}, 422)


def _json(answer: dict[str, Any], status: int = 200) -> Response:
    # A "<" stands inside of texts only; written this way, no text can be taken for a tag by whoever shows it.
    body = json.dumps(answer, ensure_ascii=False, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c")
    return Response(body.encode("utf-8", "replace"), status, media_type="application/json")
