# make venv    a virtual environment with the package and everything for development
# make demo    solve Krusell and Smith (1998), measure its accuracy, draw its impulse response, tabulate its moments
# make test    what continuous integration runs: lint, format, types, and the tests that take a few minutes
# make docs    the documentation site, docs/_build/html/contents.html
# make notebooks        run docs/notebooks/*.md and keep their outputs in .ipynb; NAMES="aiyagari tax_reform" for some
# make test-slow, make clean
# make bench   seconds and accuracy on this machine, written to benchmarks/results: run it on a quiet one
#
# Another interpreter: make venv PYTHON=python3.12. An environment that exists already: make test VENV=/path/to/it.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
RUN := runs/krusell_smith

.PHONY: venv demo test test-slow docs notebooks bench clean
.DELETE_ON_ERROR:

ifeq ($(VENV),.venv)
$(READY): pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	@touch $@
else
$(READY):
	@test -x $(BIN)/python || { echo "$(VENV) holds no Python environment: leave VENV out to have one built." >&2; exit 1; }
.PHONY: $(READY)
endif

venv: $(READY)

demo: $(READY)
	rm -rf $(RUN)
	$(BIN)/hank-mfg solve krusell_smith --out $(RUN)
	$(BIN)/hank-mfg evaluate $(RUN)
	$(BIN)/hank-mfg irf $(RUN) --shock productivity --size -0.01
	$(BIN)/hank-mfg moments $(RUN)
	$(BIN)/hank-mfg report $(RUN)
	@echo
	@echo "figure: $(RUN)/figures/impulse_response.png"
	@echo "table:  $(RUN)/moments.tex"

test: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright --pythonpath $(BIN)/python
	$(BIN)/python -m pytest --numprocesses 2 --dist loadfile

test-slow: $(READY)
	$(BIN)/python -m pytest -m "slow and not gpu and not replication and not benchmark"

docs: $(READY)
	$(BIN)/python -m pip install --quiet --editable '.[docs]'
	$(BIN)/python -m sphinx --builder html --fail-on-warning --keep-going --quiet docs docs/_build/html
	@echo "docs/_build/html/contents.html"

notebooks: $(READY)
	$(BIN)/python -m pip install --quiet --editable '.[docs,estimate]'
	$(BIN)/python docs/run_notebooks.py $(NAMES)

bench: $(READY)
	$(BIN)/python benchmarks/aiyagari.py
	$(BIN)/python benchmarks/rspg_scaling.py
	$(BIN)/python benchmarks/krusell_smith.py
	$(BIN)/python benchmarks/equilibria.py
	$(BIN)/python benchmarks/sequence_space.py
	$(BIN)/python benchmarks/games.py
	$(BIN)/python benchmarks/sampled.py
	$(BIN)/python benchmarks/economies.py
	$(BIN)/python benchmarks/lower_bound.py
	$(BIN)/python benchmarks/misspecification.py
	$(BIN)/python benchmarks/calibration.py
	$(BIN)/python benchmarks/estimation.py
	$(BIN)/python benchmarks/box.py
	$(BIN)/python benchmarks/household_parameters.py
	$(BIN)/python benchmarks/simulated_moments.py
	$(BIN)/python benchmarks/figures.py

clean:
	rm -rf build dist .pytest_cache .ruff_cache .hypothesis *.egg-info docs/_build docs/about docs/api
	find . -name __pycache__ -not -path './.venv/*' -prune -exec rm -rf {} +
