/**
 * What we think of the MTA-STS policies of some sixty domains, beside what Debian's postfix-mta-sts-resolver thinks.
 * Both look at the same name server and policy hosts, on the ports of the real world: in a network namespace that
 * nothing leaves, with a resolv.conf of its own. Where we differ, a section says who is right.
 */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { after, before, describe, it } from 'node:test'
import { promisify } from 'node:util'
import { DOMAINS, PRIVATE_ADDRESS } from './mta-sts-domains.ts'
import type { Opinions } from './mta-sts-peers.ts'

const SCRIPT = new URL('./mta-sts-peers.ts', import.meta.url).pathname
const TIMEOUT_MS = 120_000
/** Mounts are seen by the namespace alone, and all of it goes with its last program. */
const ENTER = `
ip link set lo up
ip address add ${PRIVATE_ADDRESS}/32 dev lo
mount --bind "$1/resolv.conf" /etc/resolv.conf
mount --bind "$1/nsswitch.conf" /etc/nsswitch.conf
exec "$2" "$3" "$1"`

describe('policies as Debian’s postfix-mta-sts-resolver sees them', () => {
  let dir: string
  const opinions = new Map<string, Opinions>()

  before(async () => {
    assert.equal(process.getuid?.(), 0, 'network namespaces need root: start test:interop as root')
    dir = await mkdtemp(`${tmpdir()}/hermetic-sts-peers-`)
    await writeFile(`${dir}/resolv.conf`, 'nameserver 127.0.0.1\noptions timeout:2 attempts:1\n')
    await writeFile(`${dir}/nsswitch.conf`, 'hosts: dns\n')
    const command = ['--net', '--mount', '--', 'sh', '-euc', ENTER, 'sh', dir, process.execPath, SCRIPT]
    const { stdout } = await promisify(execFile)('unshare', command, { timeout: TIMEOUT_MS })
    for (const one of JSON.parse(stdout) as readonly Opinions[]) opinions.set(one.domain, one)
  })

  after(() => rm(dir, { recursive: true, force: true }))

  for (const { name, what, opinion, peer, afterwards } of DOMAINS) {
    const subject = afterwards === undefined ? what : `cached, then ${what}`
    const title =
      peer === undefined ? `${subject}: ${opinion}` : `${subject}: ${opinion}, not ${peer.opinion} (${peer.section})`
    it(title, () => {
      const { ours, theirs } = of(name)
      assert.equal(ours, opinion)
      assert.equal(theirs, peer?.opinion ?? opinion)
    })
  }

  it('a policy that could not be fetched is not asked for again at once (RFC 8461 §3.3); the peer asks each time', () => {
    const { fetches } = of('again.test')
    assert.equal(fetches.ours, 1)
    assert.ok(fetches.theirs > 1)
  })

  it('no policy host in a private network was contacted', () => {
    assert.deepEqual(of('private.test').fetches.ours, 0)
  })

  function of(name: string): Opinions {
    const found = opinions.get(name)
    assert.ok(found !== undefined, `nobody was asked about ${name}`)
    return found
  }
})
