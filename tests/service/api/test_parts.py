"""Parts: routes that applications share, and what each application gives their handlers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

import httpx
import pytest
from fastapi import APIRouter, FastAPI

from eeg_emotion.access.access import Access
from eeg_emotion.access.grants import Action
from eeg_emotion.api.app import create_app
from eeg_emotion.api.guard import needs
from eeg_emotion.api.parts import given
from eeg_emotion.metrics.metrics import Metrics

router = APIRouter()


@dataclass(frozen=True, slots=True)
class Named:
    router: ClassVar[APIRouter] = router

    name: str


@router.get("/name", dependencies=needs(Action.READ))
async def name(part: Annotated[Named, given(Named)]) -> str:
    return part.name


class Closed(Access):
    """Requires credentials, and accepts none."""

    @property
    def open(self) -> bool:
        return False


def application(name: str, access: Access) -> FastAPI:
    return create_app([Named(name)], access, Metrics())


async def test_each_application_gives_its_own_to_handlers_that_it_shares() -> None:
    one, other = application("one", Access()), application("other", Access())
    for app, expected in ((one, "one"), (other, "other"), (one, "one")):
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            assert (await client.get("/name")).json() == expected


@pytest.mark.parametrize("closed_first", [True, False])
def test_only_a_service_that_asks_for_credentials_documents_them(closed_first: bool) -> None:
    """Both documents are of the same routes, whichever is made first."""
    kinds = [Closed(), Access()] if closed_first else [Access(), Closed()]
    for access in kinds:
        app = application("x", access)
        for _ in range(2):
            document = app.openapi()
            assert ("security" in document["paths"]["/name"]["get"]) is not access.open
            assert ("securitySchemes" in document.get("components", {})) is not access.open
