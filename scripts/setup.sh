#!/usr/bin/env bash
# Makes sure that everything the build needs is there: cargo, a C++ compiler, CMake, libclang.
# Instant when it is. What is missing comes through apt where that is possible (as root, or with sudo);
# where it is not, one message names the packages. Nothing is installed on any other kind of system.
set -euo pipefail

say() { printf 'setup: %s\n' "$*" >&2; }

# --- what is there -----------------------------------------------------------------------------

have() { command -v "$1" >/dev/null 2>&1; }

any_file() { # any_file PATTERN...: is any of these (already expanded) patterns a file?
  local file
  for file in "$@"; do
    if [ -f "$file" ]; then return 0; fi
  done
  return 1
}

# bindgen loads libclang at build time and looks for it much as this does.
have_libclang() {
  local dir dirs=()
  if [ -n "${LIBCLANG_PATH:-}" ]; then return 0; fi # the user's word
  if have llvm-config; then dirs+=("$(llvm-config --libdir 2>/dev/null || true)"); fi
  dirs+=(/usr/lib/llvm-*/lib /usr/lib /usr/lib64 /usr/lib/*-linux-gnu* /usr/lib*/llvm*/lib* /usr/local/lib
    /usr/local/llvm*/lib /opt/homebrew/opt/llvm/lib /usr/local/opt/llvm/lib
    /Library/Developer/CommandLineTools/usr/lib
    /Applications/Xcode.app/Contents/Developer/Toolchains/XcodeDefault.xctoolchain/usr/lib)
  for dir in "${dirs[@]}"; do
    if any_file "$dir"/libclang.so* "$dir"/libclang-[0-9]*.so* "$dir"/libclang.dylib; then
      # Debian splits the library from the compiler's own headers (stddef.h and friends). bindgen needs both.
      ! have apt-get || any_file /usr/lib/llvm-*/lib/clang/*/include/stddef.h /usr/lib/clang/*/include/stddef.h
      return
    fi
  done
  return 1
}

# --- what is missing, and what each system calls it ----------------------------------------------

names=() apt=() dnf=() pacman=() brew=()
missing() { # missing NAME APT DNF PACMAN BREW
  names+=("$1") apt+=("$2") dnf+=("$3") pacman+=("$4") brew+=("$5")
}

join() { # join SEPARATOR WORD...
  local separator=$1 joined=$2 word
  shift 2
  for word in "$@"; do joined+=$separator$word; done
  printf '%s' "$joined"
}

unique() { # unique WORD...: each once, in order
  printf '%s\n' "$@" | awk '!seen[$0]++' | paste -s -d ' ' -
}

advise() {
  say "missing: $(join ', ' "${names[@]}"). Install, then run make again:"
  printf '  Debian, Ubuntu   %s\n' "sudo apt-get install ${apt[*]}" >&2
  printf '  Fedora           %s\n' "sudo dnf install $(unique "${dnf[@]}")" >&2
  printf '  Arch             %s\n' "sudo pacman -S $(unique "${pacman[@]}")" >&2
  printf '  macOS            %s\n' "brew install $(unique "${brew[@]}")" >&2
}

install_through_apt() {
  local as_root=()
  if [ "$(id -u)" -ne 0 ]; then
    if ! have sudo; then return 1; fi
    if sudo -n true 2>/dev/null; then
      as_root=(sudo -n)
    elif [ -t 0 ] && [ -z "${CI:-}" ]; then
      as_root=(sudo) # it will ask for the password
    else
      return 1
    fi
  fi
  say "installing ${apt[*]}"
  # An update that fails for one foreign source need not stop the install; the install decides.
  ${as_root[@]+"${as_root[@]}"} env DEBIAN_FRONTEND=noninteractive \
    apt-get -qq -o DPkg::Lock::Timeout=120 update </dev/null >/dev/null || true
  ${as_root[@]+"${as_root[@]}"} env DEBIAN_FRONTEND=noninteractive \
    apt-get -qq -o DPkg::Lock::Timeout=120 install -y --no-install-recommends "${apt[@]}" </dev/null >/dev/null
}

# --- the set-up ------------------------------------------------------------------------------------

if ! have cargo; then
  say 'cargo is missing. Install Rust from https://rustup.rs, then run make again.'
  exit 1
fi

# Tests of pages look at them in a browser, and are skipped where none is: CI gets one where a command brings it. No build
# needs one, so nothing fails for it.
if [ -n "${CI:-}" ] && have apt-get && ! have chromium && ! have chromium-browser && ! have google-chrome; then
  apt=(chromium)
  install_through_apt 2>/dev/null || say 'no browser could be installed: the tests that look at pages in one are skipped'
fi

look() {
  names=() apt=() dnf=() pacman=() brew=()
  have "${CC:-cc}" || missing 'a C compiler' gcc gcc gcc gcc
  have "${CXX:-c++}" || missing 'a C++ compiler' g++ gcc-c++ gcc gcc
  have "${CMAKE:-cmake}" || missing CMake cmake cmake cmake cmake
  have_libclang || missing libclang libclang-dev clang-devel clang llvm
}

look
if [ ${#names[@]} -eq 0 ]; then exit 0; fi

if have apt-get && install_through_apt; then
  look
  if [ ${#names[@]} -eq 0 ]; then exit 0; fi
fi
advise
exit 1
