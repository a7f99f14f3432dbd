# Two commands: `make demo` and `make test`. Each does all its set-up in `.venv`; Python 3.10+ and make are enough.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
BENCH_JSON ?= bench/results.json

.PHONY: demo test lint coverage bench bench-check bench-page matrix docs clean

demo: $(VENV)/.demo-ready
	rm -rf demo
	$(BIN)/wandb-swan demo demo

# In the order of the folders, short tests last: no process is left alone with a long file. Compiled modules are kept, as an
# installation has them: each test starts several Pythons. What fails is tried once more, alone: it may have been too busy.
test: lint
	env -u PYTHONDONTWRITEBYTECODE $(BIN)/python -m pytest -q -n 3 --dist loadfile --no-loadscope-reorder || \
	  env -u PYTHONDONTWRITEBYTECODE $(BIN)/python -m pytest -q --last-failed

lint: $(VENV)/.test-ready
	$(BIN)/ruff check . && $(BIN)/ruff format --check .
	$(BIN)/mypy --strict wandb_swan
	$(BIN)/deptry .
	$(BIN)/oxlint --quiet --deny-warnings --ignore-pattern '**/vendor/**' wandb_swan/view/static
	$(BIN)/lint-imports

coverage: $(VENV)/.test-ready
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest -q; code=$$?; \
	$(BIN)/coverage combine -q && $(BIN)/coverage report && exit $$code

# All subjects of bench/, or those of BENCH="convert view"; on a machine that does nothing else.
bench: $(VENV)/.test-ready
	$(BIN)/python -m bench $(BENCH) --json $(BENCH_JSON)

bench-check: $(VENV)/.test-ready  # which goals are not reached
	$(BIN)/python -m bench.check $(BENCH_JSON)

bench-page: $(VENV)/.test-ready  # the tables of docs/benchmarks.md and of the READMEs
	$(BIN)/python -m bench.page $(BENCH_JSON)

docs: $(VENV)/.test-ready  # into site/; --strict: a warning is a failure
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict --quiet
	@echo "$(BIN)/python -m http.server --bind 127.0.0.1 --directory site   shows it, with its search"

matrix: $(VENV)/.test-ready
	rm -rf .tox/junit
	$(BIN)/python -m tox run-parallel -m matrix -p 2 --parallel-no-spinner; code=$$?; \
	$(BIN)/python -m compat_tests.tools.matrix_report .tox/junit docs/compatibility.md && exit $$code

$(VENV)/.demo-ready: pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[demo]'
	touch $@

$(VENV)/.test-ready: pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check 'pip>=25.1'  # the first that knows --group
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --group dev -e '.[demo,media]'
	touch $@

clean:
	rm -rf $(VENV) demo site .tox
