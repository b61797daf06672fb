#!/usr/bin/env bash
# Makes one archive for a GPU host that has CUDA's compiler and CMake, and neither Rust nor a network: lbench,
# its libraries, its loadable backends, the engine's source, and a script that builds the CUDA backend there.
# The target folder is one of its own: shared libraries are another flavour of llama.cpp.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

target="${BUNDLE_TARGET_DIR:-target/bundle}"
out="${1:-target/lbench-bundle.tar.xz}"

export LLAMA_BUILD_SHARED_LIBS=1 GGML_BACKEND_DL=ON GGML_RPC=ON
# Kernels for any CPU of the last ten years: the other host is another machine.
cargo build --release --locked --target-dir "$target"

# The engine's folders: the newest of them is the one that was just built or used.
engine=$(find "$target"/release/build -maxdepth 2 -path '*/llama-cpp-sys-2-*/out' -printf '%T@ %p\n' |
  sort -n | while read -r _ folder; do [ -d "$folder/lib" ] && echo "$folder"; done | tail -1)
source=$(cargo metadata --locked --format-version 1 |
  sed 's/.*"manifest_path":"\([^"]*llama-cpp-sys-2-[^"]*\)\/Cargo.toml".*/\1/')
[ -d "$engine" ] && [ -d "$source/llama.cpp" ] || { echo 'bundle: the engine was not found' >&2; exit 1; }

stage=$(mktemp -d)
trap 'rm -rf "$stage"' EXIT
root="$stage/lbench"
mkdir -p "$root/lib" "$root/backends"
cp "$target/release/lbench" LICENSE README.md scripts/bundle/build-cuda.sh "$root/"
for library in libllama libggml libggml-base; do cp -L "$engine/lib/$library.so.0" "$root/lib/"; done
cp "$engine"/bin/libggml-*.so "$root/backends/"
strip --strip-unneeded "$root"/lib/*.so.0 "$root"/backends/*.so
tar -C "$source" -cf - llama.cpp | xz -T0 -6 > "$root/llama.cpp.tar.xz"
tar -C "$stage" -cf - lbench | xz -T0 -6 > "$out"
echo "$out: $(du -h "$out" | cut -f1)"
echo 'on the GPU host: tar xf lbench-bundle.tar.xz && cd lbench && ./build-cuda.sh && ./lbench --list-devices'
