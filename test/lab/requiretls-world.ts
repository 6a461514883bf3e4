/**
 * A world with signed zones for messages that want something of TLS (RFC 8689): `mx.example.test` with what a test says of
 * it, and `mx.sender.test`, which takes every notification and promises REQUIRETLS.
 *
 *   await using world = await startTaggedWorld({ tlsa: 'none', host: { capabilitiesInTls: LISTED } })
 *   const id = await submitTagged(world, 'requiretls')
 */
import assert from 'node:assert/strict'
import { defaultRetryOptions } from '../../packages/mta/src/schedule/retry-schedule.ts'
import type { QueueId } from '../../packages/mta/src/spool/queue-id.ts'
import { type DaneWorldOptions, DOMAIN, startDaneWorld } from './dane-world.ts'
import type { ReceivedMessage } from './mx-script.ts'
import type { Submission } from './relay-world.ts'
import { DEFAULT_CAPABILITIES } from './scripted-mx.ts'
import type { StsWorld } from './sts-world.ts'

export const LISTED: readonly string[] = [...DEFAULT_CAPABILITIES, 'REQUIRETLS']
export const SENDER_MX = 'mx.sender.test'
/** Of the second host of the domain, where a test has one. */
export const MX20 = 'mx20.example.test'

/**
 * TLSA records are not published unless a test says so. A message that a host refuses for now is not tried again within
 * a test: tests count the commands of its one attempt.
 */
export function startTaggedWorld({ others = {}, delivery, ...options }: DaneWorldOptions): Promise<StsWorld> {
  return startDaneWorld({
    tlsa: 'none',
    ...options,
    delivery: { retry: defaultRetryOptions, ...delivery },
    others: {
      ...others,
      hosts: { [SENDER_MX]: { capabilitiesInTls: LISTED }, ...others.hosts },
      mx: { 'sender.test': [[10, SENDER_MX]], ...others.mx },
    },
  })
}

/** Submits one message, and waits for the end of its attempt. */
export async function submitTagged(
  { relay }: StsWorld,
  tls: 'requiretls' | 'tls-optional' | 'default',
  { envelope, ...more }: Partial<Submission> = {},
): Promise<QueueId> {
  const id = await relay.submit({ to: [`bob@${DOMAIN}`], ...more, envelope: { tls, ...envelope } })
  await relay.settled(id)
  return id
}

/** The notification that came back to the sender. */
export async function returned({ relay }: StsWorld): Promise<ReceivedMessage & { readonly text: string }> {
  const sender = relay.mx(SENDER_MX)
  await relay.until(() => sender.messages.length > 0, 'a notification for the sender')
  const [message] = sender.messages
  assert.ok(message !== undefined)
  return { ...message, text: message.content.toString('latin1') }
}

/** The field Status of a notification (RFC 3464 §2.3.4). */
export function statusOf({ text }: { readonly text: string }): string | undefined {
  return /^Status: (\S+)\r$/m.exec(text)?.[1]
}

/** MAIL commands that a host has seen, on all connections. */
export function mailsAt({ relay }: StsWorld, host: string): readonly string[] {
  return relay.mx(host).connections.flatMap(({ commands }) => commands.filter((line) => line.startsWith('MAIL')))
}
