# `make check` is what CI runs; `make bench` prints every figure of the docs. PYTHON names the environment.
PYTHON ?= python
MOCK ?= tests/quick_server.py

.PHONY: check fix test bench

check:
	$(PYTHON) -m ruff format --check src tests benchmarks docs
	$(PYTHON) -m ruff check src tests benchmarks docs
	$(PYTHON) -m mypy
	$(PYTHON) -m pytest -q -n 2 --dist loadfile

fix:
	$(PYTHON) -m ruff check --fix src tests benchmarks docs
	$(PYTHON) -m ruff format src tests benchmarks docs
	$(PYTHON) docs/make_cli.py

test:
	$(PYTHON) -m pytest -q -n 2 --dist loadfile

bench:
	$(PYTHON) benchmarks/all.py
