#!/usr/bin/env bash
# Builds the CUDA backend for this host's GPUs with this host's CMake and nvcc, and puts it beside lbench.
# A few minutes on 16 cores. Needs no network. On a host without a GPU it builds for every card that the toolkit
# knows, and for the architectures that the first argument names: 90, or "86;90".
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

[ -z "${1:-}" ] || export CMAKE_CUDA_ARCHITECTURES="$1"
decision=$(LBENCH_GPU=cuda ./gpu.sh)
mapfile -t decision <<<"$decision"
[ -d llama.cpp ] || tar xf llama.cpp.tar.xz
./backend.sh "$PWD/llama.cpp" "$PWD/build" "$PWD/backends" "${decision[@]}"
echo 'build-cuda: done; ./lbench --list-devices shows the GPUs'
