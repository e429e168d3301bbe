"""``make lab`` really started: a server on loopback, behind a token, on the learner's copies."""

from __future__ import annotations

import functools
import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.course import PATHS, ROOT

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not PATHS, reason="no notebook yet"),
    pytest.mark.skipif(sys.platform == "win32", reason="signals differ"),
]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        environment.pop(name, None)
    for name in ("CONFIG_DIR", "DATA_DIR", "RUNTIME_DIR"):
        environment[f"JUPYTER_{name}"] = str(tmp_path / name)
    process = subprocess.Popen(
        [sys.executable, str(ROOT / "tools/lab.py"), "--work", str(tmp_path / "work")],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        # Where the tests run in the background, Ctrl-C is ignored, and that is inherited.
        preexec_fn=functools.partial(signal.signal, signal.SIGINT, signal.default_int_handler),
    )
    yield process
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def get(address: str) -> Any:
    """Return what the server answers, once it does."""
    for _ in range(120):
        try:
            with urllib.request.urlopen(address, timeout=5) as answer:
                return json.load(answer)
        except urllib.error.HTTPError:
            raise
        except OSError:
            time.sleep(0.25)
    raise TimeoutError(address)


def listening(pid: int) -> set[str]:
    """Return the addresses on which a process and its children listen."""
    parent = psutil.Process(pid)
    return {
        connection.laddr.ip
        for process in (parent, *parent.children(recursive=True))
        for connection in process.net_connections()
        if connection.status == psutil.CONN_LISTEN
    }


def test_serves_the_copies_to_who_has_the_token_and_ends_at_ctrl_c(
    server: subprocess.Popen[str],
) -> None:
    assert server.stdout is not None
    printed = (match for line in server.stdout if (match := re.search(r"http://\S+", line)))
    address = re.fullmatch(
        r"(http://127\.0\.0\.1:\d+)/lab/tree/(.*)\?token=(\w+)", next(printed)[0]
    )
    assert address is not None
    base, start, token = address.groups()
    assert start == PATHS[0].name

    served = get(f"{base}/api/contents?token={token}")["content"]
    assert {path.name for path in PATHS} <= {entry["name"] for entry in served}
    name = "@jupyterlab/apputils-extension:notification"
    settings = get(f"{base}/lab/api/settings/{name}?token={token}")["schema"]["properties"]
    assert settings["fetchNews"]["default"] == "false"
    assert settings["checkForUpdates"]["default"] is False
    with pytest.raises(urllib.error.HTTPError, match="403"):
        get(f"{base}/api/contents")
    assert listening(server.pid) == {"127.0.0.1"}

    os.killpg(server.pid, signal.SIGINT)
    assert server.wait(timeout=30) == 0
