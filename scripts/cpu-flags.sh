#!/usr/bin/env bash
# The best compiler flags for the CPU of this machine.
#
#   scripts/cpu-flags.sh             prints them, as `export` lines
#   scripts/cpu-flags.sh COMMAND...  runs COMMAND with them
#
# RUSTFLAGS gets `-Ctarget-cpu=native`, which makes the engine's build script turn llama.cpp's native
# kernels on. CFLAGS and CXXFLAGS leave AMX out, where the CPU announces it and using it traps, be it the machine's fault
# or the compiler's: CPUID, XCR0 and arch_prctl all promise AMX, and the first tile load is an illegal instruction.
# What the user has set stays: flags are appended, a target-cpu of one's own is kept.
# LBENCH_PORTABLE=1 adds nothing, and so gives the same kernels as a plain `cargo build --release`.
#
# The flags do not change from one call to the next, else cargo would build the engine anew: the verdict
# of the tile-load probe is kept in the target folder until the CPU, the kernel or the compiler is another one.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
verdicts=${CARGO_TARGET_DIR:-$root/target}/amx-probe
compiler=${CXX:-c++}
without_amx='-mno-amx-tile -mno-amx-int8 -mno-amx-bf16'

announces_amx() { grep -qw amx_tile /proc/cpuinfo 2>/dev/null; }

# Succeeds where the compiler knows AMX at all: one that does not can neither use it nor be told to leave it out.
compiler_knows_amx() {
  # shellcheck disable=SC2086 # several flags
  $compiler $without_amx -x c++ -c -o /dev/null - </dev/null >/dev/null 2>&1
}

# Compiles and runs what the engine's kernels do first: set the tiles up once a thread, load two, multiply them. Succeeds
# where that works however much the compiler optimises: the headers of GCC 12 tell it of the first 8 of the set-up's 64
# bytes alone, so that it leaves the others out where the set-up is a function of its own, as it is in the engine. The
# first tile load is then an illegal instruction, on a CPU that has AMX.
amx_works() {
  local scratch works=0 level
  scratch=$(mktemp -d)
  cat >"$scratch/probe.cpp" <<'C'
#include <immintrin.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static void on_trap(int signal) { (void)signal; _exit(1); }

struct Config {
    uint8_t palette = 0;
    uint8_t start_row = 0;
    uint8_t reserved[14] = {0};
    uint16_t row_bytes[16] = {0};
    uint8_t rows[16] = {0};
};

enum { ARCH_REQ_XCOMP_PERM = 0x1023, XFEATURE_XTILEDATA = 18, ROWS = 16, ROW_BYTES = 64 };
static int8_t a[ROWS * ROW_BYTES], b[ROWS * ROW_BYTES];
static int32_t c[ROWS * ROW_BYTES / 4];

__attribute__((noinline)) static void set_up() {
    static thread_local bool is_done = false;
    if (is_done) return;
    alignas(64) Config config = {};
    config.palette = 1;
    config.rows[0] = ROWS;
    config.row_bytes[0] = ROW_BYTES;
    config.rows[1] = ROWS;
    config.row_bytes[1] = ROW_BYTES;
    config.rows[2] = ROWS;
    config.row_bytes[2] = ROW_BYTES;
    _tile_loadconfig(&config);
    is_done = true;
}

int main() {
    signal(SIGILL, on_trap);
    signal(SIGSEGV, on_trap);
    if (syscall(SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA) != 0) return 1;
    memset(a, 1, sizeof a);
    memset(b, 2, sizeof b);
    set_up();
    _tile_zero(0);
    _tile_loadd(1, a, ROW_BYTES);
    _tile_loadd(2, b, ROW_BYTES);
    _tile_dpbssd(0, 1, 2);
    _tile_stored(0, c, ROW_BYTES);
    _tile_release();
    return c[0] == 2 * ROW_BYTES ? 0 : 1;
}
C
  for level in -O1 -O2 -O3; do
    # shellcheck disable=SC2086 # CXX may carry flags
    if ! { $compiler $level -mamx-tile -mamx-int8 -o "$scratch/probe" "$scratch/probe.cpp" &&
      "$scratch/probe"; } >/dev/null 2>&1; then
      works=1
    fi
  done
  rm -rf "$scratch"
  return "$works"
}

# The flags that leave AMX out, or nothing where there is nothing to leave out.
amx_flags() {
  local key verdict
  key="$(sed -n '/^model name/{p;q;}' /proc/cpuinfo) | $(uname -r) | $($compiler --version 2>/dev/null | sed -n 1p)"
  if [ -f "$verdicts" ] && [ "$(sed -n 1p "$verdicts")" = "$key" ]; then
    verdict=$(sed -n 2p "$verdicts")
  else
    if ! compiler_knows_amx; then
      verdict=unknown
    elif amx_works; then
      verdict=works
    else
      verdict=traps
      echo 'cpu-flags: this CPU announces AMX, yet a tile load fails as this compiler builds it: AMX is left out' >&2
    fi
    mkdir -p "$(dirname "$verdicts")"
    printf '%s\n%s\n' "$key" "$verdict" >"$verdicts"
  fi
  if [ "$verdict" = traps ]; then printf '%s' "$without_amx"; fi
}

append() { # append VARIABLE FLAGS, unless they are there already
  local old=${!1:-}
  case " $old " in
    *" $2 "*) ;;
    *) export "$1=${old:+$old }$2" ;;
  esac
}

if [ -z "${LBENCH_PORTABLE:-}" ]; then
  case "$(uname -m)" in
    x86_64 | amd64 | aarch64 | arm64)
      case "${RUSTFLAGS:-}" in
        *target-cpu=*) ;;
        *) append RUSTFLAGS -Ctarget-cpu=native ;;
      esac
      ;;
  esac
  case "${RUSTFLAGS:-}" in
    *target-cpu=native*)
      if announces_amx; then
        flags=$(amx_flags)
        if [ -n "$flags" ]; then
          append CFLAGS "$flags"
          append CXXFLAGS "$flags"
        fi
      fi
      ;;
  esac
fi

# The engine's build script configures a build folder once, and goes on with it whatever CFLAGS say later.
# A mark in RUSTFLAGS gives each set of C flags a folder of its own.
if [ -n "${CFLAGS:-}${CXXFLAGS:-}" ]; then
  mark=$(printf '%s|%s' "${CFLAGS:-}" "${CXXFLAGS:-}" | cksum | cut -d ' ' -f 1)
  append RUSTFLAGS "--cfg=lbench_c_flags_$mark"
fi

if [ $# -gt 0 ]; then exec "$@"; fi
for name in RUSTFLAGS CFLAGS CXXFLAGS; do
  if [ -n "${!name:-}" ]; then printf 'export %s=%q\n' "$name" "${!name}"; fi
done
