# aa-sensord. `make run` shows the main job, `make test` passes all tests; both install what they need.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
CARGO := cargo --locked
VMTEST := target/release/aa-vmtest
# What cargo-deny checks; without a way to GitHub: make check DENY="licenses bans sources"
DENY := advisories licenses bans sources
PACKAGES := build-essential clang llvm libclang-dev pkg-config autoconf automake libtool autopoint gettext flex bison gawk \
	linux-libc-dev qemu-system-x86 mmdebstrap e2fsprogs kmod xz-utils zstd fakeroot uidmap debian-archive-keyring \
	ca-certificates curl git bpftool libbpf-dev
# Whose plaintext `make test-all` reads too, and what installs others. A node that is not Debian's brings npm, and excludes Debian's.
RUNTIMES := $(if $(shell command -v npm),,nodejs npm) golang-go python3-venv wget openssl
# What packages are made and looked over with.
PACKAGERS := python3 rpm lintian rpmlint

.PHONY: help deps build test test-all deb rpm packages-test packages-rebuild soak check fuzz vm vm-run vm-shell bench run install

help: ## This list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

# Rust is Debian 13's rustup, or the current compiler that Debian 12 carries for its browsers.
deps: .cache/deps ## Install what building and testing needs (Debian 12 or 13; root or sudo)

.cache/deps-all: PACKAGES += $(RUNTIMES) $(PACKAGERS)
.cache/deps-packages: PACKAGES += $(PACKAGERS)
.cache/deps .cache/deps-all .cache/deps-packages: Makefile
	@mkdir -p .cache
	@missing=$$(dpkg-query -W -f '$${Package} $${db:Status-Status}\n' $(PACKAGES) 2>/dev/null \
		| awk '$$2 == "installed" {print $$1}' | sort > .cache/have; \
		printf '%s\n' $(PACKAGES) | sort | comm -23 - .cache/have); \
	if [ -n "$$missing" ]; then \
		sudo=; [ "$$(id -u)" = 0 ] || sudo=sudo; \
		$$sudo apt-get update -q; \
		DEBIAN_FRONTEND=noninteractive $$sudo apt-get install -y -q --no-install-recommends $$missing; \
	fi
	@command -v cargo >/dev/null || { \
		sudo=; [ "$$(id -u)" = 0 ] || sudo=sudo; \
		if [ -n "$$(apt-cache search --names-only '^rustup$$')" ]; then \
			$$sudo apt-get install -y -q --no-install-recommends rustup && rustup default stable; \
		else \
			$$sudo apt-get install -y -q --no-install-recommends cargo-web; \
		fi; }
	@touch $@

build: deps ## Build everything
	$(CARGO) build --release --workspace --bins

test: deps ## Build, host tests, guest tests dealt out among the kernels of the table
	$(CARGO) build --release --workspace --bins
	vmtest/run-all

test-all: .cache/deps-all ## Every test there is: each on every kernel, the slow ones, under systemd, the packages, other runtimes from npm and PyPI, a minute of fuzzing for each decoder
	$(CARGO) build --release --workspace --bins
	vmtest/run-all --whole
	$(CARGO) test --release --workspace -- --ignored
	$(VMTEST) test 6.12 --init systemd
	$(MAKE) packages-test packages-rebuild
	$(MAKE) fuzz

deb: .cache/deps-packages ## The .deb (Debian 12 or newer, x86-64), in target/packages
	daemon/packaging/build deb

rpm: .cache/deps-packages ## The .rpm of the same files, in target/packages
	daemon/packaging/build rpm

packages-test: .cache/deps-packages ## Both packages: lintian, rpmlint, install to purge; upgrades under load in a guest: make packages-test [K="6.1 6.12"]
	$(CARGO) build --release -p aa-vmtest
	vmtest/packages/run $(K)

packages-rebuild: .cache/deps-packages ## That the last commit, built anew in another folder, gives the same bytes
	vmtest/packages/rebuild

soak: build ## Kill our processes at random for an hour while agents act, on one kernel: make soak [K=6.12] [SECONDS=3600]
	printf 'AA_SOAK_SECONDS=%s /usr/lib/aa-sensord/tests/aa-guest-test --filter random_kills\n' $(or $(SECONDS),3600) > .cache/soak.sh
	$(VMTEST) run $(or $(K),6.12) --script .cache/soak.sh --timeout $$(($(or $(SECONDS),3600) + 1800)) -v

check: deps ## Format, lints, licences, tidiness, host tests
	cargo fmt --all --check
	$(CARGO) clippy --release --workspace --all-targets -- -D warnings
	@if cargo deny --version >/dev/null 2>&1; then cargo deny check $(DENY); \
		else echo "check: cargo-deny is not installed, licences and advisories were NOT checked (cargo install cargo-deny)"; fi
	$(CARGO) test --release --workspace --quiet

# What it finds goes to .cache/fuzz; a crash to fuzz/artifacts, and from there, made small, into the corpus.
fuzz: deps ## Fuzz the decoders of outside bytes: make fuzz [T=target] [SECONDS=60]
	@cargo fuzz --version >/dev/null 2>&1 || cargo install cargo-fuzz --locked
	@cd fuzz; failed=; for target in $(or $(T),$(notdir $(wildcard fuzz/corpus/*))); do \
		found=$(CURDIR)/.cache/fuzz/$$target; mkdir -p $$found; \
		RUSTC_BOOTSTRAP=1 cargo fuzz run $$target $$found corpus/$$target -- \
			-max_total_time=$(or $(SECONDS),60) -timeout=20 -print_final_stats=1 || failed+=" $$target"; \
	done; [ -z "$$failed" ] || { echo "failed:$$failed"; exit 1; }

vm: build ## Tests on one kernel: make vm K=6.12 [T=filter]
	$(VMTEST) test $(K) $(if $(T),--filter $(T))

vm-run: build ## Run a script as root in a guest with aa-sensord running: make vm-run K=6.12 SCRIPT=file
	@$(VMTEST) run $(K) --script $(SCRIPT)

vm-shell: build ## A root shell in a guest: make vm-shell K=6.12
	@$(VMTEST) shell $(K)

bench: build ## Figures: make bench B=kernel [K="6.1 6.12"], B=redact [MEGABYTES=128], B=audit, B=vault, B=courier, or B=tls on this machine (root)
	$(if $(filter redact,$(B)),MEGABYTES=$(MEGABYTES) sdk/redact/corpus/bench,$(if $(filter tls,$(B)),daemon/sensord/benches/tls.sh,$(if $(filter audit vault courier,$(B)),$(CARGO) test --release -p aa-$(B) speed -- --ignored --nocapture,$(VMTEST) bench $(B) $(K))))

run: build ## The main job, here if this kernel can enforce, else in a micro VM
	@examples/run-demo
