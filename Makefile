# `make check` is what CI runs (two test workers of one thread each), and `make gpu DEVICE=cpu` after it; `make quick`
# leaves out what is marked slow (processes, browsers, training, weights). `make data` fetches published files that some
# tests read whole. `make bench` prints every figure of the docs, `make torture` tries hard what must hold (LONG=--long:
# for hours), `make screenshots` takes the pictures of the pages (Chromium).
# `make gpu` shows what a graphics card gives (DEVICE=cpu: every line at toy size; PARTS="serving scotd": these alone),
# `make oldest` tries the lowest versions that are allowed, `make extras` each extra alone, `make loaders` the tools that exports are for.
# PYTHON names the environment.
PYTHON ?= python
DEVICE ?= cuda
# Compiled files are kept even where the environment says not to: each test worker and child process reads them.
export PYTHONDONTWRITEBYTECODE =

.PHONY: check quick fix test data bench dist gpu oldest extras loaders torture screenshots docs notebook

check:
	$(PYTHON) -m ruff format --check src tests benchmarks docs
	$(PYTHON) -m ruff check src tests benchmarks docs
	$(PYTHON) -m mypy
	$(PYTHON) docs/make_dist.py build/dist --linked
	OMP_NUM_THREADS=1 $(PYTHON) -m pytest -q -n 2 --dist worksteal

fix:
	$(PYTHON) -m ruff check --fix --exit-zero -q src tests benchmarks docs
	$(PYTHON) -m ruff format src tests benchmarks docs
	$(PYTHON) docs/make_cli.py
	$(PYTHON) -m ruff check src tests benchmarks docs

test:
	OMP_NUM_THREADS=1 $(PYTHON) -m pytest -q -n 2 --dist worksteal

quick:
	OMP_NUM_THREADS=1 $(PYTHON) -m pytest -q -n 2 --dist worksteal -m "not slow"

data:
	PYTHONPATH=src:tests/support $(PYTHON) -m real_data

bench:
	$(PYTHON) benchmarks/all.py

gpu:
	$(PYTHON) benchmarks/gpu.py --device $(DEVICE) $(if $(filter cpu,$(DEVICE)),--together) $(addprefix --part ,$(PARTS))

# Wheel and sdist in dist/, checked; the wheel alone is installed for each of PYTHONS (e.g. "python3.12 python3.13").
dist:
	$(PYTHON) docs/make_dist.py $(addprefix --python ,$(PYTHONS))

oldest:
	$(PYTHON) benchmarks/oldest.py

extras:
	$(PYTHON) benchmarks/extras.py

loaders:
	$(PYTHON) benchmarks/loaders.py

torture:
	PYTHONPATH=benchmarks $(PYTHON) benchmarks/torture.py $(LONG)

screenshots:
	PYTHONPATH=tests/support $(PYTHON) docs/make_screenshots.py

docs:
	$(PYTHON) docs/make_site.py

# The notebook with real models, which takes minutes; its pages show what that printed.
notebook:
	QUICKSTART_MODELS=embedded $(PYTHON) docs/make_notebook.py
