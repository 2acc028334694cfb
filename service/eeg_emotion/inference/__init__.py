"""The ONNX model and the contract that it carries."""

import os

# Otherwise onnxruntime, from 1.29 on, stores an identifier of the machine in the user's cache
# folder and reports which models are run. It reads this once, at its first use; its own function to
# disable telemetry comes too late for the first report.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
