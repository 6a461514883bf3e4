/** DANE and the names of hosts: which hosts it applies to, and by which name they are told of (RFC 7672 §2.2). */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { covers } from '../conformance/covers.ts'
import { selfSigned } from '../lab/ca.ts'
import { DOMAIN, MX, tlsaOf, tlsaOwner } from '../lab/dane-world.ts'
import { StsWorld } from '../lab/sts-world.ts'

const HOST = 'host.provider.test'

const tlsaQueries = ({ relay: { dns } }: StsWorld): readonly string[] =>
  dns.queries.flatMap(({ name, type }) => (type === 'TLSA' ? [name] : []))

/** The MX record names mx.example.test, an alias of host.provider.test, which has the matching record. */
async function aliased({ mxSecure }: { readonly mxSecure: boolean }): Promise<StsWorld> {
  const leaf = await selfSigned({ names: [HOST] })
  const world = await StsWorld.start({
    hosts: { [HOST]: { pair: { key: leaf.key, cert: leaf.certificate } } },
    mx: { [DOMAIN]: [[10, MX]] },
    records: { [MX]: { CNAME: HOST } },
    dnssec: {},
  })
  world.serve({
    [DOMAIN]: { MX: [[10, MX]], secure: mxSecure },
    [tlsaOwner(world, HOST)]: { TLSA: [tlsaOf(leaf.certificate, 3)] },
  })
  return world
}

test('DANE-22: behind an insecure MX answer the host is told of by the name in the MX record, not by its alias', async () => {
  covers('DANE-22', { observe: 'store' })
  await using world = await aliased({ mxSecure: false })
  await world.send(DOMAIN)
  const [record] = world.relay.eventsOf('attempt-finished')
  assert.deepEqual(record?.verdict, { kind: 'proven', level: 'dane-insecure-mx' })
  assert.equal(record?.remote.mxHostname, MX)
})

test('DANE-37: a host behind an alias is supported, and not "not found"', async () => {
  covers('DANE-37', { observe: 'store' })
  await using world = await aliased({ mxSecure: true })
  await world.send(DOMAIN)
  const [record] = world.relay.eventsOf('attempt-finished')
  assert.deepEqual(record?.verdict, { kind: 'proven', level: 'dane' })
  assert.equal(world.relay.mx(HOST).messages.length, 1)
})

test('DANE-25: nobody is asked for TLSA records of an address, be it a literal or in an MX record', async () => {
  covers('DANE-25', { observe: 'dns' })
  await using world = await StsWorld.start({ hosts: { [MX]: {} }, dnssec: {} })
  const { address } = world.relay.mx(MX)
  world.serve({ [DOMAIN]: { MX: [[10, address]] }, [address]: { A: [address] } })
  for (const [count, to] of [`bob@[${address}]`, `bob@${DOMAIN}`].entries()) {
    await world.relay.settled(await world.relay.submit({ to: [to] }))
    assert.deepEqual(tlsaQueries(world), [], to)
    if (count === 0) assert.equal(world.relay.mx(MX).messages.length, 1)
  }
})
