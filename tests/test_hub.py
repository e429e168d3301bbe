"""A hub with two learners, really started: who gets in, what they find, and what they never see."""

from __future__ import annotations

import contextlib
import json
import os
import pwd
import re
import shutil
import signal
import sqlite3
import stat
import subprocess
import sys
import time
import venv
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests import hub as trial
from tests.course import PATHS, ROOT

if reason := trial.why_not():
    pytest.skip(reason, allow_module_level=True)

import psutil
import requests

from tools.hub_load import (
    EXERCISE,
    NOTEBOOK,
    Hub,
    Person,
    kill_all_of,
    plain,
    processes_of,
    record,
    remove_accounts,
    solution,
    work_through,
)

pytestmark = [
    pytest.mark.slow,
    # The first wait is for a hub and two servers.  By signal, so that a test that hangs fails, and
    # the accounts are removed after it; nothing here runs under the guard of the checks.
    pytest.mark.timeout(1200, method="signal"),
]

# The same in both of the processes that pytest starts, which must collect the same tests.
MARK = f"trial{os.getppid()}"
ADA, BEN, EVE, TEACHER = (f"{MARK}-{name}" for name in ("ada", "ben", "eve", "teacher"))
OWN = {name: f"a password of {name}" for name in (ADA, BEN, EVE, TEACHER)}


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    # Not in a folder of pytest's, which are closed to other accounts.
    folder = Path(f"/opt/softmax-{MARK}")
    try:
        yield trial.readable_python(folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def hub(python: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    hub = Hub(
        tmp_path_factory.mktemp("hub") / "state",
        python,
        {"SOFTMAX_COURSE_SOLUTIONS": "off", "SOFTMAX_COURSE_STATE": "/tmp/everybodys"},
    )
    try:
        # A teacher's own settings, which are read last: the list is looked at every few seconds.
        hub.folder.mkdir(mode=0o700)
        (hub.folder / "hub.py").write_text("c.Authenticator.auth_refresh_age = 5\n")
        hub.start()
        yield hub
    finally:
        try:
            hub.close()
        finally:
            # All of them, whatever a test has left.
            ours = [user.pw_name for user in pwd.getpwall() if user.pw_name.startswith(f"{MARK}-")]
            remove_accounts(ours)


@pytest.fixture(scope="module")
def once(hub: Hub) -> dict[str, str]:
    """Return everybody's one-time password."""
    return {name: hub.accounts.issue(name, teacher=name == TEACHER) for name in OWN}


@pytest.fixture(scope="module")
def class_of_two(hub: Hub, once: dict[str, str]) -> SimpleNamespace:
    """Return Ada and Ben, signed in, their servers started; Ada has worked."""
    ada, ben = Person(hub.address, ADA), Person(hub.address, BEN)
    for person in (ada, ben):
        person.sign_in(once[person.name], OWN[person.name])
        person.start_server()
    saved = work_through(ada, solution(EXERCISE))
    return SimpleNamespace(ada=ada, ben=ben, saved=saved)


def home(name: str) -> Path:
    return Path(pwd.getpwnam(name).pw_dir)


def listening(processes: Iterable[psutil.Process]) -> set[tuple[str, int]]:
    """Return the addresses and ports at which these processes wait for others."""
    found = set()
    for process in processes:
        with contextlib.suppress(psutil.Error):  # it has just ended
            found |= {
                (connection.laddr.ip, connection.laddr.port)
                for connection in process.net_connections()
                if connection.status == psutil.CONN_LISTEN
            }
    return found


def known_to(hub: Hub) -> set[str]:
    """Return the names in a hub's database."""
    with contextlib.closing(sqlite3.connect(hub.folder / "hub.sqlite")) as base:
        return {name for (name,) in base.execute("SELECT name FROM users")}


def token_of(person: Person) -> str:
    """Return the token with which a person's server, and so their kernel, asks the hub."""
    with person.kernel(NOTEBOOK) as kernel:
        said = plain(kernel.run("import os; print(os.environ['JUPYTERHUB_API_TOKEN'])"))
    return said.strip()


# -- signing in ---------------------------------------------------------------------------------


class TestSignIn:
    @pytest.mark.parametrize(
        "path",
        [
            "hub/home",
            "hub/admin",
            "hub/spawn",
            "hub/token",
            f"user/{ADA}/lab",
            f"user/{ADA}/api/contents/{NOTEBOOK}",
            f"user/{ADA}/files/{NOTEBOOK}",
            "hub/api/users",
            f"hub/api/users/{ADA}",
            "hub/api/info",
            "hub/api/proxy",
            "hub/metrics",
            "services/idle-culler/",
        ],
    )
    def test_without_it_nothing_answers_but_its_page(
        self, hub: Hub, class_of_two: SimpleNamespace, path: str
    ) -> None:
        page = requests.get(f"{hub.address}/{path}", timeout=60)
        assert page.status_code in (403, 404) or "/hub/login?next=" in page.url
        assert "softmax_stable" not in page.text

    def test_a_one_time_password_only_serves_to_choose_another(
        self, hub: Hub, once: dict[str, str]
    ) -> None:
        eve = Person(hub.address, EVE)
        page = eve.sign_in(once[EVE])
        assert page.status_code == 403
        assert "for the first time only" in page.text
        assert not eve.signed_in
        assert "at least 10 characters" in eve.sign_in(once[EVE], "short").text
        assert "another than the old one" in eve.sign_in(once[EVE], once[EVE]).text
        eve.sign_in(once[EVE], OWN[EVE])
        assert eve.signed_in
        again = Person(hub.address, EVE)
        again.sign_in(once[EVE], "a third password")
        assert not again.signed_in
        again.sign_in(OWN[EVE])
        assert again.signed_in

    def test_a_password_is_changed_in_the_same_form(self, hub: Hub, once: dict[str, str]) -> None:
        hub.accounts.choose(EVE, "eve's first password")
        Person(hub.address, EVE).sign_in("eve's first password", OWN[EVE])
        old, new = Person(hub.address, EVE), Person(hub.address, EVE)
        old.sign_in("eve's first password")
        new.sign_in(OWN[EVE])
        assert (old.signed_in, new.signed_in) == (False, True)

    @pytest.mark.parametrize("name", ["root", "admin", "jupyter", "nobody", "", "../ada", "a\nb"])
    @pytest.mark.parametrize("password", ["", "admin", "password", "jupyter"])
    def test_there_are_no_default_accounts(self, hub: Hub, name: str, password: str) -> None:
        person = Person(hub.address, name)
        assert person.sign_in(password).status_code in (400, 403)
        assert not person.signed_in

    def test_guessing_is_stopped(self, hub: Hub, once: dict[str, str]) -> None:
        name = f"{MARK}-guessed"
        password = hub.accounts.issue(name)
        guesser = Person(hub.address, name)
        for guess in range(10):
            assert "Invalid username or password" in guesser.sign_in(f"guess {guess}").text
        assert "Too many wrong passwords" in guesser.sign_in(password, "one of my own").text
        assert not guesser.signed_in
        assert hub.accounts.all()[name].once

    def test_an_account_of_the_machines_own_is_not_opened(self, hub: Hub) -> None:
        password = hub.accounts.issue("games")  # on every Debian, and no learner
        try:
            games = Person(hub.address, "games")
            assert "is no account of the class" in games.sign_in(password, "long enough, this").text
            assert not games.signed_in
        finally:
            hub.accounts.remove("games")

    def test_who_is_taken_off_the_list_is_signed_out_and_forgotten(self, hub: Hub) -> None:
        name = f"{MARK}-gone"
        try:
            gone = Person(hub.address, name)
            gone.sign_in(hub.accounts.issue(name), "not here for long")
            assert gone.signed_in
            hub.accounts.remove(name)
            assert not Person(hub.address, name).sign_in("not here for long").ok
            until = time.monotonic() + 120
            while gone.signed_in and time.monotonic() < until:
                time.sleep(1)
            assert not gone.signed_in
            assert name in known_to(hub)
        finally:
            remove_accounts([name])
        hub.stop()
        hub.start()
        assert name not in known_to(hub)
        with pytest.raises(KeyError):
            pwd.getpwnam(name)

    def test_who_is_deleted_leaves_nothing(self, hub: Hub) -> None:
        from tools import classroom

        name = f"{MARK}-deleted"
        deleted = Person(hub.address, name)
        deleted.sign_in(hub.accounts.issue(name), "not here for long")
        sleeper = subprocess.Popen(["sleep", "600"], user=name)
        folder = home(name)
        assert folder.exists()
        assert classroom.main(["learners", "--hub", str(hub.folder), "--delete", name]) == 0
        sleeper.wait(60)
        assert name not in hub.accounts.all()
        assert not folder.exists()
        with pytest.raises(KeyError):
            pwd.getpwnam(name)

    def test_an_account_of_the_machines_own_is_not_deleted(
        self, hub: Hub, capsys: pytest.CaptureFixture[str]
    ) -> None:
        from tools import classroom

        assert classroom.main(["learners", "--hub", str(hub.folder), "--delete", "games"]) == 1
        assert "is no account of the class" in capsys.readouterr().err
        assert pwd.getpwnam("games")


# -- what a learner finds -----------------------------------------------------------------------


class TestLearner:
    def test_the_course_lies_in_their_home_without_outputs(
        self, class_of_two: SimpleNamespace
    ) -> None:
        names = {
            entry["name"] for entry in class_of_two.ben.api("GET", "contents").json()["content"]
        }
        assert {path.name for path in PATHS} <= names
        notebook = class_of_two.ben.read(NOTEBOOK)
        assert not any(cell.get("outputs") for cell in notebook["cells"])

    def test_the_work_and_its_record_are_their_own(self, class_of_two: SimpleNamespace) -> None:
        assert record(ADA)["mistakes"] == {"no_shift": 1}
        assert record(ADA)["solved"] is True
        assert record(BEN) == {}
        path = home(ADA) / "work" / NOTEBOOK
        assert path.stat().st_uid == pwd.getpwnam(ADA).pw_uid
        assert not Path("/tmp/everybodys").exists()

    def test_the_teachers_switch_reaches_the_kernels(self, class_of_two: SimpleNamespace) -> None:
        with class_of_two.ada.kernel(NOTEBOOK) as kernel:
            said = plain(kernel.run("from helpers import solution\nsolution('3.1')"))
        assert "switched solutions off" in said

    def test_the_environment_is_shared_and_read_only(
        self, class_of_two: SimpleNamespace, python: str
    ) -> None:
        code = (
            "import os, sys, helpers, numpy\n"
            "places = [os.path.dirname(m.__file__) for m in (helpers, numpy)] + [sys.prefix]\n"
            "print([os.access(place, os.W_OK) for place in places], os.getuid(), sys.prefix)"
        )
        said = []
        for person in (class_of_two.ada, class_of_two.ben):
            with person.kernel("00_start_here.ipynb") as kernel:
                said.append(plain(kernel.run(code)).split(maxsplit=4))
        assert [line[:3] for line in said] == [["[False,", "False,", "False]"]] * 2
        assert said[0][3] != said[1][3] != "0"
        assert said[0][4] == said[1][4]

    def test_a_later_start_changes_nothing_and_a_newer_edition_lies_beside(
        self, hub: Hub, class_of_two: SimpleNamespace
    ) -> None:
        work = home(ADA) / "work"
        before = (work / NOTEBOOK).read_bytes()
        editions = json.loads((work / ".editions.json").read_text())
        editions["05_cross_entropy.ipynb"] = "sources-of-an-earlier-edition"
        (work / ".editions.json").write_text(json.dumps(editions))
        kill_all_of(ADA)
        class_of_two.ada.start_server()
        assert (work / NOTEBOOK).read_bytes() == before
        assert (work / "05_cross_entropy.new-edition-1.ipynb").exists()
        assert not list(work.glob("03*new-edition*"))

    def test_a_killed_server_loses_nothing_that_was_saved(
        self, hub: Hub, class_of_two: SimpleNamespace
    ) -> None:
        known = record(ADA)
        kill_all_of(ADA)
        assert processes_of(ADA) == []
        ada = Person(hub.address, ADA)
        ada.sign_in(OWN[ADA])
        ada.start_server()
        class_of_two.ada = ada
        assert ada.read(NOTEBOOK) == class_of_two.saved
        assert record(ADA) == known

    @pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL], ids=["ended", "killed"])
    def test_a_hub_that_restarts_finds_its_servers(
        self, hub: Hub, class_of_two: SimpleNamespace, how: signal.Signals
    ) -> None:
        class_of_two.ben.start_server()
        with class_of_two.ben.kernel(NOTEBOOK) as kernel:
            kernel.run("kept = 'since before'")
        servers = {process.pid for process in processes_of(BEN)}
        assert hub.process is not None
        of_the_hub = [
            process
            for process in psutil.Process(hub.process.pid).children()
            if process.uids().real == 0
        ]
        assert len(of_the_hub) == 2, "the proxy and the service that stops idle servers"
        hub.process.send_signal(how)
        hub.process.wait(120)
        hub.start()
        _, alive = psutil.wait_procs(of_the_hub, timeout=60)
        assert alive == []
        # The same browser, the same server, the same kernel.
        assert class_of_two.ben.api("GET", "status").ok
        with class_of_two.ben.kernel(NOTEBOOK) as kernel:
            assert "since before" in plain(kernel.run("print(kept)"))
        assert servers <= {process.pid for process in processes_of(BEN)}


# -- what a learner never sees ------------------------------------------------------------------


class TestIntrusion:
    @pytest.mark.parametrize(
        "path",
        ["lab", "api/contents", f"api/contents/{NOTEBOOK}", f"files/{NOTEBOOK}", "api/kernels",
         "api/sessions", "api/terminals"],
    )  # fmt: skip
    def test_anothers_server_does_not_answer(
        self, class_of_two: SimpleNamespace, path: str
    ) -> None:
        ben, ada = class_of_two.ben, class_of_two.ada
        assert ada.session.get(ada.url(path), timeout=60).ok, "no test of anything"
        page = ben.session.get(ada.url(path), timeout=60)
        assert page.status_code in (403, 404)
        assert "softmax_stable" not in page.text

    def test_anothers_server_does_not_answer_behind_the_proxy_either(
        self, class_of_two: SimpleNamespace
    ) -> None:
        # Not a kernel's pipe, which waits for ever for what is not HTTP.
        servers = [p for p in processes_of(ADA) if "ipykernel_launcher" not in p.cmdline()]
        ports = listening(servers)
        assert ports, "no test of anything"
        for _, port in ports:
            for path in ("api/contents", "api/kernels", f"files/{NOTEBOOK}"):
                address = f"http://127.0.0.1:{port}/user/{ADA}/{path}"
                page = requests.get(address, timeout=60, allow_redirects=False)
                assert page.status_code in (302, 403), address

    def test_anothers_kernel_takes_no_cell(self, class_of_two: SimpleNamespace) -> None:
        import websocket

        ben, ada = class_of_two.ben, class_of_two.ada
        with ada.kernel(NOTEBOOK) as kernel:
            stolen = Person(ada.address, ADA)
            stolen.session = ben.session
            with pytest.raises(websocket.WebSocketBadStatusException, match=r"403|404"):
                stolen.websocket(kernel.id)
            said = kernel.run("print(6 * 7)")
        assert "42" in plain(said)

    def test_nobody_listens_to_anothers_kernel(self, class_of_two: SimpleNamespace) -> None:
        import zmq

        with class_of_two.ada.kernel(NOTEBOOK) as kernel:
            kernel.run("pass")
            kernels = [p for p in processes_of(ADA) if "ipykernel_launcher" in p.cmdline()]
            assert kernels
            ports = listening(kernels)
            # Its own pipe for what subprocesses print, which takes what bears its mark and gives
            # nothing; none of its five channels.
            assert len(ports) <= len(kernels)
            listener: Any = zmq.Context.instance().socket(zmq.SUB)
            listener.subscribe(b"")
            for _, port in ports:
                listener.connect(f"tcp://127.0.0.1:{port}")
            kernel.run("for _ in range(20): print('my answer', flush=True)")
            assert listener.poll(2000) == 0
            listener.close(0)
        folder = home(ADA) / ".jupyter-run"
        assert {path.name.rpartition("-")[2] for path in folder.glob("*-ipc-*")} >= set("12345")
        assert not stat.S_IMODE(folder.stat().st_mode) & 0o077

    @pytest.mark.parametrize(
        "place", [".", "work", f"work/{NOTEBOOK}", ".local/share/softmax-course/progress.json",
                  ".jupyter-run"],
    )  # fmt: skip
    def test_anothers_files_are_closed_on_the_disk(
        self, class_of_two: SimpleNamespace, place: str
    ) -> None:
        path = home(ADA) / place
        assert path.exists()
        for command in (["ls", str(path)], ["cat", str(path)], ["touch", str(path / "x")]):
            assert trial.run_as(BEN, command).returncode != 0

    def test_the_hubs_own_folder_is_closed_on_the_disk(
        self, hub: Hub, class_of_two: SimpleNamespace
    ) -> None:
        assert stat.S_IMODE(hub.folder.stat().st_mode) == 0o700
        for name in ("accounts.json", "cookie_secret", "hub.sqlite"):
            assert (hub.folder / name).exists()
            assert trial.run_as(BEN, ["cat", str(hub.folder / name)]).returncode != 0
            assert not stat.S_IMODE((hub.folder / name).stat().st_mode) & 0o077

    def test_nobodys_secrets_show_in_the_list_of_processes(
        self, hub: Hub, class_of_two: SimpleNamespace
    ) -> None:
        assert hub.process is not None
        own = psutil.Process(hub.process.pid)
        # Only what the hub has started: others' arguments may look like secrets.
        started = [own, *own.children(recursive=True), *processes_of(ADA), *processes_of(BEN)]
        numbers = ",".join(sorted({str(process.pid) for process in started}))
        listed = trial.run_as(BEN, ["ps", "ww", "-o", "args", "-p", numbers]).stdout
        assert "jupyterhub" in listed
        assert not re.search(r"token=\w|TOKEN=\w|[0-9a-f]{32}", re.sub(r"kernel-\S+", "", listed))

    def test_a_learner_cannot_ask_the_hub_about_others(
        self, hub: Hub, class_of_two: SimpleNamespace
    ) -> None:
        headers = {"Authorization": f"token {token_of(class_of_two.ben)}"}
        own = requests.get(f"{hub.address}/hub/api/user", headers=headers, timeout=60)
        assert own.json()["name"] == BEN, "no test of anything"
        for method, path in (
            ("GET", "users"), ("GET", f"users/{ADA}"), ("DELETE", f"users/{ADA}/server"),
            ("POST", f"users/{ADA}/tokens"), ("GET", "groups"), ("GET", "proxy"),
            ("POST", "shutdown"), ("PATCH", f"users/{BEN}"), ("GET", f"users/{TEACHER}"),
        ):  # fmt: skip
            answer = requests.request(
                method, f"{hub.address}/hub/api/{path}", headers=headers, json={}, timeout=60
            )
            assert answer.status_code in (403, 404), (method, path, answer.text)
        answer = requests.get(
            class_of_two.ada.url("api/contents"), headers=headers, timeout=60, allow_redirects=False
        )
        assert answer.status_code in (302, 403)

    def test_the_proxys_own_door_is_locked(self, hub: Hub) -> None:
        door = f"http://127.0.0.1:{hub.port + 1}/api/routes"
        assert requests.get(door, timeout=60).status_code == 403
        guess = {"Authorization": "token "}
        assert requests.get(door, headers=guess, timeout=60).status_code == 403

    def test_a_teacher_sees_who_is_there_and_opens_nobodys_server(
        self, hub: Hub, once: dict[str, str], class_of_two: SimpleNamespace
    ) -> None:
        teacher = Person(hub.address, TEACHER)
        teacher.sign_in(once[TEACHER], OWN[TEACHER])
        assert teacher.session.get(f"{hub.address}/hub/admin", timeout=60).ok
        ben = class_of_two.ben.session.get(f"{hub.address}/hub/admin", timeout=60)
        assert ben.status_code == 403
        page = teacher.session.get(class_of_two.ada.url("api/contents"), timeout=60)
        assert page.status_code in (403, 404)
        theirs = class_of_two.ben.session.get(teacher.url("lab"), timeout=60)
        assert theirs.status_code in (403, 404)

    def test_the_log_tells_no_secret(
        self, hub: Hub, once: dict[str, str], class_of_two: SimpleNamespace
    ) -> None:
        token = token_of(class_of_two.ben)
        # A token in an address, which some programs write: to the hub, a server, and the proxy.
        for address in (
            f"{hub.address}/hub/api/user",
            f"{hub.address}/hub/no-such-page",
            class_of_two.ben.url("api/contents"),
            class_of_two.ben.url("api/contents/no-such-file"),
            class_of_two.ada.url("api/contents"),
            f"{hub.address}/user/{MARK}-nobody/lab",
        ):
            requests.get(address, params={"token": token}, timeout=60)
        log = hub.log.read_text(encoding="utf-8", errors="replace")
        assert ADA in log, "no test of anything"
        cookies = [c.value for c in class_of_two.ada.session.cookies if len(c.value or "") > 20]
        for secret in [*once.values(), *OWN.values(), token, *cookies]:
            assert secret not in log

    @pytest.mark.parametrize(
        ("line", "told"),
        [
            ("/lab?token=abc&next=1", "/lab?token=[secret]&next=1"),
            ("next=%2Fa%3Ftoken%3Dabc%26b%3D1 (@)", "next=%2Fa%3Ftoken%3D[secret]%26b%3D1 (@)"),
            ("next=%252Fa%253F_xsrf%253D2%25257Cabc", "next=%252Fa%253F_xsrf%253D[secret]"),
            ("/lab/tree/03_max_shift.ipynb", "/lab/tree/03_max_shift.ipynb"),
        ],
    )  # fmt: skip
    def test_a_secret_within_an_address_is_left_out(self, line: str, told: str) -> None:
        import logging

        from deploy.starting import tell_no_secret

        entry = logging.LogRecord("tornado.access", logging.INFO, "", 0, "GET %s", (line,), None)
        assert tell_no_secret(entry)
        assert entry.getMessage() == f"GET {told}"


# -- handing out, collecting, giving back --------------------------------------------------------


@pytest.fixture(scope="module")
def graded(hub: Hub, python: str, class_of_two: SimpleNamespace, once: dict[str, str]) -> Path:
    """Return the teacher's folder, after an assignment has gone all the way with two learners."""
    teacher = Person(hub.address, TEACHER)
    teacher.sign_in(once[TEACHER], OWN[TEACHER])  # which makes the account of the machine
    folder = home(TEACHER) / "softmax-class"
    environment = {
        "JUPYTER_CONFIG_PATH": str(ROOT / "deploy" / "jupyter"),
        "SOFTMAX_HUB_EXCHANGE": str(hub.exchange),
        "PYTHONPATH": os.environ.get("PYTHONPATH", ""),
        "PATH": f"{Path(python).parent}:/usr/bin:/bin",
    }

    def run(name: str, where: Path, *command: str) -> None:
        done = trial.run_as(name, [python, *command], where, environment)
        assert done.returncode == 0, (command, done.stderr[-3000:])

    def nbgrader(name: str, where: Path, *command: str) -> None:
        run(name, where, "-m", "nbgrader", *command)

    tool = str(ROOT / "tools" / "classroom.py")
    run(TEACHER, home(TEACHER), tool, "assignments", str(folder), "1")
    nbgrader(TEACHER, folder, "generate_assignment", ASSIGNMENT)
    nbgrader(TEACHER, folder, "release_assignment", ASSIGNMENT)

    def hand_in(name: str) -> None:
        work = home(name) / "work"
        nbgrader(name, work, "fetch_assignment", ASSIGNMENT)
        path = work / ASSIGNMENT / f"{ASSIGNMENT}.ipynb"
        notebook = json.loads(path.read_text(encoding="utf-8"))
        for cell in notebook["cells"]:
            if name == ADA and cell["id"] == "ex-1-1":
                cell["source"] = solution("1.1")
        path.write_text(json.dumps(notebook), encoding="utf-8")
        nbgrader(name, work, "submit", ASSIGNMENT)

    def get_back(name: str) -> None:
        nbgrader(name, home(name) / "work", "fetch_feedback", ASSIGNMENT)

    with ThreadPoolExecutor() as pool:
        list(pool.map(hand_in, (ADA, BEN)))
        for command in ("collect", "autograde", "generate_feedback", "release_feedback"):
            nbgrader(TEACHER, folder, command, ASSIGNMENT)
        list(pool.map(get_back, (ADA, BEN)))
    return folder


ASSIGNMENT = "01_definition"


class TestExchange:
    def test_the_page_that_the_notebook_links_to_comes_with_it(self, graded: Path) -> None:
        page = home(BEN) / "work" / ASSIGNMENT / "playground.html"
        assert page.read_bytes() == (ROOT / "notebooks/playground.html").read_bytes()

    def test_each_is_graded_for_their_own_work(self, graded: Path) -> None:
        from nbgrader.api import Gradebook

        with Gradebook(f"sqlite:///{graded / 'gradebook.db'}") as book:
            scores = {
                name: book.find_submission_notebook(ASSIGNMENT, ASSIGNMENT, name).score
                for name in (ADA, BEN)
            }
        assert scores == {ADA: 1, BEN: 0}

    def test_each_gets_their_own_feedback(self, graded: Path) -> None:
        pages = {}
        for name in (ADA, BEN):
            (path,) = (home(name) / "work" / ASSIGNMENT).glob("feedback/*/*.html")
            assert path.stat().st_uid == pwd.getpwnam(name).pw_uid
            pages[name] = path.read_text(encoding="utf-8")
        assert "✓ Right" in pages[ADA]
        assert "✓ Right" not in pages[BEN]

    def test_nobody_sees_what_others_handed_in_or_takes_it_away(
        self, graded: Path, hub: Hub
    ) -> None:
        inbound = hub.exchange / "softmax" / "inbound"
        assert len(list(inbound.iterdir())) == 2
        for command in (
            ["ls", str(inbound)],
            ["ls", str(graded)],
            ["ls", str(hub.exchange / "softmax" / "feedback")],
            ["mv", str(hub.exchange / "softmax"), str(hub.exchange / "other")],
            ["touch", str(hub.exchange / "softmax" / "outbound" / "x")],
        ):
            assert trial.run_as(BEN, command).returncode != 0, command


# -- the whole class at once ----------------------------------------------------------------------


def test_a_class_at_once_loses_nothing(hub: Hub, class_of_two: SimpleNamespace) -> None:
    from tools.hub_load import measure

    names = [f"{MARK}-{number}" for number in range(2)]
    try:
        report = measure(names, hub)
    finally:
        for name in names:
            hub.accounts.remove(name)  # or the hub would make them again when it restarts
        remove_accounts(names)
    assert report.errors == []
    assert report.lost == {"saved work": 0, "progress records": 0}
    assert report.killed == 1
    assert {step: len(times) for step, times in report.times.items()} == {
        "a started server": 2, "a finished notebook": 2, "the server again": 2,
    }  # fmt: skip


def test_the_teachers_table_comes_from_the_homes(
    hub: Hub, class_of_two: SimpleNamespace, tmp_path: Path
) -> None:
    from tools import classroom

    place = ["--csv", str(tmp_path / "class.csv"), "--page", str(tmp_path / "class.html")]
    assert classroom.main(["progress", "--hub", str(hub.folder), *place]) == 0
    table = (tmp_path / "class.csv").read_text(encoding="utf-8")
    assert f"{ADA},{EXERCISE},done,2,0,0,no_shift" in table
    assert TEACHER not in table
    assert BEN in (tmp_path / "class.html").read_text(encoding="utf-8")


# -- when the lesson is over ----------------------------------------------------------------------


def test_a_server_that_nobody_uses_is_stopped_and_nothing_saved_is_lost(
    hub: Hub, class_of_two: SimpleNamespace
) -> None:
    class_of_two.ben.start_server()
    assert processes_of(BEN), "no test of anything"
    before = (home(ADA) / "work" / NOTEBOOK).read_bytes()
    hub.stop()
    hub.environment["SOFTMAX_HUB_IDLE"] = "0.1"  # a hub that restarts finds its servers
    hub.start()
    until = time.monotonic() + 300
    while (processes_of(ADA) or processes_of(BEN)) and time.monotonic() < until:
        time.sleep(0.5)
    assert processes_of(ADA) == processes_of(BEN) == []
    assert (home(ADA) / "work" / NOTEBOOK).read_bytes() == before


# -- where it does not start --------------------------------------------------------------------


STARTING = ("-m", "jupyterhub", "-f", "deploy/jupyterhub_config.py", "--show-config")
SETTINGS = """\
from traitlets.config.loader import PyFileConfigLoader
print(PyFileConfigLoader("deploy/jupyterhub_config.py").load_config().JupyterHub.bind_url)
"""


def start(hub: Any, *command: str, **environment: str) -> str:
    """Try to start a hub, or what else is told, and return what it says."""
    run = subprocess.run(
        [hub.python, *(command or STARTING)],
        cwd=ROOT,
        env={
            **os.environ,
            "SOFTMAX_HUB_STATE": str(hub.folder.parent / "other"),
            "SOFTMAX_HUB_EXCHANGE": str(hub.folder.parent / "exchange"),
            **environment,
        },
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    return run.stdout + run.stderr


class TestRefusals:
    @pytest.mark.parametrize("address", ["0.0.0.0", "192.0.2.7", "::", "", "example.org"])
    @pytest.mark.parametrize("said", ["", "yes", "1", "passwords travel in the clear?"])
    def test_a_public_address_without_tls(self, address: str, said: str) -> None:
        from deploy.starting import refuse_unless_safe

        with pytest.raises(SystemExit, match="without TLS"):
            refuse_unless_safe(address, encrypted=False, said=said)

    def test_a_public_address_without_tls_ends_the_hub(self, hub: Hub) -> None:
        told = start(hub, SOFTMAX_HUB_ADDRESS="0.0.0.0", SOFTMAX_HUB_WITHOUT_TLS="yes")
        assert "without TLS" in told
        assert "bind_url" not in told

    def test_unless_told_in_as_many_words(self, hub: Hub) -> None:
        said = "passwords travel in the clear"
        told = start(
            hub, "-c", SETTINGS, SOFTMAX_HUB_ADDRESS="0.0.0.0", SOFTMAX_HUB_WITHOUT_TLS=said
        )
        assert told.strip() == "http://0.0.0.0:8000"

    def test_or_with_a_certificate(self, hub: Hub, tmp_path: Path) -> None:
        told = start(
            hub,
            "-c",
            SETTINGS,
            SOFTMAX_HUB_ADDRESS="0.0.0.0",
            SOFTMAX_HUB_CERTIFICATE=str(tmp_path / "cert"),
            SOFTMAX_HUB_KEY=str(tmp_path / "key"),
        )
        assert told.strip() == "https://0.0.0.0:8000"

    def test_by_default_it_listens_on_loopback(self, hub: Hub) -> None:
        assert start(hub, "-c", SETTINGS).strip() == "http://127.0.0.1:8000"
        assert hub.process is not None
        process = psutil.Process(hub.process.pid)
        addresses = listening([process, *process.children(recursive=True)])
        assert {address for address, _ in addresses} == {"127.0.0.1"}
        # The hub, its proxy's two doors, and the learners' servers that it has started.
        assert {hub.port, hub.port + 1, hub.port + 81} <= {port for _, port in addresses}

    def test_a_python_that_learners_cannot_run(self, hub: Hub, tmp_path: Path) -> None:
        closed = tmp_path / "closed"  # pytest's folders are closed to others
        venv.EnvBuilder(with_pip=False).create(closed)
        packages = next(closed.glob("lib/python*/site-packages"))
        ours = next(Path(sys.prefix).glob("lib/python*/site-packages"))
        (packages / "course.pth").write_text(f"import site; site.addsitedir({str(ours)!r})\n")
        told = start(SimpleNamespace(python=str(closed / "bin/python"), folder=hub.folder))
        assert "learners' accounts cannot read" in told
