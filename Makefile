# `make test` and `make demo` are each enough on a fresh clone: Python >= 3.11 with venv, and make. Written for POSIX make.
.POSIX:

PYTHON ?= python3
VENV ?= .venv
WORKERS ?= 4
PYTEST_ARGS ?=

BIN = $(VENV)/bin
PINS = requirements/dev.txt
PYTEST = $(BIN)/python -m pytest -n auto --maxprocesses $(WORKERS) $(PYTEST_ARGS)

help:
	@echo 'make test     install what is needed into $(VENV), run the tests'
	@echo 'make demo     the whole job on stand-ins of the archives, on this machine alone'
	@echo 'make bench    figures, with peers beside them'
	@echo 'make lint     ruff            make types    mypy --strict'
	@echo 'make docs     the examples of the documentation, executed'
	@echo 'make interop  unmodified third-party programs (curl, ...) against the sandbox'
	@echo 'make stress   the wallet with many processes, for a minute or two'
	@echo 'make wheels   build every wheel into dist/ and try them in a fresh environment'
	@echo 'make test-prerelease   tests of astroquery with its newest pre-release'
	@echo 'make pins     compile requirements/dev.txt anew'
	@echo 'make clean    remove what these targets made'
	@echo 'PYTHON=python3.13 VENV=.venv-3.13 chooses another Python'

test: install
	$(PYTEST) -m 'not interop and not stress' --ignore tests/bench tests plugins

# One after the other: each is many processes itself.
stress: install
	$(BIN)/python -m pytest $(PYTEST_ARGS) -m stress tests/wallet

# The same tests of astroquery with its newest pre-release, in an environment of their own.
test-prerelease:
	$(MAKE) install VENV=.venv-prerelease
	.venv-prerelease/bin/python -m pip install -qq --disable-pip-version-check --no-deps --require-hashes \
	    -r requirements/astroquery-prerelease.txt
	.venv-prerelease/bin/python -m pytest -m 'not interop' tests/attach tests/downstream

demo: install
	@$(BIN)/vo-auth demo

bench: install
	@$(BIN)/python tests/bench $(BENCH_ARGS)

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: install
	$(BIN)/mypy vo_auth plugins/*/vo_auth_*

docs: install
	$(PYTEST) -m 'not interop' -k docs tests

interop: install $(VENV)/.interop .venv-icoscp/.installed .venv-cadc/.installed .venv-node/.installed
	ICOSCP_PYTHON="$$PWD"'/.venv-icoscp/bin/python' CADC_PYTHON="$$PWD"'/.venv-cadc/bin/python' \
	    OIDC_PROVIDER_MODULES="$$PWD"'/.venv-node/node_modules' $(PYTEST) -m interop tests plugins

# What drives a browser and a notebook's kernel; nothing else needs it.
$(VENV)/.interop: $(VENV)/.pinned requirements/interop.txt
	$(BIN)/python -m pip install -qq --disable-pip-version-check --no-deps --require-hashes -r requirements/interop.txt
	@touch $@

# CADC's own programs, which bring packages along that nothing else here uses.
.venv-cadc/.installed: requirements/cadc-clients.txt
	'$(PYTHON)' -m venv --clear .venv-cadc
	.venv-cadc/bin/python -m pip install -qq --disable-pip-version-check --require-hashes -r requirements/cadc-clients.txt
	@touch $@

# A certified OpenID provider; without npm its tests are skipped, and say so.
.venv-node/.installed: tests/interop/oidc_provider/package.json
	mkdir -p .venv-node
	cp tests/interop/oidc_provider/package.json .venv-node/
	! command -v npm >/dev/null || \
	    NODE_EXTRA_CA_CERTS="$${NODE_EXTRA_CA_CERTS:-$$(ls /etc/ssl/certs/ca-certificates.crt 2>/dev/null)}" npm install --prefix .venv-node --no-package-lock --no-audit --no-fund --loglevel=error
	@touch $@

# The older icoscp brings so much along that it has an environment of its own.
.venv-icoscp/.installed: requirements/icoscp-legacy.txt pyproject.toml plugins/vo-auth-icos/pyproject.toml
	'$(PYTHON)' -m venv --clear .venv-icoscp
	.venv-icoscp/bin/python -m pip install -qq --disable-pip-version-check --require-hashes -r requirements/icoscp-legacy.txt
	.venv-icoscp/bin/python -m pip install -qq --disable-pip-version-check --no-deps --no-build-isolation \
	    -e . -e plugins/vo-auth-icos
	@touch $@

wheels: install
	@PYTHON='$(BIN)/python' sh .ci/wheels

install: $(VENV)/.installed

$(VENV)/.made:
	@'$(PYTHON)' -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	    echo 'vo_auth needs Python 3.11 or later as "$(PYTHON)"; name one: make PYTHON=python3.12' >&2; exit 1; }
	@'$(PYTHON)' -m venv $(VENV) || { rm -rf $(VENV); \
	    echo 'The Python "$(PYTHON)" cannot make environments: install its venv module (Debian: python3-venv).' >&2; exit 1; }
	@touch $@

# First the pins with their hashes, then our own packages: pip takes no hashes for editable installs.
$(VENV)/.pinned: $(VENV)/.made $(PINS)
	$(BIN)/python -m pip install -qq --disable-pip-version-check --require-hashes -r $(PINS)
	@touch $@

$(VENV)/.installed: $(VENV)/.pinned pyproject.toml plugins/*/pyproject.toml
	@set -- -e .; for plugin in plugins/*/; do set -- "$$@" -e "$$plugin"; done; \
	    echo "$(BIN)/python -m pip install --no-deps --no-build-isolation $$*"; \
	    $(BIN)/python -m pip install -qq --disable-pip-version-check --no-deps --no-build-isolation "$$@"
	@touch $@

# On the oldest Python that we support and without any pip settings of this machine. The tests check that the result
# is complete on every Python and platform.
pins:
	$(PYTHON) -m venv --clear .venv-pins
	.venv-pins/bin/python -m pip install --quiet pip-tools
	env -u PIP_FIND_LINKS -u PIP_EXTRA_INDEX_URL PIP_CONFIG_FILE=/dev/null CUSTOM_COMPILE_COMMAND='make pins' \
	    .venv-pins/bin/pip-compile --quiet --upgrade --generate-hashes --strip-extras --no-emit-index-url \
	    --no-emit-trusted-host --no-emit-find-links --extra pyvo --extra astroquery --extra icoscp --extra httpx --extra fsspec --extra sandbox --output-file $(PINS) \
	    pyproject.toml requirements/dev.in
	env -u PIP_FIND_LINKS -u PIP_EXTRA_INDEX_URL PIP_CONFIG_FILE=/dev/null CUSTOM_COMPILE_COMMAND='make pins' \
	    .venv-pins/bin/pip-compile --quiet --upgrade --generate-hashes --strip-extras --no-emit-index-url \
	    --no-emit-trusted-host --no-emit-find-links --output-file requirements/icoscp-legacy.txt \
	    pyproject.toml requirements/icoscp-legacy.in
	for name in interop cadc-clients; do \
	    env -u PIP_FIND_LINKS -u PIP_EXTRA_INDEX_URL PIP_CONFIG_FILE=/dev/null CUSTOM_COMPILE_COMMAND='make pins' \
	        .venv-pins/bin/pip-compile --quiet --upgrade --generate-hashes --strip-extras --allow-unsafe \
	        --no-emit-index-url --no-emit-trusted-host --no-emit-find-links \
	        --output-file "requirements/$$name.txt" "requirements/$$name.in" || exit 1; done

clean:
	rm -rf .venv .venv-* dist build .mypy_cache .ruff_cache .pytest_cache .hypothesis

.PHONY: help test stress test-prerelease demo bench lint types docs interop wheels install pins clean
