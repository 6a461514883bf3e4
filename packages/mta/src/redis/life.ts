/**
 * One process of a node in Redis: `<node>.<life>`, the beginning of every name that it gives there to what it holds. A
 * node has one process at a time (`nodes/node-id.ts`), so what carries another life of the same node is held by nobody
 * any more.
 */
import { randomBytes } from 'node:crypto'

export interface Life {
  readonly node: string
  /** Letters, digits and a dot. */
  readonly name: string
}

const BYTES = 6

/** Of no node that lives again, when none is named. */
export function beginLife(node: string = randomName()): Life {
  return { node, name: `${node}.${randomName()}` }
}

function randomName(): string {
  return randomBytes(BYTES).toString('hex')
}
