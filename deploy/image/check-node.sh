#!/bin/sh
# The gate of the image and of the installer: no Node.js below 26.12.1 goes into it. The releases before it check a server's name wrongly
# (CVE-2026-105483, -106069) and pass NUL in DNS names (CVE-2026-105482). Older lines are refused too, even patched
# ones: the image is built for one line. Usage: check-node.sh [NODE]
set -eu
floor=26.12.1
node=${1:-node}

version=$("$node" --version 2>/dev/null) || {
  echo "check-node: $node does not run" >&2
  exit 1
}
refuse() {
  echo "check-node: $node is $version; Hermetic in production needs $floor or newer ($1)" >&2
  echo "check-node: name one that is: --build-arg NODE_IMAGE=… of the image, install.sh /path/to/node of systemd" >&2
  exit 1
}

numbers=${version#v}
case "$numbers" in
  *-*) refuse 'a release, not what came before one' ;;
  '' | *[!0-9.]* | .* | *. | *..*) refuse 'the version cannot be read' ;;
  *.*.*.*) refuse 'the version cannot be read' ;;
  *.*.*) ;;
  *) refuse 'the version cannot be read' ;;
esac

# One number that orders versions: each part below 1000.
rank() {
  old_ifs=$IFS
  IFS=.
  # shellcheck disable=SC2086
  set -- $1
  IFS=$old_ifs
  echo "$((${1} * 1000000 + ${2} * 1000 + ${3}))"
}
[ "$(rank "$numbers")" -ge "$(rank "$floor")" ] || refuse 'the TLS fixes of October 2026 are missing'
echo "check-node: $version is new enough"
