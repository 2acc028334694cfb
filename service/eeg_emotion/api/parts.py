"""Parts of the application: a router, and the object that its handlers are given.

A router is built once, with its module, and is shared by every application that mounts it. What
its handlers work with differs between applications, so each application keeps one object for each
of its parts, and a handler asks for its own by type::

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
    """Routes, and as an object what their handlers use."""

    @property
    def router(self) -> APIRouter:
        """The routes."""
        ...


def given(kind: type[P]) -> Any:
    """Return the dependency that gives a handler the part of its application; see the module."""

    async def find(connection: HTTPConnection) -> P:
        part: P = connection.app.state.parts[kind]
        return part

    return Depends(find)


def routes_of(parts: Iterable[Part]) -> list[BaseRoute]:
    """Return the routes of all parts.

    They are handed to an application as they are: `include_router` would build each one again for
    each application, which costs 1 to 2 ms a route.
    """
    return [route for part in parts for route in part.router.routes]


def give(app: FastAPI, parts: Iterable[Part]) -> None:
    """Let the handlers of an application find their parts."""
    app.state.parts = {type(part): part for part in parts}
