/**
 * The command line that every soak understands: full size by default, `--small` for CI, a seed that is printed.
 */
import { parseArgs } from 'node:util'

export interface SoakOptions {
  readonly small: boolean
  readonly seed: number
  /** Writes the result under docs/measurements: by default at full size. */
  readonly write: boolean
}

const SEED_MAX = 2 ** 31

export function readSoakOptions(): SoakOptions {
  const { values } = parseArgs({
    options: {
      small: { type: 'boolean', default: false },
      seed: { type: 'string' },
      write: { type: 'boolean' },
    },
  })
  const seed = values.seed === undefined ? Math.floor(Math.random() * SEED_MAX) : Number(values.seed)
  if (!Number.isSafeInteger(seed) || seed < 0) throw new Error(`--seed takes a whole number, not ${values.seed}`)
  return { small: values.small, seed, write: values.write ?? !values.small }
}
