#!/usr/bin/env bash
# Builds the CUDA backend for this host's GPUs with this host's CMake and nvcc, and puts it beside lbench.
# A few minutes on 16 cores. Needs no network.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

need() {
  command -v "$1" > /dev/null && return
  echo "build-cuda: $1 is missing: $2" >&2
  exit 1
}
export PATH="$PATH:/usr/local/cuda/bin"
need nvcc 'install the CUDA toolkit, or add its bin folder to PATH'
need cmake 'install CMake 3.18 or later'
need nvidia-smi 'no NVIDIA driver is installed'
# One architecture for each kind of GPU here, or what the first argument says: 90, or 86;90.
archs="${1:-$(nvidia-smi --query-gpu=compute_cap --format=csv,noheader | tr -d '. ' | sort -u | paste -sd';')}"
case "$archs" in
  '' | *[!0-9\;a-z-]*)
    echo "build-cuda: nvidia-smi names no GPU (it said: $archs): is the driver loaded?" >&2
    exit 1
    ;;
esac

[ -d llama.cpp ] || tar xf llama.cpp.tar.xz
generator=()
if command -v ninja > /dev/null; then generator=(-G Ninja); fi
log="$PWD/build-cuda.log"
echo "build-cuda: building for compute capability $archs on $(nproc) cores (log: $log)"
started=$SECONDS
if ! { cmake -S llama.cpp -B build "${generator[@]}" -DCMAKE_BUILD_TYPE=Release -DBUILD_SHARED_LIBS=ON \
  -DGGML_BACKEND_DL=ON -DGGML_CUDA=ON -DCMAKE_CUDA_ARCHITECTURES="$archs" -DGGML_CUDA_NCCL=OFF \
  -DGGML_NATIVE=OFF -DLLAMA_BUILD_TESTS=OFF -DLLAMA_BUILD_EXAMPLES=OFF -DLLAMA_BUILD_TOOLS=OFF \
  -DLLAMA_BUILD_SERVER=OFF -DLLAMA_BUILD_APP=OFF -DLLAMA_BUILD_COMMON=OFF -DLLAMA_CURL=OFF &&
  cmake --build build --target ggml-cuda -j "$(nproc)"; } > "$log" 2>&1; then
  echo "build-cuda: failed; the last lines of $log:" >&2
  tail -20 "$log" >&2
  exit 1
fi
cp "$(find build -name libggml-cuda.so | head -1)" backends/
strip --strip-unneeded backends/libggml-cuda.so
echo "build-cuda: done in $((SECONDS - started)) s; ./lbench --list-devices shows the GPUs"
