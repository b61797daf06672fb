#!/usr/bin/env bash
# Which GPU backend a build on this machine gets, and what it is built with.
#
#   scripts/gpu.sh          says in one line what was found, and prints the decision
#   scripts/gpu.sh --quiet  prints the decision alone
#
# The decision, a line each: the backend (none, cuda, vulkan, rocm or metal), its compiler, and the
# architectures of the cards that are here (none: whatever the compiler has).
#
# LBENCH_GPU is the user's word: auto, none, cuda, vulkan, rocm or metal. Without it, or with auto, a machine
# with an NVIDIA driver and a CUDA toolkit that suits its cards gets CUDA, and any other none: a build that would
# fail after minutes is not begun. With it, what is missing is an error.
# LBENCH_GPU_ROOT stands in for / in the tests.
set -euo pipefail

root=${LBENCH_GPU_ROOT:-}
wish=${LBENCH_GPU:-auto}
quiet=
[ "${1:-}" != --quiet ] || quiet=1

say() { [ -n "$quiet" ] || printf 'gpu: %s\n' "$*" >&2; }
decide() { # decide BACKEND [COMPILER [ARCHITECTURES]]
  printf '%s\n' "$1" "${2:-}" "${3:-}"
  exit 0
}
# What the user did not ask for is left out; what he asked for and cannot have ends it.
cannot() { # cannot REASON
  if [ "$wish" != auto ]; then
    printf 'gpu: LBENCH_GPU=%s: %s\n' "$wish" "$*" >&2
    exit 1
  fi
  say "$*: building for the CPU alone"
  decide none
}
have() { command -v "$1" >/dev/null 2>&1; }

# A version as one number, so that two can be compared: 11.8 is 11008.
number() {
  local major=${1%%.*} minor=0
  case "$1" in *.*) minor=${1#*.} minor=${minor%%.*} ;; esac
  case "$major$minor" in '' | *[!0-9]*) echo 0 ;; *) echo $((10#$major * 1000 + 10#$minor)) ;; esac
}
below() { [ "$(number "$1")" -lt "$(number "$2")" ]; }

# --- cards --------------------------------------------------------------------------------------------

# Whether a display controller of this maker is on the PCI bus.
on_the_bus() { # on_the_bus VENDOR
  local device
  for device in "$root"/sys/bus/pci/devices/*; do
    [ -f "$device/vendor" ] && [ "$(<"$device/vendor")" = "$1" ] || continue
    case "$(<"$device/class")" in 0x03*) return 0 ;; esac
  done
  return 1
}

names='' capabilities='' driver='' driver_cuda=''
# Asks NVIDIA's driver. Fails where there is none that answers, with the reason in `trouble`.
ask_driver() {
  local smi=nvidia-smi answer name capability version
  have nvidia-smi || smi=$root/usr/lib/wsl/lib/nvidia-smi
  if ! have "$smi"; then
    if [ -e "$root/proc/driver/nvidia/version" ]; then
      driver=$(sed -n 's/.*Module *\([0-9.]*\).*/\1/p' "$root/proc/driver/nvidia/version" | head -1)
      names=$(sed -n 's/^Model:[[:space:]]*//p' "$root"/proc/driver/nvidia/gpus/*/information 2>/dev/null | sort -u | paste -sd, -)
      return 0
    fi
    if on_the_bus 0x10de; then
      trouble='an NVIDIA card and no driver of it: install one (https://www.nvidia.com/drivers)'
    else
      trouble='no NVIDIA GPU'
      if on_the_bus 0x1002; then
        trouble="an AMD GPU, for which LBENCH_GPU=rocm or LBENCH_GPU=vulkan builds a backend, and $trouble"
      fi
    fi
    return 1
  fi
  if ! answer=$("$smi" --query-gpu=name,compute_cap,driver_version --format=csv,noheader 2>&1) || [ -z "$answer" ]; then
    trouble="nvidia-smi finds no card ($(paste -sd' ' - <<<"${answer:-it says nothing}"))"
    return 1
  fi
  while IFS=, read -r name capability version; do
    name=${name# } capability=${capability//[!0-9.]/} driver=${version//[!0-9.]/}
    case ",$names," in *",$name,"*) ;; *) names=${names:+$names,}$name ;; esac
    # An old driver does not tell; the toolkit's own choice is for all of them then.
    case " $capabilities " in *" $capability "*) ;; *) capabilities=${capabilities:+$capabilities }$capability ;; esac
  done <<<"$answer"
  driver_cuda=$("$smi" 2>/dev/null | sed -n 's/.*CUDA Version: *\([0-9.]*\).*/\1/p' | head -1)
}

# --- toolkits -----------------------------------------------------------------------------------------

# The first CUDA that can build for a compute capability.
least_cuda() {
  case "$1" in
    7.5) echo 10.0 ;;
    8.0) echo 11.0 ;;
    8.6) echo 11.1 ;;
    8.7) echo 11.4 ;;
    8.9 | 9.0) echo 11.8 ;;
    10.0 | 12.0) echo 12.8 ;;
    10.3 | 12.1) echo 12.9 ;;
    11.0) echo 13.0 ;;
    [5-7].*) echo 9.0 ;;
    *) echo '' ;;
  esac
}
# The first CUDA for all cards that are here.
least_here() {
  local capability least=11.0 one
  for capability in $capabilities; do
    one=$(least_cuda "$capability")
    if [ -n "$one" ] && below "$least" "$one"; then least=$one; fi
  done
  echo "$least"
}

# Compilers of CUDA, the user's own word first.
compilers() {
  local folder
  [ -z "${CUDACXX:-}" ] || printf '%s\n' "$CUDACXX"
  for folder in "${CUDA_HOME:-}" "${CUDA_PATH:-}" "${CUDA_ROOT:-}"; do
    [ -z "$folder" ] || printf '%s\n' "$folder/bin/nvcc"
  done
  command -v nvcc || true
  printf '%s\n' "$root"/usr/local/cuda/bin/nvcc "$root"/opt/cuda/bin/nvcc "$root"/usr/local/cuda-*/bin/nvcc
}

# Whether a compiler can build for all cards here, and what it builds runs with this driver. Where not, says why
# in `trouble`.
suits() { # suits NVCC VERSION
  local nvcc=$1 version=$2 capability known
  if below "$version" 11.0; then
    trouble="CUDA $version ($nvcc) is too old for llama.cpp: CUDA $(least_here) or later is needed"
    return 1
  fi
  known=$("$nvcc" --list-gpu-arch 2>/dev/null || true)
  for capability in $capabilities; do
    if [ -n "$known" ]; then
      grep -qx "compute_${capability/./}" <<<"$known" && continue
    elif ! below "$version" "$(least_cuda "$capability")"; then
      continue
    fi
    if [ -n "$(least_cuda "$capability")" ] && ! below "$version" "$(least_cuda "$capability")"; then
      trouble="CUDA $version ($nvcc) no longer builds for compute capability $capability ($names): install CUDA 12.9"
    else
      trouble="CUDA $version ($nvcc) is too old for compute capability $capability ($names): install CUDA $(least_cuda "$capability") or later"
    fi
    return 1
  done
  # Within a major version, what one toolkit builds runs with the driver of an earlier one.
  if [ -n "$driver_cuda" ] && [ "$wish" = auto ] && [ "${version%%.*}" -gt "${driver_cuda%%.*}" ]; then
    trouble="driver $driver runs CUDA up to $driver_cuda, and the toolkit here is CUDA $version ($nvcc): install a newer driver or CUDA ${driver_cuda%%.*}"
    return 1
  fi
}

# How to come to a toolkit, on this system.
install_toolkit() {
  local id='' like='' range
  if [ -f "$root/etc/os-release" ]; then
    id=$(sed -n 's/^ID=//p' "$root/etc/os-release" | tr -d '"')
    like=$(sed -n 's/^ID_LIKE=//p' "$root/etc/os-release" | tr -d '"')
  fi
  range="CUDA $(least_here)"
  if [ -n "$driver_cuda" ]; then range+=" to ${driver_cuda%%.*}.x"; else range+=' or later'; fi
  case " $id $like " in
    *' debian '* | *' ubuntu '*) echo "sudo apt-get install nvidia-cuda-toolkit, if that is $range; else NVIDIA's own packages, https://developer.nvidia.com/cuda-downloads" ;;
    *' arch '*) echo "sudo pacman -S cuda ($range)" ;;
    *' fedora '* | *' rhel '*) echo "sudo dnf install cuda-toolkit from NVIDIA's repository, https://developer.nvidia.com/cuda-downloads ($range)" ;;
    *suse*) echo "sudo zypper install cuda-toolkit from NVIDIA's repository, https://developer.nvidia.com/cuda-downloads ($range)" ;;
    *) echo "$range from https://developer.nvidia.com/cuda-downloads" ;;
  esac
}

choose_cuda() {
  local nvcc version first='' cards archs here
  local -a found
  if ! ask_driver; then
    # Asked for by name, it is built on a machine without a card too, for every card that the toolkit knows.
    [ "$wish" = cuda ] || cannot "$trouble"
  fi
  mapfile -t found < <(compilers)
  for nvcc in "${found[@]}"; do
    have "$nvcc" || continue
    version=$("$nvcc" --version 2>/dev/null | sed -n 's/.*release \([0-9]*\.[0-9]*\).*/\1/p' | head -1)
    [ -n "$version" ] || continue
    if suits "$nvcc" "$version"; then
      cards=${names:-no card}
      archs=$(for here in $capabilities; do echo "${here/./}"; done | sort -un | paste -sd';' -)
      archs=${CMAKE_CUDA_ARCHITECTURES:-$archs}
      say "$cards${capabilities:+ (compute capability ${capabilities// /, })}${driver:+, driver $driver}, CUDA $version ($nvcc): building the CUDA backend for ${archs:-every card that this toolkit knows}"
      decide cuda "$nvcc" "$archs"
    fi
    first=${first:-$trouble}
  done
  [ -z "$first" ] || cannot "$first"
  here=${names:+$names, }${driver:+driver $driver, }
  cannot "${here}no CUDA toolkit: $(install_toolkit); or make bundle, whose build-cuda.sh runs wherever a toolkit is"
}

# --- others -------------------------------------------------------------------------------------------

# The least version of Vulkan's headers that the engine compiles with.
least_vulkan=1.3.272
choose_vulkan() {
  local folder header='' complete number found
  for folder in "${VULKAN_SDK:+$VULKAN_SDK/include}" "$root/usr/include" "$root/usr/local/include"; do
    if [ -n "$folder" ] && [ -f "$folder/vulkan/vulkan_core.h" ]; then
      header=$folder/vulkan/vulkan_core.h
      break
    fi
  done
  [ -n "$header" ] || cannot "Vulkan's headers are missing (vulkan/vulkan_core.h): $least_vulkan or later, from a package or https://vulkan.lunarg.com (VULKAN_SDK names its folder)"
  complete=$(sed -n 's/^#define VK_HEADER_VERSION_COMPLETE .*(0, *\([0-9]*\), *\([0-9]*\), .*/\1.\2/p' "$header")
  number=$(sed -n 's/^#define VK_HEADER_VERSION \([0-9]*\).*/\1/p' "$header")
  found=$complete.$number
  if [ "$(number "$complete")" -lt "$(number "$least_vulkan")" ] ||
    { [ "$complete" = "${least_vulkan%.*}" ] && [ "$number" -lt "${least_vulkan##*.}" ]; }; then
    cannot "Vulkan's headers are $found (${header%/vulkan/*}), and the engine needs $least_vulkan or later: install newer ones, or the SDK of https://vulkan.lunarg.com (VULKAN_SDK names its folder)"
  fi
  [ -f "${header%/*}/vulkan.hpp" ] || cannot "Vulkan's headers for C++ are missing (${header%/*}/vulkan.hpp)"
  have glslc || cannot "glslc, the compiler of shaders, is missing: install the package glslc or shaderc"
  say "Vulkan's headers $found (${header%/vulkan/*}): building the Vulkan backend"
  decide vulkan "$(command -v glslc)"
}

choose_rocm() {
  local hipcc
  for hipcc in "${ROCM_PATH:+$ROCM_PATH/bin/hipcc}" "${HIP_PATH:+$HIP_PATH/bin/hipcc}" hipcc "$root/opt/rocm/bin/hipcc"; do
    if [ -n "$hipcc" ] && have "$hipcc"; then
      say "ROCm ($(command -v "$hipcc")): building the ROCm backend, which has not been tried"
      decide rocm "$(command -v "$hipcc")" "${GPU_TARGETS:-}"
    fi
  done
  cannot 'hipcc is missing: install ROCm, or set ROCM_PATH to its folder'
}

case "$wish" in
  none)
    say 'LBENCH_GPU=none: building for the CPU alone'
    decide none
    ;;
  auto)
    if [ "$(uname -s)" = Darwin ]; then
      say 'macOS: Metal is part of the build'
      decide metal
    fi
    choose_cuda
    ;;
  cuda) choose_cuda ;;
  vulkan) choose_vulkan ;;
  rocm) choose_rocm ;;
  metal)
    [ "$(uname -s)" = Darwin ] || cannot 'Metal is on macOS alone'
    say 'Metal is part of the build'
    decide metal
    ;;
  *)
    printf 'gpu: LBENCH_GPU=%s is none of auto, none, cuda, vulkan, rocm, metal\n' "$wish" >&2
    exit 1
    ;;
esac
