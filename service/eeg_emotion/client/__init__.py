"""Follow a running service from Python: an async iterator that reconnects by itself.

::

    from eeg_emotion.client import Prediction, Reconnected, connect

    async with connect("http://127.0.0.1:8000") as stream:
        print(stream.welcome.model.name)
        async for message in stream:
            match message:
                case Prediction(valid=True):
                    print(message.headset, message.arousal.label, message.valence.label)
                case Prediction():
                    print(message.headset, *(reason.sentence for reason in message.reasons))
                case Reconnected(recovered=recovered) if False in recovered.values():
                    print("some predictions were missed")

`docs/examples/watch.py` is a whole program. A stream yields

- `Prediction`: one window's estimates. Where `valid` is false, the probabilities and labels are
  None, and `reasons` says why; each has a `sentence` and a `remedy` in words. A reason that only a
  newer service knows is left out, so `reasons` may be empty;
- `Status`: a headset's state, when it changes and every few seconds with new counts;
- `Reconnected`: the connection was lost and is back;
- `Alarm`, `Baseline` and `Marker`, and `Detail` where it was requested.

There may be more kinds in later versions: ignore those that you do not use. All errors are
`eeg_emotion.errors.EegEmotionError`. Only the first connection raises `UnreachableError`.
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
