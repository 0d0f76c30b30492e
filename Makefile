# Meson and Ninja do the work; this is the front door. Everything lands in build/.
SHELL := /bin/bash
RELEASE := build/release
DEBUG := build/debug
SOURCES = $(shell git ls-files '*.c' '*.h')

.PHONY: all demo unit test test-all bench format check install clean

all:
	@tools/install-deps.sh build
	@[ -f $(RELEASE)/build.ninja ] || meson setup $(RELEASE) >/dev/null
	@ninja -C $(RELEASE) --quiet leat

# The founding pipeline, moving, on a new data directory. ARGS="--port N" and others: leat demo --help.
demo: all
	@$(RELEASE)/leat demo $(ARGS)

unit:
	@tools/install-deps.sh test
	@[ -f $(DEBUG)/build.ninja ] || meson setup $(DEBUG) --buildtype=debug -Doptimization=1 \
	    -Db_sanitize=address,undefined -Db_lundef=false >/dev/null
	@meson test -C $(DEBUG) --suite unit --print-errorlogs $(T)

# All but the long ones; T=name runs what has that name.
test:
	@tools/test.sh $(if $(T),--only $(T))

test-all:
	@tools/test.sh --all

bench: all
	@tools/install-deps.sh bench
	@bench/run.sh

format:
	@clang-format -i $(SOURCES)

check:
	@tools/check.sh

install: all
	@meson install -C $(RELEASE) --no-rebuild

clean:
	rm -rf build
