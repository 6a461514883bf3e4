/** `hermetic describe-config`: a configuration file with everything in it, explained. */
import { configTemplate } from '../config/template.ts'
import { readArguments } from './arguments.ts'
import { EXIT, type Verb } from './verb.ts'

export const describeConfig: Verb = {
  summary: 'print a configuration file with every setting explained',
  help: `Usage: hermetic describe-config

Prints a hermetic.toml with every setting: what it does, its type, where it comes from, its default. Unchanged, the
file means the same as no file at all.

Example:
  hermetic describe-config > hermetic.toml
`,
  async run(args, terminal) {
    readArguments(args, {})
    terminal.out(configTemplate())
    return EXIT.done
  },
}
