# Each target installs what it needs.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/ready
COMPILE := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
  --no-annotate --no-header
# Tests start twice as fast where Python and pytest may cache what they compile.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: setup demo bench test test-unit test-slow test-lake lint docs pictures lock clean

setup: $(READY)

$(READY): requirements.lock pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes --requirement requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	touch $(READY)

demo: $(READY)  ## four snapshots against the sandbox, the last with a revoked key, and two queries
	$(BIN)/floorline demo

bench: $(READY)  ## the benchmarks beside Floorline's rivals; writes their results into bench/README.md
	$(BIN)/python -m bench

test: lint  ## lint, types, import rules and the quick tests
	$(BIN)/python -m pytest -n 2 -m "not slow"

test-unit: $(READY)  ## the quick tests that start no server and no process
	$(BIN)/python -m pytest -n 2 -m "not slow and not server"

test-slow: $(READY)  ## tests that take from a second to minutes: real prices, kills, a whole catalog
	$(BIN)/python -m pytest -n 2 -m "slow and not prefect"
	$(BIN)/python -m pytest -n 2 --dist loadfile -m "slow and prefect"
	$(BIN)/python -m pytest --warehouse lake -m lake tests/warehouse

test-lake: $(READY)  ## the quick tests of the warehouse, each on a lake: several times as long
	$(BIN)/python -m pytest -n 2 --warehouse lake -m "not slow" tests/warehouse

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

docs: $(READY)  ## write the generated parts of the reference again, and build the site of docs/ in build/site/html
	$(BIN)/python -m tests.support.reference
	$(BIN)/python -m tests.support.site build/site

pictures: $(READY)  ## make docs/pictures/ again, with chromium: some minutes
	$(BIN)/python -m tests.support.pictures

lock: $(READY)  ## write the locks again, with hashes and without an index address: all, and that of the image
	$(COMPILE) --extra dev --extra shared --output-file requirements.lock pyproject.toml
	$(COMPILE) --extra redis --extra shared --constraint requirements.lock --output-file deploy/requirements.lock pyproject.toml

clean:
	rm -rf $(VENV) build .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
