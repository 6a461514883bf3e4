/**
 * Where `./hermetic` begins: the real terminal, the arguments, the exit code.
 */
import { hasColours } from './colour.ts'
import { runCommandLine } from './command-line.ts'

// A reader that goes away (`hermetic queue list | head`) is not an error of ours.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(0)
  throw error
})

process.exitCode = await runCommandLine(process.argv.slice(2), {
  out: (text) => void process.stdout.write(text),
  err: (text) => void process.stderr.write(text),
  env: process.env,
  workingDirectory: process.cwd(),
  columns: process.stdout.isTTY ? process.stdout.columns : undefined,
  colours: hasColours(process.stdout, process.env),
  now: Date.now,
})
