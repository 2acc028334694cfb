"""The picture of the page that README opens with, from the running demo: `make screenshot`."""

from __future__ import annotations

import asyncio
import base64
import sys
import tempfile
from pathlib import Path

from tests.support.browser import browser, first_line, program, tab
from tests.support.needs import CHROMIUMS, find_program

PICTURE = Path("docs/_static/dashboard.png")
# By then the simulated person has been through several trials, and an alarm was raised.
PLAYED_SECONDS = 240
SIZE = {"width": 1280, "height": 1000, "deviceScaleFactor": 1, "mobile": False}
SURE = 'now.current && !now.labels.includes("unsure") && now.state === "live"'


async def take() -> bytes:
    """Run the demo for some minutes and look at it while the model is sure."""
    binary = find_program(*CHROMIUMS)
    if binary is None:
        raise SystemExit("found no Chromium on the PATH; install Debian's package chromium")
    demo = (sys.executable, "-m", "eeg_emotion", "demo", "--port", "0")
    with tempfile.TemporaryDirectory() as profile, browser(binary, Path(profile)) as address:
        async with program(*demo, stdout=asyncio.subprocess.PIPE) as running, tab(address) as page:
            await page.call("Emulation.setDeviceMetricsOverride", **SIZE)
            await page.open(await first_line(running.stdout, "page "))
            # Whoever prints must be read.
            assert running.stdout is not None
            async with asyncio.TaskGroup() as tasks:
                reading = tasks.create_task(running.stdout.read())
                await asyncio.sleep(PLAYED_SECONDS)
                await page.until(SURE, seconds=60)
                picture = await page.call("Page.captureScreenshot")
                running.terminate()  # it ends its parts, which a kill would leave
                await reading
    return base64.b64decode(picture["data"])


if __name__ == "__main__":
    PICTURE.write_bytes(asyncio.run(take()))
    print(f"wrote {PICTURE}")  # noqa: T201
