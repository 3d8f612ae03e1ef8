# Builds go through these variables alone, so that one set of compiled dependencies serves the
# package, the tests and the lints; build.rs explains the second.
PG_CONFIG ?= $(shell command -v pg_config)
export PG_CONFIG
export PGRX_PG_CONFIG_PATH = $(PG_CONFIG)
export CARGO_PGRX_DISABLE_GC_SECTIONS_WORKAROUND = 1

PG_MAJOR = $(shell $(PG_CONFIG) --version | sed -E 's/^PostgreSQL ([0-9]+).*/\1/')
# As cargo pgrx names them: "default" counts as a feature too, and would make another library.
FEATURES = --no-default-features --features pg$(PG_MAJOR)
PACKAGE = target/release/pg_manifold-pg$(PG_MAJOR)
DEMO = target/release/examples/demo
AS_ROOT = $(if $(filter 0,$(shell id -u)),,sudo)

.PHONY: help setup package install demo up down test lint accuracy bench bench-capture bench-log bench-kafka bench-orgs bench-normalize profile-kafka

help:
	@echo "make demo            the story, on servers of its own (EXIT=1: end after it)"
	@echo "make up, down        the same servers without the story; how to reach them is in .run/env"
	@echo "make test            every test"
	@echo "make lint            format and lints"
	@echo "make accuracy        how right the fixture orgs come out, by field"
	@echo "make bench           what turning a captured row into an event and handing it to librdkafka costs"
	@echo "make bench-capture   what capture costs those who write, beside other ways to do it"
	@echo "make bench-log       what an old snapshot and a transaction of millions of rows do to readers"
	@echo "make bench-normalize normalizing, beside the same mapping written by hand; what each rule costs"
	@echo "make bench-kafka     publishing, beside Debezium and what librdkafka can do"
	@echo "make bench-orgs      what a change costs where 750 orgs have a topic each, to 30"
	@echo "make profile-kafka   where the publisher's time goes (needs perf)"
	@echo "make install         the release build into the Postgres of $(or $(PG_CONFIG),pg_config)"

# What is missing on this machine; everything that is there is skipped.
setup:
	@pgrx-config/install.sh

# A sub-make, so that pg_config is looked for after setup may have brought it.
package: setup
	@$(MAKE) --no-print-directory _package

_package:
	cargo pgrx package --pg-config $(PG_CONFIG) $(FEATURES)

# Built as the caller, copied as root: cargo leaves nothing of root's in target/.
install: package
	$(AS_ROOT) cp -r --no-preserve=ownership $(PACKAGE)/. /

demo: package
	@$(MAKE) --no-print-directory _demo
	@$(DEMO) $(if $(EXIT),story,demo)

up: package
	@$(MAKE) --no-print-directory _demo
	@$(DEMO) up

down:
	@if [ -e .run/env ]; then . ./.run/env && sh tests/support/janitor.sh "$$MANIFOLD_RUN" now; fi
	@rm -f .run/env

_demo:
	cargo build --release --example demo $(FEATURES)

test: package
	@$(MAKE) --no-print-directory _test

# Many tests have servers of their own: more at once than this would need more memory than processors.
_test: export RUST_TEST_THREADS ?= $(shell n=$$(nproc); echo $$((n < 8 ? n : 8)))
_test:
	cargo test --release $(FEATURES)

lint:
	cargo fmt --check
	cargo clippy --release --all-targets $(FEATURES) -- -D warnings

# How the fixture orgs come out, field by field, against what other libraries made of them.
accuracy: setup
	@rm -f target/bench/accuracy.json
	cargo test --release $(FEATURES) --lib -- --nocapture normalize::fixture_test

bench: setup
	cargo bench $(FEATURES) --bench encode --bench produce

# These take the packaged extension to servers of their own.
bench-capture bench-log bench-kafka bench-orgs bench-normalize: package
	@$(MAKE) --no-print-directory _$@

_bench-capture _bench-log _bench-kafka _bench-orgs _bench-normalize: _bench-%:
	cargo bench $(FEATURES) --bench $*

profile-kafka: export MANIFOLD_BENCH_PARTS = profile
profile-kafka: bench-kafka
