"""People's rest baselines on disk, by pseudonym: one file each.

A profile holds statistics of a person's EEG, so that person may have it listed and deleted, and
only the service's own user may read the file.
"""

from __future__ import annotations

import math
import os
import re
import tempfile
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Annotated, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError, model_validator

from eeg_emotion.atomic_write import atomic_write, sync_folder
from eeg_emotion.eeg.normaliser import Normaliser
from eeg_emotion.errors import EegEmotionError
from eeg_emotion.file_names import names_device
from eeg_emotion.inference.model import Model

NAME_PATTERN = "^[a-z0-9][a-z0-9_-]{0,63}$"
"""The pattern of a profile's name, for schemas."""

_NAME = re.compile(NAME_PATTERN.strip("^$"))
_SUFFIX = ".json"

SCHEMA_VERSION: Literal[1] = 1


class ProfileError(EegEmotionError):
    """A profile is damaged, or the folder of the profiles cannot be used."""


class UnknownProfile(ProfileError):
    """There is no profile of this name."""


class ProfileNameError(ProfileError):
    """The text cannot be a profile's name."""


class Profile(BaseModel):
    """A person's rest baseline, and the model that it was made for."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: Literal[1] = SCHEMA_VERSION
    name: Annotated[str, Field(pattern=NAME_PATTERN)]
    """A pseudonym."""
    model: str
    model_version: str
    model_sha256: str
    representation: str
    channels: tuple[str, ...]
    interpolated: tuple[str, ...]
    created: AwareDatetime
    clean_seconds: Annotated[int, Field(gt=0)]
    normaliser: Normaliser

    @model_validator(mode="after")
    def _usable(self) -> Profile:
        mean, sd = self.normaliser.mean, self.normaliser.sd
        if self.normaliser.kind != "rest-baseline":
            raise ValueError("found a normaliser of many people, expected one person's")
        if len(mean) != len(sd) or not all(math.isfinite(value) for value in (*mean, *sd)):
            raise ValueError("found means and spreads that are not finite or not of one length")
        if not all(value > 0 for value in sd):
            raise ValueError("found a spread of 0, expected positive spreads")
        return self


@dataclass(frozen=True, slots=True)
class Listing:
    """The profiles in the folder, and what is wrong with the other files, by name."""

    profiles: tuple[Profile, ...]
    damaged: dict[str, str]


def check_name(name: str) -> str:
    """Return the name if a profile may have it.

    Raises
    ------
    ProfileNameError
        If it may not.
    """
    if not _NAME.fullmatch(name):
        raise ProfileNameError(
            f"found the profile name {name!r}, expected a pseudonym of 1 to 64 letters a-z, "
            "digits, '-' and '_', such as person-7f3a2c; never the person's own name"
        )
    if names_device(name):
        raise ProfileNameError(
            f"found the profile name {name!r}, which Windows reserves for a device so that no file "
            "can have it, expected another one, such as person-7f3a2c"
        )
    return name


def new_pseudonym(random: Random) -> str:
    """Return a random profile name that reveals nothing about the person."""
    return f"person-{random.getrandbits(24):06x}"


def fits(profile: Profile, model: Model) -> str | None:
    """Return why the profile cannot be used with the model; None if it can."""
    contract = model.contract
    path = contract.path
    found = f"profile {profile.name} was made "
    remedy = "; collect the person's rest again with the current model"
    if profile.model_sha256 != model.sha256:
        return (
            f"{found}for the model {profile.model} {profile.model_version} "
            f"({profile.model_sha256[:8]}), expected {contract.name} {contract.version} "
            f"({model.sha256[:8]}){remedy}"
        )
    if profile.representation != path.representation.kind or profile.channels != path.channels:
        return (
            f"{found}from {profile.representation} of {len(profile.channels)} channels, expected "
            f"{path.representation.kind} of the model's {len(path.channels)}{remedy}"
        )
    width = path.window_shape[1]
    if len(profile.normaliser.mean) != width:
        return f"{found}from {len(profile.normaliser.mean)} features, expected {width}{remedy}"
    return None


class ProfileStore:
    """The folder of the profiles: `NAME.json` for each.

    Parameters
    ----------
    folder
        Created on the first save, accessible to its user only.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def names(self) -> tuple[str, ...]:
        """Return all names, including those of damaged profiles.

        Raises
        ------
        ProfileError
            If the folder cannot be read.
        """
        try:
            files = [file for file in os.listdir(self.folder) if file.endswith(_SUFFIX)]
        except FileNotFoundError:
            return ()
        except OSError as error:
            raise self._unusable("read", error) from error
        stems = (file.removesuffix(_SUFFIX) for file in files)
        return tuple(sorted(stem for stem in stems if _NAME.fullmatch(stem)))

    def list(self) -> Listing:
        """Read all profiles; a damaged one does not hide the others."""
        profiles, damaged = [], {}
        for name in self.names():
            try:
                profiles.append(self.load(name))
            except UnknownProfile:
                continue  # deleted meanwhile
            except ProfileError as error:
                damaged[name] = str(error)
        return Listing(tuple(profiles), damaged)

    def load(self, name: str) -> Profile:
        """Read a profile.

        Raises
        ------
        UnknownProfile
            If there is no profile of this name.
        ProfileError
            If its file is damaged, or from another release.
        """
        file = self._file(name)
        try:
            profile = Profile.model_validate_json(file.read_bytes())
        except FileNotFoundError as error:
            raise self._unknown(name) from error
        except OSError as error:
            raise ProfileError(f"cannot read the profile {file}: {error.strerror}") from error
        except ValidationError as error:
            problems = "; ".join(
                f"{'.'.join(str(part) for part in item['loc']) or 'profile'}: {item['msg']}"
                for item in error.errors()[:5]
            )
            raise ProfileError(
                f"the profile {file} is damaged or from another release: {problems}; delete it and "
                "collect the person's rest again"
            ) from error
        if profile.name != name:
            raise ProfileError(
                f"found the profile {profile.name!r} in {file}, expected {name!r}; rename the file "
                "to its original name"
            )
        return profile

    def save(self, profile: Profile) -> None:
        """Write a profile, replacing an older one of its name: all of it or nothing.

        Raises
        ------
        ProfileError
            If the folder cannot be written to.
        """
        text = profile.model_dump_json(indent=1)
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            with atomic_write(self._file(profile.name), private=True) as file:
                file.write(text.encode())
        except OSError as error:
            raise self._unusable("write to", error) from error

    def delete(self, name: str) -> None:
        """Delete a profile, damaged or not, and any temporary file that a crash has left.

        Raises
        ------
        UnknownProfile
            If there is no profile of this name.
        ProfileError
            If the folder cannot be written to.
        """
        file = self._file(name)
        try:
            for left in self.folder.glob(f".{name}.*.tmp"):
                left.unlink(missing_ok=True)
            file.unlink()
            sync_folder(self.folder)
        except FileNotFoundError as error:
            raise self._unknown(name) from error
        except OSError as error:
            raise self._unusable("write to", error) from error

    def check_writable(self) -> None:
        """Check that a profile could be saved now.

        Raises
        ------
        ProfileError
            If it could not.
        """
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=self.folder):
                pass
        except OSError as error:
            raise self._unusable("write to", error) from error

    def _file(self, name: str) -> Path:
        return self.folder / f"{check_name(name)}{_SUFFIX}"

    def _unknown(self, name: str) -> UnknownProfile:
        known = ", ".join(self.names()) or "none"
        return UnknownProfile(f"found no profile {name!r}; known: {known}")

    def _unusable(self, verb: str, error: OSError) -> ProfileError:
        return ProfileError(
            f"cannot {verb} the profile folder {self.folder}: {error.strerror}; make it "
            "accessible to the service, or name another one with --profiles"
        )
