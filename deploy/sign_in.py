"""Signing in to the class's hub with a name and a password, and the system accounts behind it."""

from __future__ import annotations

import asyncio
import grp
import pwd
import subprocess
import time
from pathlib import Path
from typing import Any

from jupyterhub.auth import LocalAuthenticator
from tornado.web import HTTPError
from traitlets import Integer, Unicode

from deploy.accounts import NAME, Account, Accounts

__all__ = ["LEARNERS", "ClassAuthenticator", "delete_system_account", "make_system_account"]

LEARNERS = "softmax-learners"
"""The system's group of the accounts for which the hub starts servers."""

ONCE = (
    "This password is for the first time only: type it again, and a password of your own into "
    "the third field."
)
TOO_OFTEN = "Too many wrong passwords for this name. Wait a few minutes, then try again."
NOT_OURS = (
    "The account {name!r} of this machine is no account of the class. Whoever runs the hub can "
    f"make it one (usermod --append --groups {LEARNERS} {{name}}), or list another name."
)


class ClassAuthenticator(LocalAuthenticator):  # type: ignore[misc, unused-ignore]
    """Who stands in the file of accounts may sign in; nobody else may.

    A one-time password only serves to choose another: that is done in the sign-in form's third
    field, by which a password is changed later too.
    """

    accounts_file = Unicode(help="The file that `tools/classroom.py learners` writes.").tag(
        config=True
    )
    tries = Integer(10, help="Wrong passwords for one name before it has to wait.").tag(config=True)
    wait = Integer(300, help="Seconds until a wrong password is forgotten.").tag(config=True)

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._wrong: dict[str, list[float]] = {}

    @property
    def accounts(self) -> Accounts:
        """The accounts as the file has them now."""
        return Accounts(Path(self.accounts_file))

    async def authenticate(self, handler: Any, data: dict[str, str]) -> dict[str, Any] | None:
        """Return who signs in, or None; refuse a one-time password that comes without another."""
        name, password = self.normalize_username(data.get("username", "")), data.get("password", "")
        if self._wrong_tries(name) >= self.tries:
            raise HTTPError(403, TOO_OFTEN)
        account = await asyncio.to_thread(self.accounts.find, name, password)
        if account is None:
            self._wrong.setdefault(name, []).append(time.monotonic())
            return None
        self._wrong.pop(name, None)
        if new := data.get("new_password", ""):
            try:
                await asyncio.to_thread(self.accounts.choose, name, new)
            except ValueError as error:
                raise HTTPError(403, str(error)) from error
        elif account.once:
            raise HTTPError(403, ONCE)
        if is_taken_by_another(name):
            raise HTTPError(403, NOT_OURS.format(name=name))
        return {"name": name, "groups": groups(account)}

    def _wrong_tries(self, name: str) -> int:
        since = time.monotonic() - self.wait
        self._wrong = {
            known: recent
            for known, times in self._wrong.items()
            if (recent := [moment for moment in times if moment > since])
        }
        return len(self._wrong.get(name, ()))

    def check_allowed(self, username: str, authentication: Any = None) -> bool:
        """Tell whether somebody still stands in the file."""
        return username in self.accounts.all()

    async def refresh_user(self, user: Any, handler: Any = None) -> bool | dict[str, Any]:
        """Sign out who was taken out of the file, or has been given a new one-time password."""
        account = self.accounts.all().get(user.name)
        if account is None or account.once:
            return False
        return {"name": user.name, "groups": groups(account)}

    async def add_user(self, user: Any) -> None:
        """Make the system account of who signs in for the first time.

        The hub does it for everybody it knows when it starts, too.

        Raises
        ------
        LookupError
            If somebody was taken out of the file, and has no server that runs.
        """
        if user.name in self.accounts.all():
            await asyncio.to_thread(make_system_account, user.name)
        elif not any(spawner.server for spawner in user.orm_spawners.values()):
            raise LookupError(f"{user.name} was taken off the list")


def groups(account: Account) -> list[str]:
    """Return the hub's groups that somebody belongs to."""
    return ["teachers"] if account.teacher else ["learners"]


def is_taken_by_another(name: str) -> bool:
    """Tell whether this machine has an account of that name that is none of the class's."""
    try:
        account = pwd.getpwnam(name)
    except KeyError:
        return False
    try:
        members = grp.getgrnam(LEARNERS).gr_mem
    except KeyError:
        return True
    return account.pw_uid < 1000 or name not in members


def make_system_account(name: str) -> None:
    """Make a system account that nobody else can look into, unless it is there.

    It has no password of the system's: only the hub lets anybody in.

    Raises
    ------
    PermissionError
        If this machine has an account of that name that is none of the class's.
    ValueError
        If the name is none that an account of the class can have.
    """
    if NAME.fullmatch(name) is None:
        raise ValueError(f"{name!r} can be no account of the class")
    if is_taken_by_another(name):
        raise PermissionError(NOT_OURS.format(name=name))
    try:
        pwd.getpwnam(name)
    except KeyError:
        command = ["useradd", "--create-home", "--shell", "/bin/bash", "--groups", LEARNERS]
        modes = ["--key", "UMASK=077", "--key", "HOME_MODE=0700"]
        subprocess.run([*command, *modes, name], check=True, capture_output=True)


def delete_system_account(name: str) -> None:
    """Delete a system account of the class: what runs under it, its home, and the account itself.

    Raises
    ------
    PermissionError
        If the account is none of the class's.
    OSError
        If it cannot be deleted.
    """
    if is_taken_by_another(name):
        raise PermissionError(NOT_OURS.format(name=name))
    for _ in range(20):
        try:
            number = pwd.getpwnam(name).pw_uid
        except KeyError:
            return
        subprocess.run(["pkill", "-KILL", "--uid", str(number)], check=False)
        done = subprocess.run(
            ["userdel", "--remove", name], capture_output=True, text=True, check=False
        )
        time.sleep(0.2)  # what was killed is there for a moment
    raise OSError(f"{name}: {done.stderr.strip()}")
