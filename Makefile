# Every target sets up what it needs; `make help` lists them.
# PYTHON chooses the interpreter, else scripts/find_python.sh finds one from CPython 3.12 on.

HOST ?= 127.0.0.1
PORT ?= 8000
export PYTHON

python = $$(sh scripts/find_python.sh)
run = python=$(python) && "$$python"

.DEFAULT_GOAL := help
.PHONY: help serve serve-tls test test-rust test-matrix test-ecosystem test-ecosystem-full test-browser docs bench bench-pages bench-rust counts wheel lint format clean

help: ## List these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-20s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

serve: ## Serve the FastAPI example on a zloop loop (PORT=8000, HOST=127.0.0.1)
	@$(run) scripts/serve.py --host "$(HOST)" --port "$(PORT)"

serve-tls: ## Serve it by HTTPS, with a certificate made on the spot (PORT=8443, HOST=127.0.0.1)
	@$(run) scripts/serve.py --tls --host "$(HOST)" --port "$(if $(filter file,$(origin PORT)),8443,$(PORT))"

test: ## Check the sources and run every Rust and Python test, uvicorn's own suite among them
	@$(run) scripts/test.py $(ARGUMENTS)

test-rust: ## Run what concerns the Rust crates alone: tests, documentation, packages
	@$(run) scripts/test.py --only rust

test-matrix: ## Run the Python tests on every CPython from 3.12 to 3.15 that can be found
	@$(run) scripts/test_matrix.py $(ARGUMENTS)

test-ecosystem: ## Run real clients, servers and drivers on zloop, against real services
	@$(run) scripts/test_ecosystem.py $(ARGUMENTS)

test-ecosystem-full: ## The same, with the whole of the libraries' own suites, and a browser
	@$(run) scripts/test_ecosystem.py --full $(ARGUMENTS)

bench: ## Compare zloop with other loops (ARGUMENTS="--on 3.14 --rows echo")
	@$(run) scripts/bench.py $(ARGUMENTS)

bench-pages: ## Put the numbers of benchmarks/results into README.md and docs/performance.md
	@$(run) benchmarks/pages.py $(ARGUMENTS)

bench-rust: ## Compare the crates with other Rust libraries (ARGUMENTS="--quick")
	@$(run) scripts/bench_rust.py $(ARGUMENTS)

counts: ## Record what tests/counts counts: instructions, allocations and system calls of each operation
	@$(run) scripts/counts.py $(ARGUMENTS)

docs: ## Build the pages of docs/ into .cache/docs
	@$(run) scripts/docs.py

test-browser: ## Have Chromium use the example (Debian's chromium and chromium-driver)
	@$(run) scripts/test_browser.py

wheel: ## Build a wheel and an sdist into dist/, and try both
	@$(run) scripts/wheels.py $(ARGUMENTS)

lint: ## Check formatting, lints and types
	@$(run) scripts/test.py --only checks

format: ## Format the Rust and Python sources
	@$(run) scripts/format.py

clean: ## Remove what the other targets built
	rm -rf .cache build dist target
