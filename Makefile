# make run    sets up what is missing, builds, and runs the approval workflow for real
# make test   runs every test
# make help   the rest

SHELL := /bin/sh
CARGO ?= cargo
TARGET_DIR := $(if $(CARGO_TARGET_DIR),$(CARGO_TARGET_DIR),$(CURDIR)/target)
TOOLS := $(TARGET_DIR)/tools
# Cargo's lock file is the truth: a build never changes it.
LOCKED ?= --locked
DENY_VERSION := 0.20.2

.DEFAULT_GOAL := help
.PHONY: help setup build run test test-tools torture bench fmt fmt-check lint deny wit docs ci install clean

help: ## Show this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1	\2/p' Makefile | expand -t 20

setup: ## Install the wasm target that step components are built for
	@rustup target list --installed | grep -qx wasm32-wasip2 || rustup target add wasm32-wasip2

# --workspace: a crate gets the same features as in `make test`, so that nothing is built twice.
build: setup ## Build shiro (development profile)
	$(CARGO) build $(LOCKED) --workspace --bin shiro --example slack-receiver

run: build ## Run the approval workflow: prepare, notify, pause; resume, deploy, notify
	@./examples/approval/demo.sh "$(TARGET_DIR)/debug/shiro" "$(TARGET_DIR)/debug/examples/slack-receiver"

test: setup test-tools ## Run every test
	$(CARGO) test $(LOCKED) --workspace

test-tools: ## Install what the tests drive: an emulator of GitLab's runner, a registry, tool chains
	@./tests/tools/install.sh "$(TOOLS)"

torture: setup ## Kill shiro 10,000 times at random moments and check that nothing is lost or repeated
	SHIRO_TORTURE_KILLS=10000 $(CARGO) test $(LOCKED) --workspace --test integration -- two_hundred_kills --nocapture

bench: setup test-tools ## Measure against the targets in docs/performance.md (release build)
	$(CARGO) build $(LOCKED) --release -p shiro
	@./tests/bench/run.sh "$(TARGET_DIR)/release/shiro" "$(TOOLS)"

fmt: ## Format the code
	$(CARGO) fmt --all

fmt-check: ## Check that the code is formatted
	$(CARGO) fmt --all --check

lint: setup ## Clippy, warnings denied
	$(CARGO) clippy $(LOCKED) --workspace --all-targets -- -D warnings

deny: ## Check licences, sources and bans of all dependencies
	@test "$$("$(TOOLS)/bin/cargo-deny" --version 2>/dev/null)" = "cargo-deny $(DENY_VERSION)" || \
		$(CARGO) install --locked --root "$(TOOLS)" --version $(DENY_VERSION) cargo-deny
	"$(TOOLS)/bin/cargo-deny" --locked check bans licenses sources

wit: ## Take the WASI interfaces from the runtime's own copy, and say what changed
	@dir=$$($(CARGO) metadata $(LOCKED) --format-version 1 | python3 -c "import json, os, sys; print(next(os.path.dirname(p['manifest_path']) for p in json.load(sys.stdin)['packages'] if p['name'] == 'wasmtime-wasi-http'))") && \
		cp "$$dir"/wit/deps/*.wit wit/deps/ && git diff --stat --exit-code wit/deps

docs: setup ## Write the generated part of docs/steps/ from what the step types say of themselves
	SHIRO_WRITE_DOCS=1 $(CARGO) test $(LOCKED) --workspace --test integration -- every_step_type_has_its_page

ci: fmt-check lint deny test ## What CI runs

install: setup ## Build for release and install shiro
	$(CARGO) install $(LOCKED) --path host

clean: ## Remove everything that was built
	$(CARGO) clean
