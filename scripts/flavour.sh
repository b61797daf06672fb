#!/usr/bin/env bash
# The flavour of the engine that a build on this machine gets:
#
#   scripts/flavour.sh COMMAND...    runs COMMAND, which is cargo, with it
#
# Without a GPU the engine is linked in. With one (scripts/gpu.sh decides) it is in shared libraries, so that the
# GPU's backend can be a module: that needs its own libraries of hundreds of megabytes, and a driver, and where one
# of these is missing at start lbench says so and goes on with the CPU. The CPU's kernels are those that
# scripts/cpu-flags.sh chooses.
set -euo pipefail
scripts=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

decision=$("$scripts/gpu.sh" --quiet)
case "${decision%%$'\n'*}" in
  cuda | vulkan | rocm)
    export LLAMA_BUILD_SHARED_LIBS=1
    # The engine's build script links its libraries into these folders, and stumbles over links of an earlier build.
    target=${CARGO_TARGET_DIR:-$scripts/../target}
    for folder in "$target"/release "$target"/release/deps "$target"/release/examples; do
      [ ! -d "$folder" ] || find "$folder" -maxdepth 1 -name 'lib*.so' -type l ! -exec test -e {} \; -delete
    done
    ;;
esac
# Backends are modules here, and never linked in; and the engine is installed where its build script looks for it.
# Variables of other projects' builds would do the one or the other.
unset GGML_CUDA GGML_HIP GGML_VULKAN GGML_MUSA GGML_SYCL GGML_OPENCL CMAKE_INSTALL_PREFIX
# A fixed time makes llama.cpp leave out the AVX kernels of a portable build.
unset SOURCE_DATE_EPOCH

# Settings of the engine that the user has made. Its build script configures a folder once and goes on with it
# whatever they say later: a mark in RUSTFLAGS gives each set of them a folder of its own.
set_here=
for name in LLAMA_BUILD_SHARED_LIBS LLAMA_LIB_PROFILE CMAKE_BUILD_TYPE CMAKE_C_COMPILER CMAKE_CXX_COMPILER \
  GGML_BLAS GGML_BLAS_VENDOR GGML_CPU_KLEIDIAI GGML_CPU_REPACK GGML_LLAMAFILE GGML_LTO GGML_OPENMP GGML_RPC \
  GGML_RPC_RDMA GGML_SCHED_MAX_COPIES; do
  [ -z "${!name:-}" ] || set_here+="$name=${!name}|"
done
if [ -n "$set_here" ]; then
  mark=$(printf '%s' "$set_here" | cksum | cut -d ' ' -f 1)
  export RUSTFLAGS="${RUSTFLAGS:+$RUSTFLAGS }--cfg=lbench_engine_$mark"
fi
exec "$scripts/cpu-flags.sh" "$@"
