"""A class on one machine: JupyterHub's settings, for `make hub`. The page for teachers says how.

What a teacher sets stands in environment variables (`make hub SOFTMAX_HUB_PORT=9000`) or, where
that is not enough, in ``hub.py`` in the hub's own folder, which is read last:

SOFTMAX_HUB_STATE        the hub's own folder, /var/lib/softmax-hub: accounts, database, secrets
SOFTMAX_HUB_ADDRESS      where it listens, 127.0.0.1; another address needs a certificate
SOFTMAX_HUB_PORT         8000; the two ports 8001 and 8081 of loopback move with it
SOFTMAX_HUB_CERTIFICATE  the files of a TLS certificate and of its key
SOFTMAX_HUB_KEY
SOFTMAX_HUB_IDLE         minutes without use after which a server is stopped, 60; 0.5 is possible
SOFTMAX_HUB_EXCHANGE     where nbgrader hands out and collects, /srv/softmax-exchange
SOFTMAX_COURSE_…         go on to the learners' kernels: SOFTMAX_COURSE_SOLUTIONS=off
"""

import logging
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from deploy import starting  # noqa: E402
from deploy.sign_in import LEARNERS, ClassAuthenticator, make_system_account  # noqa: E402

c = get_config()  # type: ignore[name-defined]  # noqa: F821

state = Path(os.environ.get("SOFTMAX_HUB_STATE", "/var/lib/softmax-hub"))
address = os.environ.get("SOFTMAX_HUB_ADDRESS", "127.0.0.1")
port = int(os.environ.get("SOFTMAX_HUB_PORT", "8000"))
certificate = os.environ.get("SOFTMAX_HUB_CERTIFICATE", "")
key = os.environ.get("SOFTMAX_HUB_KEY", "")
idle = round(60 * float(os.environ.get("SOFTMAX_HUB_IDLE", "60")))
exchange = Path(os.environ.get("SOFTMAX_HUB_EXCHANGE", "/srv/softmax-exchange"))

starting.refuse_unless_safe(
    address,
    encrypted=bool(certificate and key),
    said=os.environ.get("SOFTMAX_HUB_WITHOUT_TLS", ""),
)
os.umask(0o077)
state.mkdir(mode=0o700, parents=True, exist_ok=True)
state.chmod(0o700)
exchange.mkdir(parents=True, exist_ok=True)
exchange.chmod(0o1777)  # nbgrader wants it open to all; nobody removes what another put there
subprocess.run(["groupadd", "--force", LEARNERS], check=True)

# -- the hub, and the proxy in front of it --------------------------------------------------------

c.JupyterHub.bind_url = f"{'https' if certificate else 'http'}://{starting.host(address)}:{port}"
c.JupyterHub.ssl_cert, c.JupyterHub.ssl_key = certificate, key
c.JupyterHub.hub_bind_url = f"http://127.0.0.1:{port + 81}"
c.ConfigurableHTTPProxy.api_url = f"http://127.0.0.1:{port + 1}"
c.ConfigurableHTTPProxy.command = starting.proxy_command()
c.ConfigurableHTTPProxy.pid_file = str(state / "proxy.pid")
c.JupyterHub.db_url = f"sqlite:///{state / 'hub.sqlite'}"
c.JupyterHub.cookie_secret_file = str(state / "cookie_secret")
c.JupyterHub.template_paths = [str(ROOT / "deploy" / "templates")]
for name in ("access", "application"):
    logging.getLogger(f"tornado.{name}").addFilter(starting.tell_no_secret)
# A hub that ends leaves the learners' servers running, and finds them when it starts again.
c.JupyterHub.cleanup_servers = False

# -- who may come in ------------------------------------------------------------------------------

c.JupyterHub.authenticator_class = ClassAuthenticator
c.ClassAuthenticator.accounts_file = str(state / "accounts.json")
c.Authenticator.any_allow_config = True  # the file says who
c.Authenticator.manage_groups = True
c.Authenticator.auth_refresh_age = 60  # seconds until the hub sees that an account was taken away
c.Authenticator.refresh_pre_spawn = True
c.Authenticator.delete_invalid_users = True  # who was taken off the list is forgotten, at a start
# A teacher sees who is there, starts and stops servers, and opens nobody's.
c.JupyterHub.load_roles = [
    {
        "name": "teacher",
        "description": "Sees who is there, starts and stops servers, opens nobody's",
        "scopes": ["admin-ui", "list:users", "servers"],
        "groups": ["teachers"],
    },
    {
        "name": "idle-culler",
        "scopes": ["list:users", "read:users:activity", "read:servers", "delete:servers"],
        "services": ["idle-culler"],
    },
]
c.JupyterHub.services = [
    {
        "name": "idle-culler",
        # It ends with the hub, however that ends.
        "command": [
            "setpriv",
            "--pdeathsig",
            "TERM",
            sys.executable,
            "-m",
            "jupyterhub_idle_culler",
            f"--timeout={idle}",
        ],
    }
]

# -- a learner's server: of their own account, on their own copies --------------------------------

# With any authenticator: the system account is made, or refused, before a server starts.
c.Spawner.pre_spawn_hook = lambda spawner: make_system_account(spawner.user.name)
c.Spawner.cmd = [sys.executable, str(ROOT / "deploy" / "start_server.py")]
c.Spawner.notebook_dir = "~/work"
c.Spawner.default_url = f"/lab/tree/{starting.first_notebook()}"
c.Spawner.start_timeout = 180  # when a whole class starts at once
c.Spawner.http_timeout = 180
c.Spawner.poll_interval = 5  # seconds until a server that was killed is known to have ended
c.JupyterHub.concurrent_spawn_limit = 0  # wait in line, rather than be told to come again
c.Spawner.environment = {
    **starting.environment(os.environ),
    "JUPYTER_CONFIG_PATH": str(ROOT / "deploy" / "jupyter"),
    "SOFTMAX_HUB_EXCHANGE": str(exchange),
}
c.Spawner.args = [
    # The sockets of a kernel lie in a folder that is its owner's alone. Those of loopback can be
    # listened to by every account of the machine.
    "--KernelManager.transport=ipc",
    f"--MappingKernelManager.cull_idle_timeout={idle}",
    "--ServerApp.log_level=WARN",
    # Nothing is asked of the network: no news, no updates, no list of extensions.
    f"--LabApp.app_settings_dir={ROOT / 'tools' / 'jupyterlab'}",
    "--LabApp.extension_manager=readonly",
]

if (state / "hub.py").exists():
    load_subconfig(str(state / "hub.py"))  # type: ignore[name-defined]  # noqa: F821
