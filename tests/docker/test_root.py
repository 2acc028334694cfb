"""The service image's steps in a fresh Debian: installed and started as in the image.

What Docker does is done by hand: a read-only root file system, namespaces of its own, a user
without privileges. The scripts and the entry point are the Dockerfile's own.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from tests.support.dockerfile import Stage, send_context, stages

pytestmark = [pytest.mark.slow, pytest.mark.needs("debian root"), pytest.mark.timeout(600)]

MOST_MEGABYTES = 600
HEADSET = "simulated-2026-7"
# Reads a prediction like any client, with a timeout.
READ = f"""
import json, os, time, urllib.request
end = time.monotonic() + 60
while time.monotonic() < end:
    asking = urllib.request.Request("http://127.0.0.1:8000/v1/headsets/{HEADSET}/prediction")
    asking.add_header("Authorization", "Bearer " + os.environ["KEY"])
    try:
        found = json.load(urllib.request.urlopen(asking, timeout=5))
        if found["valid"]:
            print(json.dumps(found))
            break
    except OSError:
        pass
    time.sleep(0.1)
"""


def reach() -> dict[str, str]:
    """Return this machine's settings for reaching package registries, which no image contains."""
    names = ("PIP_INDEX_URL", "PIP_DEFAULT_TIMEOUT", "http_proxy", "https_proxy", "no_proxy")
    found = {name: os.environ[name] for name in names if name in os.environ}
    return {**found, "PIP_CERT": "/etc/host.crt", "PIP_CACHE_DIR": "/var/cache/pip"}


def megabytes(*places: Path) -> float:
    return sum(path.lstat().st_blocks * 512 for place in places for path in place.rglob("*")) / 1e6


class Root:
    """A root file system."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def run(self, *command: str, cwd: str = "/", **env: str) -> str:
        """Run a command in it as root, as an image's build does; return its output."""
        shell = f'cd {cwd} && exec "$@"'
        alone = ("unshare", "--mount", "--pid", "--fork", f"--mount-proc={self.path / 'proc'}")
        done = subprocess.run(
            [*alone, "chroot", self.path, "sh", "-c", shell, "sh", *command],
            env={
                "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
                "DEBIAN_FRONTEND": "noninteractive",
                **env,
            },
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def copy(self, path: Path) -> Root:
        subprocess.run(["cp", "--archive", self.path, path], check=True)
        return Root(path)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Root]:
    """Return the base file system of the images."""
    path = tmp_path_factory.mktemp("debian") / "base"
    made = subprocess.run(
        ["debootstrap", "--variant=minbase", "bookworm", path], capture_output=True, text=True
    )
    assert made.returncode == 0, made.stdout + made.stderr
    # The published base contains no downloads; an image would seem smaller here for
    # having removed it.
    for downloaded in ("var/cache/apt/archives", "var/lib/apt/lists"):
        shutil.rmtree(path / downloaded)
    yield Root(path)
    shutil.rmtree(path)


@pytest.fixture(scope="module")
def image(base: Root) -> Iterator[Root]:
    """Yield the service image's file system."""
    building, final = stages("service")
    build = base.copy(base.path.with_name("build"))
    send_context(build.path / "src")
    trusted = os.environ.get("PIP_CERT", "/etc/ssl/certs/ca-certificates.crt")
    shutil.copy(trusted, build.path / "etc/host.crt")
    cache = subprocess.run(["pip", "cache", "dir"], capture_output=True, text=True, check=True)
    kept = build.path / "var/cache/pip"
    kept.mkdir()
    with bound(Path(cache.stdout.strip()), kept):
        for command in building.runs:
            build.run(*command.split(), cwd="/src", **{**reach(), "PIP_QUIET": "1"})
    root = base.copy(base.path.with_name("image"))
    send_context(root.path / "src")
    for command in final.runs:
        root.run(*command.split()[1:])
    shutil.rmtree(root.path / "src")
    moved = "opt/eeg-emotion"
    subprocess.run(["cp", "--archive", build.path / moved, root.path / moved], check=True)
    shutil.rmtree(build.path)
    yield root
    shutil.rmtree(root.path)


@contextlib.contextmanager
def bound(host: Path, place: Path) -> Iterator[None]:
    host.mkdir(parents=True, exist_ok=True)
    subprocess.run(["mount", "--bind", host, place], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", place], check=True)


class Container:
    """A running container, as far as that is possible without an engine.

    Its first process is `init`, whose namespaces the others join.
    """

    def __init__(self, root: Root, stage: Stage, keys: Path) -> None:
        self._env = [f"{name}={value}" for name, value in stage.env.items()]
        uid, gid = stage.said["USER"].split(":")
        self._drop = ["setpriv", "--reuid", uid, "--regid", gid, "--clear-groups"]
        self._drop += ["--no-new-privs", "--bounding-set=-all", "--inh-caps=-all"]
        self._cwd = stage.said["WORKDIR"]
        place = root.path
        mounts = f"""
            set -e
            mount --bind {place} {place}
            mount -o remount,bind,ro {place}
            mount -t proc proc {place}/proc
            mount -t tmpfs tmpfs {place}/tmp
            mount -t tmpfs -o mode=700,uid={uid},gid={gid} tmpfs {place}{self._cwd}
            mount --bind {keys} {place}/etc/eeg-emotion
            ip link set lo up
            exec chroot {place} "$@"
        """
        self._enter = ["sh", "-c", mounts, "sh"]
        self._root = place
        self._outside: subprocess.Popen[str] | None = None

    def start(self, *command: str) -> subprocess.Popen[str]:
        """Run the first process."""
        alone = ["unshare", "--mount", "--net", "--pid", "--ipc", "--fork"]
        self._outside = subprocess.Popen(
            [*alone, *self._enter, *self._as_user(command)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        return self._outside

    def kill(self) -> None:
        """End all its processes, by ending the first."""
        assert self._outside is not None
        if self._outside.poll() is None:
            os.kill(self.init, signal.SIGKILL)
        self._outside.communicate(timeout=20)

    @property
    def init(self) -> int:
        """The first process's id on this machine."""
        assert self._outside is not None
        own = self._outside.pid
        children = Path(f"/proc/{own}/task/{own}/children").read_text(encoding="utf-8").split()
        return int(children[0])

    def beside(self, *command: str, **env: str) -> subprocess.Popen[str]:
        """Run another process in it."""
        joined = ["nsenter", "--target", str(self.init), "--mount", "--net", "--pid", "--root"]
        return subprocess.Popen(
            [*joined, *self._as_user(command, **env)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def _as_user(self, command: Sequence[str], **env: str) -> list[str]:
        given = [*self._env, *(f"{name}={value}" for name, value in env.items())]
        return [*self._drop, "env", "-i", "-C", self._cwd, *given, *command]


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    """Return a folder for keys, as in a volume."""
    folder = tmp_path / "keys"
    folder.mkdir(mode=0o700)
    os.chown(folder, 10001, 10001)
    return folder


@pytest.fixture
def container(image: Root, keys: Path) -> Container:
    return Container(image, stages("service")[-1], keys)


def test_it_is_small_and_has_neither_compiler_nor_tensorflow_nor_pip(
    image: Root, base: Root
) -> None:
    added = megabytes(image.path) - megabytes(base.path)
    assert 0 < added < MOST_MEGABYTES, f"{added:.0f} MB"
    programs = {path.name for path in image.path.glob("**/bin/*")}
    assert {"python3", "eeg-emotion"} <= programs
    assert not programs & {"gcc", "cc", "g++", "clang", "pip", "pip3"}
    packages = {path.name for path in image.path.glob("opt/eeg-emotion/lib/*/site-packages/*")}
    assert {"eeg_emotion", "onnxruntime"} <= packages
    assert not packages & {"tensorflow", "keras", "tf2onnx", "onnx", "hatchling", "pip", "mne"}


def test_it_refuses_everybody_until_it_has_keys(container: Container) -> None:
    final = stages("service")[-1]
    process = container.start(*final.words("ENTRYPOINT"), *final.words("CMD"))
    _, said = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "keys" in said


def test_it_runs_as_nobody_on_a_read_only_root(container: Container) -> None:
    """Create keys; the service starts, is healthy, scores a headset and shuts down in order."""
    final = stages("service")[-1]
    entry = final.words("ENTRYPOINT")
    create = ("keys", "create", "viewer", "--scope", "read:*", "--json")
    made, _ = container.start(*entry, *create).communicate(timeout=60)
    key = json.loads(made)["key"]

    process = container.start(*entry, *final.words("CMD"))
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready http://0.0.0.0:8000/\n"
        status = Path(f"/proc/{container.init}/status").read_text(encoding="utf-8")
        rows = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
        assert rows["Uid"].split() == ["10001"] * 4
        assert rows["CapEff"] == rows["CapBnd"] == "0" * 16
        assert rows["NoNewPrivs"] == "1"
        for place in ("/opt/eeg-emotion/x", "/etc/x", "/x"):
            touched = container.beside("touch", place)
            assert "Read-only file system" in touched.communicate(timeout=20)[1]

        check = json.loads(final.said["HEALTHCHECK"].split("CMD ", 1)[1])
        healthy = container.beside(*check)
        assert (healthy.communicate(timeout=20)[1], healthy.returncode) == ("", 0)

        replay = container.beside(*entry, "replay", "--simulate", "7")
        reader = container.beside("python3", "-c", READ, KEY=key)
        read, trouble = reader.communicate(timeout=90)
        assert read, trouble
        assert json.loads(read)["headset"] == HEADSET

        os.kill(container.init, signal.SIGSTOP)
        stuck = container.beside(*check)
        assert stuck.communicate(timeout=20)[1] != ""
        assert stuck.returncode != 0
        os.kill(container.init, signal.SIGCONT)

        begun = time.monotonic()
        os.kill(container.init, signal.SIGTERM)
        process.communicate(timeout=20)
        assert time.monotonic() - begun < 10
        assert process.returncode == 0
        replay.communicate(timeout=20)  # it ends with the first process
    finally:
        container.kill()
