#!/bin/sh
# What the build stage of the Dockerfile runs, and what test/interop/image-steps.test.ts runs in a plain directory:
# puts the program, without what only its developers need, into DESTINATION. Usage: build-steps.sh SOURCE DESTINATION
#
# The program is TypeScript and stays it: Node.js strips the types, as in every test. Nothing is compiled, so what
# runs is what was tested. `pnpm deploy` would copy our packages into node_modules, where Node.js strips nothing.
set -eu
umask 022
source=$(CDPATH='' cd -- "$1" && pwd -P)
destination=$2
pnpm="npx --yes pnpm@12"

[ ! -e "$destination" ] || {
  echo "build-steps: $destination exists already" >&2
  exit 1
}
mkdir -p "$destination"
destination=$(CDPATH='' cd -- "$destination" && pwd -P)

# Only what runs: no tests, contracts, fixtures.
(cd "$source" && find packages -name node_modules -prune -o -type f \
  ! -name '*.test.ts' ! -name '*.contract.ts' ! -name '*.fixture.ts' ! -name '*-lab.ts' -print) |
  (cd "$source" && tar -cf - -T -) | tar -C "$destination" -xf -
cp "$source/package.json" "$source/pnpm-lock.yaml" "$source/pnpm-workspace.yaml" "$source/LICENSE" "$destination/"
cp "$source/deploy/image/NOTICE" "$destination/"
# A manifest for every project of the lockfile, or it counts as outdated.
mkdir "$destination/test"
cp "$source/test/package.json" "$destination/test/"

# The lockfile decides every version and its hash. Optional packages are left out: they are a Node.js for developers
# and native accelerators, and no install script runs.
(cd "$destination" && CI=true $pnpm install --prod --frozen-lockfile --no-optional --ignore-scripts \
  --filter '@hermetic/mta...' --config.package-import-method=copy)

rm -rf "$destination/test" "$destination/pnpm-lock.yaml" "$destination/pnpm-workspace.yaml" \
  "$destination/node_modules/.pnpm-workspace-state-v1.json" "$destination/node_modules/.modules.yaml"
find "$destination" -name '.bin' -type d -prune -exec rm -rf {} +
# For compilers and debuggers.
find "$destination/node_modules" -type f \( -name '*.map' -o -name '*.d.ts' -o -name '*.d.mts' -o -name '*.d.cts' \) -delete
# Everybody may read it, nobody may change it.
chmod -R u=rwX,go=rX "$destination"
