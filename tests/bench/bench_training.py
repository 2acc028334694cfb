"""A training step of BN-GRU compared with the same network in PyTorch, on the same cores.

PyTorch is none of our requirements. It is looked for in this environment, then in the one whose
interpreter EEG_EMOTION_BENCH_TORCH_PYTHON names.
"""

from __future__ import annotations

import importlib.util
import os
import statistics
import subprocess
import sys

import pytest
from tests.support.report import Report

TORCH_PYTHON = "EEG_EMOTION_BENCH_TORCH_PYTHON"
ROUNDS = 5
STEPS, FEATURES, UNITS = 640, 32, 64

# Each prints the median over as many steps as fit into the time, after two warm-up steps.
TIMING = """
import statistics, sys, time
STEPS, FEATURES, UNITS, batch = map(int, sys.argv[1:])

def rate(step, seconds=4.0):
    step(); step()
    times, end = [], time.perf_counter() + seconds
    while time.perf_counter() < end or len(times) < 5:
        started = time.perf_counter()
        step()
        times.append(time.perf_counter() - started)
    print(batch / statistics.median(times))
"""
OURS = """
import numpy as np
from eeg_emotion_training.networks.recurrent import build_network, reset, resident

rng = np.random.default_rng(0)
windows = 1024
model = resident(build_network("bn-gru", STEPS, FEATURES, UNITS), windows)
model.get_layer("resident").put(rng.normal(size=(windows, STEPS, FEATURES)).astype(np.float32))
reset(model, 1)
high = rng.integers(0, 2, windows)

def step():
    numbers = rng.integers(0, windows, batch).astype(np.int32)
    model.train_on_batch(numbers, high[numbers])

rate(step)
"""
TORCH = """
import torch

class Network(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.recurrent = torch.nn.GRU(FEATURES, UNITS, batch_first=True)
        self.normalisation = torch.nn.BatchNorm1d(UNITS)
        self.classes = torch.nn.Linear(UNITS, 2)

    def forward(self, windows):
        return self.classes(self.normalisation(self.recurrent(windows)[0][:, -1]))

torch.manual_seed(1)
windows = torch.randn(1024, STEPS, FEATURES)
high = torch.randint(0, 2, (1024,))
network, loss = Network(), torch.nn.CrossEntropyLoss()
optimiser = torch.optim.Adam(network.parameters(), 0.001)

def step():
    numbers = torch.randint(0, 1024, (batch,))
    optimiser.zero_grad()
    result = loss(network(windows[numbers]), high[numbers])
    result.backward()
    optimiser.step()
    result.item()

rate(step)
"""


def torch_python() -> str:
    """Return an interpreter that has PyTorch, or skip."""
    if importlib.util.find_spec("torch"):
        return sys.executable
    if python := os.environ.get(TORCH_PYTHON):
        return python
    pytest.skip(f"PyTorch is not installed here, and {TORCH_PYTHON} names no other interpreter")


def windows_per_second(python: str, program: str, batch: int) -> float:
    """Run a program in a process of its own, so that no two thread pools share the cores."""
    arguments = [str(number) for number in (STEPS, FEATURES, UNITS, batch)]
    done = subprocess.run(
        [python, "-W", "ignore", "-c", TIMING + program, *arguments],
        env=os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return float(done.stdout.split()[-1])


@pytest.mark.parametrize("batch", [64, 256])
def test_training_step(report: Report, batch: int) -> None:
    peer = torch_python()
    rates: dict[str, list[float]] = {"ours": [], "PyTorch": []}
    # Round by round, so that a slow moment of the machine affects both.
    for _ in range(ROUNDS):
        rates["ours"].append(windows_per_second(sys.executable, OURS, batch))
        rates["PyTorch"].append(windows_per_second(peer, TORCH, batch))
    for who, found in rates.items():
        report(
            f"BN-GRU, {UNITS} units, {STEPS} x {FEATURES}, batch {batch}: {who}",
            f"{statistics.median(found):8.0f} windows/s",
        )
    ratios = [ours / other for ours, other in zip(rates["ours"], rates["PyTorch"], strict=True)]
    ratio = statistics.median(ratios)
    report(
        f"ours over PyTorch, {ROUNDS} rounds of {min(ratios):.2f} to {max(ratios):.2f}",
        f"{ratio:6.2f} x",
        "aim: >= 2 x",
        ratio >= 2,
    )
