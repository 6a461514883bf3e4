/**
 * Notifications as they arrive at the sender's host, read by code that shares nothing with ours; and a world in which a
 * sender has a host to get them at.
 */
import assert from 'node:assert/strict'
import type { ReceivedMessage } from './mx-script.ts'
import { RelayWorld, type WorldOptions } from './relay-world.ts'

export const SENDER_HOST = 'mx.sender.test'

/** The reverse-path of this world is `alice@sender.test`, as far as a test says nothing else. */
export function startNotifiedWorld({ hosts, mx, ...rest }: WorldOptions): Promise<RelayWorld> {
  return RelayWorld.start({
    hosts: { [SENDER_HOST]: {}, ...hosts },
    mx: { 'sender.test': [[10, SENDER_HOST]], ...mx },
    ...rest,
  })
}

/** A world of domains `d0.test`, `d1.test`, … with a host each that do what the script says. */
export function manyDomains(count: number, script: NonNullable<WorldOptions['hosts']>[string]): WorldOptions {
  const names = Array.from({ length: count }, (_, n) => `d${n}.test`)
  return {
    hosts: Object.fromEntries(names.map((name) => [`mx.${name}`, script])),
    mx: Object.fromEntries(names.map((name) => [name, [[10, `mx.${name}`]]])),
  }
}

/** Waits for as many notifications; more that have arrived by then fail the test. */
export async function notifications(world: RelayWorld, count: number): Promise<readonly ReadNotification[]> {
  const host = world.mx(SENDER_HOST)
  await host.received(count)
  assert.equal(host.messages.length, count)
  return host.messages.map(readNotification)
}

/** What the relay told of as many notifications: with a queue that many share one may arrive before that. */
export async function queuedNotices(world: RelayWorld, count: number) {
  await world.until(() => world.eventsOf('dsn-queued').length >= count)
  return world.eventsOf('dsn-queued')
}

/** Until every message, the notification included, has left the queue. */
export async function emptied(world: RelayWorld): Promise<void> {
  const giveUpAt = performance.now() + 10_000
  for (;;) {
    const { messages } = await world.spool.admin.summary()
    if (messages === 0) return
    assert.ok(performance.now() < giveUpAt, `${messages} messages are left`)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}

export interface ReadNotification {
  readonly message: ReceivedMessage
  /** Header fields as they stand, unfolded. */
  readonly header: ReadonlyMap<string, string>
  /** What a person reads, on one line. */
  readonly text: string
  readonly parts: readonly ReadPart[]
  readonly perMessage: ReadonlyMap<string, string>
  readonly perRecipient: readonly ReadonlyMap<string, string>[]
}

export interface ReadPart {
  readonly type: string
  readonly encoding: string
  readonly body: string
}

export function readNotification(message: ReceivedMessage): ReadNotification {
  const content = message.content.toString('utf8')
  const end = content.indexOf('\r\n\r\n')
  const header = fieldsOf(content.slice(0, end))
  const boundary = /boundary="([^"]+)"/.exec(header.get('Content-Type') ?? '')?.[1]
  assert.ok(boundary !== undefined, 'a notification has parts')
  const sections = content.slice(end + 2).split(`\r\n--${boundary}`)
  assert.equal(sections.at(-1), '--\r\n')
  const parts = sections.slice(1, -1).map((section) => readPart(section.slice(2)))
  const [perMessage = new Map(), ...perRecipient] = (parts[1]?.body ?? '').split('\r\n\r\n').map(fieldsOf)
  return { message, header, text: (parts[0]?.body ?? '').replace(/\s+/g, ' '), parts, perMessage, perRecipient }
}

function readPart(section: string): ReadPart {
  const end = section.indexOf('\r\n\r\n')
  const fields = fieldsOf(section.slice(0, end))
  const encoding = fields.get('Content-Transfer-Encoding') ?? ''
  const raw = section.slice(end + 4)
  const body = encoding === 'quoted-printable' ? decodeQuotedPrintable(raw) : raw
  return { type: (fields.get('Content-Type') ?? '').split(';', 1)[0] ?? '', encoding, body }
}

function fieldsOf(text: string): ReadonlyMap<string, string> {
  const lines = text.replace(/\r\n(?=[ \t])/g, '').split('\r\n')
  return new Map(
    lines
      .filter((line) => line !== '')
      .map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 2)]),
  )
}

function decodeQuotedPrintable(text: string): string {
  const octets = text
    .replace(/=\r\n/g, '')
    .replace(/=([0-9A-F]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)))
  return Buffer.from(octets, 'latin1').toString('utf8')
}

/** What is told of whom, sorted by address. */
export function told({ perRecipient }: ReadNotification): readonly (readonly [string, string])[] {
  return perRecipient
    .map((fields) => [fields.get('Final-Recipient') ?? '', fields.get('Action') ?? ''] as const)
    .toSorted(([one], [other]) => (one < other ? -1 : 1))
}
