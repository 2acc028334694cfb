"""Watch headsets from Python: print each estimate, or why there is none.

Start before: the service, for example with `eeg-emotion demo`.
Run it with:  python watch.py [http://127.0.0.1:8000]
End it with:  Ctrl-C

If the service stops, this waits until it is back and receives what it missed. If the service asks
for credentials, put a key into the environment variable EEG_EMOTION_TOKEN.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time

from eeg_emotion.client import Prediction, Reconnected, Status, connect
from eeg_emotion.errors import EegEmotionError


async def watch(address: str) -> None:
    """Print what arrives, until cancelled."""
    token = os.environ.get("EEG_EMOTION_TOKEN")
    states: dict[str, str] = {}
    async with connect(address, headsets=["*"], token=token) as stream:
        model = stream.welcome.model
        people = "simulated people" if model.simulated else model.trained_on
        print(f"model {model.name}, trained on {people}")
        async for message in stream:
            match message:
                case Prediction():
                    print(estimate(message))
                case Status(headset=headset):
                    # It also comes every few seconds with new counts: print what is new.
                    simulated = " (simulated)" if headset.simulated else ""
                    line = f"{headset.id}{simulated} is {headset.state}: {headset.detail}"
                    if states.get(headset.id) != line:
                        print(line)
                    states[headset.id] = line
                case Reconnected(why=why, recovered=recovered):
                    lost = [name for name, whole in recovered.items() if whole is False]
                    print(f"connected again after: {why}")
                    if lost:
                        print(f"some predictions may be missing of: {', '.join(lost)}")


def estimate(prediction: Prediction) -> str:
    """Return one line for a prediction."""
    end = time.strftime("%H:%M:%S", time.localtime(prediction.window.end))
    place = f"{end} {prediction.headset}"
    if prediction.valid:
        arousal, valence = prediction.arousal, prediction.valence
        return (
            f"{place}: arousal {arousal.label} ({arousal.probability:.2f}), "
            f"valence {valence.label} ({valence.probability:.2f})"
        )
    # Never take silence for calm: a window without a score says nothing about the person. A
    # service that is newer than this client may have reasons that are not known here.
    why = " ".join(f"{reason.sentence} {reason.remedy}".strip() for reason in prediction.reasons)
    return f"{place}: no score. {why or 'The reason is not known to this version.'}"


def main() -> None:
    """Watch the service named on the command line."""
    address = sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:8000"
    try:
        asyncio.run(watch(address))
    except KeyboardInterrupt:
        print("stopped")
    except EegEmotionError as error:  # no service at this address, or it refuses
        sys.exit(f"watch.py: {error}")


if __name__ == "__main__":
    main()
