#!/usr/bin/env bash
# Builds a GPU backend of llama.cpp as a module, a file that lbench loads at start: with this machine's CMake,
# from the engine's source, without network.
#
#   scripts/backend.sh SOURCE FOLDER MODULES BACKEND [COMPILER [ARCHITECTURES]]
#
# SOURCE is the folder of llama.cpp, FOLDER the one to build in, MODULES the one that gets libggml-BACKEND.so. The
# last three are what scripts/gpu.sh decided. A module that these made before is kept.
set -euo pipefail

source=$1 work=$2 modules=$3 backend=$4 compiler=${5:-} archs=${6:-}
fail() { echo "backend: $*" >&2; exit 1; }

# The target's name, and what CMake is told beside.
case "$backend" in
  cuda)
    name=cuda settings=(-DGGML_CUDA=ON -DGGML_CUDA_NCCL=OFF "-DCMAKE_CUDA_COMPILER=$compiler")
    [ -z "$archs" ] || settings+=("-DCMAKE_CUDA_ARCHITECTURES=$archs")
    ;;
  vulkan)
    name=vulkan settings=(-DGGML_VULKAN=ON "-DVulkan_GLSLC_EXECUTABLE=$compiler")
    [ -z "${VULKAN_SDK:-}" ] || settings+=("-DCMAKE_PREFIX_PATH=$VULKAN_SDK")
    ;;
  rocm)
    name=hip settings=(-DGGML_HIP=ON)
    [ -z "$archs" ] || settings+=("-DGPU_TARGETS=$archs")
    ;;
  *) fail "there is no module for $backend" ;;
esac
command -v "${CMAKE:-cmake}" >/dev/null || fail 'CMake is missing'
settings+=(-DCMAKE_BUILD_TYPE=Release -DBUILD_SHARED_LIBS=ON -DGGML_BACKEND_DL=ON -DGGML_NATIVE=OFF)
settings+=(-DLLAMA_BUILD_TESTS=OFF -DLLAMA_BUILD_EXAMPLES=OFF -DLLAMA_BUILD_TOOLS=OFF -DLLAMA_BUILD_SERVER=OFF)
settings+=(-DLLAMA_BUILD_APP=OFF -DLLAMA_BUILD_COMMON=OFF)
if command -v ninja >/dev/null; then settings+=(-G Ninja); fi

module=$modules/libggml-$name.so
log=$work/build.log
mkdir -p "$work" "$modules"
# Other settings, another compiler or another engine: built anew, since CMake keeps what it once found.
stamp=$(printf '%s\n' "$source" "${settings[@]}" "$([ -z "$compiler" ] || "$compiler" --version 2>/dev/null || true)")
if [ ! -f "$work/stamp" ] || [ "$(<"$work/stamp")" != "$stamp" ]; then
  rm -rf "$work/cmake" "$module"
  printf '%s\n' "$stamp" >"$work/stamp"
fi
if [ -f "$module" ]; then exit 0; fi

cores=$(nproc 2>/dev/null || echo 4)
echo "backend: compiling $backend on $cores cores, a few minutes (log: $log)" >&2
started=$SECONDS
if ! { "${CMAKE:-cmake}" -S "$source" -B "$work/cmake" "${settings[@]}" &&
  "${CMAKE:-cmake}" --build "$work/cmake" --target "ggml-$name" -j "$cores"; } >"$log" 2>&1; then
  grep -iE 'error|unsupported' "$log" | head -5 >&2 || true
  fail "$backend did not build: $log has all of it"
fi
built=$(find "$work/cmake" -name "libggml-$name.so" -print -quit)
[ -n "$built" ] || fail "CMake made no libggml-$name.so: see $log"
# The module appears whole or not at all.
cp "$built" "$module.new"
strip --strip-unneeded "$module.new"
mv "$module.new" "$module"
echo "backend: $module, $(du -h "$module" | cut -f1), in $((SECONDS - started)) s" >&2
