"""A whole class at once: ``make hub-load USERS=20`` measures what a class asks of a hub.

It makes as many accounts of this machine as there are to be learners, and removes them again. All
of them sign in at the same time with one-time passwords, start a server, open a notebook, run it
from top to bottom through the websocket, answer an exercise wrong and right, and save. Then a
third of the servers is killed, everybody signs in again, and what was saved is looked for.
"""

from __future__ import annotations

import argparse
import contextlib
import copy
import json
import os
import pwd
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psutil
import requests
import websocket

if __name__ == "__main__":  # run as a file, from anywhere
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from deploy.accounts import Accounts

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOK = "03_max_shift.ipynb"
EXERCISE = "3.1"
WRONG = """\
def softmax_stable(x):
    return np.exp(x) / np.exp(x).sum(axis=-1, keepdims=True)
"""
MISTAKE = "no_shift"
PATIENCE = 600.0  # seconds for one step of one learner, before it counts as an error


# -- a hub ----------------------------------------------------------------------------------------


class Hub:
    """A hub with a folder, ports and accounts of its own.

    Parameters
    ----------
    folder : Path
        Its state and its log.
    python : str
        The Python that runs it, and that the learners' servers run.
    environment : mapping
        Variables beside those of this process.
    """

    def __init__(
        self, folder: Path, python: str = sys.executable, environment: Mapping[str, str] = {}
    ) -> None:
        self.folder = folder
        self.python = python
        self.port = free_ports()
        self.environment = dict(environment)
        self.process: subprocess.Popen[bytes] | None = None
        self.accounts = Accounts(folder / "accounts.json")
        self.log = folder / "hub.log"
        self.exchange = Path(tempfile.gettempdir(), f"softmax-exchange-{self.port}")

    @property
    def address(self) -> str:
        """Where it answers."""
        return f"http://127.0.0.1:{self.port}"

    def start(self, patience: float = 300) -> None:
        """Start the hub and wait until it answers.

        Raises
        ------
        RuntimeError
            If it ends, or does not answer in time; with the end of its log.
        """
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        environment = {
            **os.environ,
            **self.environment,
            "SOFTMAX_HUB_STATE": str(self.folder),
            "SOFTMAX_HUB_PORT": str(self.port),
            "SOFTMAX_HUB_EXCHANGE": str(self.exchange),
        }
        command = [self.python, "-m", "jupyterhub", "-f", "deploy/jupyterhub_config.py"]
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                command,
                cwd=ROOT,
                env=environment,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        until = time.monotonic() + patience
        while time.monotonic() < until and self.process.poll() is None:
            with contextlib.suppress(requests.ConnectionError):
                if requests.get(f"{self.address}/hub/health", timeout=5).ok:
                    return
            time.sleep(0.2)
        raise RuntimeError(self.log.read_text(encoding="utf-8", errors="replace")[-3000:])

    def close(self) -> None:
        """End the hub, and remove its exchange."""
        self.stop()
        shutil.rmtree(self.exchange, ignore_errors=True)

    def stop(self) -> None:
        """End the hub and its proxy; the learners' servers go on."""
        if self.process is not None:
            self.process.terminate()
            try:
                self.process.wait(120)
            except subprocess.TimeoutExpired:
                for process in psutil.Process(self.process.pid).children():
                    process.kill()
                self.process.kill()
                self.process.wait()
            self.process = None


def free_ports() -> int:
    """Return a port of loopback that is free, and with it the two others that a hub needs."""
    while True:
        with contextlib.ExitStack() as stack:
            first = stack.enter_context(socket.socket())
            first.bind(("127.0.0.1", 0))
            port = int(first.getsockname()[1])
            with contextlib.suppress(OSError, OverflowError):
                for other in (port + 1, port + 81):
                    stack.enter_context(socket.socket()).bind(("127.0.0.1", other))
                return port


def processes_of(name: str) -> list[psutil.Process]:
    """Return the processes of an account."""
    uid = pwd.getpwnam(name).pw_uid
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.uids().real == uid and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


def kill_all_of(name: str) -> None:
    """End every process of an account at once, as a lack of memory would."""
    while found := processes_of(name):
        for process in found:
            with contextlib.suppress(psutil.Error):
                process.kill()
        time.sleep(0.1)


def remove_accounts(names: Iterable[str]) -> None:
    """Remove accounts of this machine that a trial has made, with all that is their own.

    Raises
    ------
    RuntimeError
        If one cannot be removed; the others are.
    """
    failed = []
    for name in names:
        for _ in range(5):  # a server may start, or useradd hold the lock, at this moment
            try:
                kill_all_of(name)
            except KeyError:
                break
            done = subprocess.run(["userdel", "--remove", name], capture_output=True, text=True)
            if done.returncode == 0:
                break
            time.sleep(1)
        else:
            failed.append(f"{name}: {done.stderr.strip()}")
    if failed:
        raise RuntimeError("; ".join(failed))


# -- somebody in a browser ------------------------------------------------------------------------


class Person:
    """Somebody who uses a hub as a browser does.

    Parameters
    ----------
    address : str
        The hub's.
    name : str
        Of the account.
    """

    def __init__(self, address: str, name: str) -> None:
        self.address = address
        self.name = name
        self.session = requests.Session()

    def url(self, path: str) -> str:
        """Return the address of a path of this person's own server."""
        return f"{self.address}/user/{self.name}/{path}"

    def sign_in(self, password: str, new: str = "") -> requests.Response:
        """Fill in the form; return the page that comes, which is not the form where it worked."""
        form = self.session.get(f"{self.address}/hub/login", timeout=PATIENCE)
        token = re.search(r'name="_xsrf" value="([^"]+)"', form.text)
        if token is None:
            raise RuntimeError("the sign-in page has no form")
        fields = {"username": self.name, "password": password, "_xsrf": token[1]}
        if new:
            fields["new_password"] = new
        return self.session.post(
            f"{self.address}/hub/login?next=%2Fhub%2Fhome", fields, timeout=PATIENCE
        )

    @property
    def signed_in(self) -> bool:
        """Whether the hub knows this person by now."""
        page = self.session.get(f"{self.address}/hub/home", timeout=PATIENCE)
        return page.ok and page.url.endswith("/hub/home")

    def start_server(self) -> None:
        """Ask for the server and wait until it answers; ask again where it has ended."""
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until:
            page = self.session.get(self.url("lab"), timeout=PATIENCE)
            if page.ok and page.url.startswith(self.url("lab")):
                return
            if page.status_code == 500:
                raise RuntimeError(f"{self.name}: the server did not start")
            if page.status_code == 424:  # not running, or not yet: the hub starts one at a time
                self.session.get(f"{self.address}/hub/spawn", timeout=PATIENCE)
            time.sleep(1)
        raise TimeoutError(f"{self.name}: no server after {PATIENCE:.0f} s")

    def api(self, method: str, path: str, **options: Any) -> requests.Response:
        """Ask this person's server for something, as JupyterLab does."""
        return self.session.request(
            method,
            self.url(f"api/{path}"),
            headers={"X-XSRFToken": self.server_token, "Referer": self.url("lab")},
            timeout=PATIENCE,
            **options,
        )

    @property
    def server_token(self) -> str:
        """The token against forged requests that the server has given."""
        path = f"/user/{self.name}/"
        for cookie in self.session.cookies:
            if cookie.name == "_xsrf" and cookie.path == path:
                return cookie.value or ""
        return ""

    def read(self, notebook: str) -> dict[str, Any]:
        """Return a notebook as the server has it."""
        answer = self.api("GET", f"contents/{notebook}", params={"type": "notebook"})
        answer.raise_for_status()
        return dict(answer.json()["content"])

    def save(self, notebook: str, content: dict[str, Any]) -> None:
        """Save a notebook."""
        body = {"type": "notebook", "format": "json", "content": content}
        self.api("PUT", f"contents/{notebook}", json=body).raise_for_status()

    @contextlib.contextmanager
    def kernel(self, notebook: str) -> Iterator[Kernel]:
        """Open a notebook's kernel, and the websocket to it."""
        body = {"path": notebook, "name": notebook, "type": "notebook"}
        answer = self.api("POST", "sessions", json={**body, "kernel": {"name": "python3"}})
        answer.raise_for_status()
        number = answer.json()["kernel"]["id"]
        kernel = Kernel(self.websocket(number), number)
        try:
            yield kernel
        finally:
            kernel.socket.close()

    def websocket(self, kernel: str) -> websocket.WebSocket:
        """Return an open websocket to a kernel of this person's server."""
        path = self.url(f"api/kernels/{kernel}/channels")
        prepared = self.session.prepare_request(requests.Request("GET", path))
        return websocket.create_connection(
            path.replace("http", "ws", 1),
            cookie=prepared.headers.get("Cookie", ""),
            header={"X-XSRFToken": self.server_token},
            origin=self.address,
            timeout=PATIENCE,
        )


class Kernel:
    """A running kernel, behind its websocket."""

    def __init__(self, connection: websocket.WebSocket, identifier: str) -> None:
        self.socket = connection
        self.id = identifier

    def run(self, source: str) -> list[dict[str, Any]]:
        """Run a cell and return its outputs, as a notebook stores them."""
        message = uuid.uuid4().hex
        header = {"msg_id": message, "msg_type": "execute_request", "session": self.id}
        header |= {"username": "", "version": "5.4", "date": ""}
        content = {"code": source, "silent": False, "store_history": True, "allow_stdin": False}
        content |= {"stop_on_error": False, "user_expressions": {}}
        request = {"header": header, "parent_header": {}, "metadata": {}, "content": content}
        self.socket.send(json.dumps({**request, "channel": "shell", "buffers": []}))
        outputs: list[dict[str, Any]] = []
        replied = idle = False
        while not (replied and idle):
            received = self.socket.recv()
            if not isinstance(received, str):
                continue  # a widget's buffers
            answer = json.loads(received)
            if answer.get("parent_header", {}).get("msg_id") != message:
                continue
            kind, said = answer["msg_type"], answer["content"]
            replied |= kind == "execute_reply"
            idle |= kind == "status" and said["execution_state"] == "idle"
            if kind == "stream":
                outputs.append({"output_type": kind, "name": said["name"], "text": said["text"]})
            elif kind in ("display_data", "execute_result"):
                number = {"execution_count": said["execution_count"]}
                outputs.append(
                    {"output_type": kind, "data": said["data"], "metadata": said["metadata"]}
                    | (number if kind == "execute_result" else {})
                )
            elif kind == "error":
                outputs.append({"output_type": kind, **said})
        return outputs


def plain(outputs: Sequence[Mapping[str, Any]]) -> str:
    """Return the plain text of some outputs."""
    texts = [
        output.get("text") or output.get("data", {}).get("text/plain", "") for output in outputs
    ]
    return "\n".join(text if isinstance(text, str) else "".join(text) for text in texts)


# -- a learner's hour -----------------------------------------------------------------------------


def solution(exercise: str) -> str:
    """Return the source of an exercise's reference solution."""
    from helpers.exercises import course

    return course.exercises()[exercise].source


def work_through(person: Person, right: str) -> dict[str, Any]:
    """Run the notebook from top to bottom, answer its exercise wrong and right, and save it.

    Returns
    -------
    dict
        The notebook as it was saved.

    Raises
    ------
    RuntimeError
        Where a cell fails, or a verdict is another than expected.
    """
    notebook = person.read(NOTEBOOK)
    cells = {cell["id"]: cell for cell in notebook["cells"]}
    number = EXERCISE.replace(".", "-")
    with person.kernel(NOTEBOOK) as kernel:
        for cell in notebook["cells"]:
            if cell["cell_type"] == "code":
                cell["outputs"] = kernel.run(cell["source"])
                cell["execution_count"] = None
                errors = [o for o in cell["outputs"] if o["output_type"] == "error"]
                if errors:
                    raise RuntimeError(f"{person.name}: {cell['id']}: {errors[0]['evalue']}")
        for source, verdict in ((WRONG, "Unstable"), (right, "Right")):
            cells[f"ex-{number}"]["source"] = source
            check = cells[f"check-{number}"]
            kernel.run(source)
            check["outputs"] = kernel.run(check["source"])
            if verdict not in plain(check["outputs"]):
                raise RuntimeError(f"{person.name}: not {verdict}: {plain(check['outputs'])[:300]}")
    person.save(NOTEBOOK, notebook)
    return person.read(NOTEBOOK)


def record(name: str) -> dict[str, Any]:
    """Return what is recorded of the exercise in an account's home; empty where nothing is."""
    path = Path(pwd.getpwnam(name).pw_dir, ".local/share/softmax-course/progress.json")
    try:
        return dict(json.loads(path.read_text(encoding="utf-8"))["exercises"][EXERCISE])
    except (OSError, ValueError, KeyError):
        return {}


def memory(name: str) -> dict[str, float]:
    """Return the megabytes (PSS) of an account's server and of its kernels."""
    found = {"server": 0.0, "kernel": 0.0}
    for process in processes_of(name):
        with contextlib.suppress(psutil.Error, OSError):
            kind = "kernel" if "ipykernel_launcher" in process.cmdline() else "server"
            text = Path(f"/proc/{process.pid}/smaps_rollup").read_text(encoding="ascii")
            found[kind] += int(re.findall(r"^Pss: +(\d+)", text, re.MULTILINE)[0]) / 1000
    return found


# -- the measurement ------------------------------------------------------------------------------


class Report:
    """What a class did, and what came of it."""

    def __init__(self, users: int) -> None:
        self.users = users
        self.errors: list[str] = []
        self.times: dict[str, list[float]] = {}
        self.lost = {"saved work": 0, "progress records": 0}
        self.memory: dict[str, list[float]] = {"server": [], "kernel": []}
        self.killed = 0
        self._lock = threading.Lock()

    def at_once(self, names: Sequence[str], step: str, do: Callable[[str], object]) -> None:
        """Let everybody do the same at the same time; take down errors and times."""
        start = time.monotonic()

        def one(name: str) -> None:
            try:
                do(name)
            except Exception as error:  # whatever fails is what this measures
                with self._lock:
                    self.errors.append(f"{step}: {name}: {type(error).__name__}: {error}")
            else:
                with self._lock:
                    self.times.setdefault(step, []).append(time.monotonic() - start)

        with ThreadPoolExecutor(len(names)) as pool:
            list(pool.map(one, names))

    def data(self) -> dict[str, Any]:
        """Return all of it, for a file."""
        return {
            "learners": self.users,
            "cores": os.cpu_count(),
            "errors": self.errors,
            "servers killed": self.killed,
            "lost": self.lost,
            "seconds, median and worst": {
                step: [round(statistics.median(times), 1), round(max(times), 1)]
                for step, times in self.times.items()
            },
            "MB (PSS), median and worst": {
                kind: [round(statistics.median(sizes)), round(max(sizes))]
                for kind, sizes in self.memory.items()
                if sizes
            },
        }


def measure(names: Sequence[str], hub: Hub) -> Report:
    """Take a class of these accounts through its hour on a running hub.

    What a learner meets is in the report; nothing of it is raised.
    """
    report = Report(len(names))
    right = solution(EXERCISE)
    once = {name: hub.accounts.issue(name) for name in names}
    own = {name: uuid.uuid4().hex for name in names}
    people = {name: Person(hub.address, name) for name in names}
    saved: dict[str, dict[str, Any]] = {}

    def sign_in(name: str) -> None:
        people[name].sign_in(once[name], own[name])
        if not people[name].signed_in:
            raise RuntimeError("not signed in")

    def arrive(name: str) -> None:
        sign_in(name)
        people[name].start_server()

    def work(name: str) -> None:
        saved[name] = work_through(people[name], right)

    def come_again(name: str) -> None:
        people[name] = Person(hub.address, name)
        people[name].sign_in(own[name])
        people[name].start_server()

    report.at_once(names, "a started server", arrive)
    report.at_once(names, "a finished notebook", work)
    for name in names:
        for kind, size in memory(name).items():
            report.memory[kind].append(size)
    records = {name: record(name) for name in names}
    for name in names[::3]:
        kill_all_of(name)
        report.killed += 1
    report.at_once(names, "the server again", come_again)
    for name in names:
        with contextlib.suppress(requests.RequestException):
            now = copy.deepcopy(people[name].read(NOTEBOOK)) if name in saved else None
            report.lost["saved work"] += now != saved.get(name)
        known = record(name)
        complete = known.get("solved") is True and known.get("mistakes") == {MISTAKE: 1}
        report.lost["progress records"] += not complete or known != records[name]
    return report


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return 1 where anything failed or was lost."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--users", type=int, default=20)
    parser.add_argument("--python", default=sys.executable, help=argparse.SUPPRESS)
    parser.add_argument("--report", type=Path, default=ROOT / "build" / "hub-load.json")
    options = parser.parse_args(arguments)
    if os.geteuid() != 0:
        raise SystemExit("hub-load makes accounts of this machine, which only root can.")
    mark = f"load{os.getpid() % 10000}"
    names = [f"{mark}-{number + 1}" for number in range(options.users)]
    folder = Path(tempfile.mkdtemp(prefix="softmax-hub-load-"))
    hub = Hub(folder, options.python)
    try:
        hub.start()
        report = measure(names, hub)
    finally:
        hub.close()
        remove_accounts(names)
        shutil.rmtree(folder, ignore_errors=True)
    data = report.data()
    options.report.parent.mkdir(parents=True, exist_ok=True)
    options.report.write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(data, indent=1))
    return int(bool(report.errors or any(report.lost.values())))


if __name__ == "__main__":
    sys.exit(main())
