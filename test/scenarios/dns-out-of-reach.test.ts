/** What becomes of mail while we cannot ask DNS, or nobody validates (architecture, decision 6; RFC 7672 §2.1.2). */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  createStubResolver,
  type DaneFailure,
  type DnsFailureReason,
  type DnsResolver,
  ownerName,
} from '@hermetic/policy'
import type { DeliveryOptions } from '../../packages/mta/src/delivery/delivery.ts'
import { domain } from '../lab/override-lab.ts'
import { RelayWorld, type WorldOptions } from '../lab/relay-world.ts'

const DOMAIN = 'example.test'
const MX = 'mx.example.test'
const NETWORK: DnsFailureReason = { kind: 'network', code: 'ECONNREFUSED' }
const UNVALIDATED: DnsFailureReason = { kind: 'unvalidated', detail: 'unbound ended' }

/** Name servers as delivery sees them, until they are back. */
class Outage implements AsyncDisposable {
  readonly world: RelayWorld
  readonly #end: () => void

  static async start(reason: DnsFailureReason, what: 'mx' | 'address' | 'tlsa'): Promise<Outage> {
    let down = true
    let servers: DnsResolver | undefined
    const failure = { kind: 'failure', reason } as const
    const ask = (): DnsResolver => {
      assert.ok(servers !== undefined)
      return servers
    }
    const owner = ownerName(['_25', '_tcp'], domain(MX))
    assert.ok(owner.ok)
    const tlsa: DaneFailure = { kind: 'failure', lookup: 'tlsa', name: owner.value, reason }
    const delivery: Partial<DeliveryOptions> = {
      resolver: {
        mx: async (name) => (down && what === 'mx' ? failure : ask().mx(name)),
        address: async (name, family) => (down && what === 'address' ? failure : ask().address(name, family)),
      },
      dane: {
        factsFor: async () => (down && what === 'tlsa' ? tlsa : { kind: 'none', because: 'no-tlsa', ttlSeconds: 1 }),
      },
    }
    const options: WorldOptions = { hosts: { [MX]: {} }, mx: { [DOMAIN]: [[10, MX]] }, delivery }
    const world = await RelayWorld.start(options)
    const { address, port } = world.dns
    servers = createStubResolver({ servers: [{ address, port }], trust: 'none' })
    return new Outage(world, () => {
      down = false
    })
  }

  private constructor(world: RelayWorld, end: () => void) {
    this.world = world
    this.#end = end
  }

  /** DNS is back, and the rest of the lane over. */
  end(): void {
    this.#end()
    this.world.scheduler.wake(this.world.lane(DOMAIN), undefined, 'operator')
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.world[Symbol.asyncDispose]()
  }
}

for (const [reason, what] of [
  [UNVALIDATED, 'mx'],
  [NETWORK, 'mx'],
  [UNVALIDATED, 'address'],
  [UNVALIDATED, 'tlsa'],
] as const) {
  test(`${reason.kind} (${what}): no attempt is charged, the lane rests a minute, and all of its mail is due when DNS is back`, async () => {
    await using outage = await Outage.start(reason, what)
    const { world } = outage
    const ids = [await world.submit({ to: [`bob@${DOMAIN}`] }), await world.submit({ to: [`bob@${DOMAIN}`] })]
    await world.until(() => world.eventsOf('next-hop-failed').length > 0)
    const [failed] = world.eventsOf('next-hop-failed')
    const restMs = (failed?.backoffUntil ?? 0) - Date.now()
    assert.ok(restMs > 0 && restMs <= 66_000, `${restMs} ms`)
    assert.equal(world.mx(MX).connections.length, 0)
    await world.until(() => world.eventsOf('claims-released').length > 0)
    for (const id of ids) {
      const [recipient] = (await world.show(id)).deliveries.flatMap(({ recipients }) => recipients)
      assert.deepEqual([recipient?.state, recipient?.lastOutcome], ['open', undefined])
    }
    assert.deepEqual(world.eventsOf('message-settled'), [])
    outage.end()
    for (const id of ids) await world.settled(id)
    assert.equal(world.mx(MX).messages.length, 2)
    assert.deepEqual(
      world.eventsOf('message-settled').map(({ attempt }) => attempt),
      [1, 1],
    )
  })
}

test('what is over its age does not wait for DNS', async () => {
  await using outage = await Outage.start(UNVALIDATED, 'mx')
  const { world } = outage
  const id = await world.submit({
    to: [`bob@${DOMAIN}`],
    receivedAt: Date.now() - 10_000,
    expiresAt: Date.now() - 1,
  })
  await world.settled(id)
  const problem = world.failure(id)
  assert.equal(problem?.cause.kind === 'expired' && problem.cause.last?.kind, 'dns-failure')
})

test('a name server that answers for the domain that it cannot say is the trouble of the domain: an attempt', async () => {
  await using outage = await Outage.start({ kind: 'rcode', rcode: 'SERVFAIL' }, 'mx')
  const id = await outage.world.submit({ to: [`bob@${DOMAIN}`] })
  await outage.world.settled(id)
  assert.deepEqual(outage.world.eventsOf('claims-released'), [])
})
