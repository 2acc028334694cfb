"""Real-time arousal and valence from EEG: Lab Streaming Layer in, WebSocket and REST out."""

from importlib.metadata import version

__version__ = version("eeg-emotion")
