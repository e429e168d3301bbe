# The course's commands.  `make` alone lists them.
#
# Each brings its own environment in .venv first, from nothing but Python 3.11 or newer, and does
# it again only when a requirements file has changed.  README.md says the same in plain lines for
# systems without make.

VENV   := .venv
PY     := $(VENV)/bin/python
PIP    := $(PY) -m pip install --quiet --disable-pip-version-check -c constraints.txt
# A file for each process: the only way nbval's notebooks stay whole. In the order of conftest.py.
PYTEST := $(PY) -m pytest --dist loadfile --no-loadscope-reorder --durations=10 -q

# The first Python that is new enough; PYTHON=… on the command line names another.
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11 python; do \
	"$$p" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 \
	&& echo "$$p" && break; done)

.DEFAULT_GOAL := help
.PHONY: help lab reset test test-slow test-all test-hub quick lint format notebooks page bench book soak \
	hub hub-accounts hub-load hub-place lock clean

help: ## this list; times are those of two cores, installation not counted
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | \
	awk -F '\t' '{ printf "make %-12s %s\n", $$1, $$2 }'

lab: $(VENV)/.lab ## open the course in JupyterLab (your copies of the notebooks are in work/)
	@$(PY) tools/lab.py

reset: $(VENV)/.lab ## a pristine copy of one notebook, the old one kept: make reset N=03
	@$(if $(N),$(PY) tools/lab.py --reset $(N),echo "which notebook? make reset N=03"; exit 2)

test: $(VENV)/.test ## unit tests, every notebook compared with its outputs, every solution judged (6 minutes)
	@echo "Unit tests, every notebook as stored, every solution judged"
	$(PYTEST) -n 2

# The hub's proxy comes from npm: where that has no registry, the hub's tests are skipped and say so.
# Three processes, since these tests wait much: for a browser, for a hub.
test-slow: $(VENV)/.test $(VENV)/.book $(VENV)/.class
	@$(MAKE) -s $(VENV)/.hub || echo "The proxy in front of the hub cannot be installed: its tests are skipped" >&2
	@echo "The slow tests: browser, hostile answers in fresh kernels, solved notebooks without a network, grading, the hub, the book"
	$(PYTEST) -n 3 -rs -m "slow or browser" tests

test-all: test test-slow ## the same and all that is slow: browser, no network, grading, a hub (as root), book (40 minutes)

test-hub: $(VENV)/.test $(VENV)/.hub ## the class on a hub, with real accounts, as root
	$(PY) -m pytest --durations=10 -q -rs -m slow tests/test_hub.py

quick: $(VENV)/.test ## a first check, within 90 seconds: no notebook is executed, no hundreds of answers
	@echo "The unit tests, without the notebooks and the hundreds of answers"
	$(PYTEST) -n 2 -m "not notebooks and not many and not processes and not slow and not browser" tests helpers

lint: $(VENV)/.test ## ruff, mypy, codespell
	$(VENV)/bin/ruff check
	$(VENV)/bin/ruff format --check
	$(VENV)/bin/mypy
	$(VENV)/bin/codespell

format: $(VENV)/.test ## let ruff format the code and the notebooks' cells
	$(VENV)/bin/ruff check --fix
	$(VENV)/bin/ruff format

notebooks: $(VENV)/.test ## execute the notebooks afresh and store them: make notebooks [N=03]
	$(PY) tools/notebooks.py $(N)

page: $(VENV)/.lab ## draw the printed page (PDF, PNG) from book/one_page.md
	$(PY) tools/page.py

bench: $(VENV)/.test ## accuracy, invariance and speed against SciPy and torch, in tables
	$(PY) -m benchmarks

book: $(VENV)/.book ## the website, from the stored outputs, in build/book
	$(VENV)/bin/sphinx-build -W --keep-going -q -b html book build/book

soak: $(VENV)/.test ## every notebook ten times over, threads and hash seeds varied (long)
	$(PY) tools/soak.py

# Asked before minutes of installing: can learners' accounts read the course, and run its Python?
hub-place:
	@if test -x $(PY); then $(PY) -m deploy.starting; \
	elif "$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; \
	then "$(PYTHON)" -m deploy.starting; fi

hub: hub-place $(VENV)/.hub ## a class on this machine, as root: JupyterHub (book/teaching.md)
	@$(PY) -m jupyterhub -f deploy/jupyterhub_config.py

hub-accounts: hub-place $(VENV)/.hub ## one-time passwords for a class on the hub: make hub-accounts NAMES=names.csv
	@$(if $(NAMES),$(PY) tools/classroom.py learners $(NAMES),echo "which list? make hub-accounts NAMES=names.csv"; exit 2)

hub-load: $(VENV)/.hub $(VENV)/.test ## a whole class at once on a hub of its own: make hub-load USERS=20
	@$(PY) tools/hub_load.py $(if $(USERS),--users $(USERS))

lock: $(VENV)/.test ## resolve the requirements afresh into constraints.txt
	$(PIP) --upgrade uv
	$(VENV)/bin/uv pip compile --universal --python-version 3.11 --upgrade --no-annotate \
	--no-emit-package softmax-course --quiet -o constraints.txt \
	requirements.txt requirements-test.txt requirements-book.txt requirements-hub.txt

clean: ## remove the environment and what was built; work/ stays
	rm -rf $(VENV) build .pytest_cache .mypy_cache .ruff_cache .hypothesis

# -- the environment ----------------------------------------------------------------------------

# A link to a Python that has gone counts as missing, so it is made afresh.
$(PY):
	@test -n "$(PYTHON)" || { echo "The course needs Python 3.11 or newer: none was found\
	 (tried python3, python3.13, python3.12, python3.11, python)." >&2; exit 1; }
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	echo "The course needs Python 3.11 or newer: $(PYTHON) is not." >&2; exit 1; }
	@echo "Making the environment in $(VENV) with $$("$(PYTHON)" --version)"
	@"$(PYTHON)" -m venv --clear $(VENV) || { rm -rf $(VENV); \
	echo "$(PYTHON) cannot make environments; on Debian: apt-get install python3-venv" >&2; exit 1; }

$(VENV)/.lab: requirements.txt constraints.txt pyproject.toml | $(PY)
	@echo "Installing what the course needs (a minute or a few, once)"
	@$(PIP) -r requirements.txt
	@touch $@

$(VENV)/.test: requirements-test.txt $(VENV)/.lab
	@echo "Installing what the tests need"
	@$(PIP) -r requirements-test.txt
	@touch $@

$(VENV)/.book: requirements-book.txt $(VENV)/.lab
	@echo "Installing what the book needs"
	@$(PIP) -r requirements-book.txt
	@touch $@

$(VENV)/.class: requirements-hub.txt $(VENV)/.lab
	@echo "Installing what a class needs: nbgrader, JupyterHub"
	@$(PIP) -r requirements-hub.txt
	@touch $@

# The proxy in front of the hub comes from npm, by the node that requirements-hub.txt brings.
$(VENV)/.hub: deploy/proxy/package-lock.json $(VENV)/.class
	@echo "Installing the proxy in front of the hub"
	@cd deploy/proxy && PATH="$(abspath $(VENV))/bin:$$PATH" npm ci --no-audit --no-fund --silent --fetch-timeout=60000
	@touch $@
