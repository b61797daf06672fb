#!/usr/bin/env bash
# Builds lbench in the flavour that travels, and puts it into a folder with all that it loads:
#
#   scripts/stage.sh FOLDER    FOLDER/lbench, FOLDER/lib/ (the engine), FOLDER/backends/ (its modules)
#
# The kernels for the CPU are modules, one for each level of CPUs, and lbench takes the best at start: as fast as
# a build for the machine at hand, on any machine. The target folder is one of its own, since shared libraries are
# another flavour of llama.cpp: MODULES_TARGET_DIR, or target/modules.
# The last line of its output is the folder of llama.cpp's source.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

root=$1
target="${MODULES_TARGET_DIR:-target/modules}"
fail() { echo "stage: $*" >&2; exit 1; }

export LLAMA_BUILD_SHARED_LIBS=1 GGML_BACKEND_DL=ON GGML_CPU_ALL_VARIANTS=ON GGML_RPC=ON
# Flags for this machine's CPU would get into the program and into every module.
unset RUSTFLAGS CARGO_ENCODED_RUSTFLAGS CFLAGS CXXFLAGS
# The engine's build script links its libraries into these folders, and stumbles over links of an earlier build.
for folder in "$target"/release "$target"/release/deps "$target"/release/examples; do
  [ ! -d "$folder" ] || find "$folder" -maxdepth 1 -name 'lib*.so' -type l ! -exec test -e {} \; -delete
done
engine=$(cargo build --release --locked --target-dir "$target" --message-format json-render-diagnostics |
  sed -n 's/^{"reason":"build-script-executed".*llama-cpp-sys-2.*"out_dir":"\([^"]*\)".*/\1/p' | tail -1)
source=$(cargo metadata --locked --format-version 1 |
  sed 's/.*"manifest_path":"\([^"]*llama-cpp-sys-2[^"/]*\)\/Cargo.toml".*/\1/')
if [ ! -d "$engine" ] || [ ! -d "$source/llama.cpp" ]; then fail 'the engine was not found'; fi

mkdir -p "$root/lib" "$root/backends"
install -m 755 "$target/release/lbench" "$root/lbench"
for library in libllama libllama-common libggml libggml-base; do cp -L "$engine/lib/$library.so.0" "$root/lib/"; done
cp "$engine"/bin/libggml-*.so "$root/backends/"
case "$(uname -m)" in
  x86_64)
    # A plain one is what an earlier build without levels left. AMX is left out: some virtual machines announce
    # it and trap, and the engine would take its kernels there. `make build` tries it first.
    rm -f "$root/backends/libggml-cpu.so" "$root/backends/libggml-cpu-sapphirerapids.so"
    [ -f "$root/backends/libggml-cpu-haswell.so" ] || fail 'the engine has no kernels for each level of CPUs'
    ;;
esac
strip --strip-unneeded "$root"/lib/*.so.0 "$root"/backends/*.so
chmod 644 "$root"/lib/* "$root"/backends/*

# Whatever is loaded is here or part of any system; what is linked in has its licence in the archive.
system=' libc.so.6 libm.so.6 libgcc_s.so.1 libstdc++.so.6 libgomp.so.1 libpthread.so.0 libdl.so.2 '
for file in "$root/lbench" "$root"/lib/* "$root"/backends/*; do
  for needed in $(readelf -d "$file" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p'); do
    case "$system" in *" $needed "*) continue ;; esac
    case "$needed" in ld-linux*) continue ;; esac
    [ -f "$root/lib/$needed" ] || fail "$file needs $needed, which is not in the archive"
  done
done
echo "$source/llama.cpp"
