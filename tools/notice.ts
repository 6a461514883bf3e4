/**
 * Writes `deploy/image/NOTICE`: which packages of others are shipped in the image, under which licence, with the
 * words that the licences want to be kept. `--check` writes nothing and exits with 1 when the file is not what it
 * would write, or when a licence is not one that may be shipped.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { noticeText, shippedPackages, unknownLicences } from './shipped-packages.ts'

const FILE = new URL('../deploy/image/NOTICE', import.meta.url)

const { values } = parseArgs({ options: { check: { type: 'boolean', default: false } } })
const packages = shippedPackages(new URL('../packages/mta/', import.meta.url))
const text = noticeText(packages)
const refused = unknownLicences(packages)
if (refused.length > 0) {
  console.error(`These licences may not be shipped, or nobody has looked at them: ${refused.join(', ')}`)
  process.exitCode = 1
} else if (current() === text) {
  console.log(`deploy/image/NOTICE is up to date: ${packages.length} packages.`)
} else if (values.check) {
  console.error('deploy/image/NOTICE is out of date. Run: pnpm run docs')
  process.exitCode = 1
} else {
  writeFileSync(FILE, text)
  console.log(`Written: deploy/image/NOTICE, ${packages.length} packages.`)
}

function current(): string | undefined {
  try {
    return readFileSync(FILE, 'utf8')
  } catch {
    return undefined
  }
}
