/** `hermetic reload`: lets the running relay read its configuration, certificates and keys again. */
import { join } from 'node:path'
import { connectControl } from '../admin/control-client.ts'
import { SOCKET_NAME } from '../admin/control-protocol.ts'
import { findConfigFile } from '../config/find-file.ts'
import { likelyDataDir } from '../config/load.ts'
import { readArguments } from './arguments.ts'
import { CONFIG_OPTION, readSettings } from './settings.ts'
import { tryHint } from './try-directory.ts'
import { EXIT, type Verb } from './verb.ts'

export const reload: Verb = {
  summary: 'let the running relay read its configuration, certificates and keys again',
  help: `Usage: hermetic reload [--config FILE] [--json]

The running relay reads the configuration that it was started with again, and the files that it names: certificates,
DKIM keys, the preload list. It is checked whole. When anything is wrong nothing changes, the problems are printed here
and logged there, and the exit code is 78. Otherwise everything that can change while a relay runs changes in one step;
sessions that are open finish with what they began with. What needs a restart is named and stays as it was.

SIGHUP to a relay without a terminal does the same. docs/operating/reload.md lists what can change.

  --json         the answer as one JSON object
  --config FILE  says which data_dir the relay runs on

Example:
  hermetic reload
`,
  async run(args, terminal) {
    const { values } = readArguments(args, { ...CONFIG_OPTION, json: { type: 'boolean', default: false } })
    const { env, workingDirectory } = terminal
    const file = findConfigFile({ flag: values.config, env, workingDirectory })
    // The relay is asked also when the file is wrong: it says so in its log.
    const directory = likelyDataDir({ file, env, workingDirectory })
    const relay = directory === undefined ? undefined : await connectControl(join(directory, SOCKET_NAME))
    if (relay === undefined) {
      const settings = readSettings(values.config, terminal)
      if (settings === undefined) return EXIT.configuration
      terminal.err(`No relay runs on ${settings.config.data_dir}.\n${tryHint(settings.config, 'reload')}`)
      return EXIT.failed
    }
    const answer = await relay.reload()
    if (values.json) terminal.out(`${JSON.stringify(answer)}\n`)
    if (answer.kind === 'refused') {
      if (!values.json) terminal.err(`Nothing was changed:\n${answer.problems.map((one) => `  ${one}\n`).join('')}`)
      return EXIT.configuration
    }
    if (!values.json) {
      const { applied, waiting } = answer
      terminal.out(
        `Certificates and keys were read again. ${applied.length > 0 ? `Changed: ${applied.join(', ')}.` : 'No setting changed.'}\n`,
      )
      if (waiting.length > 0) terminal.out(`After a restart only: ${waiting.join(', ')}.\n`)
    }
    return EXIT.done
  },
}
