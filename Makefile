# The commands of this project; `make` lists them. Everything that is downloaded or built for them goes into
# $(CACHE), outside the checkout, and may be deleted at any time.

CACHE := $(or $(TRACEWRIGHT_CACHE),$(or $(XDG_CACHE_HOME),$(HOME)/.cache)/tracewright)
CARGO ?= cargo
CRD := crds/observabilityprofiles.yaml

# In CI each run is a new clone, and a target folder inside it would be a cold build each time.
ifdef CI
export CARGO_TARGET_DIR ?= $(CACHE)/target
endif

# Most tests wait for a control plane, not for a processor.
export RUST_TEST_THREADS ?= 4

# Built together with everything else, so that dependencies are built with one set of features.
PROGRAMS = $${CARGO_TARGET_DIR:-target}/debug

DENY_VERSION := 0.20.2
DENY := $(CACHE)/cargo-deny-$(DENY_VERSION)/bin/cargo-deny

BENCHES := $(or $(ONLY),aws-calls converge rest apply-latency edit-latency fleet memory sampling-decision cold-start service-vs-flask telemetry-added)

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help test demo control-plane kind-up kind-down images e2e bench lint fmt clippy deny docs package generate generated clean programs

help: ## List the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

test: programs ## Run every test, on a real control plane (first time: builds it, 10 to 15 minutes)
	$(CARGO) build --locked --workspace --bin tracewright
	@used=$$(mktemp -d) && trap 'rm -rf "$$used"' EXIT && status=0 && \
	  { TRACEWRIGHT_USED_RIGHTS=$$used $(CARGO) test --workspace --locked --no-fail-fast || status=$$?; } && \
	  $(PROGRAMS)/used-rights $$used && exit $$status

demo: programs ## Show the whole main job, without an AWS account (KEEP=1 leaves it running)
	tests/demo.sh

control-plane: programs ## Run a control plane for kubectl until Ctrl-C
	$(CARGO) run --locked -p tracewright-tests --bin control-plane

kind-up: ## Bring up a kind cluster (first time: builds Kubernetes and the node image)
	tests/cluster/kind/up.sh

kind-down: ## Remove the kind cluster
	tests/cluster/kind/down.sh

images: ## Build the container images and load them into the Docker engine
	images/build.sh

e2e: ## Run the end-to-end test on a kind cluster: images, charts, pods, traffic (KEEP=1 leaves the cluster)
	tests/e2e/run.sh

bench: programs ## Run the measurements, or one: make bench ONLY=name
	$(CARGO) build --release --locked -p tracewright -p activities -p tracewright-tests --bin tracewright --bin activities $(addprefix --bin ,$(BENCHES))
	@status=0; for name in $(BENCHES); do \
	  echo "== $$name"; $${CARGO_TARGET_DIR:-target}/release/$$name || status=1; \
	done; exit $$status

lint: fmt clippy deny docs package generated ## Run every check that is not a test

fmt: ## Check the formatting (cargo fmt --all mends it)
	$(CARGO) fmt --all --check

clippy: ## Check with clippy, warnings are errors
	$(CARGO) clippy --workspace --all-targets --locked -- -D warnings
	$(CARGO) clippy --locked --workspace --test e2e -- -D warnings
	$(CARGO) clippy -p tracewright-telemetry --no-default-features --locked -- -D warnings

deny: $(DENY) ## Check licences, sources, banned crates and, where they can be had, security advisories
	$(DENY) --locked check --hide-inclusion-graph bans licenses sources
	@if GIT_TERMINAL_PROMPT=0 timeout 120 $(DENY) --locked fetch db >/dev/null 2>&1; then \
	  echo 'advisories: the database was fetched and is checked'; \
	  $(DENY) --locked check --disable-fetch advisories; \
	else \
	  echo 'advisories: NOT CHECKED, the advisory database cannot be reached from here'; \
	fi

docs: ## Build the API documentation, warnings are errors
	RUSTDOCFLAGS='-D warnings' $(CARGO) doc --workspace --no-deps --locked

package: ## Check that the libraries can be packed for publication
	$(CARGO) package --quiet --locked --allow-dirty --no-verify -p tracewright-xray -p tracewright-telemetry

generate: ## Write the generated files
	$(CARGO) build --quiet --locked --workspace --bin tracewright --bin generate
	$(PROGRAMS)/tracewright crd >$(CRD).new
	mv $(CRD).new $(CRD)
	cp $(CRD) charts/tracewright/files/
	$(PROGRAMS)/generate

generated: ## Check that the generated files are what `make generate` would write
	@cmp $(CRD) charts/tracewright/files/observabilityprofiles.yaml || { echo 'the chart has another CRD: run `make generate`'; exit 1; }
	@$(CARGO) build --quiet --locked --workspace --bin tracewright
	@$(PROGRAMS)/tracewright crd | diff -u $(CRD) - || \
	  { echo '$(CRD) is stale: run `make generate`'; exit 1; }

clean: ## Remove what was built in the checkout (the cache folder stays)
	$(CARGO) clean

programs:
	@tests/cluster/build.sh control-plane collector helm

# A tool, not a part of the product: quickly built matters more than fast.
$(DENY):
	@echo 'building cargo-deny $(DENY_VERSION) (once; some minutes)'
	env -u CARGO_TARGET_DIR CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_OPT_LEVEL=1 CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16 \
	  $(CARGO) install cargo-deny --locked --version $(DENY_VERSION) --root $(CACHE)/cargo-deny-$(DENY_VERSION)
