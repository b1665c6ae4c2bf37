# Builds, tests and shows Stridegate. Two commands do everything on a machine that has rustup, git,
# make and a C compiler: make demo, make test.

SHELL := /bin/sh
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

# What makes a component of a crate. No source depends on it.
COMPONENT_VERSION := 0.21.1
INSTALLED := $(shell cargo-component component --version 2>/dev/null | cut -d' ' -f2)
ifeq ($(INSTALLED),$(COMPONENT_VERSION))
CARGO_COMPONENT := cargo-component
else
CARGO_COMPONENT := target/tools/bin/cargo-component
endif

# The same source gives the same bytes in any folder.
CARGO_HOME_DIR := $(or $(CARGO_HOME),$(HOME)/.cargo)
REMAP := --remap-path-prefix=$(CURDIR)=/stridegate --remap-path-prefix=$(CARGO_HOME_DIR)=/cargo

# The servers of the end-to-end tests, by a program of each of Debian's packages.
# With KUBE_APISERVER, a real API server is asked, too: it needs etcd.
SERVERS := $(if $(KUBE_APISERVER),etcd:etcd-server) curl:curl dockerd:docker.io containerd:containerd runc:runc iptables:iptables busybox:busybox-static \
	docker-registry:docker-registry skopeo:skopeo

COMPONENTS := $(patsubst policies/%/Cargo.toml,target/policies/%.wasm,$(wildcard policies/*/Cargo.toml))
HOSTILE := target/hostile/hostile.wasm
LIBRARY := Cargo.toml Cargo.lock rust-toolchain.toml .cargo/config.toml $(shell find wit -type f)
STRIDEGATE := target/debug/stridegate

.PHONY: help demo test e2e policies build lint bench doc bless clean

help: ## Show this list
	@grep -hE '^[a-z0-9]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

demo: build ## Build everything and judge the small system in testdata/demo
	$(STRIDEGATE) eval testdata/demo; test $$? -eq 1

test: build ## Run every test that needs no server
	cargo test --workspace

e2e: build ## Run the tests against real servers (as root; installs Debian's packages)
	@missing=; for server in $(SERVERS); do \
		command -v "$${server%%:*}" >/dev/null || missing="$$missing $${server#*:}"; done; \
	test -z "$$missing" || { apt-get update && \
		DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends $$missing; }
	cargo test --test e2e -- --nocapture

policies: $(COMPONENTS) ## Build the policies into target/policies

# The tests are built too: without them cargo would choose other features for what they share with
# the program, and build the largest dependencies twice.
build: policies $(HOSTILE) ## Build the program into target/debug/stridegate
	cargo build --workspace --bins --tests

lint: policies ## Check the style of the code
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings
	cargo clippy -p stridegate-policy --target wasm32-unknown-unknown -- -D warnings

bench: policies ## Measure, and print ratios
	cargo bench --bench ratios --bench gates

doc: ## Build the documentation of the code
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps

bless: build ## Write generated text anew: the README's table, the list of ids
	BLESS=1 cargo test --test policies

clean: ## Remove what was built, but not the tools
	cargo clean --profile dev
	cargo clean --profile policy
	rm -rf target/policies target/hostile

# cargo-component takes a crate of this workspace for a component because of what wit-bindgen
# leaves in it, so that no policy needs a table or a folder of its own for that.
define component
	@mkdir -p $(@D)
	CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUSTFLAGS="$(REMAP)" $(CARGO_COMPONENT) component rustc --quiet -p $(1) \
		--profile policy --target wasm32-unknown-unknown --crate-type cdylib
	@install -m 644 target/wasm32-unknown-unknown/policy/$(subst -,_,$(1)).wasm $@
endef

.SECONDEXPANSION:
target/policies/%.wasm: $$(wildcard policies/$$*/Cargo.toml policies/$$*/src/*) $(LIBRARY) | target/toolchain $(filter target/%,$(CARGO_COMPONENT))
	$(call component,$*)

$(HOSTILE): $(wildcard host/tests/hostile/Cargo.toml host/tests/hostile/src/*) $(LIBRARY) | target/toolchain $(filter target/%,$(CARGO_COMPONENT))
	$(call component,hostile)

# Where the toolchain is there already, rustup brings its targets only when it is asked to.
target/toolchain: rust-toolchain.toml
	rustup toolchain install
	@mkdir -p $(@D) && touch $@

# The optimization of a tool that runs for a second is not worth the minutes that it takes.
target/tools/bin/cargo-component: | target/toolchain
	CARGO_PROFILE_RELEASE_OPT_LEVEL=1 CARGO_PROFILE_RELEASE_LTO=off CARGO_TARGET_DIR=target/tools/build \
		cargo install --locked --root target/tools cargo-component@$(COMPONENT_VERSION)
	rm -rf target/tools/build
