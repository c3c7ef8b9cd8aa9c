# Every target installs its own requirements: `make demo` and `make test` need only Python 3.11 or later.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
UV := $(shell command -v uv 2>/dev/null)
export MPLBACKEND := Agg
export BENTOML_DO_NOT_TRACK := true

.DEFAULT_GOAL := help
.PHONY: help install install-dev demo demo-risk dashboard screenshots test test-all faults lint format bench kafka live study serve mlflow lock clean clean-all

help: ## show this help
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

$(BIN)/python:
ifdef UV
	uv venv --python $(PYTHON) --seed $(VENV)
else
	$(PYTHON) -m venv $(VENV)
endif

# An editable install links to this folder, so a copied or moved checkout must be installed again.
$(VENV)/.installed: requirements.txt pyproject.toml | $(BIN)/python
ifdef UV
	uv pip install --python $(BIN)/python -r requirements.txt
else
	$(BIN)/python -m pip install --disable-pip-version-check -q -r requirements.txt
endif
	@touch $@

$(VENV)/.installed-dev: requirements-dev.txt $(VENV)/.installed
ifdef UV
	uv pip install --python $(BIN)/python -r requirements-dev.txt
else
	$(BIN)/python -m pip install --disable-pip-version-check -q -r requirements-dev.txt
endif
	@touch $@

install: $(VENV)/.installed ## create the environment and install tickvol

install-dev: $(VENV)/.installed-dev ## also install the requirements of tests and checks

demo: install ## run the whole pipeline: frames, features, models, reports, HTTP service (TICKVOL_DATA=DIR: use recordings)
	$(BIN)/tickvol demo

demo-risk: install ## run market risk end to end on a simulated exchange, without a network
	$(BIN)/tickvol demo-risk

# A worker takes whole files, the longest first (tests/support/order.py).
# One thread for BLAS: two workers are two processes, and threads that wait for a busy core burn it.
PYTEST := OPENBLAS_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder
# Tests of the broker launcher run when the last commit or the working tree changed it, and where git cannot tell.
LAUNCHER = $(shell git diff --quiet HEAD~1 -- src/tickvol/broker tests/broker "tests/kafka/test_broker_*" 2>/dev/null && echo " and not launcher")

test: install-dev ## run all tests except the slow ones, in two processes
	$(PYTEST) -m "not slow$(LAUNCHER)"

test-all: install-dev ## run all tests, including long fuzz and soak runs, with coverage
	$(PYTEST) --durations=50 --cov

lint: install-dev ## run ruff, mypy (strict) and the import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/nbstripout --verify notebooks/*.ipynb

format: install-dev ## format the code with ruff
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: install-dev ## benchmark the hot paths, write reports/bench.json
	$(BIN)/python benchmarks/run.py

kafka: install ## start a broker on 127.0.0.1:9092 and create the topics; `tickvol kafka stop` stops it
	$(BIN)/tickvol kafka start

faults: install-dev ## run the long fault-injection tests of the live path and print the measurements (takes hours)
	$(BIN)/python -m pytest tests/faults
	$(BIN)/python -m tests.faults.figures

live: install ## run broker, capture, featurizer, scorer and MLflow until Ctrl-C (ARGS=--simulate: use a local exchange)
	$(BIN)/tickvol live $(ARGS)

study: install ## walk-forward evaluation on recordings: DATA=DIR with ticks in coinbase_ticker/, candles in klines/
	$(BIN)/tickvol replay --data-file $(DATA)/coinbase_ticker
	$(BIN)/tickvol replay --klines $(DATA)/klines/*-5m.feather
	$(BIN)/tickvol walk-forward

serve: install ## run the HTTP service on 127.0.0.1:3000
	$(BIN)/tickvol serve

dashboard: install ## serve the dashboard's pages on 127.0.0.1:8050
	$(BIN)/tickvol dashboard

screenshots: install-dev ## take the pictures of docs/dashboard.md in Chromium
	$(BIN)/python -m tests.dashboard.screenshots docs/images

mlflow: install ## run the MLflow UI on 127.0.0.1:5000
	$(BIN)/tickvol mlflow-ui

lock: install-dev ## update the pins in requirements.txt and requirements-dev.txt
	$(BIN)/pip-compile -q --no-header --no-annotate --strip-extras --no-emit-index-url --no-emit-find-links --no-emit-options -o requirements.txt pyproject.toml
	$(BIN)/pip-compile -q --no-header --no-annotate --strip-extras --no-emit-index-url --no-emit-find-links --no-emit-options -o requirements-dev.txt requirements-dev.in
	sed -i '/^#/d; /^$$/d' requirements.txt  # pip-compile names setuptools in a comment: it is not pinned
	echo '-e .' >> requirements.txt

clean: ## delete generated files: datasets, models, reports, caches (keeps data/raw, data/lake, data/kafka and data/alerts)
	if [ -d data ]; then find data -mindepth 1 -maxdepth 1 ! -name raw ! -name lake ! -name kafka ! -name alerts -exec rm -rf {} +; fi
	rm -rf models/artifacts mlruns .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache build
	find reports -mindepth 1 ! -name README.md -delete
	find . -name __pycache__ -not -path './$(VENV)/*' -type d -exec rm -rf {} +

clean-all: clean ## also delete the environment
	rm -rf $(VENV)
