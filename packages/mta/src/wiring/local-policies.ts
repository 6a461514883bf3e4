/**
 * What the configuration says about the policies of destinations, as delivery and explanations take it: overrides, whether
 * policies are enforced, and the preload list. With `start`, what ends or changes is told while the relay runs.
 */
import { isDeepStrictEqual } from 'node:util'
import { err, ok, type PolicyOverride, type Result } from '@hermetic/policy'
import type { Config } from '../config/schema.ts'
import type { PolicySettings } from '../delivery/host-policy.ts'
import type { LocalPolicyEvent } from '../local-policy/events.ts'
import { OverrideWatch } from '../local-policy/override-watch.ts'
import { PreloadFile } from '../local-policy/preload-file.ts'
import { preloadErrorText } from '../local-policy/read-preload-file.ts'
import { type LocalPolicyReport, localPolicyReport } from '../local-policy/report.ts'
import type { Reloadable } from './reload.ts'
import type { StartProblem } from './start-problem.ts'

export type LocalPolicySettings = Pick<PolicySettings, 'overrides' | 'enforcement' | 'preload'>

export interface LocalPolicies extends Reloadable {
  readonly settings: LocalPolicySettings
  readonly report: () => LocalPolicyReport
  start(): void
  stop(): void
}

export interface LocalPolicyParts {
  readonly emit: (event: LocalPolicyEvent) => void
  /** UTC milliseconds. */
  readonly now: () => number
}

/** How late a changed list is seen, and a waiver that ended is told; it stops to count at once. */
const LOOK_MS = 60_000

export function openLocalPolicies(
  config: Pick<Config, 'policy_override' | 'delivery' | 'mta_sts'>,
  { emit, now }: LocalPolicyParts,
): Result<LocalPolicies, StartProblem> {
  const { enforcement } = config.delivery
  const { preload_file: path } = config.mta_sts
  // One list for as long as the relay runs: a reload exchanges what is in it.
  const overrides = [...configuredOverrides(config)]
  const opened = path === undefined ? undefined : PreloadFile.open({ path, now, emit })
  if (opened?.ok === false) return err({ kind: 'preload-list', path: path ?? '', error: opened.error })
  let preload = opened?.value
  let watch = new OverrideWatch({ overrides, enforcement, now, emit })
  let timer: NodeJS.Timeout | undefined
  return ok({
    settings: { overrides, enforcement, ...(preload === undefined ? {} : { preload: () => preload?.list }) },
    report: () => localPolicyReport({ overrides, enforcement, preload, now: now() }),
    start: () => {
      watch.tellAll()
      preload?.tell()
      timer = setInterval(() => {
        watch.look()
        preload?.look()
      }, LOOK_MS).unref()
    },
    stop: () => clearInterval(timer),
    prepare: (next) => {
      const { preload_file: nextPath } = next.mta_sts
      const list =
        preload === undefined || nextPath === undefined ? undefined : PreloadFile.open({ path: nextPath, now, emit })
      if (list?.ok === false) return err(`the preload list ${nextPath}: ${preloadErrorText(list.error)}`)
      const others = configuredOverrides(next)
      return ok(() => {
        preload = list?.value ?? preload
        if (isDeepStrictEqual(others, overrides)) return
        overrides.splice(0, overrides.length, ...others)
        watch = new OverrideWatch({ overrides, enforcement, now, emit })
        watch.tellAll()
      })
    },
  })
}

/** The rules of the configuration saw to it that each says one thing. */
export function configuredOverrides({
  policy_override: all,
}: Pick<Config, 'policy_override'>): readonly PolicyOverride[] {
  return all.flatMap(({ domain, require, waive, enforcement, reason, author, until }): readonly PolicyOverride[] => {
    const [first, ...more] = waive
    if (require !== undefined) return [{ kind: 'require', ...domain, demand: require }]
    if (enforcement !== undefined) return [{ kind: 'enforcement', ...domain, enforcement }]
    if (first === undefined || reason === undefined || author === undefined || until === undefined) return []
    return [{ kind: 'waive', ...domain, mechanisms: [first, ...more], reason, author, until }]
  })
}
