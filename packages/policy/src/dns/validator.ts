/**
 * Who answers questions and vouches for what is secure: the name servers themselves, or our own unbound. Each answer
 * belongs to the source that gave it, and counts only while that source is there.
 */
import type { EmitPolicyEvent } from '../ports/policy-events.ts'
import { err, ok, type Result } from '../result.ts'
import type { CacheLimits } from './answer-cache.ts'
import { PrivateUnbound, type PrivateUnboundOptions } from './private-unbound.ts'
import { createStubResolver, type StubResolver } from './stub-resolver.ts'
import type { NameServer } from './transport.ts'
import type { ValidatorKind } from './trust.ts'
import type { UnboundChild } from './unbound-child.ts'
import type { ValidatorProblem } from './validation-state.ts'

export interface Validator {
  readonly by: ValidatorKind
  /** Undefined while nobody is there to be asked; then `problem` says why. */
  source(): AnswerSource | undefined
  problem(): ValidatorProblem
  /** Called when the source has changed. */
  onChange(listener: () => void): void
  close(): Promise<void>
}

export interface AnswerSource {
  readonly servers: readonly [NameServer, ...NameServer[]]
  readonly resolver: StubResolver
  /** Whether what it just answered was its word. */
  stillThere(): Promise<boolean>
}

export interface StubSettings {
  readonly cache?: Partial<CacheLimits>
  readonly emit: EmitPolicyEvent
}

export type ServersValidator = Exclude<ValidatorKind, 'private-unbound'>

export function serversValidator(
  by: ServersValidator,
  servers: readonly [NameServer, ...NameServer[]],
  settings: StubSettings,
): Validator {
  const resolver = createStubResolver({ servers, trust: 'ad', ...settings })
  const source: AnswerSource = { servers, resolver, stillThere: async () => true }
  return {
    by,
    source: () => source,
    problem: () => {
      throw new Error('name servers are always there to be asked')
    },
    onChange: () => undefined,
    close: async () => resolver.close(),
  }
}

export async function unboundValidator(
  options: PrivateUnboundOptions,
  settings: StubSettings,
): Promise<Result<Validator, ValidatorProblem>> {
  const started = await PrivateUnbound.start(options)
  if (!started.ok) return err({ candidate: 'private-unbound', problem: started.error })
  const unbound = started.value
  let known: { readonly child: UnboundChild; readonly source: AnswerSource } | undefined
  const forget = (): void => {
    known?.source.resolver.close()
    known = undefined
  }
  return ok({
    by: 'private-unbound',
    source: () => {
      const { child } = unbound
      if (child !== known?.child) {
        forget()
        if (child !== undefined) known = { child, source: sourceOf(child, settings) }
      }
      return known?.source
    },
    problem: () => ({ candidate: 'private-unbound', problem: unbound.problem }),
    onChange: (listener) => unbound.onChange(listener),
    close: async () => {
      await unbound.stop()
      forget()
    },
  })
}

/** With a cache of its own, which ends with the child: nothing that it said outlives it. */
function sourceOf(child: UnboundChild, settings: StubSettings): AnswerSource {
  const servers = [child.server] as const
  const resolver = createStubResolver({ servers, trust: 'ad', ...settings })
  void child.ended.then(() => resolver.close())
  return { servers, resolver, stillThere: () => aliveAfterLook(child) }
}

/**
 * Its port is free for others a moment before its end is told to us. Two turns of the event loop bring every end that
 * came before the answer.
 */
async function aliveAfterLook(child: UnboundChild): Promise<boolean> {
  await nextTurn()
  await nextTurn()
  return child.alive
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}
