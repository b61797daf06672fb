#!/usr/bin/env bash
# Copies a build to where programs live:
#
#   scripts/install.sh RELEASE PREFIX    RELEASE/lbench, and lib/ and backends/ beside it, if there are any
#
# One file goes to PREFIX/bin. What loads libraries stays together in PREFIX/lib/lbench, and PREFIX/bin has a link.
# Manual pages and completions go to PREFIX/share.
set -euo pipefail

release=$1 prefix=$2
share=$prefix/share
install -d "$prefix/bin" "$share/man/man1" "$share/bash-completion/completions" "$share/zsh/site-functions" \
  "$share/fish/vendor_completions.d"
# What an earlier build left would be loaded by none, or by the wrong one.
rm -rf "${prefix:?}/lib/lbench"
rm -f "$prefix/bin/lbench"
if [ -d "$release/lib" ]; then
  install -d "$prefix/lib/lbench/lib"
  install -m 755 "$release/lbench" "$prefix/lib/lbench/lbench"
  install -m 644 "$release"/lib/* "$prefix/lib/lbench/lib/"
  if [ -d "$release/backends" ]; then
    install -d "$prefix/lib/lbench/backends"
    install -m 644 "$release"/backends/*.so "$prefix/lib/lbench/backends/"
  fi
  ln -s ../lib/lbench/lbench "$prefix/bin/lbench"
else
  install -m 755 "$release/lbench" "$prefix/bin/lbench"
fi
lbench=$release/lbench
"$lbench" man --output "$share/man/man1"
"$lbench" completions bash >"$share/bash-completion/completions/lbench"
"$lbench" completions zsh >"$share/zsh/site-functions/_lbench"
"$lbench" completions fish >"$share/fish/vendor_completions.d/lbench.fish"
