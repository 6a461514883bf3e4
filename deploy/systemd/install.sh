#!/bin/sh
# Installs this checkout, or puts it in place of what is installed: sudo deploy/systemd/install.sh [NODE]
# NODE is the Node.js to use, the one in PATH by default. With DESTDIR set, into that directory and without a word
# to systemd. Starts and restarts nothing.
set -eu
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd -P)
root=$(CDPATH='' cd -- "$here/../.." && pwd -P)
destdir=${DESTDIR:-}
node=$(command -v "${1:-node}") || {
  echo "install: there is no ${1:-node}" >&2
  exit 1
}
sh "$root/deploy/image/check-node.sh" "$node"

# Beside the old one, then in its place in one step: a relay that runs has loaded most of what it needs, not all.
new=$destdir/opt/hermetic.new
rm -rf "$new"
mkdir -p "$destdir/opt"
sh "$root/deploy/image/build-steps.sh" "$root" "$new"
cp -R "$root/docs" "$root/README.md" "$new/"
chmod -R u=rwX,go=rX "$new"
rm -rf "$destdir/opt/hermetic.old"
[ ! -d "$destdir/opt/hermetic" ] || mv "$destdir/opt/hermetic" "$destdir/opt/hermetic.old"
mv "$new" "$destdir/opt/hermetic"

install -d "$destdir/usr/local/bin" "$destdir/etc/systemd/system" "$destdir/etc/sysusers.d" "$destdir/etc/tmpfiles.d"
# For the command line the same settings as for the service; what is set already counts.
cat >"$destdir/usr/local/bin/hermetic" <<END
#!/bin/sh
# As the unit's EnvironmentFile=: lines NAME=VALUE, perhaps in quotes.
if [ -r /etc/hermetic/environment ]; then
  while IFS= read -r line || [ -n "\$line" ]; do
    name=\${line%%=*} value=\${line#*=}
    case "\$name" in HERMETIC_*[!A-Z0-9_]* | HERMETIC_) continue ;; HERMETIC_*) ;; *) continue ;; esac
    [ "\$name" != "\$line" ] || continue
    case "\$value" in '"'*'"') value=\${value#'"'} value=\${value%'"'} ;; "'"*"'") value=\${value#"'"} value=\${value%"'"} ;; esac
    printenv "\$name" >/dev/null || export "\$name=\$value"
  done </etc/hermetic/environment
fi
export HERMETIC_CONFIG="\${HERMETIC_CONFIG-/etc/hermetic/hermetic.toml}" HERMETIC_DATA_DIR="\${HERMETIC_DATA_DIR-/var/lib/hermetic}"
exec "$node" /opt/hermetic/packages/mta/src/cli/main.ts "\$@"
END
chmod 0755 "$destdir/usr/local/bin/hermetic"
install -m 0644 "$here/hermetic.service" "$destdir/etc/systemd/system/hermetic.service"
install -m 0644 "$here/hermetic.sysusers" "$destdir/etc/sysusers.d/hermetic.conf"
install -m 0644 "$here/hermetic.tmpfiles" "$destdir/etc/tmpfiles.d/hermetic.conf"

if [ -z "$destdir" ]; then
  systemd-sysusers /etc/sysusers.d/hermetic.conf
  systemd-tmpfiles --create /etc/tmpfiles.d/hermetic.conf
  systemctl daemon-reload
fi
echo "install: Hermetic is in $destdir/opt/hermetic, for $node"
echo "install: next, write /etc/hermetic/hermetic.toml, then: systemctl enable --now hermetic"
