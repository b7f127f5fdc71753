#!/usr/bin/env bash
# Installs what is missing to build and test pellucid on Debian 12: `setup.sh`, or `setup.sh lint` for clang
# and clang-tidy as well, `setup.sh browser` for Chromium, which tests of pages need, `setup.sh aarch64` for what
# `make neon` needs, `setup.sh amx` for the compiler of llama.cpp where the processor has AMX. Safe to run again
# and again: where nothing is missing it takes a moment and needs neither the network nor root.
# docs/dependencies.md gives the reason for each package.
set -euo pipefail
cd "$(dirname "$0")/.."

packages=(
  g++ cmake ninja-build ccache pkg-config clang-format
  libbenchmark-dev libboost-json1.81-dev libcli11-dev libedit-dev libfmt-dev libgtest-dev libpcre2-dev
  libutf8proc-dev
)
lint_packages=(clang clang-tidy libclang-rt-14-dev)
amx_packages=(clang-16 libomp-16-dev)
aarch64_packages=(g++-aarch64-linux-gnu qemu-user)
aarch64_libraries=(
  libboost1.81-dev libboost-container1.81{-dev,.0} libboost-json1.81{-dev,.0} libboost-system1.81{-dev,.0}
  libfmt-dev libfmt9 libgtest-dev libpcre2-dev libpcre2-8-0
)

fail() {
  echo "setup: error: $1: $2" >&2
  exit 1
}

missing_packages() {
  local installed package
  installed=$(dpkg-query -W -f '${Package} ${db:Status-Status}\n' 2>/dev/null | sed -n 's/ installed$//p')
  for package in "$@"; do
    grep -qxF -- "$package" <<<"$installed" || echo "$package"
  done
}

install_packages() {
  local missing sudo=()
  if ! command -v dpkg-query apt-get >/dev/null; then
    echo "setup: not a Debian system; make sure that it has the likes of: $*" >&2
    return
  fi
  mapfile -t missing < <(missing_packages "$@")
  [ ${#missing[@]} -gt 0 ] || return 0
  echo "setup: installing ${missing[*]}" >&2
  if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null || fail "apt-get install ${missing[*]}" "run it as root, sudo is missing"
    sudo=(sudo)
  fi
  export DEBIAN_FRONTEND=noninteractive
  "${sudo[@]}" apt-get update -qq >&2
  "${sudo[@]}" apt-get install -qq -y --no-install-recommends "${missing[@]}" >&2
}

# Debian's libraries for AArch64 go into a folder of their own: installed as a second architecture, they would
# tie the versions of this machine's libraries to theirs.
unpack_aarch64() {
  local into=build/aarch64-libraries folder package wanted="${aarch64_libraries[*]}"
  [ "$(cat $into/packages 2>/dev/null)" != "$wanted" ] || return 0
  echo "setup: unpacking libraries for AArch64 into $into" >&2
  rm -rf $into
  mkdir -p $into/download/{lists,cache}
  folder=$(cd $into/download && pwd)
  local apt=(apt-get -qq -o APT::Architectures::=arm64 -o APT::Sandbox::User=
    -o "Dir::State::Lists=$folder/lists" -o "Dir::Cache=$folder/cache")
  "${apt[@]}" update >&2
  (cd "$folder" && "${apt[@]}" download "${aarch64_libraries[@]/%/:arm64}" >&2)
  for package in "$folder"/*.deb; do dpkg -x "$package" $into; done
  rm -r "$folder"
  echo "$wanted" >$into/packages
}

# .venv holds exactly scripts/requirements-test.txt; a copy of that file inside says that it is complete.
install_python() {
  local wanted=scripts/requirements-test.txt done=.venv/requirements-test.txt
  cmp -s "$wanted" "$done" && .venv/bin/python -c '' 2>/dev/null && return
  command -v python3 >/dev/null || install_packages python3
  python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' || fail "python3" "3.11 or newer is needed"
  python3 -c 'import ensurepip, venv' 2>/dev/null || install_packages python3-venv
  echo "setup: making .venv from $wanted" >&2
  rm -rf .venv  # which may be a link: what it leads to is somebody else's
  python3 -m venv .venv
  .venv/bin/python -m pip --disable-pip-version-check install --quiet --no-deps -r "$wanted" >&2
  cp "$wanted" "$done"
}

# node_modules holds exactly package-lock.json, fetched by the Node.js of .venv; a copy of that file inside says
# that it is complete.
install_node_modules() {
  local wanted=package-lock.json done=node_modules/package-lock.json
  cmp -s "$wanted" "$done" && return
  echo "setup: making node_modules from $wanted" >&2
  PATH="$PWD/.venv/bin:$PATH" npm ci --ignore-scripts --no-audit --no-fund --loglevel=error >&2
  cp "$wanted" "$done"
}

# Where bridge/CMakeLists.txt finds cargo.
new_cargo() {
  local wanted=$1 cargo version
  cargo=$(PATH="${CARGO_HOME:-$HOME/.cargo}/bin:$HOME/.cargo/bin:$PATH" command -v cargo) || return
  version=$("$cargo" --version | cut -d ' ' -f 2)
  printf '%s\n' "$wanted" "$version" | sort -C -V
}

# Debian 12 has a new Rust too, kept for its browsers: cargo-web, which takes the place of the old cargo and rustc.
install_rust() {
  local wanted
  wanted=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' bridge/Cargo.toml)
  new_cargo "$wanted" || install_packages cargo-web
  new_cargo "$wanted" || fail "cargo" "$wanted or newer is needed, see docs/dependencies.md"
}

case "${1:-}" in
  "") install_packages "${packages[@]}" ;;
  lint) install_packages "${packages[@]}" "${lint_packages[@]}" ;;
  browser) install_packages "${packages[@]}" chromium ;;
  amx) install_packages "${packages[@]}" "${amx_packages[@]}" ;;
  aarch64)
    install_packages "${packages[@]}" "${aarch64_packages[@]}"
    unpack_aarch64
    ;;
  *) echo "usage: scripts/setup.sh [lint|browser|aarch64|amx]" >&2; exit 2 ;;
esac
install_python
install_node_modules
install_rust
