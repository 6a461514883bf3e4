/** `[suppression]`: addresses that refuse mail for good. Pure. */
import { ok } from '@hermetic/policy'
import { parseStatusPattern, type StatusPattern } from '../../suppression/rule.ts'
import { defaulted, listOf, table } from '../setting.ts'
import { textType, type ValueType } from '../value-type.ts'
import { boolean, duration, integer } from '../value-types.ts'

const DAY = 86_400_000
const STATUSES_MAX = 100

const statusPattern: ValueType<StatusPattern> = textType(
  'status of a refusal for good',
  '"5.1.1", or "5.1.*" for all of a subject',
  (text) => {
    const pattern = parseStatusPattern(text)
    return pattern === undefined ? undefined : ok(pattern)
  },
)

export const suppression = table(
  {
    sentence:
      'Addresses whose servers refused mail for good get no more of it for a while; hermetic suppression shows and changes the list. docs/operating/suppression.md tells more.',
  },
  {
    enabled: defaulted(boolean, false, {
      sentence: 'Whether such a list is kept and followed.',
      source: 'docs/operating/suppression.md',
    }),
    statuses: listOf(statusPattern, ['5.1.1', '5.1.6', '5.1.10', '5.2.1'], {
      maxItems: STATUSES_MAX,
      sentence: 'Which refusals count: there is no such mailbox, it moved, its domain takes no mail, it is disabled.',
      source: 'RFC 3463 §3.2, §3.3, RFC 7505 §4.2',
    }),
    strikes: defaulted(integer({ min: 1, max: 100 }), 2, {
      sentence: 'So many refusals without a delivery between them put an address on the list.',
      source: 'docs/operating/suppression.md',
    }),
    window: defaulted(duration({ min: 60_000, max: 366 * DAY }), '30d', {
      sentence: 'Refusals that lie further apart do not add up.',
      source: 'docs/operating/suppression.md',
    }),
    expiry: defaulted(duration({ min: 60_000, max: 3_660 * DAY }), '30d', {
      sentence: 'How long an address stays on the list.',
      source: 'docs/operating/suppression.md',
    }),
    max_entries: defaulted(integer({ min: 1, max: 1_000_000 }), 100_000, {
      sentence: 'Addresses on the list; when it is full, the one that would end first makes room.',
      source: 'docs/operating/suppression.md',
    }),
  },
)
