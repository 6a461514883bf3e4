/**
 * By what a message is found: queue id, Message-ID, and the addresses of its envelope, each in one form, and hashed
 * for the index. A hash only points to where to look; `matches` says whether it is so. Pure.
 */
import type { HistoryKey } from './delivery-history.ts'
import { cutText, type HistoryEntry, MESSAGE_ID_MAX } from './entry.ts'

/** 31 bits: what the index has room for. */
export const HASH_BITS = 31

/** Adds the hashes under which an entry is found. */
export function addKeys(entry: HistoryEntry, hashes: Set<number>): void {
  hashes.add(hash(`i${entry.id}`))
  if (entry.kind === 'accepted') {
    if (entry.messageId !== undefined) hashes.add(hash(`m${messageIdForm(entry.messageId)}`))
    if (entry.sender !== '') hashes.add(hash(`a${addressForm(entry.sender)}`))
  }
  if (entry.kind === 'accepted' || entry.kind === 'settled') {
    for (const { address } of entry.recipients) hashes.add(hash(`a${addressForm(address)}`))
  }
}

export function hashOf(key: HistoryKey): number {
  switch (key.kind) {
    case 'id':
      return hash(`i${key.id}`)
    case 'message-id':
      return hash(`m${messageIdForm(key.messageId)}`)
    case 'address':
      return hash(`a${addressForm(key.address)}`)
  }
}

export function matches(entry: HistoryEntry, key: HistoryKey): boolean {
  switch (key.kind) {
    case 'id':
      return entry.id === key.id
    case 'message-id':
      return (
        entry.kind === 'accepted' &&
        entry.messageId !== undefined &&
        messageIdForm(entry.messageId) === messageIdForm(key.messageId)
      )
    case 'address': {
      if (entry.kind !== 'accepted' && entry.kind !== 'settled') return false
      const wanted = addressForm(key.address)
      const sender = entry.kind === 'accepted' ? entry.sender : ''
      return addressForm(sender) === wanted || entry.recipients.some(({ address }) => addressForm(address) === wanted)
    }
  }
}

/** As it was kept, without white space around it and without angle brackets. */
function messageIdForm(text: string): string {
  return cutText(text, MESSAGE_ID_MAX).trim().replace(/^<|>$/g, '')
}

/** The case of a local part matters to its host only (RFC 5321 §2.4), and people forget it. */
function addressForm(text: string): string {
  return text.toLowerCase()
}

/** FNV-1a over UTF-16 code units, mixed once more so that all bits count. */
function hash(text: string): number {
  let state = 0x811c9dc5
  for (let index = 0; index < text.length; index += 1) {
    state = Math.imul(state ^ text.charCodeAt(index), 0x01000193)
  }
  state = Math.imul(state ^ (state >>> 15), 0x2c1b3c6d)
  state = Math.imul(state ^ (state >>> 12), 0x297a2d39)
  return (state ^ (state >>> 15)) >>> (32 - HASH_BITS)
}
