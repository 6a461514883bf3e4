/**
 * Orders about rules that hold mail over `admin.sock`: what the command line may ask, checked, and the client's side of
 * it.
 */
import { err, ok, parseDomainName, type Result } from '@hermetic/policy'
import { HOLD_REASON_MAX, RULE_ID } from '../holds/hold-rule.ts'
import type { HoldAdmin, HoldWish } from '../holds/hold-rules.ts'
import { isTag } from '../submission/tag-field.ts'
import type { Ask, ControlOrder, OrderRole } from './control-order.ts'
import { fieldsOf } from './control-protocol.ts'

const NO_QUEUE = 'there is no queue here'
const TEXT_MAX = 1_024

/** Absent: there is no queue to hold anything in. */
export function holdOrders(holds: HoldAdmin | undefined): readonly ControlOrder[] {
  const order = <T>(
    [verb, role]: readonly [string, OrderRole],
    parse: (body: unknown) => Result<T, string>,
    act: (holds: HoldAdmin, asked: T) => Promise<unknown>,
  ): ControlOrder => ({
    path: `/hold/${verb}`,
    role,
    parse: (body) => {
      if (holds === undefined) return err(NO_QUEUE)
      const asked = parse(body)
      return asked.ok ? ok(() => act(holds, asked.value)) : asked
    },
  })
  return [
    order(
      ['list', 'read'],
      (body) => fieldsOf(body, []),
      (rules) => rules.list(),
    ),
    order(['add', 'operate'], parseWish, (rules, wish) => rules.add(wish)),
    order(['remove', 'operate'], parseRemove, (rules, id) => rules.remove(id)),
  ]
}

/** The running relay's, for the command line. */
export function holdClient(ask: Ask): HoldAdmin {
  return {
    list: () => ask('/hold/list', {}),
    add: (wish) => ask('/hold/add', wish),
    remove: (id) => ask('/hold/remove', { id }),
  }
}

function parseWish(body: unknown): Result<HoldWish, string> {
  const fields = fieldsOf(body, ['id', 'domain', 'sender', 'credential', 'tag', 'reason', 'until'])
  if (!fields.ok) return fields
  const { id, until } = fields.value
  const [domain, sender, credential, tag, reason] = ['domain', 'sender', 'credential', 'tag', 'reason'].map((name) =>
    textOf(fields.value[name]),
  )
  if (typeof id !== 'string' || !RULE_ID.test(id)) return err('id: not eight hexadecimal digits')
  if (reason === undefined || reason === null || reason.length > HOLD_REASON_MAX) return err('reason')
  if (domain === null || (domain !== undefined && !isDomainPattern(domain))) return err('domain: not a domain')
  if (sender === null) return err('sender')
  if (credential === null) return err('credential')
  if (tag === null || (tag !== undefined && !isTag(tag))) return err('tag')
  if (until !== undefined && !Number.isSafeInteger(until)) return err('until: not a time')
  if ([domain, sender, credential, tag].every((named) => named === undefined)) return err('names no mail')
  return ok({
    ...{ id, reason },
    ...(domain === undefined ? {} : { domain }),
    ...(sender === undefined ? {} : { sender }),
    ...(credential === undefined ? {} : { credential }),
    ...(tag === undefined ? {} : { tag }),
    ...(until === undefined ? {} : { until: Number(until) }),
  })
}

/** Null: not a text that may stand there. */
function textOf(value: unknown): string | undefined | null {
  if (value === undefined) return undefined
  return typeof value === 'string' && value.length <= TEXT_MAX ? value : null
}

/** A domain as the queue writes it, or `*.` before one. */
function isDomainPattern(text: string): boolean {
  const name = parseDomainName(text.replace(/^\*\./, ''))
  return name.ok ? name.value === text.replace(/^\*\./, '') : text.startsWith('[')
}

function parseRemove(body: unknown): Result<string, string> {
  const fields = fieldsOf(body, ['id'])
  if (!fields.ok) return fields
  const { id } = fields.value
  return typeof id === 'string' && RULE_ID.test(id) ? ok(id) : err('id: not eight hexadecimal digits')
}
