/**
 * The id of this node: made once for a data_dir and kept in it, because what a node left unsettled is in there too. A
 * copy of a data_dir has the id of the original, and one of the two is refused (`node-service.ts`).
 */
import { randomBytes } from 'node:crypto'
import { open, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { FILE_MODE, fsyncDirectory, isErrno, makeDurableDirectory } from '../spool/durable-file.ts'
import { type NodeId, parseNodeId } from './node-record.ts'

export const NODE_ID_NAME = 'node-id'

const ID_BYTES = 6

/** The file holds something else; whoever repairs it decides whether this is still the same node. */
export class NodeIdDamaged extends Error {
  override readonly name = 'NodeIdDamaged'
}

/** Rejects with `NodeIdDamaged`, or with the system's error. */
export async function openNodeId(dataDir: string): Promise<NodeId> {
  await makeDurableDirectory(dataDir, {})
  const path = join(dataDir, NODE_ID_NAME)
  return (await readId(path)) ?? (await makeId(path, dataDir))
}

async function readId(path: string): Promise<NodeId | undefined> {
  try {
    const id = parseNodeId((await readFile(path, 'utf8')).trim())
    if (id === undefined) throw new NodeIdDamaged(path)
    return id
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return undefined
    throw error
  }
}

async function makeId(path: string, dataDir: string): Promise<NodeId> {
  const id = parseNodeId(randomBytes(ID_BYTES).toString('hex'))
  if (id === undefined) throw new NodeIdDamaged(path)
  // Whole or not at all for a reader, unless the machine dies in between: then the file is empty, and damaged.
  const file = await open(path, 'wx', FILE_MODE)
  try {
    await file.writeFile(`${id}\n`)
    await file.sync()
  } finally {
    await file.close()
  }
  await fsyncDirectory(dataDir, {})
  return id
}
