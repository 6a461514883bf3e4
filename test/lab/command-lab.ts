/** The command line against a relay of the lab: what it printed, and how it ended. */
import { runCommandLine } from '../../packages/mta/src/cli/command-line.ts'

export interface Printed {
  readonly code: number
  readonly out: string
  readonly err: string
}

export async function runHermetic(file: string, ...args: readonly string[]): Promise<Printed> {
  let out = ''
  let err = ''
  const code = await runCommandLine([...args, '--config', file], {
    out: (text) => {
      out += text
    },
    err: (text) => {
      err += text
    },
    ...{ env: {}, workingDirectory: '/', columns: undefined, colours: false, now: Date.now },
  })
  return { code, out, err }
}
