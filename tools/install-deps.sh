#!/usr/bin/env bash
# Installs what is missing to build leat (profile "build"), to test it too ("test"), with the clients of other languages
# ("clients"), or to measure it ("bench").
# Debian 12 packages only. As root directly, else through sudo; without sudo it prints the line to run.
set -u
profile=${1:-build}
packages=()

need_command() { command -v "$1" >/dev/null 2>&1 || packages+=("$2"); }
need_library() { pkg-config --exists "$1" 2>/dev/null || packages+=("$2"); }
need_file() { [ -e "$1" ] || packages+=("$2"); }

need_command gcc gcc
need_command meson meson
need_command ninja ninja-build
need_command pkg-config pkg-config
need_file /usr/include/stdio.h libc6-dev
need_library libuv libuv1-dev
need_library libnghttp2 libnghttp2-dev
need_library openssl libssl-dev
need_library libcurl libcurl4-openssl-dev
need_library sqlite3 libsqlite3-dev
need_library zlib zlib1g-dev
need_library libzstd libzstd-dev
need_library libxxhash libxxhash-dev
need_library libpcre2-8 libpcre2-dev
need_library expat libexpat1-dev
need_library libedit libedit-dev
need_file /usr/share/llhttp/llhttp.c node-llhttp
need_file /usr/share/zoneinfo/America/New_York tzdata
if [ "$profile" = test ]; then
    need_library cmocka libcmocka-dev
    need_command clang clang
    need_command clang-format clang-format
    need_command clang-tidy clang-tidy
    need_file /usr/lib/llvm-14/lib/clang/14.0.6/lib/linux/libclang_rt.fuzzer-x86_64.a libclang-rt-14-dev
    need_command python3 python3
    python3 -c 'import ensurepip, venv' 2>/dev/null || packages+=(python3-venv)
    need_file /usr/lib/python3/dist-packages/boto3/__init__.py python3-boto3
    need_file /usr/bin/aws awscli
    need_command prometheus prometheus
    need_command promtool prometheus
    need_command curl curl
    need_command zsh zsh
    need_command fish fish
    need_command chromium chromium
    # A foreign nodejs brings its own npm, and Debian's packages break beside it.
    command -v node >/dev/null 2>&1 || packages+=(nodejs npm)
fi
if [ "$profile" = clients ]; then
    need_command linux.uml user-mode-linux
    need_file /usr/sbin/mkfs.ext4 e2fsprogs
    need_file /usr/sbin/dmsetup dmsetup
    need_file /usr/sbin/insmod kmod
    need_command javac default-jdk-headless
    need_command mvn maven
    need_command go golang
    need_command cmake cmake
    need_command flex flex
    need_command bison bison
    need_file /usr/include/oniguruma.h libonig-dev
fi
if [ "$profile" = bench ]; then
    need_command fio fio
    need_command callgrind_control valgrind
    need_command curl curl
    need_command python3 python3
    need_file /usr/include/simdjson.h libsimdjson-dev
fi

[ ${#packages[@]} -eq 0 ] && exit 0
mapfile -t packages < <(printf '%s\n' "${packages[@]}" | sort -u)
line="apt-get install -y --no-install-recommends ${packages[*]}"
echo "installing: ${packages[*]}" >&2
if [ "$(id -u)" -eq 0 ]; then
    as=()
elif command -v sudo >/dev/null 2>&1; then
    as=(sudo)
else
    echo "not root and no sudo; run this as root, then again:" >&2
    echo "apt-get update && $line" >&2
    exit 1
fi
export DEBIAN_FRONTEND=noninteractive
"${as[@]}" apt-get update -q >/dev/null
"${as[@]}" env DEBIAN_FRONTEND=noninteractive $line >/dev/null
