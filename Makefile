# Two commands are enough: `make run` for the studio, `make test` for the whole suite. Both install what they need.
PYTHON ?= python3
HOST ?= 127.0.0.1
PORT ?= 7860
ARGS ?=
BIN := .venv/bin
PIP := $(BIN)/python -m pip install --disable-pip-version-check --progress-bar on -c constraints.txt

.PHONY: run install test check constraints studio clean

run: install
	@$(BIN)/luoxia models get smollm2-135m-instruct
	@exec $(BIN)/luoxia serve --host $(HOST) --port $(PORT) $(ARGS)

install: .venv/.installed

# The stamp is written last: an interrupted install simply starts again.
.venv/.installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Luoxia needs Python 3.11 or newer; say which one with: make PYTHON=/path/to/python3.11 $(MAKECMDGOALS)"; exit 2; }
	@$(PYTHON) -m venv .venv || { echo "Python has no venv module here; on Debian and Ubuntu: apt install python3-venv"; exit 2; }
	$(PIP) torch
	$(PIP) -e '.[train,faces,draw]'
	@touch $@

.venv/.test-installed: .venv/.installed
	$(PIP) -e '.[test]'
	@touch $@

test: .venv/.test-installed
	@$(BIN)/luoxia models get smollm2-135m-instruct
	@$(BIN)/luoxia models get efficientnet-lite0
	$(BIN)/python -m pytest --cov --cov-report=term:skip-covered --cov-fail-under=90 $(ARGS)

check: .venv/.test-installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/pyright --pythonpath $(BIN)/python

# Write down the versions that are installed now, for everyone; torch keeps its plain number, without +cpu.
constraints: .venv/.test-installed
	$(BIN)/python -m pip freeze --exclude-editable | sed 's/+cpu$$//' | grep -v ' @ ' | sort -f > constraints.txt

studio:
	cd studio && npm ci && npm run build

clean:
	rm -rf .venv dist build studio/node_modules
