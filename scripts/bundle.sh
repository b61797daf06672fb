#!/usr/bin/env bash
# Makes one archive for a GPU host that has CUDA's compiler and CMake, and neither Rust nor a network: lbench,
# its libraries, its loadable backends, the engine's source, and a script that builds the CUDA backend there.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

out="${1:-target/lbench-bundle.tar.xz}"
stage=$(mktemp -d)
trap 'rm -rf "$stage"' EXIT
root="$stage/lbench"

source=$(scripts/stage.sh "$root" | tail -1)
cp LICENSE README.md scripts/bundle/build-cuda.sh scripts/gpu.sh scripts/backend.sh "$root/"
tar -C "$(dirname "$source")" -cf - llama.cpp | xz -T0 -6 > "$root/llama.cpp.tar.xz"
tar -C "$stage" -cf - lbench | xz -T0 -6 > "$out"
echo "$out: $(du -h "$out" | cut -f1)"
echo 'on the GPU host: tar xf lbench-bundle.tar.xz && cd lbench && ./build-cuda.sh && ./lbench --list-devices'
