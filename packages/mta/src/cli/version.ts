/** `hermetic version`: what runs, and whether its Node.js has the fixes that matter. */
import { readFileSync } from 'node:fs'
import { judgeNodeVersion, NODE_FIXES } from '../observability/node-version.ts'
import { readArguments } from './arguments.ts'
import { EXIT, type Verb } from './verb.ts'

/** From the package's own manifest, so that there is one place to change. */
export function hermeticVersion(): string {
  const manifest: unknown = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'))
  return typeof manifest === 'object' && manifest !== null && 'version' in manifest
    ? String(manifest.version)
    : 'unknown'
}

export const version: Verb = {
  summary: 'print the versions of Hermetic and Node.js',
  help: `Usage: hermetic version

Prints the versions of Hermetic, Node.js and OpenSSL, and whether this Node.js lacks security fixes.
`,
  async run(args, terminal) {
    readArguments(args, {})
    const { node, openssl } = process.versions
    terminal.out(`Hermetic ${hermeticVersion()}, Node.js ${node}, OpenSSL ${openssl}\n`)
    const verdict = judgeNodeVersion(node)
    if (verdict.kind === 'outdated' || verdict.kind === 'unsupported') {
      terminal.out(`This Node.js lacks fixes (${NODE_FIXES}); update it to ${verdict.fixedIn} or newer.\n`)
    }
    return EXIT.done
  },
}
