/** RFC 7672 as a mail exchanger sees it: whom we connect to, whom we ask for, what crosses and what waits. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { covers } from '../conformance/covers.ts'
import { selfSigned } from '../lab/ca.ts'
import { type DaneWorldOptions, DOMAIN, MX, startDaneWorld, tlsaOf, tlsaOwner } from '../lab/dane-world.ts'
import type { DnsFault } from '../lab/dns-server.ts'
import { StsWorld } from '../lab/sts-world.ts'
import { type HostOptions, labAuthority } from '../lab/world-host.ts'

const BOB = `bob@${DOMAIN}`

async function sent(options: DaneWorldOptions, look: (world: StsWorld) => Promise<void> | void): Promise<void> {
  await using world = await startDaneWorld(options)
  await world.send(DOMAIN)
  await look(world)
}

const arrived = (world: StsWorld, host = MX): readonly boolean[] =>
  world.relay.mx(host).messages.map(({ inTls }) => inTls)
const connections = (world: StsWorld, host = MX): number => world.relay.mx(host).connections.length

/** No MAIL crossed any connection, and each heard QUIT after the handshake. */
function refusedAfterHandshake(world: StsWorld): void {
  assert.ok(connections(world) > 0)
  for (const { commands } of world.relay.mx(MX).connections) {
    assert.ok(!commands.some((line) => line.startsWith('MAIL')))
    assert.ok(commands.includes('QUIT'))
  }
}

describe('RFC 7672 §2.2: what TLSA records demand', () => {
  test('DANE-55: with a usable record TLS and a match are demanded: without STARTTLS nothing crosses', async () => {
    covers('DANE-55', { observe: 'smtp' })
    await sent({ host: { tls: 'none' } }, (world) => assert.deepEqual(arrived(world), []))
    await sent({ tlsa: 'other' }, (world) => assert.deepEqual(arrived(world), []))
    await sent({ certificate: 'self-signed' }, (world) => assert.deepEqual(arrived(world), [true]))
  })

  test('DANE-56, DANE-51, DANE-59: a record that nobody can use demands TLS and no certificate, and never clear text', async () => {
    covers(['DANE-56', 'DANE-51', 'DANE-59'], { observe: 'smtp' })
    const unusable = { tlsa: 'unusable', certificate: 'self-signed' } as const
    await sent(unusable, (world) => assert.deepEqual(arrived(world), [true]))
    await sent({ ...unusable, host: { tls: 'none' } }, (world) => assert.deepEqual(arrived(world), []))
  })

  test('DANE-57, DANE-06: where validated DNS denies TLSA, mail goes as it can', async () => {
    covers(['DANE-57', 'DANE-06'], { observe: 'smtp' })
    await sent({ tlsa: 'none', certificate: 'self-signed' }, (world) => assert.deepEqual(arrived(world), [true]))
    await sent({ tlsa: 'none', host: { tls: 'none' } }, (world) => assert.deepEqual(arrived(world), [false]))
  })

  test('DANE-58: and after a broken handshake, on a new connection, in clear', async () => {
    covers('DANE-58', { observe: 'smtp' })
    const host: HostOptions = { script: { STARTTLS: { reply: '220 go', handshake: 'garbage' } } }
    await sent({ tlsa: 'none', host }, (world) => {
      assert.deepEqual(arrived(world), [false])
      assert.equal(connections(world), 2)
    })
  })

  test('DANE-83: usable records and no match: QUIT after the handshake, and no MAIL', async () => {
    covers('DANE-83', { observe: 'smtp' })
    await sent({ tlsa: 'other' }, refusedAfterHandshake)
  })

  test('DANE-87: a host with records that speaks only TLS 1.1 gets no mail', async () => {
    covers('DANE-87', { observe: 'smtp' })
    await sent({ host: { tls: 'old-protocol' } }, (world) => assert.deepEqual(arrived(world), []))
  })

  test('DANE-92: a host that withholds STARTTLS from strangers is failing, and gets its mail when it offers it', async () => {
    covers('DANE-92', { observe: 'smtp' })
    const script: HostOptions['script'] = {
      EHLO: ({ connection }) => (connection === 1 ? ['250-mx.example.test', '250 PIPELINING'] : undefined),
    }
    await using world = await startDaneWorld({ host: { script } })
    const id = await world.send(DOMAIN)
    assert.deepEqual(arrived(world), [])
    await world.again(id, DOMAIN)
    assert.deepEqual(arrived(world), [true])
  })
})

describe('RFC 7672 §2.1.2: what cannot be looked up', () => {
  test('DANE-44, DANE-47: no connection is opened to a host whose TLSA records cannot be had', async () => {
    covers(['DANE-44', 'DANE-47'], { observe: 'smtp' })
    await sent({ tlsa: 'fails' }, (world) => assert.equal(connections(world), 0))
  })

  const faults: readonly (readonly [what: string, fault: DnsFault])[] = [
    ['SERVFAIL', { kind: 'rcode', rcode: 'SERVFAIL' }],
    ['bogus', { kind: 'rcode', rcode: 'SERVFAIL', ede: { infoCode: 6 } }],
    ['REFUSED', { kind: 'rcode', rcode: 'REFUSED' }],
    ['NOTIMP', { kind: 'rcode', rcode: 'NOTIMP' }],
    ['a timeout', { kind: 'drop' }],
    ['a malformed reply', { kind: 'garbage' }],
  ]
  for (const [what, fault] of faults) {
    test(`DANE-07: ${what} is a failed lookup: the host is skipped, and the next one gets the mail`, async () => {
      covers('DANE-07', { observe: 'smtp' })
      await using world = await twoHosts()
      world.relay.dns.fail(tlsaOwner(world, MX), fault)
      await world.send(DOMAIN)
      assert.equal(connections(world), 0)
      assert.deepEqual(arrived(world, 'mx2.example.test'), [true])
    })
  }

  test('DANE-16: addresses of one host that cannot be had leave the other hosts', async () => {
    covers('DANE-16', { observe: 'smtp' })
    await using world = await twoHosts()
    world.relay.dns.fail(MX, { kind: 'rcode', rcode: 'SERVFAIL' })
    await world.send(DOMAIN)
    assert.deepEqual(arrived(world, 'mx2.example.test'), [true])
  })

  test('DANE-15: a bogus MX answer makes the mail wait, and nobody is connected to', async () => {
    covers('DANE-15', { observe: 'smtp' })
    await using world = await startDaneWorld({})
    world.relay.dns.fail(DOMAIN, { kind: 'rcode', rcode: 'SERVFAIL', ede: { infoCode: 6 } }, { type: 'MX' })
    const id = await world.send(DOMAIN)
    assert.equal(connections(world), 0)
    assert.equal((await world.relay.recipient(id, BOB)).lastOutcome?.kind, 'deferred')
  })

  test('DANE-46: with no candidate left the mail waits, with a reason of class 4', async () => {
    covers('DANE-46', { observe: 'store' })
    await using world = await startDaneWorld({ tlsa: 'fails' })
    const id = await world.send(DOMAIN)
    const { lastOutcome } = await world.relay.recipient(id, BOB)
    assert.ok(lastOutcome?.kind === 'deferred')
    const { status, cause } = lastOutcome.problem
    assert.equal(status, '4.7.5')
    assert.equal(cause.kind === 'tls-policy' && cause.mechanism, 'dane')
  })
})

describe('RFC 7672 §2.2.1: hosts in order, and how they were found', () => {
  test('DANE-17: a better host without TLSA records is tried before a worse one with them', async () => {
    covers('DANE-17', { observe: 'smtp' })
    await using world = await twoHosts()
    const leaf = await selfSigned({ names: ['mx2.example.test'] })
    world.serve({ [tlsaOwner(world, 'mx2.example.test')]: { TLSA: [tlsaOf(leaf.certificate, 3)] } })
    await world.send(DOMAIN)
    assert.deepEqual([arrived(world), connections(world, 'mx2.example.test')], [[true], 0])
  })

  test('DANE-20: behind an insecure MX answer records are not used, when the operator says so', async () => {
    covers('DANE-20', { observe: 'smtp' })
    await sent({ insecureMx: true, insecureMxOption: 'ignore', tlsa: 'other' }, (world) => {
      assert.deepEqual(arrived(world), [true])
    })
  })

  test('DANE-21, DANE-23: by default they are, and the host is called authenticated, never the domain', async () => {
    covers('DANE-21', { observe: 'smtp' })
    covers('DANE-23', { observe: 'store' })
    await sent({ insecureMx: true, tlsa: 'other' }, (world) => assert.deepEqual(arrived(world), []))
    await sent({ insecureMx: true }, (world) => {
      assert.deepEqual(arrived(world), [true])
      const [record] = world.relay.eventsOf('attempt-finished')
      assert.deepEqual(record?.verdict, { kind: 'proven', level: 'dane-insecure-mx' })
      assert.ok(record?.dane?.kind === 'tlsa' && !record.dane.mxSecure)
    })
  })
})

describe('RFC 7672 §2.2.3: whose records they are', () => {
  const HOST = 'host.provider.test'

  test('DANE-85, STS-108: the server is asked for the TLSA base domain, and MTA-STS is judged by the name in the MX record', async () => {
    covers(['DANE-85', 'STS-108'], { observe: 'smtp' })
    await using world = await aliased({ policy: true, names: [MX] })
    await world.send(DOMAIN)
    assert.deepEqual(serverNames(world), [HOST])
    assert.deepEqual(world.relay.eventsOf('attempt-finished')[0]?.verdict, { kind: 'proven', level: 'dane+sts' })
    await using other = await aliased({ policy: true, names: [HOST] })
    await other.send(DOMAIN)
    assert.deepEqual([serverNames(other), arrived(other, HOST)], [[HOST], []])
  })

  test('DANE-43: a record at the expanded name counts, though nobody can use it, and the original name is not consulted', async () => {
    covers('DANE-43', { observe: 'smtp' })
    await using world = await aliased({ names: [HOST], tlsaAt: undefined })
    const wrong = await selfSigned({ names: [MX] })
    world.serve({
      [tlsaOwner(world, HOST)]: { TLSA: [{ ...tlsaOf(wrong.certificate, 3), usage: 0 }] },
      [tlsaOwner(world, MX)]: { TLSA: [tlsaOf(wrong.certificate, 3)] },
    })
    await world.send(DOMAIN)
    assert.deepEqual(arrived(world, HOST), [true])
  })

  test('DANE-45: an error at the expanded name is not "not found": valid records at the original name do not help', async () => {
    covers('DANE-45', { observe: 'smtp' })
    await using world = await aliased({ names: [HOST], tlsaAt: MX })
    world.relay.dns.fail(tlsaOwner(world, HOST), { kind: 'rcode', rcode: 'SERVFAIL' })
    await world.send(DOMAIN)
    assert.equal(connections(world, HOST), 0)
  })

  test('DANE-42: denied at both names: as without DANE', async () => {
    covers('DANE-42', { observe: 'smtp' })
    await using world = await aliased({ names: ['somebody.else.test'], tlsaAt: undefined })
    await world.send(DOMAIN)
    assert.deepEqual(arrived(world, HOST), [true])
  })

  test('DANE-38: when the question for the first alias fails the host is skipped', async () => {
    covers('DANE-38', { observe: 'smtp' })
    await using world = await aliased({ names: [HOST] })
    world.serve({ [HOST]: { ...world.relay.records[HOST], secure: false } })
    world.relay.dns.fail(MX, { kind: 'rcode', rcode: 'SERVFAIL' }, { type: 'CNAME' })
    await world.send(DOMAIN)
    assert.equal(connections(world, HOST), 0)
  })

  test('DANE-41: an alias of the TLSA name does not change the base domain', async () => {
    covers('DANE-41', { observe: 'smtp' })
    await using world = await startDaneWorld({ certificate: 'ta-good' })
    const owner = tlsaOwner(world, MX)
    const { [owner]: records = {} } = world.records
    world.serve({ [owner]: { CNAME: 'tlsa._dane.example.test' }, 'tlsa._dane.example.test': records })
    await world.send(DOMAIN)
    assert.deepEqual([serverNames(world, MX), arrived(world)], [[MX], [true]])
  })

  interface Aliased {
    /** In the certificate. */
    readonly names: readonly string[]
    readonly policy?: boolean
    /** Whose TLSA records mean it. */
    readonly tlsaAt?: string | undefined
  }

  /** The MX record names mx.example.test, an alias of host.provider.test. */
  async function aliased({ names, policy = false, ...where }: Aliased): Promise<StsWorld> {
    const { tlsaAt } = { tlsaAt: HOST, ...where }
    const leaf = await (await labAuthority()).issue({ names })
    const world = await StsWorld.start({
      hosts: { [HOST]: { pair: { key: leaf.key, cert: leaf.chain } } },
      mx: { [DOMAIN]: [[10, MX]] },
      records: { [MX]: { CNAME: HOST } },
      dnssec: {},
      ...(policy ? { policies: { [DOMAIN]: { mode: 'enforce', mx: [MX] } } } : {}),
    })
    if (tlsaAt !== undefined) world.serve({ [tlsaOwner(world, tlsaAt)]: { TLSA: [tlsaOf(leaf.certificate, 3)] } })
    return world
  }

  function serverNames(world: StsWorld, host = HOST): readonly (string | undefined)[] {
    return world.relay.mx(host).connections.map(({ servername }) => servername)
  }
})

describe('mandatory DANE', () => {
  test('DANE-24, DANE-91: without validated records, or behind an insecure MX, mail waits as dane-required', async () => {
    covers(['DANE-24', 'DANE-91'], { observe: 'store' })
    const delivery = { demandFor: () => 'dane' as const }
    for (const [options, reason] of [
      [{ tlsa: 'none' }, /^dane-required \(no-tlsa\)$/],
      [{ insecureMx: true }, /^dane-required \(insecure-mx\)$/],
      [{ tlsa: 'unusable' }, /^tlsa-invalid$/],
    ] as const) {
      await using world = await startDaneWorld({ ...options, delivery })
      const id = await world.send(DOMAIN)
      const { lastOutcome } = await world.relay.recipient(id, BOB)
      assert.ok(lastOutcome?.kind === 'deferred' && lastOutcome.problem.cause.kind === 'tls-policy')
      assert.match(lastOutcome.problem.cause.reason, reason)
      assert.equal(connections(world), 0)
    }
  })
})

describe('DANE beside MTA-STS', () => {
  const enforce = { mode: 'enforce', mx: [MX] } as const

  test('STS-106: a policy that is met never makes up for TLSA records that are not', async () => {
    covers('STS-106', { observe: 'smtp' })
    await sent({ policy: enforce, tlsa: 'other' }, refusedAfterHandshake)
  })

  test('STS-107: TLSA records that are met do not make up for a policy that is not (D-1)', async () => {
    covers('STS-107', { observe: 'smtp' })
    await sent({ policy: enforce, certificate: 'self-signed' }, refusedAfterHandshake)
  })
})

test('DANE-90: after the records were rolled, an idle connection that they no longer mean is not used again', async () => {
  covers('DANE-90', { observe: 'smtp' })
  await using world = await startDaneWorld({ certificate: 'self-signed' })
  const owner = tlsaOwner(world, MX)
  const { TLSA = [] } = world.records[owner] ?? {}
  world.serve({ [owner]: { TLSA, ttl: 0 } })
  await world.send(DOMAIN)
  await world.send(DOMAIN)
  assert.deepEqual([arrived(world).length, connections(world)], [2, 1], 'the same records: the same connection')
  const other = await selfSigned({ names: [MX] })
  world.serve({ [owner]: { TLSA: [tlsaOf(other.certificate, 3)], ttl: 0 } })
  await world.send(DOMAIN)
  assert.deepEqual([arrived(world).length, connections(world)], [2, 2], 'other records: a new connection, and no mail')
})

async function twoHosts(): Promise<StsWorld> {
  return StsWorld.start({
    hosts: { [MX]: {}, 'mx2.example.test': {} },
    mx: {
      [DOMAIN]: [
        [10, MX],
        [20, 'mx2.example.test'],
      ],
    },
    dnsTimeoutMs: 300,
    dnssec: {},
  })
}
