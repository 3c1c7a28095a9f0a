# shellcheck shell=bash
# Sourced by ./quickstart, ./test and .ci/run: installs the Debian packages that are missing and finds oneDNN 3.

say() { printf '\n==> %s\n' "$*"; }
fail() { printf '%s: %s\n' "$(basename "$0")" "$*" >&2; exit 1; }

as_root() {
  if [ "$(id -u)" = 0 ]; then
    "$@"
  elif command -v sudo >/dev/null; then
    sudo "$@"
  else
    fail "this needs root and there is no sudo; run as root: $*"
  fi
}

packages_for() { awk -v kind="$1" '$2 == kind { print $1 }' tools/packages.txt; }
installed_version() { dpkg-query --show --showformat '${Version}' "$1" 2>/dev/null; }
is_installed() { [ "$(dpkg-query --show --showformat '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]; }
candidate_version() { LC_ALL=C apt-cache policy "$1" | awk '$1 == "Candidate:" && $2 != "(none)" { print $2 }'; }
at_least_3() { [ -n "$1" ] && dpkg --compare-versions "$1" ge 3; }

apt_updated=no
install_packages() {
  [ $# -gt 0 ] || return 0
  if [ $apt_updated = no ]; then
    say "Reading the package lists"
    as_root apt-get update -qq
    apt_updated=yes
  fi
  say "Installing Debian packages: $*"
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null
}

# install_missing KIND...: the packages of tools/packages.txt for these kinds, with the optional ones if any is missing.
install_missing() {
  command -v dpkg-query >/dev/null || fail "this system has no Debian packages: see README.md for building by hand"
  local kind package missing=()
  for kind in "$@"; do
    for package in $(packages_for "$kind"); do
      is_installed "$package" || missing+=("$package")
    done
  done
  [ ${#missing[@]} -gt 0 ] || return 0
  install_packages "${missing[@]}"
  missing=()
  for package in $(packages_for optional); do
    is_installed "$package" || [ -z "$(candidate_version "$package")" ] || missing+=("$package")
  done
  install_packages "${missing[@]}"
}

# provide_onednn BUILD: the system's oneDNN if it is version 3 or can be, one named in CMAKE_PREFIX_PATH, or wheels.
provide_onednn() {
  local folder
  at_least_3 "$(installed_version libdnnl-dev)" && return
  for folder in $(tr : " " <<<"${CMAKE_PREFIX_PATH:-}"); do
    compgen -G "$folder/lib*/cmake/dnnl/" >/dev/null && return
  done
  [ -e "$1/onednn/lib/cmake/dnnl" ] && return
  if at_least_3 "$(candidate_version libdnnl-dev)"; then
    install_packages libdnnl-dev
    return
  fi
  say "This system has no oneDNN 3: using the wheels pinned in tools/onednn.txt"
  python3 -m pip --version >/dev/null 2>&1 || install_packages python3 python3-pip
  tools/fetch_onednn.sh "$1/onednn"
}

# provide_python BUILD: a virtual environment with nanobind and what the tests of Python's package need, where a package
# registry answers; else the extension is left out, which is said.
provide_python() {
  local python=$1/venv/bin/python log
  if cmp -s tools/python.txt "$1/venv/python.txt"; then return 0; fi
  # shellcheck disable=SC2046
  install_packages $(for package in $(packages_for python); do is_installed "$package" || echo "$package"; done)
  say "Preparing Python's extension ($1/venv)"
  mkdir -p "$1"
  log=$1/venv.log
  if python3 -m venv "$1/venv" >"$log" 2>&1 &&
    "$python" -m pip --disable-pip-version-check install --quiet --requirement tools/python.txt >>"$log" 2>&1; then
    cp tools/python.txt "$1/venv/python.txt"
  else
    echo "Python's extension and its tests are left out: $(tail -n 1 "$log")"
    rm -rf "$1/venv"
  fi
}
