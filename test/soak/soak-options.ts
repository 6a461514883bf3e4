/**
 * The command line that every soak understands: full size by default, `--small` for CI, a seed that is printed.
 */
import { parseArgs } from 'node:util'

export interface SoakOptions {
  readonly small: boolean
  readonly seed: number
  /** Where the relay keeps its queue. */
  readonly engine: 'embedded' | 'redis'
  /** Writes the result under docs/measurements: by default at full size. */
  readonly write: boolean
}

const SEED_MAX = 2 ** 31

export function readSoakOptions(): SoakOptions {
  const { values } = parseArgs({
    options: {
      small: { type: 'boolean', default: false },
      seed: { type: 'string' },
      engine: { type: 'string', default: 'embedded' },
      write: { type: 'boolean' },
    },
  })
  const seed = values.seed === undefined ? Math.floor(Math.random() * SEED_MAX) : Number(values.seed)
  if (!Number.isSafeInteger(seed) || seed < 0) throw new Error(`--seed takes a whole number, not ${values.seed}`)
  const { engine } = values
  if (engine !== 'embedded' && engine !== 'redis') throw new Error(`--engine is embedded or redis, not ${engine}`)
  return { small: values.small, seed, engine, write: values.write ?? !values.small }
}
