#!/usr/bin/env bash
# Tries real offload on a machine without a GPU: llama.cpp's Vulkan backend on Mesa's software device, twice, so that
# layers, devices and shares of them can be seen. Its speed says nothing. The first time takes a quarter of an hour on
# two cores, which is why no other check runs it.
#
#   scripts/try-vulkan.sh          builds in target/try-vulkan, then runs and checks
#   scripts/try-vulkan.sh headers  gets new headers alone, and prints their folder for VULKAN_SDK
#
# What it needs: glslc, Vulkan's loader and headers, those of SPIR-V, and Mesa's drivers. On Debian and Ubuntu they are
# installed if they are missing and this is root. Headers older than the engine needs are replaced for this build by
# those of the next Debian, in a file of their own.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

fail() { echo "try-vulkan: $*" >&2; exit 1; }
target=${CARGO_TARGET_DIR:-$PWD/target}/try-vulkan
export LBENCH_GPU=vulkan

packages=(glslc libvulkan-dev spirv-headers mesa-vulkan-drivers)
if command -v dpkg >/dev/null && ! dpkg -s "${packages[@]}" >/dev/null 2>&1; then
  [ "$(id -u)" = 0 ] || fail "install ${packages[*]}, then run this again"
  apt-get -qq update >/dev/null || true
  DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends "${packages[@]}" >/dev/null
fi

# Debian's own next release, asked for one package, with the keys of this one.
new_headers() {
  local folder=$target/sdk apt
  if [ ! -f "$folder/include/vulkan/vulkan.hpp" ]; then
    command -v apt-get >/dev/null || fail 'set VULKAN_SDK to the folder of newer headers'
    apt=$(mktemp -d)
    mkdir -p "$apt"/lists/partial "$apt"/cache/archives/partial "$folder"
    echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://deb.debian.org/debian trixie main" \
      >"$apt/sources.list"
    local ask=(apt-get -qq -oAPT::Sandbox::User=root -oDir::Etc::sourcelist="$apt/sources.list" -oDir::Etc::sourceparts=/dev/null
      -oDir::State::Lists="$apt/lists" -oDir::Cache="$apt/cache")
    "${ask[@]}" update >&2
    (cd "$apt" && "${ask[@]}" download libvulkan-dev >&2 && dpkg -x libvulkan-dev_*.deb unpacked)
    cp -R "$apt/unpacked/usr/include" "$folder/"
    rm -rf "$apt"
  fi
  echo "$folder"
}
if [ "${1:-}" = headers ]; then
  new_headers
  exit 0
fi
if ! scripts/gpu.sh --quiet >/dev/null 2>&1; then
  VULKAN_SDK=$(new_headers)
  export VULKAN_SDK
fi

CARGO_TARGET_DIR=$target make --no-print-directory build
lbench=$target/release/lbench

# The engine passes over software devices unless one is named. Twice the same one is two devices to it.
export GGML_VK_VISIBLE_DEVICES=0,0
"$lbench" --list-devices
for device in Vulkan0 Vulkan1; do
  "$lbench" --list-devices | grep -q "  $device: " || fail "there is no $device here: is Mesa's software driver installed?"
done
model=(-m synth:llama-135m:q4_0 -r 1 --no-warmup --no-journal)

expect() { # expect WHAT EXPECTED ROWS: a number of every row, smallest first: rows come as they finish
  local got
  # shellcheck disable=SC2001 # a regular expression, line by line
  got=$(sed 's/.*"'"$1"'": \(\[[^]]*\]\|[^,}]*\).*/\1/' <<<"$3" | sort -n | paste -sd' ' -)
  [ "$got" = "$2" ] || fail "$1 is $got and not $2"
  echo "try-vulkan: $1: $got"
}

"$lbench" "${model[@]}" -p 16 -n 4 -dev Vulkan0 -ngl 0,4,99
rows=$("$lbench" "${model[@]}" -p 8 -n 0 -dev none,Vulkan0 -ngl 0,4,99 -o jsonl)
# On none, every -ngl is the same measurement; on a device each is its own.
expect n_gpu_layers_effective '0 0 0 0 4 31' "$rows"
rows=$("$lbench" "${model[@]}" -p 8 -n 0 -ngl 99 -dev Vulkan0/Vulkan1 -ts 1/0,1/1,3/1 -o jsonl)
grep -o '"memory_split": \[[^]]*\]' <<<"$rows"
for share in 1 2 3; do
  sed -n "${share}p" <<<"$rows" | grep -q '"device": *"Vulkan0"' || fail 'no weights on Vulkan0'
done
sed -n 2p <<<"$rows" | grep -q '"device": *"Vulkan1"' || fail '-ts 1/1 leaves Vulkan1 without weights'
echo 'try-vulkan: done'
