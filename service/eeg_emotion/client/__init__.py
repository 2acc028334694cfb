"""Follow a running service from Python: an async iterator that reconnects by itself.

from eeg_emotion.client import Prediction, Reconnected, connect

async with connect("http://127.0.0.1:8000") as stream:
    print(stream.welcome.model.name)
    async for message in stream:
        match message:
            case Prediction(valid=True):
                print(message.headset, message.arousal.label, message.valence.label)
            case Reconnected(recovered=recovered) if False in recovered.values():
                print("some predictions were missed")
"""

from eeg_emotion.client.address import AddressError
from eeg_emotion.client.dialling import RefusedError, UnreachableError
from eeg_emotion.client.inbox import Message, Reconnected
from eeg_emotion.client.parsing import MessageError
from eeg_emotion.client.stream import Stream, connect
from eeg_emotion.publish.alarms import Alarm
from eeg_emotion.publish.messages import Baseline, Detail, Marker, Prediction, Status

__all__ = [
    "AddressError",
    "Alarm",
    "Baseline",
    "Detail",
    "Marker",
    "Message",
    "MessageError",
    "Prediction",
    "Reconnected",
    "RefusedError",
    "Status",
    "Stream",
    "UnreachableError",
    "connect",
]
