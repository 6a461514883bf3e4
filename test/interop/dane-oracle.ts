/**
 * OpenSSL's DANE verdict, asked from a child process (`dane-oracle.py`) that works beside us on the other core.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import type { DaneCase } from './dane-cases.ts'

export interface OracleVerdict {
  readonly ok: boolean
  /** X509_V_ERR_… */
  readonly error: number
  readonly depth: number
  /** Of the last certificate of the chain that OpenSSL built. */
  readonly lastDepth: number
  readonly text: string
  readonly usable: number
  /** The leaf's key is below security level 2, so this is the verdict of level 0. */
  readonly weakLeaf: boolean
}

export interface DaneOracle {
  /** `OpenSSL 3.0.19 …`. */
  readonly version: string
  ask(question: DaneCase): Promise<OracleVerdict>
  close(): Promise<void>
}

export async function startOracle(): Promise<DaneOracle> {
  const script = fileURLToPath(new URL('dane-oracle.py', import.meta.url))
  const child = spawn('python3', [script], { stdio: ['pipe', 'pipe', 'inherit'] })
  const waiting: { readonly resolve: (line: string) => void; readonly reject: (error: Error) => void }[] = []
  const nextLine = () => new Promise<string>((resolve, reject) => waiting.push({ resolve, reject }))
  createInterface({ input: child.stdout }).on('line', (line) => waiting.shift()?.resolve(line))
  const ended = once(child, 'close').then(([code]) => {
    for (const { reject } of waiting.splice(0)) reject(new Error(`the oracle ended with ${code}`))
  })
  const version = await nextLine()
  return {
    version,
    async ask(question) {
      child.stdin.write(`${asLine(question)}\n`)
      return JSON.parse(await nextLine())
    },
    async close() {
      child.stdin.end()
      await ended
    },
  }
}

export function asLine({ chain, published, names, now }: DaneCase): string {
  return JSON.stringify({
    now: Math.floor(now / 1000),
    chain: chain.map(base64),
    tlsa: published.map(({ usage, selector, matchingType, associationData }) => [
      usage,
      selector,
      matchingType,
      base64(associationData),
    ]),
    names,
  })
}

function base64(octets: Uint8Array): string {
  return Buffer.from(octets).toString('base64')
}
