"""Who may sign in to the class's hub: names, and what is left of their passwords.

One JSON file, readable by its owner alone. A password is kept as its scrypt hash, so that the file
tells nobody a password. A new account has a one-time password: it is good for choosing another.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import hmac
import json
import os
import re
import secrets
import tempfile
import unicodedata
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

__all__ = ["Account", "Accounts", "account_name", "one_time_password"]

NAME = re.compile(r"[a-z][a-z0-9-]{0,23}")
"""What an account may be called: what every system takes, short enough for a socket's path."""

SHORTEST = 10
LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"  # none that is taken for another
COST = {"n": 2**14, "r": 8, "p": 1}  # of scrypt: 16 MB and some 50 ms a try


@dataclass
class Account:
    """One person's entry.

    Attributes
    ----------
    password : str
        Salt and hash, in hexadecimal digits.
    once : bool
        Whether it is a one-time password.
    teacher : bool
        Whether this is a teacher.
    """

    password: str
    once: bool
    teacher: bool = False


class Accounts:
    """The file of accounts.

    Parameters
    ----------
    path : Path
        The JSON file; made, with its folder, when the first account is.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def all(self) -> dict[str, Account]:
        """Return every account by its name; none where there is no file."""
        try:
            content = json.loads(self.path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        return {name: Account(**entry) for name, entry in content.items()}

    def issue(self, name: str, *, teacher: bool = False) -> str:
        """Make an account, or give it a new one-time password; return that password.

        Raises
        ------
        ValueError
            If the name is none that a system account can have.
        """
        if NAME.fullmatch(name) is None:
            raise ValueError(
                f"{name!r} can be no account: a small letter, then at most 23 small letters, "
                "digits and hyphens"
            )
        password = one_time_password()
        with self._changed() as accounts:
            accounts[name] = Account(hashed(password), once=True, teacher=teacher)
        return password

    def remove(self, name: str) -> bool:
        """Take an account out of the file; tell whether it was there."""
        with self._changed() as accounts:
            return accounts.pop(name, None) is not None

    def find(self, name: str, password: str) -> Account | None:
        """Return the account that this name and password open, or None.

        A name that is not there takes as long as a wrong password.
        """
        account = self.all().get(name)
        known = account.password if account is not None else hashed("")
        matches = is_password(password, known)
        return account if matches else None

    def choose(self, name: str, password: str) -> None:
        """Replace the password of an account by one of its owner's choice.

        Raises
        ------
        ValueError
            If the password is too short, or the one that the account has.
        KeyError
            If there is no such account.
        """
        if len(password) < SHORTEST:
            raise ValueError(f"A password needs at least {SHORTEST} characters.")
        if is_password(password, self.all()[name].password):
            raise ValueError("The new password must be another than the old one.")
        new = hashed(password)
        with self._changed() as accounts:
            accounts[name].password, accounts[name].once = new, False

    @contextlib.contextmanager
    def _changed(self) -> Iterator[dict[str, Account]]:
        """Yield the accounts to be changed, and write them back in one step, under a lock."""
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = os.open(f"{self.path}.lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            accounts = self.all()
            yield accounts
            content = {name: asdict(account) for name, account in sorted(accounts.items())}
            handle, name = tempfile.mkstemp(dir=self.path.parent, prefix="accounts-")  # mode 0600
            with open(handle, "w", encoding="utf-8") as file:
                json.dump(content, file, indent=1)
                file.flush()
                os.fsync(file.fileno())
            os.replace(name, self.path)
        finally:
            os.close(lock)


def hashed(password: str) -> str:
    """Return salt and scrypt hash of a password."""
    salt = secrets.token_bytes(16)
    return f"{salt.hex()}${hashlib.scrypt(password.encode(), salt=salt, **COST).hex()}"


def is_password(password: str, known: str) -> bool:
    """Tell whether a password is the one that was hashed."""
    salt, _, digest = known.partition("$")
    again = hashlib.scrypt(password.encode(), salt=bytes.fromhex(salt), **COST)
    return hmac.compare_digest(again, bytes.fromhex(digest))


def one_time_password() -> str:
    """Return a fresh password that is easy to read and to type: ``kfmw-29xa-qhtu``."""
    return "-".join("".join(secrets.choice(LETTERS) for _ in range(4)) for _ in range(3))


def account_name(name: str) -> str:
    """Return the account for somebody's name, "ada-lovelace" for "Ada Lovelace".

    Of an address only what stands before the @ counts; a letter loses its accent.

    Raises
    ------
    ValueError
        If no letter is left to begin with.
    """
    plain = unicodedata.normalize("NFKD", name.partition("@")[0].replace("ß", "ss").lower())
    letters = plain.encode("ascii", "ignore").decode()
    account = re.sub(r"[^a-z0-9]+", "-", letters).strip("-")[:24].rstrip("-")
    if NAME.fullmatch(account) is None:
        raise ValueError(f"{name!r} gives no account name: write one yourself, such as s1234")
    return account
