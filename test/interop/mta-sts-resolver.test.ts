/**
 * What we think of the MTA-STS policies of some sixty domains, beside what Debian's postfix-mta-sts-resolver thinks.
 * Both look at the same name server and policy hosts, on the ports of the real world: in a network namespace that
 * nothing leaves, with a resolv.conf of its own. Where we differ, a section says who is right.
 */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { after, before, describe, it } from 'node:test'
import { promisify } from 'node:util'
import { ownNetwork } from '../lab/own-network.ts'
import { DOMAINS, PRIVATE_ADDRESS } from './mta-sts-domains.ts'
import type { Opinions } from './mta-sts-peers.ts'

const SCRIPT = new URL('./mta-sts-peers.ts', import.meta.url).pathname
const TIMEOUT_MS = 120_000

describe('policies as Debian’s postfix-mta-sts-resolver sees them', () => {
  let dir: string
  const opinions = new Map<string, Opinions>()

  before(async () => {
    assert.equal(process.getuid?.(), 0, 'network namespaces need root: start test:interop as root')
    dir = await mkdtemp(`${tmpdir()}/hermetic-sts-peers-`)
    const enter = await ownNetwork({ dir, addresses: [PRIVATE_ADDRESS] })
    const [file = 'unshare', ...args] = [...enter, process.execPath, SCRIPT, dir]
    const { stdout } = await promisify(execFile)(file, args, { timeout: TIMEOUT_MS })
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
