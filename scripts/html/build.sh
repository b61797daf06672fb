#!/usr/bin/env bash
# Bundles the plots of lbench's HTML pages: Observable Plot, by the versions of package-lock.json, and the files in src/.
# What comes out is checked in under src/report/page/, so that nobody who builds lbench needs npm; run this after a
# change here, and commit both. `cargo nextest run page` fails where one is without the other.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
out=../../src/report/page
if [ ! -x node_modules/.bin/esbuild ] || [ package-lock.json -nt node_modules/.package-lock.json ]; then
  npm ci --ignore-scripts --no-audit --no-fund
fi
# ASCII alone, so that no filter of control characters ever touches it.
node_modules/.bin/esbuild src/main.js --bundle --minify --format=iife --target=es2022 --charset=ascii \
  --legal-comments=none --metafile=node_modules/.meta.json --outfile="$out/page.js"
node_modules/.bin/esbuild src/page.css --minify --charset=ascii --outfile="$out/page.css"
node licences.js node_modules/.meta.json >"$out/licences.txt"
# What was made of what: paths from here, so that the test reads them as they stand.
{ sha256sum package.json package-lock.json build.sh licences.js src/*; sha256sum "$out"/page.js "$out"/page.css "$out"/licences.txt; } >"$out/page.sha256"
