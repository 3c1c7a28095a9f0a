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

# All that is not in the package is the C and C++ runtime.
needs=$(env -i PATH="$PATH" ldd "$packages"/diptych/_diptych*.so)
if grep -F 'not found' <<<"$needs"; then fail "a library is missing"; fi
if grep '=>' <<<"$needs" | grep -vF "$scratch" |
  grep -vE 'lib(c|m|dl|rt|pthread|gcc_s|stdc\+\+|util|nsl|resolv)\.so'; then
  fail "the package takes a library of this system"
fi
megabytes=$(du -sm "$packages/diptych" | cut -f1)
[ "$megabytes" -le 120 ] || fail "the package takes $megabytes MB"

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

# Downloads: the libcurl inside asks a hub on this machine, in plain and, which the server does not speak, by TLS.
answer=$(env -i HOME="$scratch" "$scratch/venv/bin/python" -c '
import diptych, http.server, os, threading
class Hub(http.server.BaseHTTPRequestHandler):
    do_GET = lambda self: self.send_error(404)
    log_message = lambda *_: None
server = http.server.HTTPServer(("127.0.0.1", 0), Hub)
threading.Thread(target=server.serve_forever, daemon=True).start()
for scheme in ("http", "https"):
    os.environ["HF_ENDPOINT"] = f"{scheme}://127.0.0.1:{server.server_port}"
    try:
        diptych.load("nobody/nothing")
    except OSError as error:
        print(error)
')
[[ $answer == *"HTTP 404"*$'\n'*"wrong version number"* ]] || fail "a download answers: $answer"
echo "the package takes $megabytes MB"
