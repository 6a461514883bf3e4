/**
 * Enhanced mail system status codes (RFC 3463, RFC 5248). Pure.
 */
export type EnhancedStatus = `${2 | 4 | 5}.${number}.${number}`

const ENHANCED_STATUS = /^([245])\.(0|[1-9]\d{0,2})\.(0|[1-9]\d{0,2})$/

export function parseEnhancedStatus(text: string): EnhancedStatus | undefined {
  return ENHANCED_STATUS.test(text) ? (text as EnhancedStatus) : undefined
}
