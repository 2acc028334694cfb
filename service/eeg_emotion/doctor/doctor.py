"""Check what the service depends on: liblsl, the model, and the visible streams."""

from __future__ import annotations

import platform
from dataclasses import asdict, dataclass

import eeg_emotion
from eeg_emotion.doctor.findings import StreamFinding
from eeg_emotion.errors import EegEmotionError
from eeg_emotion.inference.contract import Contract
from eeg_emotion.inference.model import demo_model_path, load_model
from eeg_emotion.loopback import is_loopback
from eeg_emotion.lsl import configuration as lsl
from eeg_emotion.lsl.library import Library, LibraryError, load_library, this_machine
from eeg_emotion.lsl.stream_types import EEG_TYPE, is_of_type
from eeg_emotion.lsl.user_file import describe_user_file
from eeg_emotion.settings import Settings

_DISCOVERY_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Discovery:
    """How streams are discovered.

    Attributes
    ----------
    scope, session_id, known_peers
        As configured for liblsl; see `lsl.configuration`.
    ports
        The first and last port that each known peer is queried on.
    warning
        The risk of a wide scope; None if it is this machine only.
    types
        The types of headset streams.
    unused_file
        The user's own file of liblsl, which is not used; None if there is none.
    """

    scope: lsl.Scope
    session_id: str
    known_peers: tuple[str, ...]
    ports: tuple[int, int]
    warning: str | None
    types: tuple[str, ...] = (EEG_TYPE,)
    unused_file: str | None = None


@dataclass(frozen=True, slots=True)
class OtherStream:
    """A stream whose type is not a headset's."""

    name: str
    type: str
    hostname: str


@dataclass(frozen=True, slots=True)
class Findings:
    """The result of a check.

    Attributes
    ----------
    liblsl
        None if there is no usable one; then `liblsl_problem` says why, with the remedy, and no
        streams were looked for.
    model, model_good
        A description of the model, or why it cannot be used.
    seconds
        How long the streams were read; 0 if only their metadata was.
    """

    version: str
    python: str
    machine: str
    liblsl: Library | None
    liblsl_problem: str | None
    discovery: Discovery
    model: str
    model_good: bool
    held_out: tuple[str, ...]
    needs_rest: str | None
    seconds: float
    streams: tuple[StreamFinding, ...]
    other_streams: tuple[OtherStream, ...]

    @property
    def good(self) -> bool:
        """Whether the service can run and every visible EEG stream can be used."""
        return (
            self.liblsl is not None and self.model_good and all(item.good for item in self.streams)
        )

    def as_dict(self) -> dict[str, object]:
        """Return the findings for JSON."""
        found = asdict(self)
        streams = [
            {"good": item.good, "next_step": item.next_step, **asdict(item)}
            for item in self.streams
        ]
        return {"good": self.good, **found, "streams": streams}


def examine(settings: Settings, seconds: float) -> Findings:
    """Check liblsl, the model and every visible stream.

    Parameters
    ----------
    settings
        The settings of `eeg-emotion serve`; `match` is ignored.
    seconds
        How long to read the streams; 0 reads their metadata only.

    Raises
    ------
    LslError
        If liblsl rejects the session id or the scope.
    """
    contract: Contract | None = None
    try:
        contract = load_model(settings.model or demo_model_path()).contract
        model = f"{contract.name} {contract.version}: digest, contract and graph agree"
    except EegEmotionError as error:
        model = str(error)
    library, problem = None, None
    streams: tuple[StreamFinding, ...] = ()
    others: tuple[OtherStream, ...] = ()
    try:
        library = load_library()
    except LibraryError as error:
        problem = str(error)
    else:
        lsl.configure(
            session_id=settings.session_id,
            scope=settings.lsl_scope,
            peers=settings.lsl_peer,
            ports=settings.lsl_ports,
        )
        streams, others = _look_around(settings, contract, seconds)
    return Findings(
        version=eeg_emotion.__version__,
        python=platform.python_version(),
        machine=this_machine().describe(),
        liblsl=library,
        liblsl_problem=problem,
        discovery=_describe_discovery(settings),
        model=model,
        model_good=contract is not None,
        held_out=(
            tuple(f"{result.target}: {result.describe()}" for result in contract.held_out)
            if contract
            else ()
        ),
        needs_rest=contract.needs_rest if contract else None,
        seconds=seconds,
        streams=streams,
        other_streams=others,
    )


def _look_around(
    settings: Settings, contract: Contract | None, seconds: float
) -> tuple[tuple[StreamFinding, ...], tuple[OtherStream, ...]]:
    # Imported here because they need liblsl, and the doctor must report its absence.
    import pylsl

    from eeg_emotion.doctor.checkup import glance, look

    found = pylsl.resolve_streams(_DISCOVERY_SECONDS)
    found.sort(key=lambda info: (info.name(), info.hostname(), info.uid()))
    types = settings.stream_type
    eeg = [info for info in found if is_of_type(info.type(), types)]
    others = tuple(
        OtherStream(info.name(), info.type(), info.hostname())
        for info in found
        if not is_of_type(info.type(), types)
    )
    if contract is None:
        return glance(eeg, "not compared with a model: none could be loaded"), others
    return look(eeg, contract.path, settings.headset_filter(), seconds), others


def _describe_discovery(settings: Settings) -> Discovery:
    scope = settings.lsl_scope
    return Discovery(
        scope=scope,
        session_id=settings.session_id,
        known_peers=lsl.known_peers(scope, settings.lsl_peer),
        ports=(settings.lsl_ports[0], settings.lsl_ports[-1]),
        warning=None
        if scope is lsl.Scope.MACHINE and all(map(is_loopback, settings.lsl_peer))
        else (
            f"streams are looked for beyond this machine (scope {scope}): LSL is not encrypted, "
            "and anyone on the network can pose as a headset"
        ),
        types=settings.stream_type,
        unused_file=describe_user_file(),
    )
