"""What cuts the network, cuts it: the guard and the namespace that notebooks are run in."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from tests.offline import attempts, cut_off, guard, run

pytestmark = pytest.mark.slow

# An address kept for documentation: nobody has it, and no packet to it leaves this machine.
NOWHERE = "192.0.2.1"
ASK = f"import socket; s = socket.socket(); s.settimeout(5); s.connect(('{NOWHERE}', 80))"


def test_the_guard_refuses_and_remembers(tmp_path: Path) -> None:
    environment = guard(tmp_path)
    forgiving = f"try:\n {ASK}\nexcept OSError as error:\n print(error)"
    for statement, said in [
        (forgiving, f"socket.connect {NOWHERE}"),
        ("import socket; socket.getaddrinfo('name.invalid', 80)", "getaddrinfo name.invalid"),
        ("import urllib.request as u; u.urlopen('https://name.invalid')", "name.invalid"),
    ]:
        assert said in run([sys.executable, "-c", statement], environment).stdout
    assert len(attempts(tmp_path)) == 3
    # Its own machine stays within reach: kernels live there.
    run([sys.executable, "-c", "import socket; socket.getaddrinfo('localhost', 80)"], environment)
    assert len(attempts(tmp_path)) == 3


@pytest.mark.skipif(not cut_off(), reason="no network namespaces here; the audit hook still guards")
def test_the_namespace_has_no_way_out_and_keeps_loopback() -> None:
    environment = dict(os.environ)
    out = run([*cut_off(), sys.executable, "-c", ASK], environment)
    assert out.returncode != 0
    assert "unreachable" in out.stdout
    listen = (
        "import socket; s = socket.create_server(('127.0.0.1', 0));"
        "socket.create_connection(s.getsockname(), timeout=5)"
    )
    assert run([*cut_off(), sys.executable, "-c", listen], environment).returncode == 0
