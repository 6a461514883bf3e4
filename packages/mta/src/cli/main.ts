/**
 * Where `./hermetic` begins: the real terminal, the arguments, the exit code.
 */
import { describeSystemError } from '../config/system-error.ts'
import { hasColours } from './colour.ts'
import { runCommandLine } from './command-line.ts'
import { EXIT } from './verb.ts'

const args = process.argv.slice(2)

// A reader that goes away (`hermetic queue list | head`) is not an error of ours, and a relay runs on without one.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (args[0] === 'start') return
  // Half a queue is not what was asked for.
  const isExport = args[0] === 'queue' && args[1] === 'export'
  if (error.code === 'EPIPE') process.exit(isExport ? EXIT.failed : EXIT.done)
  process.stderr.write(`hermetic: the output could not be written: ${describeSystemError(error)}\n`)
  process.exit(EXIT.failed)
})
// Nobody is left who could be told.
process.stderr.on('error', () => undefined)

process.exitCode = await runCommandLine(args, {
  out: (text) => void process.stdout.write(text),
  err: (text) => void process.stderr.write(text),
  env: process.env,
  workingDirectory: process.cwd(),
  columns: process.stdout.isTTY ? process.stdout.columns : undefined,
  colours: hasColours(process.stdout, process.env),
  now: Date.now,
  streams: {
    input: () => process.stdin,
    output: (octets) =>
      new Promise((resolve, reject) => {
        process.stdout.write(octets, (error) => (error == null ? resolve() : reject(error)))
      }),
    errIsTerminal: process.stderr.isTTY,
  },
})
