#!/usr/bin/env bash
# Installs into a scratch folder, builds a program against that, and runs it and the installed program, neither of which
# may need anything of the build tree or the source tree: tests/install_test.sh BUILD
set -euo pipefail
build=$(realpath "$1")
source=$(realpath "$(dirname "$0")/..")
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
prefix=$scratch/prefix
fail() { echo "install_test.sh: $*" >&2; exit 1; }

compiler=$(sed -n 's/^CMAKE_CXX_COMPILER:[A-Z]*=//p' "$build/CMakeCache.txt")
cmake --install "$build" --prefix "$prefix" >/dev/null
cmake -G Ninja -S "$source/tests/install" -B "$scratch/user" \
  -DCMAKE_PREFIX_PATH="$prefix" -DCMAKE_CXX_COMPILER="$compiler"
cmake --build "$scratch/user"

for program in "$prefix/bin/diptych" "$prefix/lib/libdiptych.so" "$scratch/user/classify"; do
  needs=$(env -i ldd "$program")
  if grep -F -e 'not found' -e "$build" -e "$source" <<<"$needs"; then fail "$program does not stand alone"; fi
done
for file in bin/diptych lib/libdiptych.so; do
  runpath=$(readelf -d "$prefix/$file" | grep RUNPATH)
  if grep -F -e "$build" -e "$source" <<<"$runpath"; then fail "$file looks for libraries in the build tree"; fi
done
if [ -e "$prefix/lib/libdnnl.so.3" ]; then
  [ -s "$prefix/share/doc/diptych/onednn/LICENSE" ] || fail "oneDNN was installed without its licence"
fi
if [ -e "$build/libdiptych_mpi.so" ]; then
  [ -e "$prefix/lib/libdiptych_mpi.so" ] || fail "the library of several processes was not installed"
fi

cp "$source/examples/cat.png" "$scratch/"
cd "$scratch"
first_line() { awk 'NR == 1'; }
[[ $(env -i user/classify cat.png | first_line) == cat\ 0.* ]] || fail "the program of the library's user sees no cat"
best=$(env -i "$prefix/bin/diptych" classify cat.png --labels cat,dog,bird,car --format json --top 1)
[[ $best == *'"cat"'* ]] || fail "the installed program sees no cat: $best"
