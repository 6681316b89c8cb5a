# `make run` plays, `make test` tests; both set up what they need on a bare Debian or Ubuntu with a Rust toolchain.

.PHONY: run test test-training bench soak runtime build docs packages-build packages-test

CARGO ?= cargo
PYTHON ?= python3
SUDO := $(shell [ "$$(id -u)" = 0 ] || echo sudo)
VENV := .venv

# What building needs, and what the tests use: real servers and real clients that others wrote.
BUILD_PACKAGES := gcc pkg-config libasound2-dev libjack-jackd2-dev python3 python3-pip
TEST_PACKAGES := jackd2 jack-capture liblo-tools pulseaudio pulseaudio-utils python3-venv iproute2

run: build runtime
	./target/release/melos run $(ARGS)

# One test at a time: several play through a real audio server and need the processor in time.
test: packages-build packages-test runtime $(VENV)/ready
	MELOS_TEST_PYTHON=$(CURDIR)/$(VENV)/bin/python $(CARGO) test --locked -- --test-threads=1

build: packages-build
	$(CARGO) build --release --locked

# Installs only what is missing, so that a machine that has everything needs neither root nor a network.
define install
	@missing=; for package in $(1); do dpkg -s $$package >/dev/null 2>&1 || missing="$$missing $$package"; done; \
	if [ -n "$$missing" ]; then echo "installing$$missing"; \
		$(SUDO) apt-get update -q && DEBIAN_FRONTEND=noninteractive $(SUDO) apt-get install -yq --no-install-recommends $$missing; fi
endef

packages-build:
	$(call install,$(BUILD_PACKAGES))

packages-test:
	$(call install,$(TEST_PACKAGES))

# The inference runtime: the library inside the pinned wheel, checked by hash (first x86_64, then aarch64).
ONNXRUNTIME := 1.24.4
ONNXRUNTIME_HASHES := \
	--hash=sha256:0d640eb9f3782689b55cfa715094474cd5662f2f137be6a6f847a594b6e9705c \
	--hash=sha256:1a5c5a544b22f90859c88617ecb30e161ee3349fcc73878854f43d77f00558b5

runtime: runtime/libonnxruntime.so

runtime/libonnxruntime.so:
	@mkdir -p runtime
	@echo "onnxruntime==$(ONNXRUNTIME) $(ONNXRUNTIME_HASHES)" > runtime/requirements.txt
	$(PYTHON) -m pip download -q --require-hashes --no-deps --only-binary=:all: --platform manylinux_2_28_$$(uname -m) \
		--python-version 3.12 --implementation cp --abi cp312 -d runtime -r runtime/requirements.txt
	$(PYTHON) -m zipfile -e runtime/onnxruntime-$(ONNXRUNTIME)-*.whl runtime/wheel
	cp runtime/wheel/onnxruntime/LICENSE runtime/wheel/onnxruntime/ThirdPartyNotices.txt runtime/
	cp runtime/wheel/onnxruntime/capi/libonnxruntime.so.$(ONNXRUNTIME) $@
	rm -r runtime/wheel runtime/onnxruntime-*.whl

# The Python clients that the tests send from.
$(VENV)/ready: tests/requirements.txt
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/pip install -q -r tests/requirements.txt
	touch $@

# The training code: a few steps on a tiny corpus, export, and that the exported networks agree.
test-training: packages-test
	$(PYTHON) -m venv models/training/.venv
	models/training/.venv/bin/pip install -q -r models/training/requirements.lock
	models/training/.venv/bin/pip install -q --no-deps -e models/training
	cd models/training && .venv/bin/python -m pytest -q tests

# Measures and writes BENCHMARKS.md; PARTS="start latency" measures those alone. The seams take MELOS_SEAM_MINUTES=30 of
# every emotion, which is about half an hour of work.
bench: build packages-test runtime $(VENV)/ready
	$(VENV)/bin/python benches/measure.py target/release/melos $(PARTS)

# Plays for MINUTES under JACK and adds to BENCHMARKS.md what went wrong.
MINUTES := 30

soak: build packages-test runtime $(VENV)/ready
	$(VENV)/bin/python benches/soak.py target/release/melos $(MINUTES)

docs:
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --locked --no-deps
