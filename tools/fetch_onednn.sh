#!/usr/bin/env bash
# Lays oneDNN 3.2 into a folder: tools/fetch_onednn.sh PREFIX  ->  PREFIX/{include,lib,share}
# For systems whose own libdnnl is older than version 3. The wheels are pinned by hash in tools/onednn.txt and kept in
# a cache outside the build tree, so that every build of this machine downloads them once.
set -euo pipefail
prefix=${1:?usage: tools/fetch_onednn.sh PREFIX}
pins=$(cd "$(dirname "$0")" && pwd)/onednn.txt
cache=${XDG_CACHE_HOME:-$HOME/.cache}/diptych/onednn

if [ -e "$prefix/lib/cmake/dnnl/dnnl-config.cmake" ]; then exit 0; fi
if [ "$(uname -m)" != x86_64 ]; then
  echo "fetch_onednn.sh: there is no oneDNN 3 wheel for $(uname -m): build oneDNN 3 with GNU OpenMP and name" \
    "its folder in CMAKE_PREFIX_PATH (Debian 13 and Ubuntu 24.04 have it as libdnnl-dev)" >&2
  exit 1
fi

# pip checks the hashes each time, of wheels that come from the cache as well.
download() {
  python3 -m pip --disable-pip-version-check download --quiet --no-deps --require-hashes --only-binary=:all: \
    --platform manylinux1_x86_64 --requirement "$pins" "$@"
}
mkdir -p "$(dirname "$prefix")"
staging=$(mktemp -d "$prefix.XXXXXX")
trap 'rm -rf "$staging"' EXIT
if ! download --dest "$staging/wheels" --no-index --find-links "$cache" >/dev/null 2>&1; then
  echo "Downloading oneDNN 3.2 (39 MB) into $cache"
  rm -rf "$staging/wheels"
  download --dest "$staging/wheels"
  mkdir -p "$cache"
  cp "$staging"/wheels/*.whl "$cache/"
fi

mkdir "$staging/prefix"
for wheel in "$staging"/wheels/*.whl; do
  python3 -m zipfile -e "$wheel" "$staging/unpacked"
done
cp -R "$staging"/unpacked/*.data/data/* "$staging/prefix/"
# A wheel cannot hold links: libdnnl.so and libdnnl.so.3 are copies of the library in it.
ln -sf libdnnl.so.3.2 "$staging/prefix/lib/libdnnl.so.3"
ln -sf libdnnl.so.3 "$staging/prefix/lib/libdnnl.so"
rm -rf "$prefix"
mv "$staging/prefix" "$prefix"
