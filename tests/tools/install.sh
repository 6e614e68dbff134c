#!/bin/sh
# Installs what the tests drive into DIR: gitlab-ci-local, which runs a .gitlab-ci.yml for real, and rsync, which it needs;
# docker-registry, a registry of components; check-jsonschema, which has the schemas of CI files; strace, which makes system
# calls fail; a server that speaks S3's protocol; and the tool chains that plugins in other languages than Rust are built with.
#
# usage: install.sh DIR
set -eu

here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$1"
dir=$(cd "$1" && pwd)

need() {
    command -v "$1" >/dev/null 2>&1 && return
    install "$1" "$1"
}

# Installs a Debian package, if that is possible.
install() {
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
        apt-get update -qq && apt-get install -y -qq --no-install-recommends "$2" >/dev/null
    else
        echo "the tests need $1: install it with your system's package manager" >&2
        exit 1
    fi
}

# Unpacked, not installed: the package would start a service.
registry() {
    test -x "$dir/registry/usr/bin/docker-registry" && return
    rm -rf "$dir/registry" "$dir/registry.download"
    mkdir "$dir/registry.download"
    command -v apt-get >/dev/null 2>&1 && (
        cd "$dir/registry.download"
        apt-get download -qq docker-registry || { test "$(id -u)" = 0 && apt-get update -qq && apt-get download -qq docker-registry; }
    ) && dpkg -x "$dir"/registry.download/*.deb "$dir/registry.download/root" || {
        echo "the tests need docker-registry (Debian's package): put it at $dir/registry/usr/bin/docker-registry" >&2
        exit 1
    }
    mv "$dir/registry.download/root" "$dir/registry"
    rm -rf "$dir/registry.download"
}

need rsync
need strace
registry
command -v npm >/dev/null 2>&1 || { echo "the tests need Node.js 20 or newer, with npm" >&2; exit 1; }
command -v python3 >/dev/null 2>&1 || { echo "the tests need Python 3.10 or newer" >&2; exit 1; }

if ! cmp -s "$here/package-lock.json" "$dir/installed-lock.json"; then
    cp "$here/package.json" "$here/package-lock.json" "$dir/"
    # One of its dependencies is compiled where its prebuilt form can't be fetched.
    npm --prefix "$dir" ci --no-audit --no-fund --loglevel=error
    cp "$here/package-lock.json" "$dir/installed-lock.json"
fi

languages=$dir/languages
mkdir -p "$languages"
if ! cmp -s "$here/languages/package-lock.json" "$languages/installed-lock.json"; then
    cp "$here/languages/package.json" "$here/languages/package-lock.json" "$languages/"
    # Not `npm ci`: it wants optional packages for other systems in the lock file, of which some were never published.
    npm --prefix "$languages" install --no-audit --no-fund --loglevel=error
    cp "$here/languages/package-lock.json" "$languages/installed-lock.json"
fi

# Installs the Python packages that a folder here lists into a virtual environment of its own.
python_packages() {
    cmp -s "$here/$1/requirements.txt" "$dir/$1/installed-requirements.txt" && return
    mkdir -p "$dir/$1"
    rm -rf "$dir/$1/venv"
    python3 -c 'import ensurepip' 2>/dev/null || install "python3-venv" python3-venv
    python3 -m venv "$dir/$1/venv"
    "$dir/$1/venv/bin/pip" install --quiet --disable-pip-version-check --require-hashes -r "$here/$1/requirements.txt"
    cp "$here/$1/requirements.txt" "$dir/$1/installed-requirements.txt"
}

python_packages languages
python_packages schemas
python_packages s3
