"""Parts of the application: each a router, and the object that its handlers get.

A router is built once, with its module, and shared by every application that mounts it. What its
handlers work with differs between applications, so each application keeps one object per part, and
a handler requests it by type::

    router = APIRouter()

    @dataclass(frozen=True, slots=True)
    class Clocks:
        router: ClassVar[APIRouter] = router
        utc: Callable[[], float]

    @router.get("/v1/time")
    async def now(clocks: Annotated[Clocks, given(Clocks)]) -> float:
        return clocks.utc()

    app = create_app([Clocks(time.time)], ...)
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Protocol, TypeVar

from fastapi import APIRouter, Depends, FastAPI
from starlette.requests import HTTPConnection
from starlette.routing import BaseRoute

P = TypeVar("P")


class Part(Protocol):
    """Routes, and the object that their handlers use."""

    @property
    def router(self) -> APIRouter:
        """The routes."""
        ...


def given(kind: type[P]) -> Any:
    """Return the FastAPI dependency that resolves to the application's part of this type."""

    async def find(connection: HTTPConnection) -> P:
        part: P = connection.app.state.parts[kind]
        return part

    return Depends(find)


def routes_of(parts: Iterable[Part]) -> list[BaseRoute]:
    """Return the routes of all parts.

    An application takes them as they are: `include_router` would rebuild each one for each
    application, which takes 1 to 2 ms per route.
    """
    return [route for part in parts for route in part.router.routes]


def give(app: FastAPI, parts: Iterable[Part]) -> None:
    """Store the parts in an application, where its handlers find them."""
    app.state.parts = {type(part): part for part in parts}
