/**
 * Every port has a contract suite, and every contract suite is run by an adapter's test (architecture §3). Pure.
 * A port is a file whose header comment begins with "Port:" and that exports an interface with methods.
 */
import { importsOf } from './imports.ts'
import type { SourceFile } from './sources.ts'

const PORT = /^\/\*\*\n \* Port: /
const METHODS = /\nexport interface \w+[^{]*\{(?:\n(?: .*)?)*?\n {2}\w+\(/

export function portsWithoutContract(files: readonly SourceFile[]): readonly string[] {
  const paths = new Set(files.map(({ path }) => path))
  const ports = files.filter(({ path, text }) => path.startsWith('packages/') && PORT.test(text) && METHODS.test(text))
  return ports.flatMap(({ path }) => {
    const contract = path.replace(/\.ts$/, '.contract.ts')
    if (!paths.has(contract)) return [`${path}: write ${contract}, which says in tests what the port promises`]
    const run = files.some(
      (file) => file.path.endsWith('.test.ts') && importsOf(file).some(({ target }) => target === contract),
    )
    return run ? [] : [`${contract}: no adapter's test runs it; call it from one`]
  })
}
