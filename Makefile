# make demo | test | bench | lint: each creates .venv first; python3 and make are all they need.
# PYTHON=python3.12 chooses the interpreter of a new .venv; ARGS, DEMO_ARGS and BENCH_ARGS are passed on.
PYTHON ?= python3
ARGS ?=
DEMO_ARGS ?=
# By default measures everything again, as published rows are another machine's. `make bench BENCH_ARGS=` resumes.
BENCH_ARGS ?= --force

BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check -qq
# Stamps: renewed when the dependencies change.
RUN := .venv/.installed
DEV := .venv/.installed-dev

# Compiled programs are kept between test runs.
CACHED := JAX_PLATFORMS=cpu JAX_COMPILATION_CACHE_DIR="$(CURDIR)/.jax_cache"

# Large pages of memory make a training step on a CPU 4 to 30 % faster (glibc reads this once, when a program starts).
LARGE_PAGES := GLIBC_TUNABLES=glibc.malloc.hugetlb=1

.DEFAULT_GOAL := help
.PHONY: help demo test bench lint format clean

help:
	@echo "make demo    train on synthetic faces on the CPU, then complete one (minutes)"
	@echo "make test    run the tests; ARGS='tests/masks -x' runs some"
	@echo "make bench   measure speed, compared with PyTorch, and the cost of growing (an hour); BENCH_ARGS= resumes"
	@echo "make lint    check style and types"
	@echo "make format  format the code"
	@echo "make clean   remove .venv and caches; runs/ and data/ stay"

demo: $(RUN)
	$(BIN)/python experiments/first_look.py runs/first_look.png
	$(LARGE_PAGES) $(BIN)/python -m fec_jax.main --config=configs/quickstart.py --workdir=runs/quickstart $(DEMO_ARGS)
	$(BIN)/fec export weights runs/quickstart --out runs/quickstart/weights.safetensors --force
	$(BIN)/python experiments/demo.py runs/quickstart

test: $(DEV)
	$(CACHED) $(BIN)/python -m pytest $(ARGS)

bench: $(RUN)
	$(PIP) install --constraint constraints.txt --editable '.[parity,eval]'
	$(LARGE_PAGES) $(BIN)/python experiments/bench/bench.py $(BENCH_ARGS)
	$(LARGE_PAGES) $(BIN)/python experiments/bench/costs.py $(BENCH_ARGS)

lint: $(DEV)
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/pyright

format: $(DEV)
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

clean:
	rm -rf .venv .jax_cache .pytest_cache .ruff_cache

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "fec_jax needs Python 3.11 or newer: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || \
	  { echo "Python's venv module is missing; on Debian and Ubuntu: apt-get install python3-venv" >&2; exit 1; }
	$(PYTHON) -m venv .venv

$(RUN): pyproject.toml constraints.txt | $(BIN)/python
	$(PIP) install --constraint constraints.txt --editable .
	@touch $@

$(DEV): pyproject.toml constraints.txt | $(BIN)/python
	$(PIP) install --constraint constraints.txt --editable '.[dev]'
	@touch $(RUN) $@
