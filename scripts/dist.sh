#!/usr/bin/env bash
# Makes the release archive, target/lbench-VERSION-TARGET.tar.xz, with the licences of all that is in it.
#
#   scripts/dist.sh          builds and packs
#   scripts/dist.sh --check  says whether everything for that is there, and builds nothing
#
# The same build gives the same bytes: sorted names, one time (SOURCE_DATE_EPOCH, or the commit's), no owners.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

fail() { echo "dist: $*" >&2; exit 1; }

need() { # need PROGRAM HOW
  command -v "$1" >/dev/null || fail "$1 is missing: $2"
}

check() {
  need cargo-about 'cargo install --locked --features cli cargo-about'
  need xz 'install xz-utils'
  need strip 'install binutils'
  need readelf 'install binutils'
  tar --version 2>/dev/null | grep -q 'GNU tar' || fail 'GNU tar is missing: install tar'
  # cargo-deny decides what may be in it, cargo-about writes down what is: one list in two files.
  if [ -z "$(list deny.toml allow)" ] || [ "$(list deny.toml allow)" != "$(list about.toml accepted)" ]; then
    fail 'deny.toml (allow) and about.toml (accepted) list different licences: make them the same'
  fi
}

list() { # list FILE KEY: a list of a TOML file, on one line
  sed -n "/^$2 = \[/,/\]/{p;/\]/q}" "$1" | sed "s/^$2 = //" | tr -d ' \n'
}

# The notices in llama.cpp's source that stand in the libraries: its own, and that of every file which has another.
# Of what it vendors, the part for pictures and sound is for its tools, and not linked.
engine_licences() { # engine_licences SOURCE
  local source=$1 file notices known
  notices=$(cd "$source" && grep -rliE 'copyright|MIT licen[cs]e' src ggml/src/*.c ggml/src/*.cpp ggml/src/*.h \
    ggml/src/ggml-cpu ggml/src/ggml-rpc | grep -vE '/(kleidiai|spacemit)/|CMakeLists' | sort | paste -sd' ')
  known='ggml/src/ggml-cpu/llamafile/sgemm.cpp ggml/src/ggml-cpu/ops.cpp src/llama-vocab.cpp'
  [ "$notices" = "$known" ] || fail "the engine's files with notices are other ones ($notices): see scripts/dist.sh"
  heading "llama.cpp and ggml"
  cat "$source/LICENSE"
  heading "llama.cpp: ggml/src/ggml-cpu/llamafile/sgemm.cpp"
  sed -n '/^\/\//!q; s/^\/\/ \{0,1\}//p' "$source/ggml/src/ggml-cpu/llamafile/sgemm.cpp" | sed '/SOFTWARE\.$/q'
  heading "llama.cpp: parts of other projects, under the MIT licence as above"
  for file in ggml/src/ggml-cpu/ops.cpp src/llama-vocab.cpp; do
    echo "$file: $(sed -n 's/^\/\/ *\(.*\(Copyright\|MIT License\).*\)$/\1/p' "$source/$file" | paste -sd' ')"
  done
}

# What its common library is made of beside its own code, each with its licence.
vendored_licences() { # vendored_licences SOURCE
  local vendor=$1/vendor file
  for file in "$vendor"/cpp-httplib/LICENSE "$vendor"/hash/*/LICENSE*; do
    heading "llama.cpp: ${file#"$1/"}"
    cat "$file"
  done
  heading 'llama.cpp: vendor/nlohmann'
  sed -n 's/^\/\/ SPDX-[A-Za-z-]*: //p' "$vendor/nlohmann/json.hpp" | head -2
  echo 'under the MIT licence as of llama.cpp above'
  heading 'llama.cpp: vendor/sheredom/subprocess.h'
  sed -n '/^\/\*/,/\*\//p;/unlicense\.org/q' "$vendor/sheredom/subprocess.h" | grep -v '^[/ ]*\*\{1,\}/*$'
  heading 'llama.cpp: vendor/hash/sha1'
  sed -n '2,4p' "$vendor/hash/sha1/sha1.c"
}

heading() { printf '\n%s\n%s\n\n' "$(printf '=%.0s' {1..80})" "$1"; }

# Fails where other vendored code has come to be linked: its licences would be missing.
nothing_else_vendored() { # nothing_else_vendored FOLDER
  local found
  found=$(grep -lE 'miniaudio|stb_image' "$1/lbench" "$1"/lib/* "$1"/backends/* || true)
  [ -z "$found" ] || fail "code that llama.cpp vendors is linked into $found: add its licence in scripts/dist.sh"
}

# Manual page and completions, where this lbench writes them.
shell_files() { # shell_files FOLDER
  local root=$1 shell
  if "$root/lbench" man --help >/dev/null 2>&1; then
    mkdir -p "$root/man"
    "$root/lbench" man --output "$root/man" >&2
  fi
  if "$root/lbench" completions --help >/dev/null 2>&1; then
    mkdir -p "$root/completions"
    for shell in bash zsh fish powershell; do
      "$root/lbench" completions "$shell" >"$root/completions/lbench.$shell"
    done
  fi
}

pack() {
  local version target name stage root source epoch out
  version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -1)
  target=$(rustc -vV | sed -n 's/^host: //p')
  name="lbench-$version-$target"
  stage=$(mktemp -d)
  # shellcheck disable=SC2064 # the folder as it is named now
  trap "rm -rf '$stage'" EXIT
  root="$stage/$name"

  source=$(scripts/stage.sh "$root" | tail -1)
  nothing_else_vendored "$root"
  cp -R README.md LICENSE CHANGELOG.md docs "$root/"
  shell_files "$root"
  cargo about generate --locked --fail -o "$root/THIRD-PARTY-LICENSES" about.hbs >&2
  { engine_licences "$source" && vendored_licences "$source"; } >>"$root/THIRD-PARTY-LICENSES"
  (cd "$root" && find . -type f -printf '%P\n' | LC_ALL=C sort | xargs -d '\n' sha256sum) >"$stage/sums"
  mv "$stage/sums" "$root/SHA256SUMS"

  epoch=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || echo 0)}
  mkdir -p target
  out="target/$name.tar.xz"
  LC_ALL=C tar -C "$stage" --sort=name --mtime="@$epoch" --owner=0 --group=0 --numeric-owner \
    --mode='u=rwX,go=rX' --format=gnu -cf - "$name" | xz -T1 -6 >"$out"
  (cd target && sha256sum "$name.tar.xz" >"$name.tar.xz.sha256")
  echo "$out: $(du -h "$out" | cut -f1), for systems with $(glibc "$root") or later"
}

# The oldest C library that has every function that is called.
glibc() {
  objdump -T "$1/lbench" "$1"/lib/* "$1"/backends/* | grep -o 'GLIBC_[0-9.]*' | sort -uV | tail -1 | tr _ ' '
}

check
if [ "${1:-}" = --check ]; then
  echo 'dist: everything is there'
else
  pack
fi
