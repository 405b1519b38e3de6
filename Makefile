# Two commands: `make demo` serves the example chat, `make test` runs every test.
# Both install what they need on a fresh Debian 12, as root.

PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
MANAGE = $(BIN)/python example_project/manage.py

.PHONY: demo test lint clean

demo: $(VENV)/run.installed
	$(MANAGE) migrate --verbosity 0
	$(MANAGE) create_demo
	$(MANAGE) runserver_socketio 127.0.0.1:9000

test: $(VENV)/test.installed lint
	$(BIN)/python -m pytest

lint: $(VENV)/test.installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

$(VENV)/run.installed: requirements/run.txt pyproject.toml requirements/install
	requirements/install run
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -r requirements/run.txt
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --editable .
	touch $@

$(VENV)/test.installed: $(VENV)/run.installed requirements/test.txt tests/official/package-lock.json
	requirements/install test
	$(BIN)/pip install --quiet --disable-pip-version-check -r requirements/test.txt
	npm ci --prefix tests/official --no-audit --no-fund --loglevel error
	touch $@

clean:
	rm -rf $(VENV) build dist *.egg-info tests/official/node_modules example_project/db.sqlite3*
