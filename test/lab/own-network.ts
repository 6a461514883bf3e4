/**
 * A network namespace for one program and its children: loopback alone, so that nothing leaves, every port is free, and
 * the name server at 127.0.0.1:53 is the one that resolv.conf names. Its mounts are seen by nobody else, and all of it
 * goes with the last program in it. Needs root, util-linux and iproute2.
 */
import { writeFile } from 'node:fs/promises'

const ENTER = `
dir=$1; shift
ip link set lo up
while [ "$1" != -- ]; do ip address add "$1/32" dev lo; shift; done
shift
mount --bind "$dir/resolv.conf" /etc/resolv.conf
mount --bind "$dir/nsswitch.conf" /etc/nsswitch.conf
exec "$@"`

export interface OwnNetworkOptions {
  /** For two small files; whoever made it removes it. */
  readonly dir: string
  /** Beside all of 127/8. */
  readonly addresses?: readonly string[]
}

/** What to put before the command line. */
export async function ownNetwork({ dir, addresses = [] }: OwnNetworkOptions): Promise<readonly string[]> {
  await writeFile(`${dir}/resolv.conf`, 'nameserver 127.0.0.1\noptions timeout:2 attempts:1\n')
  await writeFile(`${dir}/nsswitch.conf`, 'hosts: dns\n')
  return ['unshare', '--net', '--mount', '--', 'sh', '-euc', ENTER, 'sh', dir, ...addresses, '--']
}
