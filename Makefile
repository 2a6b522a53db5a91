# `make demo` shows it, `make test` proves it; both work on a fresh Debian with nothing but Rust and make.

TARGET := $(or $(CARGO_TARGET_DIR),target)

# COMMAND:PACKAGE, installed only where the command is missing.
BUILD_NEEDS := cmake:cmake cc:gcc,libc6-dev c++:g++
TEST_NEEDS  := chromium:chromium,fonts-liberation chromedriver:chromium-driver
LOAD_NEEDS  := nginx:nginx-light haproxy:haproxy perf:linux-perf

.PHONY: demo test lint bench load setup setup-build setup-test setup-load clean help

demo: setup-build ## build, and run a whole demo: gateway, two services, one account
	cargo build --locked --bin portcullis
	exec $(TARGET)/debug/portcullis demo

test: setup-build setup-test ## everything, a real browser included
	cargo test --locked --workspace --doc --quiet
	@if cargo nextest --version >/dev/null 2>&1; \
	then set -x; cargo nextest run --locked --workspace; \
	else set -x; cargo test --locked --workspace --lib --bins --tests; \
	fi

lint: setup-build ## format and clippy, as .ci/run asks for them
	cargo fmt --all --check
	cargo clippy --locked --all-targets --workspace -- -D warnings

bench: setup-build ## microbenchmarks
	cargo bench --locked

load: setup-build setup-load ## measure beside the peers; writes load-tests/results/
	cargo build --locked --profile dist --workspace
	$(TARGET)/dist/load-tests run $(SCENARIOS)

setup: setup-build setup-test setup-load ## install whatever the other targets need and is missing

setup-build:
	@.ci/need $(BUILD_NEEDS)

setup-test:
	@.ci/need $(TEST_NEEDS)

setup-load:
	@.ci/need $(LOAD_NEEDS)

clean: ## remove what was built, and the demo's state
	cargo clean
	rm -rf .demo

help: ## this list
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/\1\t\2/p' Makefile | expand -t 8
