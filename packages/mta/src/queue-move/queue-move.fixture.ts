/** Two spools and a file between them, for the tests of moves on every engine. */
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { createReadStream, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { SpoolFaults } from '../spool/faults.ts'
import type { Spool } from '../spool/spool.ts'
import type { SpoolMoves } from '../spool/spool-moves.ts'
import type { WholeMessage } from '../spool/whole-message.ts'

export type MovingSpool = Spool & { readonly moves: SpoolMoves }
export type Row = readonly [WholeMessage, Buffer]

export class MoveWorld {
  readonly #directory = mkdtempSync(join(tmpdir(), 'queue-move-'))
  readonly #open: (dataDir: string, faults: SpoolFaults) => Promise<MovingSpool>
  readonly #opened: MovingSpool[] = []

  constructor(t: TestContext, open: (dataDir: string, faults: SpoolFaults) => Promise<MovingSpool>) {
    this.#open = open
    t.after(async () => {
      for (const spool of this.#opened) await spool.close()
      rmSync(this.#directory, { recursive: true, force: true })
    })
  }

  async open() {
    const faults = new SpoolFaults()
    const [fromDir, toDir] = [join(this.#directory, 'from'), join(this.#directory, 'to')]
    const [from, to] = [await this.#open(fromDir, new SpoolFaults()), await this.#open(toDir, faults)]
    this.#opened.push(from, to)
    /** `faults`: of the spool that mail moves to. */
    return { from, to, fromDir, faults, path: join(this.#directory, 'queue') }
  }
}

export async function fill({ moves }: MovingSpool, rows: readonly Row[]): Promise<void> {
  const messages = rows.map(([message, bytes]) => ({ message, content: { kind: 'memory', bytes } as const }))
  const outcome = await moves.enter({ messages, file: randomUUID(), from: 0, upTo: rows.length })
  assert.deepEqual(outcome, { kind: 'entered', entered: rows.length, alreadyThere: 0 })
}

/** Everything that a spool keeps, in the order of ids. */
export async function queueOf({ moves }: Pick<MovingSpool, 'moves'>): Promise<readonly Row[]> {
  const rows: Row[] = []
  for (;;) {
    const after = rows.at(-1)?.[0].id
    const page = await moves.page({ limit: 100, ...(after === undefined ? {} : { after }) })
    if (page.length === 0) return rows
    for (const { message } of page) {
      const content = await moves.open(message.id)
      const parts = content.kind === 'memory' ? [content.bytes] : await content.open().toArray()
      rows.push([message, Buffer.concat(parts)])
    }
  }
}

export function octetsOf(path: string): AsyncIterable<Uint8Array> {
  return createReadStream(path)
}
