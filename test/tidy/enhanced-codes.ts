/**
 * Enhanced status codes that our code writes are registered ones (RFC 5248, RFC 3463): unregistered codes mean
 * nothing to those who read them. Pure. Subject → highest registered detail; the details run from 0.
 */
import { blank, lineOf } from './code-text.ts'
import type { SourceFile } from './sources.ts'

const HIGHEST_DETAIL: Readonly<Record<number, number>> = {
  0: 0,
  // RFC 7505 added 1.10.
  1: 10,
  2: 4,
  // RFC 6710 added 3.6.
  3: 6,
  4: 7,
  // RFC 4954 added 5.6.
  5: 6,
  // RFC 6531 added 6.7 to 6.9; 6.10 is a deprecated duplicate.
  6: 9,
  // RFC 8689 added 7.30.
  7: 30,
}

const CODE = /(?<![\d.§])[245]\.(\d{1,3})\.(\d{1,3})(?![\d.])/g

export function unregisteredCodes({ path, text }: SourceFile): readonly string[] {
  const { withStrings } = blank(text)
  return [...withStrings.matchAll(CODE)].flatMap((match) => {
    const highest = HIGHEST_DETAIL[Number(match[1])]
    if (highest !== undefined && Number(match[2]) <= highest) return []
    return [`${path}:${lineOf(text, match.index)}: ${match[0]} is not a registered enhanced status code (RFC 5248)`]
  })
}
