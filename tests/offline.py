"""A Python that cannot reach the network: it refuses, and writes down what was asked for.

`guard` makes a folder whose ``sitecustomize.py`` every Python started with it on ``PYTHONPATH``
runs first: kernels and servers included. An audit hook cannot be undone by what runs later, and
it sees attempts that a library makes and then forgives. `cut_off` is the stronger half, where the
machine allows it: a network namespace with nothing but loopback in it, which binds C code too.
"""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests.course import ROOT

SITECUSTOMIZE = '''\
"""Refuse every address but this machine's own, and write the attempt down."""

import os
import sys

OWN = ("127.", "::1", "localhost", "0.0.0.0", "::ffff:127.")


def refuse_the_network(event, arguments):
    if event in ("socket.getaddrinfo", "socket.gethostbyname"):
        host = arguments[0]
    elif event in ("socket.connect", "socket.sendto", "socket.sendmsg"):
        address = arguments[1]
        host = address[0] if isinstance(address, tuple) else None
    else:
        return
    if isinstance(host, bytes):
        host = host.decode("ascii", "replace")
    if not host or host.startswith(OWN):
        return
    with open(os.path.join(os.path.dirname(__file__), "attempts.txt"), "a") as attempts:
        print(event, host, sys.argv[:1], file=attempts)
    raise OSError(f"the tests cut the network: {event} {host}")


sys.addaudithook(refuse_the_network)
'''

LOOPBACK_ONLY = """\
import fcntl, os, socket, struct, sys
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:  # loopback up: flags UP, RUNNING
    fcntl.ioctl(probe, 0x8914, struct.pack("16sH14x", b"lo", 0x41))
os.execv(sys.argv[1], sys.argv[1:])
"""


def guard(folder: Path) -> dict[str, str]:
    """Write the guard into `folder` and return the environment of a Python that it binds."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "sitecustomize.py").write_text(SITECUSTOMIZE, encoding="utf-8")
    inherited = os.environ.get("PYTHONPATH", "")
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, [str(folder), inherited]))}


def attempts(folder: Path) -> list[str]:
    """Return what was asked of the network under the guard in `folder`."""
    record = folder / "attempts.txt"
    return record.read_text(encoding="utf-8").splitlines() if record.exists() else []


@functools.cache
def cut_off() -> tuple[str, ...]:
    """Return the words before a command that leave it loopback alone; none where not permitted."""
    unshare = shutil.which("unshare")
    if unshare is None:
        return ()
    words = (unshare, "--map-root-user", "--net", sys.executable, "-c", LOOPBACK_ONLY)
    tried = subprocess.run([*words, sys.executable, "-c", ""], check=False, capture_output=True)
    return words if tried.returncode == 0 else ()


def run(command: list[str], environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Run a command at the root of the course, its output and its errors in one text."""
    return subprocess.run(
        command,
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
