# Everything runs in .venv, made here from requirements.lock by any Python >= 3.11 on the PATH (or PYTHON=...).

VENV := .venv
BIN := $(VENV)/bin
PYTHON ?= $(shell for python in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$python -c 'import ensurepip, sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 && echo $$python && break; done)
PIP_INSTALL := $(BIN)/python -m pip install -qq --no-deps --disable-pip-version-check
UV_INSTALL := $(BIN)/uv pip install -q --system-certs --python $(BIN)/python --no-deps
UV_COMPILE := $(BIN)/uv pip compile pyproject.toml -q --system-certs --generate-hashes --no-header $(UPGRADE)

# The cells of a notebook share a kernel, so a file stays on one worker; tests/conftest.py puts the longest first.
ON_ALL_CORES := -n auto --dist loadfile --no-loadscope-reorder

# Caches and settings of our own, so that nothing on this machine changes a result.
export MPLCONFIGDIR := $(CURDIR)/$(VENV)/cache/matplotlib
export IPYTHONDIR := $(CURDIR)/$(VENV)/cache/ipython
export JUPYTER_DATA_DIR := $(CURDIR)/$(VENV)/cache/jupyter

.PHONY: help demo test check soak lab samples lint notebooks bench lock clean
.DEFAULT_GOAL := help

help: ## say what can be made
	@sed -n 's/^\([a-z]*\):.*## /  make \1\t/p' Makefile | expand -t 20

demo: $(VENV)/ready ## run a campaign of 1,200 people through the sandbox
	@$(BIN)/clicknb demo

test: lint ## lint, then run the unit tests, the doctests and the notebooks on all cores
	$(BIN)/python -m pytest $(ON_ALL_CORES)

check: lint ## the same in a minute: without browsers, notebooks and what else is slow, with few examples
	$(BIN)/python -m pytest $(ON_ALL_CORES) -m "not slow" --hypothesis-profile=quick

soak: $(VENV)/ready ## run the long forms of tests, most of them attacks on the promise (an hour or more)
	CLICKNB_SOAK=1 $(BIN)/python -m pytest tests/promise tests/campaign/test_plan.py tests/campaign/test_gate.py \
		tests/messages/test_parts.py tests/recipients/test_reader.py tests/forms/test_forms.py \
		tests/forms/test_campaign_form.py tests/forms/test_monitor.py

lab: $(VENV)/ready ## open the notebooks in JupyterLab
	$(BIN)/jupyter lab --notebook-dir=notebooks

samples: $(VENV)/ready ## run the samples in other languages against the sandbox, where their tools are installed
	@$(BIN)/python tools/run_samples.py

lint: $(VENV)/ready ## check style and types
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

notebooks: $(VENV)/ready ## run the notebooks and write their outputs
	$(BIN)/python tools/refresh_notebooks.py

bench: $(VENV)/ready ## measure rates, texts, numbers and growth (LONG=--long: numbers to quote, KEEP=--keep: write them down)
	$(BIN)/python -m benchmarks.run $(LONG) $(KEEP)

lock: $(VENV)/ready ## pin what pyproject.toml asks for, here and for Binder (UPGRADE=--upgrade: newest)
	$(UV_COMPILE) --universal --python-version 3.11 --group dev -o requirements.lock
	$(UV_COMPILE) --python-version 3.12 --python-platform x86_64-unknown-linux-gnu --extra excel --extra hours --group binder \
		--constraint requirements.lock -o binder/requirements.txt

clean: ## remove the environment and the caches
	rm -rf $(VENV) .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/ready: $(VENV)/locked pyproject.toml
	@$(PIP_INSTALL) --no-build-isolation -e .
	@mkdir -p $(MPLCONFIGDIR) $(IPYTHONDIR) $(JUPYTER_DATA_DIR)
	@touch $@

$(VENV)/locked: requirements.lock
	@test -n "$(PYTHON)" || { echo "clicknb needs Python 3.11 or newer with venv: put one on the PATH, or say" \
		"make PYTHON=/path/to/python (on Debian and Ubuntu: apt install python3 python3-venv)." >&2; exit 1; }
	@echo "Setting up $(VENV) with $$($(PYTHON) --version): once, for less than a minute, or some with pip alone ..."
	@$(PYTHON) -m venv --clear $(VENV)
	@sed -n '/^uv==/,/^    #/p' requirements.lock >$(VENV)/uv.lock  # uv does it several times as fast as pip
	@{ $(PIP_INSTALL) --require-hashes -r $(VENV)/uv.lock && $(UV_INSTALL) --require-hashes -r requirements.lock; } || \
		$(PIP_INSTALL) --require-hashes -r requirements.lock
	@touch $@
