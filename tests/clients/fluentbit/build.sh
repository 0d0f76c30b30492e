#!/usr/bin/env bash
# build.sh OUT: builds OUT/fluent-bit, Fluent Bit 1.8.15 with its output kinesis_streams.
# Its source comes unchanged from a package of npm. That leaves the library of regular expressions, Onigmo, out: Debian's Oniguruma, which
# Onigmo was made from, stands in.
set -eu
package=fluent-bit@0.0.3
sha512=6a986a6007566c0efccc138967c30c4e188c1912901c5a0f97df3c20dae26519d33d8aebcb2c8f946f1cb02dd964e7bfc406206ee059e2663de22f91c8344615
out=$(realpath -m "$1")
[ -x "$out/fluent-bit" ] && exit 0

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
archive=$(npm pack --silent --ignore-scripts "$package")
echo "$sha512  $archive" | sha512sum --check --quiet
tar -xzf "$archive" package/src/fluent-bit
cd package/src/fluent-bit

mkdir -p lib/onigmo
cat >lib/onigmo/configure <<'CONFIGURE'
#!/bin/sh
for option; do case $option in --prefix=*) prefix=${option#--prefix=} ;; esac; done
cat >Makefile <<MAKEFILE
all:
install:
	mkdir -p $prefix/include $prefix/lib
	echo '#include <oniguruma.h>' >$prefix/include/onigmo.h
	echo 'INPUT(-lonig)' >$prefix/lib/libonigmo.a
MAKEFILE
CONFIGURE
chmod +x lib/onigmo/configure

needed='FLB_(IN_TAIL|IN_EMITTER|IN_STORAGE_BACKLOG|OUT_KINESIS_STREAMS)$'
other=$(grep -oE '^option\(FLB_(IN|OUT|FILTER)_[A-Z0-9_]+' CMakeLists.txt | cut -d'(' -f2 | grep -vE "$needed" | sed 's/.*/-D&=No/')
# shellcheck disable=SC2086
cmake -S . -B build $other -DFLB_RELEASE=Yes -DFLB_DEBUG=No -DFLB_EXAMPLES=No -DFLB_SHARED_LIB=No -DFLB_LUAJIT=No \
    -DFLB_STREAM_PROCESSOR=No -DFLB_CUSTOM_CALYPTIA=No -DFLB_PROXY_GO=No -DFLB_SQLDB=No -DFLB_HTTP_SERVER=No -DFLB_BACKTRACE=No
make -C build -j"$(nproc)" fluent-bit-bin
mkdir -p "$out"
mv build/bin/fluent-bit "$out/fluent-bit"
