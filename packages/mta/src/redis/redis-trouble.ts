/**
 * What a failed call to Redis means, in words for operators: the server's own when it answered, else that it did not.
 * Never the client's messages, which speak of its options. Pure.
 */
const ANSWER_MAX = 200

export function redisTrouble(error: unknown): string {
  if (error instanceof Error && error.name === 'ReplyError')
    return `Redis answers: ${error.message.slice(0, ANSWER_MAX)}`
  const code = error instanceof Error && 'code' in error ? error.code : undefined
  return typeof code === 'string' ? `no connection to Redis (${code})` : 'no connection to Redis, or no answer in time'
}
