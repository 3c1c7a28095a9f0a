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

for program in "$prefix/bin/diptych" "$prefix/lib/libdiptych.so" "$scratch/user/classify" \
  "$scratch/user/classify_static"; do
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

# Only what the public headers declare is visible (and what a linker adds of itself), and a program is linked with the
# major version alone.
exported=$(nm -D --defined-only --demangle "$prefix/lib/libdiptych.so" | cut -d" " -f3-)
if foreign=$(grep -vE '^((typeinfo|typeinfo name|vtable|guard variable) for )?diptych(::|_)' <<<"$exported" |
  grep -vE '^(void )?std::|^(typeinfo|typeinfo name|vtable) for std::|^(_init|_fini|__bss_start|_edata|_end)$'); then
  fail "these symbols are not ours to show: $foreign"
fi
readelf -d "$prefix/lib/libdiptych.so" | grep -q 'SONAME.*libdiptych\.so\.[0-9]*\]' ||
  fail "the SONAME is no major version"

cp "$source/examples/cat.png" "$scratch/"
cd "$scratch"

# From C, by pkg-config; and the code of the documents.
export PKG_CONFIG_PATH=$prefix/lib/pkgconfig
read -ra flags <<<"$(pkg-config --cflags --libs diptych) -Wl,-rpath,$prefix/lib"
cc=$(command -v cc || command -v gcc)
"$cc" -std=c99 -pedantic -Wall -Wextra -Werror "$source/tests/install/embed.c" -o from_c "${flags[@]}" -lm
[[ $(env -i ./from_c cat.png) == cat\ 0.* ]] || fail "the program in C sees no cat"
for document in c cpp; do
  awk -v language="\`\`\`$document" '$0 == "```" { inside = 0 } inside { print } $0 == language { inside = 1 }' \
    "$source/docs/$document.md" >"of_document.$document"
done
"$cc" -std=c99 -Wall -Werror of_document.c -o of_document_c "${flags[@]}"
"$compiler" -std=c++20 -Wall -Werror -Wno-missing-field-initializers of_document.cpp -o of_document_cpp "${flags[@]}"
for program in of_document_c of_document_cpp; do
  [[ $(env -i "./$program" cat.png) == cat\ 0.* ]] || fail "$program: the code of the document sees no cat"
done
if command -v python3 >/dev/null; then
  best=$(DIPTYCH_LIBRARY="$prefix/lib/libdiptych.so" python3 "$source/examples/ctypes_example.py" | awk 'NR == 1')
  [[ $best == cat\ 0.* ]] || fail "ctypes sees no cat: $best"
fi

first_line() { awk 'NR == 1'; }
if command -v go >/dev/null && "$(command -v go)" env CGO_ENABLED | grep -q 1; then
  (cd "$scratch" && env GO111MODULE=off GOFLAGS= GOTOOLCHAIN=local GOCACHE="$scratch/go" \
    CGO_LDFLAGS="-Wl,-rpath,$prefix/lib" go build -o from_go "$source/examples/classify.go")
  [[ $(env -i ./from_go cat.png | first_line) == cat\ 0.* ]] || fail "the program in Go sees no cat"
fi
[[ $(env -i user/classify cat.png | first_line) == cat\ 0.* ]] || fail "the program of the library's user sees no cat"
if ldd user/classify_static | grep -F libdiptych; then fail "the static library was not linked"; fi
# The library looks for its starter beside itself, which is now this program.
best=$(env -i DIPTYCH_MODEL="$prefix/share/diptych/models/starter" user/classify_static cat.png | first_line)
[[ $best == cat\ 0.* ]] || fail "the program with the static library inside sees no cat"
best=$(env -i "$prefix/bin/diptych" classify cat.png --labels cat,dog,bird,car --format json --top 1)
[[ $best == *'"cat"'* ]] || fail "the installed program sees no cat: $best"
