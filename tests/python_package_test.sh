#!/usr/bin/env bash
# Lays the Python package down as a wheel holds it, into an empty virtual environment, and runs it there without
# anything of the build tree, the source tree or the system's libraries: tests/python_package_test.sh BUILD PYTHON
set -euo pipefail
build=$(realpath "$1")
python=$2
source=$(realpath "$(dirname "$0")/..")
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
fail() { echo "python_package_test.sh: $*" >&2; exit 1; }

"$python" -m venv --without-pip "$scratch/venv"
packages=$(echo "$scratch"/venv/lib/python3.*/site-packages)
cmake --install "$build" --component python --prefix "$packages" >/dev/null
numpy=$("$python" -c 'import numpy, pathlib; print(pathlib.Path(numpy.__file__).parents[1])')
ln -s "$numpy/numpy" "$packages/numpy"
if [ -e "$numpy/numpy.libs" ]; then ln -s "$numpy/numpy.libs" "$packages/numpy.libs"; fi

for file in "$packages"/diptych/_diptych*.so "$packages"/diptych/lib/*.so*; do
  needs=$(env -i PATH="$PATH" ldd "$file")
  if grep -F 'not found' <<<"$needs"; then fail "$file misses a library"; fi
  # All that is not in the package is the C and C++ runtime.
  if grep '=>' <<<"$needs" | grep -vF "$scratch" |
    grep -vE 'lib(c|m|dl|rt|pthread|gcc_s|stdc\+\+|util|nsl|resolv)\.so'; then
    fail "$file takes a library of this system"
  fi
done
megabytes=$(du -sm "$packages/diptych" | cut -f1)
[ "$megabytes" -le 130 ] || fail "the package takes $megabytes MB"

cp "$source/examples/cat.png" "$scratch/"
cd "$scratch"
answer=$(env -i "$scratch/venv/bin/python" -c '
import diptych
model = diptych.load()
print(model.classify("cat.png", ["cat", "dog"]).label, model.embed(texts=["a", "b"]).shape)
from diptych import CLIPModel, CLIPProcessor
processor = CLIPProcessor.from_pretrained("starter")
inputs = processor(text=["a cat", "a dog"], images="cat.png", return_tensors="pt", padding=True)
print(CLIPModel.from_pretrained("starter")(**inputs).logits_per_image.softmax(dim=1).argmax())
')
[[ $answer == "cat (2, "*$'\n'0 ]] || fail "the installed package answers: $answer"
echo "the package takes $megabytes MB"
