"""The messages about a headset's rest baseline, one for each of its states. Pure."""

from __future__ import annotations

from eeg_emotion.baseline.collection import RestCollection
from eeg_emotion.baseline.profiles import Profile
from eeg_emotion.publish.messages import Baseline, BaselineState, Prediction


def none(headset: str) -> Baseline:
    """Return the message that no profile is in use."""
    return Baseline(
        headset=headset,
        state=BaselineState.NONE,
        profile=None,
        seconds=0,
        clean_seconds=0,
        refused={},
        detail="no profile is in use",
        before=None,
        after=None,
    )


def collecting(headset: str, profile: str, collection: RestCollection) -> Baseline:
    """Return the message about the progress of a collection."""
    return Baseline(
        headset=headset,
        state=BaselineState.COLLECTING,
        profile=profile,
        seconds=collection.seconds,
        clean_seconds=collection.clean_seconds,
        refused=_counts(collection),
        detail=progress(collection),
        before=None,
        after=None,
    )


def applied(
    headset: str,
    profile: Profile,
    collection: RestCollection | None = None,
    before: Prediction | None = None,
) -> Baseline:
    """Return the message that a profile is in use, with the collection that made it, if any."""
    return Baseline(
        headset=headset,
        state=BaselineState.APPLIED,
        profile=profile.name,
        seconds=collection.seconds if collection else profile.clean_seconds,
        clean_seconds=profile.clean_seconds,
        refused=_counts(collection) if collection else {},
        detail=(
            f"profile {profile.name} is in use: {profile.clean_seconds} s of clean rest, "
            f"{profile.created:%Y-%m-%d %H:%M} UTC"
        ),
        before=before,
        after=None,
    )


def failed(
    headset: str, profile: str, collection: RestCollection, why: str, in_use: Profile | None
) -> Baseline:
    """Return the message why a collection failed, and which profile stays in use."""
    still = f"; profile {in_use.name} stays in use" if in_use else ""
    return collecting(headset, profile, collection).model_copy(
        update={
            "state": BaselineState.FAILED,
            "profile": in_use.name if in_use else None,
            "detail": f"no baseline was made for {profile}: {why}{still}",
        }
    )


def cancelled(headset: str, in_use: Profile | None) -> Baseline:
    """Return the message that a collection was cancelled, and which profile stays in use."""
    standing = applied(headset, in_use) if in_use else none(headset)
    return standing.model_copy(
        update={"detail": f"the collection was cancelled; {standing.detail}"}
    )


def progress(collection: RestCollection) -> str:
    """Return how much rest is collected in words, and why seconds were not counted."""
    text = f"{collection.clean_seconds} of {collection.seconds} s of clean rest"
    refused = collection.refused.most_common()
    if not refused:
        return text
    counted = ", ".join(f"{count} s {reason.brief}" for reason, count in refused)
    return f"{text}; not counted: {counted}"


def _counts(collection: RestCollection) -> dict[str, int]:
    return {str(reason): count for reason, count in collection.refused.items()}
