/** Why the relay did not start, in the user's words. Pure. */
import { assertNever, type PolicyCacheOpenError } from '@hermetic/policy'
import { preloadErrorText } from '../local-policy/read-preload-file.ts'
import { NODE_ID_NAME } from '../nodes/node-id.ts'
import type { RedisSpoolOpenError } from '../spool/adapters/redis-spool.ts'
import type { DirectoryLockError } from '../spool/adapters/sqlite-directory-lock.ts'
import type { SpoolOpenError } from '../spool/adapters/sqlite-schema.ts'
import type { StartProblem } from '../wiring/start-problem.ts'
import { bucketAdvice } from './bucket-advice.ts'
import { describeError } from './describe-error.ts'
import { resultStoreProblemText } from './result-store-text.ts'

export function describeStartProblem(problem: StartProblem): string {
  switch (problem.kind) {
    case 'spool':
      return describeSpoolProblem(problem.error)
    case 'redis-spool':
      return describeRedisSpoolProblem(problem.error)
    case 'policy-cache':
      return describePolicyCacheProblem(problem.error)
    case 'result-store':
      return resultStoreProblemText(problem.error)
    case 'preload-list':
      return `the preload list ${problem.path} cannot be used: ${preloadErrorText(problem.error)}`
    case 'dkim-key':
      return `the DKIM key ${problem.path} ${problem.detail}`
    case 'source-address':
      return `mail cannot leave from ${problem.address}: ${words(problem.error)} ([[source]] names addresses of this machine)`
    case 'certificate-authorities':
    case 'certificate':
      return `${problem.path} cannot be used: ${words(problem.error)}`
    case 'listener':
      return `the listener ${problem.name} cannot be opened: ${words(problem.error)}`
    case 'node-id':
      return `the file ${NODE_ID_NAME} in ${problem.directory} cannot be used: ${words(problem.error)}. A damaged one may be removed: the relay is then another node`
    case 'node-taken':
      return nodeTakenText(problem)
    case 'socketmap':
      return `the socketmap cannot listen on ${problem.place}: ${words(problem.error)} ([socketmap] listen names the place)`
    case 'suppression':
      return `the list of suppressed addresses cannot be used: ${problem.detail} ([suppression] enabled = false does without)`
    case 'metrics':
      return `metrics cannot be served: ${words(problem.error)} ([metrics] listen names the place)`
    case 'api-tokens':
      return `the token file ${problem.path} of the API cannot be used: ${problem.detail} (hermetic api token add NAME makes one)`
    case 'api':
      return `the API cannot listen on ${problem.address} port ${problem.port}: ${words(problem.error)} ([api] listen names the place)`
    case 'control-socket':
      return `the control socket cannot be opened: ${words(problem.error)}`
    default:
      return assertNever(problem)
  }
}

/** Both would carry out what this directory says of mail that was in flight. */
function nodeTakenText({ directory, by }: Extract<StartProblem, { readonly kind: 'node-taken' }>): string {
  return (
    `another relay of this queue goes by the id in ${directory}/${NODE_ID_NAME} (${by.id}): pid ${by.pid} on ${by.hostname}. ` +
    'One of the two directories is a copy of the other: give this relay a data_dir of its own'
  )
}

export function describeSpoolProblem(error: SpoolOpenError): string {
  switch (error.kind) {
    case 'locked':
      return `another relay runs on this data_dir (${error.path} is locked); stop it first, or name another data_dir`
    case 'foreign-file':
      return `${error.path} is not a queue of Hermetic; nothing was changed. Name another data_dir, or move the file away`
    case 'newer-schema':
      return (
        `${error.path} was written by a newer Hermetic (schema ${error.found}, this one knows ${error.supported}); ` +
        'nothing was changed. Run the newer version'
      )
    case 'not-a-file':
      return `${error.path} is not a file; move it away, or name another data_dir`
    case 'unusable-directory':
      return `${error.path} cannot be used (${error.detail}); data_dir must be a directory that this user may write, with all that is in it`
    case 'store-failed':
      return `${error.path} cannot be opened: ${error.detail}`
    default:
      return assertNever(error)
  }
}

export function describeRedisSpoolProblem(error: RedisSpoolOpenError | DirectoryLockError): string {
  switch (error.kind) {
    case 'locked':
    case 'unusable-directory':
      return describeSpoolProblem(error)
    case 'unreachable':
      return `Redis cannot be used: ${error.detail} ([queue] redis_url names the server)`
    case 'not-durable':
      return (
        `this Redis may lose mail that was answered 250: ${error.findings.join('; ')}. ` +
        'Change these in redis.conf, or with CONFIG SET and CONFIG REWRITE; ' +
        '[queue] durability = "relaxed" starts all the same where only durability is missing'
      )
    case 'foreign-content':
      return (
        `${error.path} does not have the contents of this queue: ${error.detail}; nothing was changed. ` +
        `All relays of a queue name one ${error.isBucket ? 'bucket and prefix ([queue] content_url)' : 'directory ([queue] content_dir)'}, which they share`
      )
    case 'bucket':
      return `the bucket ${error.place} cannot be used: ${error.detail}. It has the large messages of the queue: ${bucketAdvice(error.code)}`
    case 'newer-schema':
      return (
        `the queue in Redis was written by a newer Hermetic (schema ${error.found}, this one knows ${error.supported}); ` +
        'nothing was changed. Run the newer version'
      )
    default:
      return assertNever(error)
  }
}

/** What goes with the file: the memory of MTA-STS and of DANE (RFC 8461 §10.2). */
const FIRST_CONTACT =
  'Without its policies, mail meets every domain for the first time: until they are fetched again, who forges DNS is not noticed'

function describePolicyCacheProblem(error: PolicyCacheOpenError): string {
  switch (error.kind) {
    case 'foreign-file':
      return (
        `${error.path} is not a policy cache of Hermetic; nothing was changed. ` +
        `Name another data_dir, or move the file away. ${FIRST_CONTACT}`
      )
    case 'not-a-file':
      return `${error.path} is not a file, but that is the place of the policy cache. Move it away. ${FIRST_CONTACT}`
    case 'store-failed':
      return `${describeSpoolProblem(error)}. Where the file is damaged, move it away. ${FIRST_CONTACT}`
    default:
      return describeSpoolProblem(error)
  }
}

function words(error: unknown): string {
  return describeError(error).text
}
