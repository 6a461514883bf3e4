/** A defect during the start: what was opened is closed, the defect is told, and the process ends. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'

const CHILD = fileURLToPath(new URL('../lab/start-child.ts', import.meta.url))
/** Longer than a start takes on a busy machine, and than the graces of a stop. */
const PATIENCE_MS = 20_000

interface Ended {
  readonly code: number | string
  readonly events: readonly { readonly event: string; readonly detail?: string }[]
}

function startedWith(file: string, event: string): Promise<Ended> {
  return new Promise((resolve) => {
    execFile(process.execPath, [CHILD, file, event], { timeout: PATIENCE_MS, killSignal: 'SIGKILL' }, (error, out) => {
      const lines = out.trim().split('\n')
      resolve({ code: error === null ? 0 : (error.code ?? 'killed'), events: lines.map((line) => JSON.parse(line)) })
    })
  })
}

for (const event of ['relay-starting', 'overrides-in-force', 'credentials-loaded', 'admin-listening', 'relay-ready']) {
  test(`a defect at ${event}: told, everything closed, exit code 1`, async () => {
    const directory = await mkdtemp(join(tmpdir(), 'start-defect-'))
    try {
      const file = join(directory, 'hermetic.toml')
      const settings = 'hostname = "relay.example.test"\n[[listener]]\nkind = "submission"\nport = 0\n'
      await writeFile(
        file,
        `${settings}[metrics]\nlisten = "127.0.0.1:0"\n[dns]\nservers = ["127.0.0.1:9"]\ntrust = "none"\n`,
      )
      const { code, events } = await startedWith(file, event)
      assert.equal(code, 1)
      const told = events.find((one) => one.event === 'relay-failed')
      assert.match(told?.detail ?? '', /a defect of the test/)
    } finally {
      await rm(directory, { recursive: true, force: true })
    }
  })
}
