/**
 * Where `start --try` keeps its queue: apart from the real one, below the same data_dir. And what to tell somebody
 * who looks for a queue that is not there, but has tried Hermetic out here.
 */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { Config } from '../config/schema.ts'
import { shellWord } from './shell-word.ts'

export function tryDirectory({ data_dir: dataDir }: Pick<Config, 'data_dir'>): string {
  return join(dataDir, 'try')
}

/** A line, or nothing. */
export function tryHint(config: Pick<Config, 'data_dir'>, verb: string): string {
  const directory = tryDirectory(config)
  if (!existsSync(join(directory, 'spool.db'))) return ''
  return `start --try has a queue of its own: HERMETIC_DATA_DIR=${shellWord(directory)} hermetic ${verb}\n`
}
