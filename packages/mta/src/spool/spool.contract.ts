/**
 * The meaning of the `Spool` port, in tests: every adapter's test file is one call to this. Each part is in a file
 * of its own, named after the promise.
 */
import { describe } from 'node:test'
import type { OpenSpool } from './spool.fixture.ts'
import { acceptContract } from './spool-accept.contract.ts'
import { adminContract } from './spool-admin.contract.ts'
import { claimContract } from './spool-claim.contract.ts'
import { type ContentTraits, contentContract } from './spool-content.contract.ts'
import { keepClaimContract } from './spool-keep-claim.contract.ts'
import { noticeContract } from './spool-notice.contract.ts'
import { priorityContract } from './spool-priority.contract.ts'
import { settleContract } from './spool-settle.contract.ts'
import { tagContract } from './spool-tag.contract.ts'
import { troubleContract } from './spool-trouble.contract.ts'

/** Each test has a place of its own, and most of its time is waiting for a disk. */
const TOGETHER = { concurrency: 4 }

export function spoolContract(open: OpenSpool, traits: ContentTraits): void {
  describe('accept', TOGETHER, () => acceptContract(open))
  describe('claim', TOGETHER, () => claimContract(open))
  describe('priorities', TOGETHER, () => priorityContract(open))
  describe('settle', TOGETHER, () => settleContract(open))
  describe('notice', TOGETHER, () => noticeContract(open))
  describe('settle, and keep the claim', TOGETHER, () => keepClaimContract(open))
  describe('tag', TOGETHER, () => tagContract(open))
  describe('content', TOGETHER, () => contentContract(open, traits))
  describe('full and failing', TOGETHER, () => troubleContract(open))
  describe('what operators see and order', TOGETHER, () => adminContract(open))
}
