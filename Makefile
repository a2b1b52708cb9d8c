# Each target makes .venv by itself; nothing but Python >= 3.11 and make need be there.
#   make demo   make test   make check   make fuzz   make bench   make oracles   make docs
#   make clusters   make bench-clusters   make coverage   make against OTHER=../before/src   make clean
#   make e2e   make e2e-measure   make e2e-memory   make e2e-screenshots
#   make studio-web   make studio-web-check
PYTHON ?= python3
VENV := .venv
BENCH_VENV := .bench-venv
PY := $(VENV)/bin/python
READY := $(VENV)/.ready
E2E_READY := $(VENV)/.ready-e2e
BENCH_READY := $(BENCH_VENV)/.ready
ARGS ?=
OTHER ?=
# Else every process of a test would translate every module anew.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo test check clusters fuzz bench bench-clusters against oracles coverage docs clean help
.PHONY: e2e e2e-measure e2e-memory e2e-screenshots studio-web studio-web-check

help:
	@sed -n '1,5p' Makefile

demo: $(READY)
	$(PY) examples/demo.py

test: $(READY)
	$(PY) -m compileall -q src
	$(PY) -m pytest -n auto --dist worksteal --ignore=tests/cluster $(ARGS)

check: $(READY)
	$(PY) -m ruff check .
	$(PY) -m mypy --strict src
	$(VENV)/bin/lint-imports --no-logo

fuzz: $(READY)
	HYPOTHESIS_PROFILE=fuzz DESCEND_CACHE=off DESCEND_FUZZ_LAST=.pytest_cache/example \
		$(PY) -m pytest -n auto --dist worksteal -m fuzz tests $(ARGS)

bench: $(BENCH_READY)
	$(BENCH_VENV)/bin/python bench/run.py $(ARGS)
	$(BENCH_VENV)/bin/python bench/networks.py
	$(BENCH_VENV)/bin/python bench/scaling.py
	$(BENCH_VENV)/bin/python bench/many_fits.py
	$(BENCH_VENV)/bin/python bench/large_fit.py
	$(BENCH_VENV)/bin/python bench/wide_fit.py
	$(BENCH_VENV)/bin/python bench/heat_map.py
	$(BENCH_VENV)/bin/python bench/streams.py
	$(BENCH_VENV)/bin/python bench/groups.py
	$(BENCH_VENV)/bin/python bench/warm.py

# Fits on the workers of a local cluster, by themselves: their workers are processes.
clusters: $(READY)
	$(PY) -m pytest tests/cluster $(ARGS)

# What a pass costs on workers; their deaths: make bench-clusters ARGS="--kills 20".
bench-clusters: $(READY)
	$(PY) bench/cluster.py $(ARGS)

# Every call of the benchmark beside another checkout's, such as the commit before a change.
against: $(READY)
	$(PY) bench/against.py $(OTHER) $(ARGS)

# Values and derivatives against JAX, which only the benchmark's environment has.
oracles: $(BENCH_READY)
	$(BENCH_VENV)/bin/python -m pytest tests/oracles $(ARGS)

# How often intervals hold the truth, in 30 000 simulated fits: about half an hour of processor time.
coverage: $(READY)
	$(PY) bench/interval_coverage.py $(ARGS)

docs: $(READY)
	$(PY) docs/generate.py

# The studio in a headless Chromium, which Debian has as chromium, with chromium-driver.
e2e: $(E2E_READY)
	$(PY) -m pytest -rs e2e $(ARGS)

e2e-measure: $(E2E_READY)
	$(PY) e2e/measure.py $(ARGS)

# For half an hour.
e2e-memory: $(E2E_READY)
	$(PY) e2e/memory.py $(ARGS)

e2e-screenshots: $(E2E_READY)
	$(PY) e2e/screenshots.py $(ARGS)

# What the studio draws with, from its source; only who changes that needs Node.
studio-web:
	sh studio-web/build.sh

studio-web-check:
	sh studio-web/build.sh --check

clean:
	rm -rf $(VENV) $(BENCH_VENV) demo-output build dist studio-web/node_modules .mypy_cache .pytest_cache .ruff_cache

# An environment that is there is completed, never thrown away. The byte code is written once, as an
# installation writes it: where Python may write none, each process would translate it anew.
$(READY): pyproject.toml .ci/environment.sh
	@PYTHON="$(PYTHON)" sh .ci/environment.sh $(VENV)
	$(PY) -m pip install --quiet --editable '.[dev]'
	@$(PY) -m compileall -q src
	@touch $@

$(E2E_READY): $(READY)
	$(PY) -m pip install --quiet --editable '.[dev,e2e]'
	@touch $@

$(BENCH_READY): pyproject.toml bench/requirements.txt .ci/environment.sh
	@PYTHON="$(PYTHON)" sh .ci/environment.sh $(BENCH_VENV)
	$(BENCH_VENV)/bin/python -m pip install --quiet --editable .
	@$(BENCH_VENV)/bin/python -m compileall -q src
	$(BENCH_VENV)/bin/python -m pip install --quiet -r bench/requirements.txt
	@$(BENCH_VENV)/bin/python -m pip install --quiet torch==2.13.0 || \
		echo 'torch 2.13.0 cannot be had here: its rows are left out of the benchmark.'
	@touch $@
