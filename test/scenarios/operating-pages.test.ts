/** What the pages for operators tell them to type and to write is there: verbs, their options, settings. */
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { TerminalLab } from '../../packages/mta/src/cli/terminal-lab.ts'

const ROOT = new URL('../../', import.meta.url).pathname
const FOLDER = join(ROOT, 'docs/operating')
const PAGES = [
  ...readdirSync(FOLDER).flatMap((name) => (name.endsWith('.md') ? [join(FOLDER, name)] : [])),
  `${ROOT}README.md`,
]

const BLOCK = /^```(\w*)\n(.*?)^```/gms
const INLINE = /`([^`\n]+)`/g
/** As somebody types it (also in a container of that name, but no user of Redis); what follows the next command of the shell is another one. */
const TYPED = /(?<!SETUSER)(?:^|[\s/(])(?:hermetic )+(?<verb>[a-z][a-z-]*)(?<rest>[^\n#|&;]*)/g

test('every command of the pages for operators is a verb, with options that its help names', async () => {
  using lab = new TerminalLab()
  const helps = new Map<string, string>()
  const wrong: string[] = []
  let seen = 0
  for (const page of PAGES) {
    const text = readFileSync(page, 'utf8')
    const blocks = [...text.matchAll(BLOCK)].flatMap(([, language = '', code = '']) =>
      language === 'toml' ? [] : [code],
    )
    const inline = [...text.replace(BLOCK, '').matchAll(INLINE)].map(([, code = '']) => code)
    for (const [typed, verb = '', rest = ''] of [...blocks, ...inline].flatMap((code) => [...code.matchAll(TYPED)])) {
      if (!helps.has(verb)) helps.set(verb, (await lab.run(verb, '--help')).out)
      const help = helps.get(verb) ?? ''
      seen += 1
      if (help === '') wrong.push(`${page}: ${typed.trim()}: no such verb`)
      for (const [option] of rest.matchAll(/(?<=\s)--[a-z][a-z-]*/g)) {
        if (!help.includes(option)) wrong.push(`${page}: ${typed.trim()}: help does not name ${option}`)
      }
    }
  }
  assert.ok(seen > 200, `${seen} commands`)
  assert.deepEqual(wrong, [])
})

/** Said of an example because its files, secrets and dates are somebody else's, or stand in another block. */
const OF_THE_MACHINE =
  /cannot be read|is not a hash of a secret|is missing|has no password|needs oauth_refresh_token too|names a pool that|is not loopback|\.until /

test('every setting that the pages for operators write is one', async () => {
  using lab = new TerminalLab()
  const wrong: string[] = []
  let seen = 0
  for (const page of PAGES) {
    for (const [, language, block = ''] of readFileSync(page, 'utf8').matchAll(BLOCK)) {
      if (language !== 'toml') continue
      seen += 1
      lab.file('hermetic.toml', block)
      const { err } = await lab.run('check-config')
      for (const line of err.split('\n')) {
        if (/^ +\S/.test(line) && !OF_THE_MACHINE.test(line)) wrong.push(`${page}: ${line.trim()}`)
      }
    }
  }
  assert.ok(seen > 25, `${seen} blocks`)
  assert.deepEqual(wrong, [])
})
