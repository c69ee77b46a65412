# Everything a contributor types. Each target makes .venv when it is missing: python3 and pip are all it needs.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed

.PHONY: demo test check schemathesis bench soak crash fuzz fmt install lock clean

install: $(STAMP)

$(STAMP): pyproject.toml requirements.lock
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c requirements.lock -e '.[test,lint]'
	touch $@

demo: $(STAMP)            ## the article's experiment in two minutes
	$(BIN)/utsuwa demo

test: $(STAMP)            ## the whole suite
	bash scripts/test

check: $(STAMP)           ## format, lint, types, layers
	bash scripts/check

schemathesis: $(STAMP)    ## requests made up from our own OpenAPI documents, SECONDS of each
	SECONDS_EACH=$(or $(SECONDS),60) $(BIN)/python -m pytest -q --timeout 900 tests/conformance/test_schemathesis.py

fmt: $(STAMP)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

$(VENV)/.bench: $(STAMP)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c requirements.lock -e '.[bench]'
	touch $@

bench: $(VENV)/.bench     ## ratios against direct and Envoy, cold starts, idle cost
	$(BIN)/python -m benchmarks

MINUTES ?= 10
soak: $(STAMP)            ## MINUTES of everything at once: 0 errors made by the platform, or it fails
	$(BIN)/python -m benchmarks.soak $(MINUTES)

KILLS ?= 200
crash: $(STAMP)           ## control killed KILLS times under 20 writing clients: nothing acknowledged may be lost
	$(BIN)/python -m benchmarks.crash $(KILLS)

$(VENV)/.fuzz: $(STAMP)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c requirements.lock -e '.[fuzz]'
	touch $@

SECONDS ?= 60
fuzz: $(VENV)/.fuzz       ## SECONDS of atheris over each entry of the gateway: HTTP/1.1 and HTTP/2
	$(BIN)/python -m fuzz --seconds $(SECONDS)

lock: $(STAMP)            ## rewrite the pins: names and versions only
	$(BIN)/python -m pip freeze --exclude-editable | sort -f > requirements.lock

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis
