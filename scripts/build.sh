#!/usr/bin/env bash
# Builds target/release/lbench for this machine, and beside it what it loads:
#
#   lib/       the engine, where it is in shared libraries
#   backends/  the GPU's backend, where there is one
#
# scripts/gpu.sh decides which backend that is, scripts/cpu-flags.sh which kernels the CPU gets. CARGO is the command
# to build with.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

read -r -a cargo <<<"${CARGO:-cargo}"
target=${CARGO_TARGET_DIR:-target}
release=$target/release
fail() { echo "build: $*" >&2; exit 1; }

decision=$(scripts/gpu.sh)
backend='' compiler='' archs=''
{ read -r backend; read -r compiler; read -r archs; } <<<"$decision" || true
case "$backend" in cuda | vulkan | rocm) module=libggml-${backend/rocm/hip}.so ;; *) module= ;; esac

# What an earlier build made beside the program is not for this one.
[ ! -d "$release/backends" ] || find "$release/backends" -name 'libggml-*.so' ! -name "$module" -delete
# The backend comes first: what it lacks shows before the engine is compiled.
if [ -n "$module" ]; then
  host=$(rustc -vV | sed -n 's/^host: //p')
  source=$("${cargo[@]}" metadata --locked --format-version 1 --filter-platform "$host" |
    sed 's/.*"manifest_path":"\([^"]*llama-cpp-sys-2[^"/]*\)\/Cargo.toml".*/\1/')/llama.cpp
  [ -d "$source" ] || fail "the engine's source was not found"
  scripts/backend.sh "$source" "$target/backend-$backend" "$release/backends" "$backend" "$compiler" "$archs" ||
    fail 'LBENCH_GPU=none make build builds for the CPU alone'
fi

engine=$(scripts/flavour.sh "${cargo[@]}" build --release --locked --message-format json-render-diagnostics |
  sed -n 's/^{"reason":"build-script-executed".*llama-cpp-sys-2.*"out_dir":"\([^"]*\)".*/\1/p' | tail -1)

rm -rf "${release:?}/lib"
if [ -f "$engine/lib/libllama.so.0" ]; then
  mkdir -p "$release/lib"
  cp -L "$engine"/lib/lib*.so.0 "$release/lib/"
fi
