"""What the hub starts as the learner: bring the course into their home, then serve it to them.

The copies lie in ``~/work`` as those of ``make lab`` do: brought once, never overwritten, newer
editions beside them.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tools.lab import bring_copies  # noqa: E402


def main() -> None:
    """Replace this process by the learner's server."""
    os.umask(0o077)
    work = Path.home() / "work"
    for line in bring_copies(ROOT / "notebooks", work):
        print(line, flush=True)
    os.chdir(work)
    # Short, for a socket's path may have 107 characters; and its owner's alone.
    os.environ["JUPYTER_RUNTIME_DIR"] = str(Path.home() / ".jupyter-run")
    # -P: a random.py in the learner's folder is no module of the server's.
    command = [sys.executable, "-P", "-m", "jupyterhub.singleuser", *sys.argv[1:]]
    os.execv(sys.executable, command)


if __name__ == "__main__":
    main()
