/**
 * `[history]`: what `hermetic trace` knows of messages that are gone. Pure.
 */
import { defaulted, table } from '../setting.ts'
import { duration, size } from '../value-types.ts'

const DAY = 24 * 60 * 60 * 1_000

export const history = table(
  {
    sentence:
      'The delivery history: what became of each message, for hermetic trace and hermetic queue show; in data_dir, with whole addresses.',
  },
  {
    retention: defaulted(duration({ min: 0, max: 366 * DAY }), '7d', {
      sentence: 'How long it is kept; "0s" keeps none, and what is there is deleted at the next start.',
      source: 'docs/decisions/0009',
    }),
    max_bytes: defaulted(size({ min: 1024 ** 2, max: 1024 ** 4 }), '1 GiB', {
      sentence:
        'How large it may be, and never more than a tenth of what the disk has left; then the oldest goes first.',
      source: 'docs/decisions/0009',
    }),
  },
)
