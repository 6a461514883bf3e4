import assert from 'node:assert/strict'
import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { DIRECTORY_MODE, makeDurableDirectory } from './durable-file.ts'

const NO_HOOKS = {}

test('missing directories are made, for their owner only; those that are there stay', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'durable-file-'))
  const deep = join(directory, 'a', 'b', 'c')
  await makeDurableDirectory(deep, NO_HOOKS)
  await makeDurableDirectory(deep, NO_HOOKS)
  for (const path of [deep, join(directory, 'a')]) assert.equal((await stat(path)).mode & 0o777, DIRECTORY_MODE)
  await rm(directory, { recursive: true })
})

test('a file in the place of a directory is an error', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'durable-file-'))
  await writeFile(join(directory, 'file'), '')
  await assert.rejects(makeDurableDirectory(join(directory, 'file'), NO_HOOKS), { code: 'EEXIST' })
  await assert.rejects(makeDurableDirectory(join(directory, 'file', 'below'), NO_HOOKS), { code: 'ENOTDIR' })
  await rm(directory, { recursive: true })
})

test('where directories cannot be made although the one above is there, the answer is an error', {
  skip: process.platform === 'linux' ? false : 'needs /proc',
  timeout: 5_000,
}, async () => {
  await assert.rejects(makeDurableDirectory('/proc/hermetic/deep', NO_HOOKS), { code: 'ENOENT' })
})
