/**
 * The rules about who may import whom (architecture §2). Pure: imports in, findings out; every finding says
 * what to do.
 */
import { type Import, PACKAGE_ENTRY, packageOf } from './imports.ts'
import { isProduction } from './sources.ts'

const ORDER = ['policy', 'reporter', 'mta'] as const

function packageName(path: string): string | undefined {
  return /^packages\/([^/]+)\//.exec(path)?.[1]
}

/** mta → reporter → policy, nothing back, and only through a package's index. */
export function packageDirection(imports: readonly Import[]): readonly string[] {
  return imports.flatMap(({ from, line, specifier, target }) => {
    const here = packageName(from)
    const there = target === undefined ? undefined : packageName(target)
    const where = `${from}:${line} imports ${specifier}`
    if (/^@hermetic\/[^/]+\/./.test(specifier) && !Object.hasOwn(PACKAGE_ENTRY, specifier)) {
      return [`${where}: import the package's index, and export what is missing there`]
    }
    if (here === undefined) return []
    if (target?.startsWith('test/') && !isProduction(from)) return []
    if (target !== undefined && there === undefined) return [`${where}: packages do not import from outside packages/`]
    if (there === undefined || there === here) return []
    if (specifier.startsWith('.')) return [`${where}: import @hermetic/${there} instead of reaching into its files`]
    const allowed = ORDER.indexOf(there as (typeof ORDER)[number]) < ORDER.indexOf(here as (typeof ORDER)[number])
    return allowed ? [] : [`${where}: packages depend mta → reporter → policy, never back; take it as a port`]
  })
}

interface VendorRule {
  readonly vendor: string
  /** Production files that may import it. */
  readonly owners: RegExp
}

/** Vendor clients live in files named after them or in the one shell that owns them (architecture §2). */
const VENDORS: readonly VendorRule[] = [
  { vendor: 'ioredis', owners: /\/adapters\/redis-[\w-]+\.ts$/ },
  { vendor: 'aws4fetch', owners: /\/adapters\/s3-bucket\.ts$/ },
  { vendor: 'bullmq', owners: /\/adapters\/bullmq-[\w-]+\.ts$/ },
  { vendor: 'node:sqlite', owners: /\/adapters\/sqlite-[\w-]+\.ts$/ },
  { vendor: 'smtp-server', owners: /^packages\/mta\/src\/submission\/(?:server|smtp-server[\w-]*)\.ts$/ },
  { vendor: 'nodemailer', owners: /^packages\/mta\/src\/\w+\/nodemailer-[\w-]+\.ts$/ },
  { vendor: 'hono', owners: /^packages\/mta\/src\/(?:admin|api)\/(?:adapters\/)?[\w-]+\.ts$/ },
  { vendor: '@hono/node-server', owners: /^packages\/mta\/src\/(?:admin|api)\/(?:adapters\/)?[\w-]+\.ts$/ },
  { vendor: 'pino', owners: /^packages\/mta\/src\/observability\/(?:adapters\/)?[\w-]+\.ts$/ },
  { vendor: 'prom-client', owners: /^packages\/mta\/src\/observability\/(?:adapters\/)?[\w-]+\.ts$/ },
  { vendor: 'dns-packet', owners: /^packages\/policy\/src\/dns\/[\w-]+\.ts$/ },
  { vendor: 'toml-eslint-parser', owners: /^packages\/mta\/src\/config\/toml-document\.ts$/ },
  { vendor: 'zod', owners: /^packages\/mta\/src\/config\/[\w-]+\.ts$/ },
  { vendor: '@peculiar/x509', owners: /^packages\/mta\/src\/[\w-]+\/self-signed[\w-]*\.ts$/ },
  { vendor: 'reflect-metadata', owners: /^packages\/mta\/src\/[\w-]+\/self-signed[\w-]*\.ts$/ },
]

export function vendorOwners(imports: readonly Import[]): readonly string[] {
  return imports.flatMap(({ from, line, specifier, target }) => {
    if (target !== undefined || !isProduction(from)) return []
    const vendor = packageOf(specifier)
    const rule = VENDORS.find((one) => one.vendor === (specifier === 'node:sqlite' ? specifier : vendor))
    if (rule === undefined) {
      if (specifier.startsWith('node:')) return []
      return [
        `${from}:${line} imports ${vendor}: name the files that own it in test/tidy/boundaries.ts, with a decision record`,
      ]
    }
    if (rule.owners.test(from)) return []
    return [`${from}:${line} imports ${vendor}: only ${rule.owners.source} may; take a port as an argument instead`]
  })
}

/** The composition root: it alone knows all rooms and the configuration. */
const TOP: readonly string[] = ['main.ts', 'index.ts', 'cli', 'wiring']

/** Inside mta: the composition root and the command line are on top, settings are handed down as plain options. */
export function layersOfMta(imports: readonly Import[]): readonly string[] {
  return imports.flatMap(({ from, line, target }) => {
    if (target === undefined || !from.startsWith('packages/mta/src/') || !isProduction(from)) return []
    const room = from.slice('packages/mta/src/'.length).split('/')[0] ?? ''
    const top = TOP.includes(room)
    const where = `${from}:${line} imports ${target}`
    if (!top && /^packages\/mta\/src\/(?:main\.ts|cli\/|wiring\/)/.test(target)) {
      return [`${where}: nothing imports the composition root or the command line; pass what is needed down`]
    }
    if (!top && room !== 'config' && /^packages\/mta\/src\/config\/(?:schema|load)\.ts$/.test(target)) {
      return [`${where}: rooms take narrow option objects; main.ts and wiring/ read the configuration`]
    }
    return []
  })
}
