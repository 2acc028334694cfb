"""The root of every error that this project raises on purpose.

Each noun module defines its own exception beneath `EegEmotionError`. A message names what was
found, what was expected, and the remedy; the command line prints it without a traceback.
"""

from __future__ import annotations


class EegEmotionError(Exception):
    """Something outside the program is not as it must be: a file, a stream, a model, a setting."""
