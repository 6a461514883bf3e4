/**
 * The private directory of an `unbound` of ours: readable by nobody else, with the trust anchors of the root from
 * which it starts and which it then keeps itself (RFC 5011).
 */
import { chmod, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { err, ok, type Result } from '../result.ts'
import { ANCHOR_FILE } from './unbound-config.ts'
import type { UnboundProblem } from './unbound-problem.ts'

const DIRECTORY_MODE = 0o700
const FILE_MODE = 0o600
const SET_ASIDE_FILE = `${ANCHOR_FILE}.refused`

/** A trust anchor of the root, whole: as we write it, or as unbound keeps it. */
const ANCHOR =
  /^\.\s+(?:\d+\s+)?IN\s+(?:DS\s+\d+\s+\d+\s+\d+\s+[0-9a-f]{40,}|DNSKEY\s+\d+\s+3\s+\d+\s+[0-9a-z+/]{40,}={0,2})(?:\s|$)/im

/** Says where the anchors come from: those of an earlier run may be damaged, ours are not. */
export async function prepareDirectory(
  directory: string,
  anchors: readonly string[],
): Promise<Result<'kept-anchors' | 'new-anchors' | 'damaged-anchors', UnboundProblem>> {
  try {
    await makeDirectory(directory)
    await chmod(directory, DIRECTORY_MODE)
    const kept = await textOf(join(directory, ANCHOR_FILE))
    if (kept !== undefined && ANCHOR.test(kept)) return ok('kept-anchors')
    await writeAnchors(directory, anchors)
    return ok(kept === undefined ? 'new-anchors' : 'damaged-anchors')
  } catch (error) {
    return err({ kind: 'directory', path: directory, code: codeOf(error) })
  }
}

/** Ours in the place of the kept ones, which lie beside until it is known whether that helped. */
export async function renewAnchors(
  directory: string,
  anchors: readonly string[],
): Promise<Result<undefined, UnboundProblem>> {
  try {
    await rename(join(directory, ANCHOR_FILE), join(directory, SET_ASIDE_FILE))
    await writeAnchors(directory, anchors)
    return ok(undefined)
  } catch (error) {
    return err({ kind: 'directory', path: directory, code: codeOf(error) })
  }
}

/** They were not the trouble: what unbound has learnt since the first day is worth more than our list. */
export async function restoreAnchors(directory: string): Promise<void> {
  await rename(join(directory, SET_ASIDE_FILE), join(directory, ANCHOR_FILE)).catch(() => undefined)
}

/** The one above it is ours too and is there. */
async function makeDirectory(directory: string): Promise<void> {
  try {
    await mkdir(directory, { mode: DIRECTORY_MODE })
  } catch (error) {
    if (codeOf(error) !== 'EEXIST') throw error
  }
}

async function writeAnchors(directory: string, anchors: readonly string[]): Promise<void> {
  const path = join(directory, ANCHOR_FILE)
  await rm(`${path}.new`, { force: true })
  await writeFile(`${path}.new`, `${anchors.join('\n')}\n`, { mode: FILE_MODE })
  await rename(`${path}.new`, path)
}

async function textOf(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined
    throw error
  }
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : 'UNKNOWN'
}
