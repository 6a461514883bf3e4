import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { readSource, repositoryFiles } from './sources.ts'

interface Manifest {
  readonly engines?: { readonly node?: string }
  readonly scripts?: Readonly<Record<string, string>>
  readonly dependencies?: Readonly<Record<string, string>>
  readonly devDependencies?: Readonly<Record<string, string>>
  readonly optionalDependencies?: Readonly<Record<string, string>>
}

function manifest(path: string): Manifest {
  return JSON.parse(readSource(path).text)
}

const MANIFESTS = repositoryFiles().filter((path) => /(?:^|\/)package\.json$/.test(path))

describe('the repository', () => {
  test('the launcher accepts exactly the Node versions of "engines"', () => {
    const [, major, minor] = /^>=(\d+)\.(\d+)$/.exec(manifest('package.json').engines?.node ?? '') ?? []
    const launcher = readSource('tools/node').text
    const advice = 'keep satisfies() in tools/node in step with package.json "engines"'
    assert.ok(major !== undefined && minor !== undefined, 'engines.node has the form >=24.15')
    assert.ok(launcher.includes(`[ "$major" -gt ${major} ]`), advice)
    assert.ok(launcher.includes(`[ "$major" -eq ${major} ] && [ "$minor" -ge ${minor} ]`), advice)
  })

  test('dependencies are chosen for the Node that is pinned', () => {
    const pinned = Object.entries(manifest('package.json').optionalDependencies ?? {})
    const chosen = /^nodeVersion: (\S+)$/m.exec(readSource('pnpm-workspace.yaml').text)?.[1]
    assert.ok(pinned.length > 0)
    for (const [name, version] of pinned)
      assert.equal(version, chosen, `${name} and nodeVersion in pnpm-workspace.yaml`)
  })

  test('every dependency is pinned to one version', () => {
    const loose = MANIFESTS.flatMap((path) => {
      const { dependencies, devDependencies, optionalDependencies } = manifest(path)
      return Object.entries({ ...dependencies, ...devDependencies, ...optionalDependencies })
        .filter(([, version]) => !/^(?:\d+\.\d+\.\d+(?:-[\w.]+)?|workspace:\*)$/.test(version))
        .map(([name, version]) => `${path}: ${name} "${version}": pin one version`)
    })
    assert.deepEqual(loose, [])
  })

  test('package scripts run Node through the launcher, which picks a version that fits', () => {
    const bare = Object.entries(manifest('package.json').scripts ?? {}).filter(([, script]) =>
      /(?:^|[;&|] *)node /.test(script),
    )
    assert.deepEqual(bare, [], 'write ./tools/node instead of node')
  })

  test('the test command runs every folder of fast tests', () => {
    const script = manifest('package.json').scripts?.['test'] ?? ''
    const folders = new Set(repositoryFiles().flatMap((path) => /^test\/([^/]+)\/.*\.test\.ts$/.exec(path)?.[1] ?? []))
    const elsewhere = ['interop', 'soak', 'bench']
    for (const folder of folders) {
      if (elsewhere.includes(folder)) continue
      assert.match(script, new RegExp(`[{,]${folder}[,}]`), `package.json "test" leaves out test/${folder}`)
    }
  })
})
