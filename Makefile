# One environment for everything. `make help` lists the targets.

PYTHON ?= python3
VENV ?= .venv
INSTALLER ?= uv
SPACE ?= degradations
LOGDIR ?= runs
WORKERS ?= 8
# Every extra but mlflow, whose importlib-metadata is older than that of the others.
LOCKED := test dashboard cluster inception wandb bench lock
PARTS ?= start training_speed evaluation_speed distance_speed whole_search overhead overhead_of_ray

BIN := $(VENV)/bin
UV := $(BIN)/uv pip install --quiet --python $(BIN)/python
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
PYTEST := $(BIN)/python -m pytest
STAMP := $(VENV)/.installed

.DEFAULT_GOAL := help
.PHONY: help env search test test-long test-all lint docs format tensorboard bench cluster-check cluster-setup cluster-remove lock clean

help:  ## list the targets and the variables
	@grep -E '^[a-z-]+:.*  ## ' Makefile | sed -E 's/^([a-z-]+):.*  ## (.*)/  make \1\t\2/' | expand -t 22
	@echo
	@echo "  PYTHON=$(PYTHON) (3.11 or newer)  VENV=$(VENV)  INSTALLER=$(INSTALLER) (uv, or pip)  SPACE=$(SPACE)  LOGDIR=$(LOGDIR)"
	@echo "  WORKERS=$(WORKERS) (at the most, of pytest, one a core)  PARTS=$(PARTS)"
	@echo "  ARGS goes to the command of the target:  make search ARGS='--trials 8'   make test ARGS='-k schedules'"

env: $(STAMP)  ## make the environment, from nothing or where pyproject.toml or constraints.txt changed

# uv hard-links from its cache, so that a second environment takes seconds and no disk. Where uv cannot be had, or does not
# know the registry that pip is set up for, pip does the same in minutes.
$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	  echo "make: $(PYTHON) is not Python 3.11 or newer; name one that is: make env PYTHON=python3.12" >&2; exit 1; }
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv $(VENV) || { \
	  echo "make: $(PYTHON) cannot make an environment: install its venv module (on Debian: python3-venv)" >&2; exit 1; }
	@echo "Installing into $(VENV)"
	@if [ "$(INSTALLER)" = uv ] && $(PIP) -c constraints.txt uv && $(UV) -c constraints.txt -e '.[test]'; then :; else \
	  echo "Installing with plain pip, which takes minutes"; $(PIP) -c constraints.txt -e '.[test]'; fi
	@touch $@

search: env  ## search SPACE and confirm the best, in 10 minutes without a GPU and an hour with one; the result is in runs/
	$(BIN)/python search/run.py --space $(SPACE) $(ARGS)

test: hello lint  ## lint, then every test that is not slow, one small search among them: minutes
	$(PYTEST) -m 'not slow' -n auto --maxprocesses $(WORKERS) --dist loadfile --no-loadscope-reorder $(ARGS)

.PHONY: hello
hello:
	@echo "make test: environment, lint, types, unit tests, a real search with a kill and a resume, the page in a browser."
	@echo "It takes 5 to 12 minutes on two cores, less on more; make test-all runs the slow tests too."

# Two files at a time: tests of clusters wait for machines while whole searches compute.
test-long: env  ## every slow test: whole searches, dashboards in a browser, clusters
	$(PYTEST) -m slow -n 2 --dist loadscope --no-loadscope-reorder $(ARGS)

test-all: test test-long  ## both: about an hour on two cores

lint: env  ## ruff, mypy, who may import whom, who may name a run's files
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo --no-cache
	$(BIN)/python .ci/run_files.py

docs: env  ## write docs/run-format.md from the definitions in analysis/run
	$(BIN)/python docs/run_format.py

format: env  ## let ruff rewrite what lint would refuse
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

tensorboard: env  ## show the runs in LOGDIR, each trial for itself
	$(BIN)/python search/show.py $(LOGDIR) $(ARGS)

bench: env  ## measure ours against others, two hours; PARTS="training_speed overhead" leaves some out, ARGS='--out DIR'
	@$(BIN)/python -c 'import accelerate, denoising_diffusion_pytorch, pytorch_fid, smalldiffusion' 2>/dev/null || \
	  $(PIP) -c constraints.txt -e '.[bench]'
	@for part in $(PARTS); do $(BIN)/python tests/benchmarks/$$part.py $(ARGS) || exit; done

# Status 3 is a file that is valid, with values still to be set: they are listed, and it is no failure.
cluster-check: env  ## check cluster.yaml and cluster-onprem.yaml, offline; ARGS=FILE checks your own
	@$(BIN)/python -c 'import botocore' 2>/dev/null || $(PIP) -c constraints.txt -e '.[cluster]'
	@$(BIN)/python -m search.cluster_files.check $(ARGS) || [ $$? -eq 3 ]

cluster-setup: env  ## make what a cluster needs in your AWS account, and my-cluster.yaml for `ray up`; it shows all first, and asks
	@$(BIN)/python -c 'import boto3' 2>/dev/null || $(PIP) -c constraints.txt -e '.[cluster]'
	@$(BIN)/python -m search.cluster_files.setup $(ARGS)

cluster-remove: env  ## remove from your AWS account what cluster-setup made; ARGS=--with-results also deletes the bucket's runs
	@$(BIN)/python -c 'import boto3' 2>/dev/null || $(PIP) -c constraints.txt -e '.[cluster]'
	@$(BIN)/python -m search.cluster_files.remove $(ARGS)

lock: env  ## compile constraints.txt again from pyproject.toml; delete lines of it first to renew them
	$(BIN)/python -m pip install --quiet -c constraints.txt uv
	$(BIN)/uv pip compile --quiet --no-annotate $(LOCKED:%=--extra %) --python-version 3.11 --python-platform x86_64-manylinux_2_28 \
	  --custom-compile-command "make lock" --output-file constraints.txt pyproject.toml

clean:  ## remove the environment, builds and caches; runs/ stays
	@if [ -f $(VENV)/pyvenv.cfg ]; then rm -rf $(VENV); fi
	rm -rf build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
