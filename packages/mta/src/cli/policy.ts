/** `hermetic policy …`: looks at cached MTA-STS policies, and takes one out of the way (RFC 8461 §10.3). */
import { userInfo } from 'node:os'
import { type DomainName, type PolicyAdmin, PolicyCacheUnavailable, parseDomainName } from '@hermetic/policy'
import { PAGE_MAX } from '../admin/control-protocol.ts'
import type { Config } from '../config/schema.ts'
import { suggestion } from '../config/suggestion.ts'
import { readArguments } from './arguments.ts'
import { openLocalPolicy } from './open-local-policy.ts'
import { type OpenedPolicies, openPolicies } from './open-policies.ts'
import { preloadText } from './override-text.ts'
import { policyJson, policyList, policyText, renewalText } from './policy-text.ts'
import { CONFIG_OPTION, readSettings } from './settings.ts'
import { tryHint } from './try-directory.ts'
import { EXIT, type Terminal, UsageError, UserError, type Verb } from './verb.ts'

const OPTIONS = { ...CONFIG_OPTION, json: { type: 'boolean', default: false } } as const

const SUBVERBS = ['list', 'show', 'refresh', 'purge'] as const
type Subverb = (typeof SUBVERBS)[number]

export const policy: Verb = {
  summary: 'look at cached MTA-STS policies, fetch them now or throw them away',
  help: `Usage: hermetic policy list            [--json]
       hermetic policy show    DOMAIN… [--json]
       hermetic policy refresh DOMAIN…
       hermetic policy purge   DOMAIN…

Talks to the running relay over its socket in data_dir; when none runs, opens policy.db, or Redis, itself.

  list     every cached policy: mode, id, age, when it expires, when it is refreshed, the hosts that it names
  show     one policy in full, with why the last refresh failed, and the document as it was published
  refresh  ask DNS and the policy host now; needs a running relay. After a failure five minutes must pass
  purge    throw the cached policy away. For a policy that is wrong or hostile and lives long: it ends here at once,
           and the next mail is first contact again. Until a policy is fetched anew, mail to the domain goes out as if
           it had none. Who does it and when is logged

  --json           one JSON object a line
  --config FILE    read this configuration file

Examples:
  hermetic policy list
  hermetic policy show example.com
  hermetic policy list --json | jq -r 'select(.failed_refreshes > 0) | .domain'
`,
  async run([name, ...args], terminal) {
    const subverb = subverbOf(name)
    const { values, positionals } = readArguments(args, OPTIONS, { min: 0, max: 1_000, name: 'domains' })
    const domains = positionals.map(domainOf)
    if (subverb === 'list' && domains.length > 0) throw new UsageError('policy list takes no domains; policy show does')
    if (subverb !== 'list' && domains.length === 0) throw new UsageError(`write which: policy ${subverb} DOMAIN`)
    if (values.json && (subverb === 'refresh' || subverb === 'purge'))
      throw new UsageError(`policy ${subverb} has no --json`)
    const settings = readSettings(values.config, terminal)
    if (settings === undefined) return EXIT.configuration
    const opened = await openPolicies(settings.config)
    if (opened === undefined) {
      terminal.err(
        `There is no cache of policies in ${settings.config.data_dir} yet: the relay has not run here with MTA-STS.\n`,
      )
      terminal.err(tryHint(settings.config, `policy ${subverb}`))
      return domains.length === 0 ? EXIT.done : EXIT.failed
    }
    if (opened.by !== 'relay') terminal.err(READING[opened.by])
    try {
      return await WORK[subverb]({ ...opened, domains, json: values.json, config: settings.config, terminal })
    } catch (error) {
      if (error instanceof PolicyCacheUnavailable) throw new UserError(error.message)
      throw error
    } finally {
      opened.close()
    }
  },
}

interface Order extends Pick<OpenedPolicies, 'policies' | 'by'> {
  readonly domains: readonly DomainName[]
  readonly json: boolean
  readonly config: Config
  readonly terminal: Terminal
}

const WORK: Readonly<Record<Subverb, (order: Order) => Promise<number>>> = { list, show, refresh, purge }

function subverbOf(name: string | undefined): Subverb {
  const found = SUBVERBS.find((subverb) => subverb === name)
  if (found !== undefined) return found
  if (name === undefined || name.startsWith('-')) throw new UsageError(`write one of: ${SUBVERBS.join(', ')}`)
  const near = suggestion(name, SUBVERBS)
  const known = near === undefined ? `there are ${SUBVERBS.join(', ')}` : `did you mean ${near}?`
  throw new UsageError(`policy ${name} does not exist; ${known}`)
}

function domainOf(text: string): DomainName {
  const name = parseDomainName(text)
  if (!name.ok) throw new UsageError(`${JSON.stringify(text)} is not a domain`)
  return name.value
}

async function list({ policies, json, config, terminal }: Order): Promise<number> {
  const now = terminal.now()
  const shown = []
  for await (const page of pages(policies)) {
    if (json) terminal.out(page.map((entry) => `${policyJson(entry, now)}\n`).join(''))
    else shown.push(...page)
  }
  if (json) return EXIT.done
  terminal.out(shown.length === 0 ? 'No policy is cached.\n' : policyList(shown, { now, width: terminal.columns }))
  const { preload } = (await openLocalPolicy(config, terminal.now)).report
  if (preload !== undefined) terminal.out(`\nWhere none could be fetched: ${preloadText(preload, now)}`)
  return EXIT.done
}

async function* pages(policies: PolicyAdmin) {
  let after: DomainName | undefined
  for (;;) {
    const page = await policies.list(after === undefined ? { limit: PAGE_MAX } : { after, limit: PAGE_MAX })
    if (page.length > 0) yield page
    after = page.at(-1)?.policyDomain
    if (page.length < PAGE_MAX) return
  }
}

async function show({ policies, domains, json, terminal }: Order): Promise<number> {
  const paper = { now: terminal.now(), width: terminal.columns, colours: terminal.colours }
  let missing = 0
  for (const [index, domain] of domains.entries()) {
    const entry = await policies.show(domain)
    if (entry === undefined) {
      missing++
      terminal.err(`${domain}: no policy is cached\n`)
      continue
    }
    terminal.out(json ? `${policyJson(entry, paper.now)}\n` : `${index > 0 ? '\n' : ''}${policyText(entry, paper)}`)
  }
  return missing === 0 ? EXIT.done : EXIT.failed
}

async function refresh({ policies, domains, terminal }: Order): Promise<number> {
  let failed = 0
  for (const domain of domains) {
    const renewed = await policies.refresh(domain)
    const done = renewed.kind === 'fetched'
    if (!done) failed++
    const tell = done ? terminal.out : terminal.err
    tell(`${renewalText(domain, renewed, terminal.now())}\n`)
  }
  return failed === 0 ? EXIT.done : EXIT.failed
}

async function purge({ policies, by, domains, terminal }: Order): Promise<number> {
  let purged = 0
  for (const domain of domains) {
    const done = await policies.purge(domain, whoAsks(terminal))
    if (done === undefined) {
      terminal.err(`${domain}: no policy is cached\n`)
      continue
    }
    purged++
    terminal.out(`${domain}: the cached policy (${done.mode ?? 'unreadable'}) is thrown away\n`)
  }
  if (purged > 0) terminal.out(`${PURGE_MEANS}${by === 'relay' ? '' : PURGE_NOTED[by]}`)
  return purged === domains.length ? EXIT.done : EXIT.failed
}

const PURGE_MEANS = `This is first contact again: until a policy is fetched anew, mail goes out as if there were none. A delivery that
is under way may still use what was thrown away, for five minutes at most.
`
const PURGE_NOTED = {
  file: 'The next start of the relay logs it.\n',
  redis: 'One of the relays logs it, or the next start.\n',
} as const
const READING = {
  file: 'No relay runs; reading policy.db directly.\n',
  redis: 'No relay runs on this data_dir; reading Redis directly.\n',
} as const

/** For the log; a root shell that somebody opened with sudo tells who that is. */
function whoAsks({ env }: Terminal): string {
  const { username } = userInfo()
  const behind = env['SUDO_USER'] ?? ''
  return (behind === '' || behind === username ? username : `${behind} as ${username}`).slice(0, 128)
}
