# The developer's commands. `make help` lists them.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

DEV := target/debug/berth-dev
PROGRAMS := --package berth-server --package berth-agent --package berth-proxy --package berth-cli --package berth-harness

.PHONY: help up down test chaos fuzz-api keycloak shipped bench lint fmt deny purity release-messages checkov deps build images

help: ## List the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo
	@echo 'make up takes CLUSTER=kind|k3d|minikube or KUBE_CONTEXT=name, with AGENT_IMAGE=, PROXY_IMAGE=, WORKSPACE_IMAGE=, TOOLS_IMAGE='
	@echo 'and SERVER_URL=, where the pods of that cluster reach this machine;'
	@echo 'make down takes PURGE=1. State is kept in .berth/ (BERTH_STATE_DIR), what is built once in the cache (BERTH_CACHE_DIR).'

up: deps build ## From nothing to a running workspace in a real Kubernetes
	@CLUSTER='$(CLUSTER)' KUBE_CONTEXT='$(KUBE_CONTEXT)' AGENT_IMAGE='$(AGENT_IMAGE)' \
	    PROXY_IMAGE='$(PROXY_IMAGE)' SERVER_URL='$(SERVER_URL)' WORKSPACE_IMAGE='$(WORKSPACE_IMAGE)' TOOLS_IMAGE='$(TOOLS_IMAGE)' $(DEV) up

down: ## Stop everything; keep the data, unless PURGE=1
	@if [ -x $(DEV) ]; then $(DEV) down $(if $(filter 1 true yes,$(PURGE)),--purge); fi

# Programs and tests in one build: what the tests need of a dependency would have it compiled a second time.
test: deps ## Run every test, on a real Postgres and a real Kubernetes
	cargo build --workspace --bins --tests
	@$(DEV) prepare
	cargo test --workspace --no-fail-fast

chaos: deps build ## Kill every part at random while users act, 20 times each (BERTH_CHAOS_SEED=, BERTH_CHAOS_KILLS=)
	@$(DEV) prepare
	BERTH_CHAOS_KILLS=$${BERTH_CHAOS_KILLS:-20} BERTH_CHAOS_CONVERGENCE_SECONDS=30 \
	    cargo test --package berth-integration-tests --test chaos -- --nocapture

fuzz-api: deps build ## Ask a server a hundred thousand times by its own description (BERTH_API_SEED=)
	cargo test --package berth-integration-tests --test scenarios a_hundred_thousand_questions -- --ignored --nocapture

keycloak: deps build ## Sign in by a real Keycloak, which Maven downloads (180 MB)
	cargo test --package berth-integration-tests --test scenarios keycloak -- --ignored --nocapture

shipped: deps ## Build the programs as they are shipped, optimised
	cargo build --release $(PROGRAMS)

bench: deps build shipped ## Print every figure beside its floor (ROWS= measures some, JSON= writes a file)
	@$(DEV) prepare
	cargo run --release --package berth-integration-tests --bin berth-bench -- $(if $(JSON),--json $(JSON)) $(ROWS)

lint: deps fmt purity deny ## Check format, lints, purity and dependencies
	cargo clippy --workspace --all-targets --quiet -- --deny warnings

fmt:
	cargo fmt --all -- --check

purity: ## Check that the crates that decide do no IO
	.ci/purity

deny: ## Check licences, bans and sources of dependencies
	.ci/cargo-deny

release-messages: ## Keep what this version writes as what was released (docs/upgrading.md)
	@.ci/release-messages

checkov: ## Look for weak settings in what is rendered and in manifests/ (installs checkov)
	@integration-tests/checkov/run

deps: ## Install what is missing: Debian packages
	@.ci/deps

build: ## Build the programs
	@cargo build $(PROGRAMS)

images: build ## Build the images under images/
	@$(DEV) images
