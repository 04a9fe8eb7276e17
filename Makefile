# Each target makes .venv, builds the package from source and installs what it needs itself.
#
#   PYTHON=python3.12   another interpreter          DEV=1   an editable install
#   ARGS="-k books -x"  arguments for pytest, the demo or the benchmarks
#   TEST_WORKERS=0      all tests in one process, for a debugger

VENV ?= .venv
BIN := $(VENV)/bin
READY := VENV="$(VENV)" .ci/venv
FUZZ_SECONDS ?= 60
# Most tests wait for timers and sockets more than they compute. Files stay whole, so that a
# module's simulator or compiled example is made once, and go out in the order of tests/conftest.py,
# not by how many tests they hold.
TEST_WORKERS ?= 4
PYTEST = PYTHONSAFEPATH=1 $(BIN)/python -m pytest -n $(TEST_WORKERS) --dist loadfile \
	--no-loadscope-reorder
SOAK_DROPS ?= 1000
LEDGER_DROPS ?= 3000
LEDGER_FILLS ?= 30000
LEDGER_SEED ?= 1
WATCH_DROPS ?= 1000
# What opens sockets or waits for timers.
SHAKEN := tests/faults tests/venues tests/leaks tests/unit/net tests/unit/binance tests/unit/test_loop.py tests/unit/test_cli.py

.DEFAULT_GOAL := help
.PHONY: help build demo test test-fast shake test-pythons bench lint format sanitize fuzz soak ledger autobahn hyperliquid-sdk dydx-sdk ibind verify-signer clean

help:
	@echo "make demo          stream from five simulated venues, trade on two, break connections, check everything"
	@echo "make test          the whole test suite"
	@echo "make test-fast     the tests that take no longer than a few seconds"
	@echo "make shake         the tests that wait, their processes stopped at random as on a busy machine"
	@echo "make test-pythons  build, install and try the package with every CPython found here"
	@echo "make bench         all benchmarks: a table, JSON and plots under bench/results/"
	@echo "make lint          ruff and mypy --strict"
	@echo "make sanitize      the compiled modules' tests under AddressSanitizer and UBSan"
	@echo "make fuzz          every fuzz target for FUZZ_SECONDS=$(FUZZ_SECONDS)"
	@echo "make soak          SOAK_DROPS=$(SOAK_DROPS) disconnects, and nothing may be lost"
	@echo "make ledger        LEDGER_DROPS=$(LEDGER_DROPS) disconnects and LEDGER_FILLS=$(LEDGER_FILLS) fills on each venue: every account book must agree;"
	@echo "                   WATCH_DROPS=$(WATCH_DROPS) disconnects where clients only look: all they hold must agree"
	@echo "make autobahn      the WebSocket conformance suite, for \`make test\` to use (needs CPython 2.7)"
	@echo "make hyperliquid-sdk  the official Hyperliquid SDK, for \`make test\` and \`make bench\` to use"
	@echo "make dydx-sdk      the official dydx-v4-client, for \`make test\` to use"
	@echo "make ibind         ibind, a client of IBKR's Web API, for \`make test\` to use"
	@echo "make verify-signer 10 000 Lighter orders and 1 000 000 nonces, more than \`make test\` checks"
	@echo "make build         just .venv with the package in it"
	@echo "make clean         remove .venv and everything built"

build:
	@$(READY)

demo:
	@$(READY) demo
	@$(BIN)/connectors demo $(ARGS)

# Without PYTHONSAFEPATH the checkout would hide the installed package from subprocesses.
test:
	@$(READY) test
	@$(PYTEST) -m "not pythons" $(ARGS)

test-fast:
	@$(READY) test
	@$(PYTEST) -m "not slow and not pythons" $(ARGS)

shake:
	@$(READY) test
	@PYTHONSAFEPATH=1 $(BIN)/python tests/shake.py -n 2 --dist loadfile -m "not pythons" $(or $(ARGS),$(SHAKEN))

test-pythons:
	@$(READY) test
	@$(PYTEST) --dist load -m pythons tests/packaging $(ARGS)

bench:
	@$(READY) bench
	@$(BIN)/python -m bench $(ARGS)

# Both, whatever the first says. mypy looks at the installed package: in the checkout it cannot
# see connectors._speedups.
lint:
	@$(READY) lint
	@status=0; root="$$PWD"; bin="$$(cd $(BIN) && pwd)"; \
	"$$bin/ruff" check . || status=1; \
	mkdir -p build/lint && cd build/lint && \
		"$$bin/mypy" --config-file "$$root/pyproject.toml" -p connectors || status=1; \
	exit $$status

format:
	@$(READY) lint
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

sanitize:
	@$(READY) test
	@bash tests/sanitize.sh

fuzz:
	@$(READY) test
	@bash tests/fuzz/run.sh $(FUZZ_SECONDS)

soak:
	@$(READY) test
	@$(BIN)/python tests/faults/soak.py --drops $(SOAK_DROPS)

ledger:
	@$(READY) test
	@for venue in lighter hyperliquid; do \
		echo "$$venue:"; $(BIN)/python tests/faults/$${venue}_ledger.py --drops $(LEDGER_DROPS) \
			--fills $(LEDGER_FILLS) --seed $(LEDGER_SEED) $(ARGS) || exit 1; \
	done
	@for venue in dydx ibkr; do \
		echo "$$venue:"; $(BIN)/python tests/faults/$${venue}_ledger.py --drops $(WATCH_DROPS) \
			--seed $(LEDGER_SEED) $(ARGS) || exit 1; \
	done

autobahn:
	@bash .ci/autobahn

# With coincurve, which makes it ten times faster.
hyperliquid-sdk:
	@$(READY)
	@PYTHON=$(BIN)/python bash .ci/official $@ hyperliquid-python-sdk==0.24.0 "coincurve>=20"

dydx-sdk:
	@$(READY)
	@PYTHON=$(BIN)/python bash .ci/official $@ dydx-v4-client==1.1.5

ibind:
	@$(READY)
	@PYTHON=$(BIN)/python bash .ci/official $@ "ibind[oauth]==0.2.2"

verify-signer:
	@$(READY) test
	@CONNECTORS_LIGHTER_ORDERS=10000 CONNECTORS_LIGHTER_SIGNATURES=1000000 PYTHONSAFEPATH=1 \
		$(BIN)/python -m pytest -k lighter -m "not pythons" $(ARGS)

clean:
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .hypothesis .mypy_cache .ruff_cache
	find _speedups -name '*.so' -delete
	find connectors _speedups tests bench examples -name __pycache__ -prune -exec rm -rf {} + 2>/dev/null || true
