#!/bin/sh
# What the last stage of the Dockerfile runs as root, on Debian: unbound (which validates DNSSEC for DANE; the relay
# starts and ends it itself), the user, its directory and the command. Usage: runtime-steps.sh
set -eu
user=hermetic
id=10001

apt-get update -qq
DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends unbound ca-certificates
rm -rf /var/lib/apt/lists/*

groupadd --system --gid "$id" "$user"
useradd --system --uid "$id" --gid "$id" --home-dir /var/lib/hermetic --no-create-home --shell /usr/sbin/nologin "$user"
install -d -o root -g root -m 0755 /etc/hermetic
install -d -o "$user" -g "$user" -m 0700 /var/lib/hermetic /var/lib/hermetic-content
cat >/usr/local/bin/hermetic <<'END'
#!/bin/sh
exec node /app/packages/mta/src/cli/main.ts "$@"
END
chmod 0755 /usr/local/bin/hermetic
