/**
 * The four scenarios of ARCHITECTURE (Performance), as data. Pure.
 *
 * Sizes are octets of content with CRLF line ends. `deliverySlots` is the number of concurrent deliveries that
 * both systems get for the one destination, so that neither wins by opening more connections than the other.
 */
export interface Scenario {
  readonly name: ScenarioName
  readonly title: string
  readonly contentBytes: number
  /** Concurrent submitting connections. */
  readonly clients: number
  readonly submission: 'persistent' | 'one-per-connection'
  /** STARTTLS and AUTH PLAIN before the first message. */
  readonly secured: boolean
  readonly deliverySlots: number
  /** The sink holds back each reply this long. */
  readonly replyDelayMs: number
  readonly messages: number
  readonly messagesSmall: number
}

export type ScenarioName = 'a' | 'b' | 'c50k' | 'c1m' | 'd'

export const SCENARIOS: readonly Scenario[] = [
  {
    name: 'a',
    title: '5 KB, 20 persistent sessions in, TLS out',
    contentBytes: 5 * 1024,
    clients: 20,
    submission: 'persistent',
    secured: false,
    deliverySlots: 20,
    replyDelayMs: 0,
    messages: 10_000,
    messagesSmall: 400,
  },
  {
    name: 'b',
    title: '5 KB, one message per connection with STARTTLS and AUTH, 100 clients',
    contentBytes: 5 * 1024,
    clients: 100,
    submission: 'one-per-connection',
    secured: true,
    deliverySlots: 20,
    replyDelayMs: 0,
    messages: 4000,
    messagesSmall: 200,
  },
  {
    name: 'c50k',
    title: '50 KB, 20 persistent sessions in, TLS out',
    contentBytes: 50 * 1024,
    clients: 20,
    submission: 'persistent',
    secured: false,
    deliverySlots: 20,
    replyDelayMs: 0,
    messages: 5000,
    messagesSmall: 200,
  },
  {
    name: 'c1m',
    title: '1 MB, 20 persistent sessions in, TLS out',
    contentBytes: 1024 * 1024,
    clients: 20,
    submission: 'persistent',
    secured: false,
    deliverySlots: 20,
    replyDelayMs: 0,
    messages: 600,
    messagesSmall: 40,
  },
  {
    name: 'd',
    title: '5 KB, the peer answers each reply after 50 ms, 100 connections out',
    contentBytes: 5 * 1024,
    clients: 20,
    submission: 'persistent',
    secured: false,
    deliverySlots: 100,
    replyDelayMs: 50,
    messages: 6000,
    messagesSmall: 400,
  },
]

/** `c` names both sizes; anything unknown is an empty list. */
export function scenariosNamed(name: string): readonly Scenario[] {
  return SCENARIOS.filter((scenario) => scenario.name === name || (name === 'c' && scenario.name.startsWith('c')))
}
