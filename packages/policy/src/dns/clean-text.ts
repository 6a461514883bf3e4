/** Text that another program chose, as one bounded line without controls, direction marks or broken characters. Pure. */

/** Whole sentences with names of 255 octets; it goes to logs and notifications. */
const TEXT_MAX = 200

export function cleanText(text: string): string {
  return text
    .toWellFormed()
    .replace(/[\p{Cc}\p{Cf}\u2028\u2029]+/gu, ' ')
    .trim()
    .slice(0, TEXT_MAX)
    .toWellFormed()
}
