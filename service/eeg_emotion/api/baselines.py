"""REST: a headset's rest baseline, and the stored profiles."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated, ClassVar, Protocol

from fastapi import APIRouter, HTTPException, Path, Request, Response
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from eeg_emotion.access.grants import Action
from eeg_emotion.api.guard import needs, require
from eeg_emotion.api.parts import given
from eeg_emotion.api.problems import responses
from eeg_emotion.api.routes import find_headset
from eeg_emotion.baseline.baselines import BaselineRefused, SecondsError
from eeg_emotion.baseline.profiles import (
    NAME_PATTERN,
    Profile,
    ProfileError,
    ProfileNameError,
    ProfileStore,
    UnknownProfile,
    fits,
)
from eeg_emotion.inference.model import Model
from eeg_emotion.publish.headsets import Headsets
from eeg_emotion.publish.message import Message
from eeg_emotion.publish.messages import Baseline

router = APIRouter(responses=responses(), tags=["baselines"])

_PLACE = "/v1/headsets/{identifier}/baseline"

_NAMED = {
    "pattern": NAME_PATTERN
}  # in the document only; the refusal by `profiles` is more specific

ProfileName = Annotated[str, Path(json_schema_extra=_NAMED)]


class BeginRequest(BaseModel):
    """How much clean rest to collect, and under which pseudonym; a random one by default."""

    model_config = ConfigDict(extra="forbid")

    seconds: Annotated[int, Field(strict=True)] = 60
    profile: Annotated[str | None, Field(json_schema_extra=_NAMED)] = None


class UseRequest(BaseModel):
    """Which stored profile to use."""

    model_config = ConfigDict(extra="forbid")

    profile: Annotated[str, Field(json_schema_extra=_NAMED)]


class ProfileSummary(Message):
    """A stored profile, without its numbers."""

    name: str
    model: str
    model_version: str
    model_sha256: str
    representation: str
    channels: tuple[str, ...]
    interpolated: tuple[str, ...]
    features: int
    created: AwareDatetime
    clean_seconds: int
    unfit: str | None
    """Why it cannot be used with the model that is served; null if it can."""


class Profiles(Message):
    """All stored profiles; `damaged` states for each unreadable file what is wrong."""

    profiles: tuple[ProfileSummary, ...]
    damaged: dict[str, str]


class Baselines(Protocol):
    """Which profile each headset uses; see `baseline.baselines` for what is refused."""

    @property
    def profiles(self) -> ProfileStore:
        """The stored profiles."""
        ...

    def begin(self, identifier: str, seconds: int, profile: str | None) -> Baseline:
        """Start collecting clean rest."""
        ...

    def baseline(self, identifier: str) -> Baseline:
        """Return the state of a headset's baseline."""
        ...

    def use(self, identifier: str, profile: str) -> Baseline:
        """Apply a stored profile."""
        ...

    def cancel(self, identifier: str) -> Baseline:
        """End a collection, or stop using a profile."""
        ...

    def delete_profile(self, name: str) -> None:
        """Delete a stored profile that no headset uses."""
        ...


@dataclass(frozen=True, slots=True)
class BaselinesPart:
    """The headsets, their baselines, and the model that these must fit."""

    router: ClassVar[APIRouter] = router

    headsets: Headsets
    baselines: Baselines
    model: Model


Given = Annotated[BaselinesPart, given(BaselinesPart)]


@router.post(
    _PLACE,
    status_code=HTTPStatus.ACCEPTED,
    dependencies=needs(Action.CONTROL),
    responses=responses(404, 409, 422),
)
async def begin(part: Given, identifier: str, begun: BeginRequest, request: Request) -> Baseline:
    """Start collecting a person's clean rest; `baseline` messages report the progress.

    When complete, it is stored under the pseudonym and applied. Replacing a stored profile also
    requires the scope `profiles`.
    """
    find_headset(part.headsets, identifier)
    with _as_problems():
        if begun.profile in part.baselines.profiles.names():
            require(request, Action.PROFILES)
        return part.baselines.begin(identifier, begun.seconds, begun.profile)


@router.get(_PLACE, dependencies=needs(Action.READ), responses=responses(404))
async def baseline(part: Given, identifier: str) -> Baseline:
    """Return whether rest is being collected, and which profile is in use."""
    find_headset(part.headsets, identifier)
    return part.baselines.baseline(identifier)


@router.put(_PLACE, dependencies=needs(Action.CONTROL), responses=responses(404, 409, 422))
async def use(part: Given, identifier: str, used: UseRequest, request: Request) -> Baseline:
    """Use a stored profile from the next window on; also requires the scope `profiles`."""
    find_headset(part.headsets, identifier)
    # Whether a profile of this name exists is not revealed to callers who may not list them.
    require(request, Action.PROFILES)
    with _as_problems():
        return part.baselines.use(identifier, used.profile)


@router.delete(_PLACE, dependencies=needs(Action.CONTROL), responses=responses(404))
async def cancel(part: Given, identifier: str) -> Baseline:
    """Cancel the collection; if none is in progress, stop using the profile."""
    find_headset(part.headsets, identifier)
    return part.baselines.cancel(identifier)


@router.get("/v1/profiles", dependencies=needs(Action.PROFILES), responses=responses(409))
async def profiles(part: Given) -> Profiles:
    """List the stored profiles."""
    with _as_problems():
        found = part.baselines.profiles.list()
    return Profiles(
        profiles=tuple(_summary(item, part.model) for item in found.profiles),
        damaged=found.damaged,
    )


@router.get(
    "/v1/profiles/{name}", dependencies=needs(Action.PROFILES), responses=responses(404, 409, 422)
)
async def profile(part: Given, name: ProfileName) -> ProfileSummary:
    """Describe one stored profile."""
    with _as_problems():
        return _summary(part.baselines.profiles.load(name), part.model)


@router.delete(
    "/v1/profiles/{name}",
    status_code=HTTPStatus.NO_CONTENT,
    response_class=Response,
    dependencies=needs(Action.PROFILES),
    responses=responses(404, 409, 422),
)
async def delete(part: Given, name: ProfileName) -> None:
    """Delete a stored profile permanently, unless a headset uses it."""
    with _as_problems():
        part.baselines.delete_profile(name)


@contextlib.contextmanager
def _as_problems() -> Iterator[None]:
    try:
        yield
    except UnknownProfile as error:
        raise HTTPException(HTTPStatus.NOT_FOUND, str(error)) from error
    except (SecondsError, ProfileNameError) as error:
        raise HTTPException(HTTPStatus.UNPROCESSABLE_ENTITY, str(error)) from error
    except (BaselineRefused, ProfileError) as error:
        raise HTTPException(HTTPStatus.CONFLICT, str(error)) from error


def _summary(profile: Profile, model: Model) -> ProfileSummary:
    return ProfileSummary(
        **profile.model_dump(exclude={"schema_version", "normaliser"}),
        features=len(profile.normaliser.mean),
        unfit=fits(profile, model),
    )
