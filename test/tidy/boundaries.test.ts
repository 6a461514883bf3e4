import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { layersOfMta, packageDirection, vendorOwners } from './boundaries.ts'
import { findCycles, importsOf } from './imports.ts'
import { portsWithoutContract } from './ports.ts'
import { isProduction, typescriptFiles } from './sources.ts'

const IMPORTS = typescriptFiles().flatMap(importsOf)

function importing(path: string, specifier: string) {
  return importsOf({ path, text: `import { x } from '${specifier}'\n` })
}

describe('who may import whom', () => {
  test('packages depend mta → reporter → policy, through their index', () => {
    assert.deepEqual(packageDirection(IMPORTS), [])
  })

  test('vendor clients stay in the files that own them', () => {
    assert.deepEqual(vendorOwners(IMPORTS), [])
  })

  test('rooms of mta know neither the composition root nor the configuration as a whole', () => {
    assert.deepEqual(layersOfMta(IMPORTS), [])
  })

  test('there are no import cycles', () => {
    const cycles = findCycles(IMPORTS).map(
      (cycle) => `${cycle.join(' → ')}: move what both need into a file of its own`,
    )
    assert.deepEqual(cycles, [])
  })

  test('every relative import of our files names an existing file with its extension', () => {
    const paths = new Set(typescriptFiles().map(({ path }) => path))
    const broken = IMPORTS.filter(
      ({ target, specifier }) => target !== undefined && !paths.has(target) && !specifier.endsWith('.json'),
    )
    assert.deepEqual(
      broken.map(({ from, line, specifier }) => `${from}:${line}: ${specifier}`),
      [],
    )
  })

  test('every port has a contract suite that a test runs', () => {
    assert.deepEqual(portsWithoutContract(typescriptFiles()), [])
  })
})

describe('the rules about imports catch', () => {
  for (const [what, path, specifier] of [
    ['policy importing mta', 'packages/policy/src/a.ts', '@hermetic/mta'],
    ['reporter importing mta', 'packages/reporter/src/a.ts', '@hermetic/mta'],
    ['a deep import', 'packages/mta/src/a.ts', '@hermetic/policy/dns/answer.ts'],
    ['reaching into another package', 'packages/mta/src/a.ts', '../../policy/src/result.ts'],
    ['production code importing a test', 'packages/mta/src/a.ts', '../../../test/lab/ca.ts'],
  ] as const) {
    test(what, () => assert.equal(packageDirection(importing(path, specifier)).length, 1))
  }

  for (const [what, path, specifier] of [
    ['redis outside its adapter', 'packages/mta/src/spool/claim.ts', 'ioredis'],
    ['SQLite outside its adapter', 'packages/policy/src/cache.ts', 'node:sqlite'],
    ['a sub-path of a vendor', 'packages/mta/src/bounce/dsn.ts', 'nodemailer/lib/mime-node'],
    ['an unknown vendor', 'packages/mta/src/bounce/dsn.ts', 'left-pad'],
  ] as const) {
    test(what, () => assert.equal(vendorOwners(importing(path, specifier)).length, 1))
  }

  test('a room that imports the configuration or main', () => {
    for (const specifier of ['../config/schema.ts', '../main.ts', '../cli/start.ts']) {
      assert.equal(layersOfMta(importing('packages/mta/src/delivery/turn.ts', specifier)).length, 1, specifier)
    }
    assert.deepEqual(layersOfMta(importing('packages/mta/src/main.ts', './config/load.ts')), [])
  })

  test('a cycle over three files, once, and imports in every form', () => {
    const files = [
      { path: 'a/x.ts', text: "import './y.ts'\n" },
      { path: 'a/y.ts', text: "export type { Z } from './z.ts'\n" },
      { path: 'a/z.ts', text: "// import './w.ts'\nconst late = () => import('./x.ts')\n" },
    ]
    assert.deepEqual(findCycles(files.flatMap(importsOf)), [['a/x.ts', 'a/y.ts', 'a/z.ts', 'a/x.ts']])
  })

  test('a port without a contract, and a contract that nothing runs', () => {
    const port = {
      path: 'packages/mta/src/a/box.ts',
      text: '/**\n * Port: a box.\n */\nexport interface Box {\n  open(): void\n}\n',
    }
    const contract = { path: 'packages/mta/src/a/box.contract.ts', text: '' }
    const run = {
      path: 'packages/mta/src/a/adapters/tin-box.test.ts',
      text: "import { boxContract } from '../box.contract.ts'\n",
    }
    assert.match(portsWithoutContract([port]).join(), /write .*box\.contract\.ts/)
    assert.match(portsWithoutContract([port, contract]).join(), /no adapter's test/)
    assert.deepEqual(portsWithoutContract([port, contract, run]), [])
  })

  test('nothing in tests and fixtures, for they do not ship', () => {
    assert.equal(isProduction('packages/mta/src/bounce/dsn.fixture.ts'), false)
    assert.deepEqual(vendorOwners(importing('packages/mta/src/a.test.ts', 'nodemailer')), [])
  })
})
