"""The values and the image for a class on many machines."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.course import PATHS, ROOT

FOLDER = ROOT / "deploy" / "kubernetes"
VALUES: dict[str, Any] = yaml.safe_load((FOLDER / "values.yaml").read_text(encoding="utf-8"))
DOCKERFILE = (FOLDER / "Dockerfile").read_text(encoding="utf-8")
CHART = os.environ.get("SOFTMAX_HUB_CHART", "")


def merged(defaults: Any, ours: Any) -> Any:
    """Return a chart's values with ours put over them, as helm does."""
    if not (isinstance(defaults, dict) and isinstance(ours, dict)):
        return ours
    return {
        key: merged(defaults[key], ours[key]) if key in ours and key in defaults
        else ours.get(key, defaults.get(key))
        for key in {**defaults, **ours}
    }  # fmt: skip


@pytest.mark.skipif(
    not CHART,
    reason="SOFTMAX_HUB_CHART names no folder with the chart's values.yaml and values.schema.yaml",
)
def test_the_chart_takes_the_values() -> None:
    jsonschema = pytest.importorskip("jsonschema")
    schema, defaults = (
        yaml.safe_load(Path(CHART, name).read_text(encoding="utf-8"))
        for name in ("values.schema.yaml", "values.yaml")
    )
    values = merged(defaults, VALUES)
    validator = jsonschema.validators.validator_for(schema)(schema)
    assert [error.message for error in validator.iter_errors(values)] == []
    values["singleuser"]["memory_"] = values["singleuser"].pop("memory")
    assert list(validator.iter_errors(values)), "the schema refuses nothing"


def test_nobody_is_let_in_until_the_teacher_says_who() -> None:
    hub = VALUES["hub"]["config"]["JupyterHub"]
    assert hub["authenticator_class"] == "null"
    assert hub["admin_access"] is False
    assert "access:servers" not in str(hub["load_roles"])
    assert VALUES["proxy"]["https"]["enabled"] is True
    assert VALUES["singleuser"]["networkPolicy"]["egressAllowRules"]["nonPrivateIPs"] is False


def test_the_servers_start_as_those_of_one_machine_do() -> None:
    config = (ROOT / "deploy" / "jupyterhub_config.py").read_text(encoding="utf-8")
    command = VALUES["singleuser"]["cmd"]
    assert command[-1].removeprefix("/opt/softmax-course/") == "deploy/start_server.py"
    assert str(command[-1]) in DOCKERFILE
    assert VALUES["singleuser"]["defaultUrl"].endswith(PATHS[0].name)
    for argument in VALUES["hub"]["config"]["KubeSpawner"]["args"]:
        assert argument.partition("=")[0] in config


def test_the_image_holds_what_a_server_needs_in_the_versions_of_the_constraints() -> None:
    copied = {
        name
        for line in re.findall(r"^COPY (.+)", DOCKERFILE, re.MULTILINE)
        for name in line.split()[:-1]
    }
    assert {"helpers", "notebooks", "tools", "deploy", "requirements.txt"} <= copied
    for name in copied:
        assert (ROOT / name).exists(), name
    for command in re.findall(r"pip install .+", DOCKERFILE):
        assert "-c constraints.txt" in command
    assert re.search(r"^USER jovyan$", DOCKERFILE, re.MULTILINE)
    assert not re.search(r"https?:", DOCKERFILE)
