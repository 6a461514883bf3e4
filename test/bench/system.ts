/**
 * A system under test as the bench sees it: something with two listeners and a CPU account. Types and the small
 * facts that both systems share.
 */
import type { CpuAccount } from './cpu-account.ts'
import type { BenchNetwork } from './network.ts'
import type { Scenario } from './scenarios.ts'

/** `hermetic-redis`: the relay on the Redis engine. */
type Program = 'postfix' | 'hermetic' | 'hermetic-redis'

export type SystemName = Program | `${Program}-sts`

export interface SystemUnderTest {
  /** `-sts`: the same program, sending to the domain that has a policy. */
  readonly name: SystemName
  readonly recipientDomain: string
  readonly version: string
  /** Plain, from an allowed network. */
  readonly plainPort: number
  /** STARTTLS and AUTH. */
  readonly securedPort: number
  readonly credential: { readonly username: string; readonly secret: string }
  readonly cpu: CpuAccount
  /** Said in the report: how it was tuned. */
  readonly settings: readonly string[]
  stop(): Promise<void>
}

export interface SystemOptions {
  /** Of this system alone; whoever made it removes it. */
  readonly cpu: CpuAccount
  readonly dir: string
  readonly network: BenchNetwork
  readonly scenario: Scenario
  readonly certFile: string
  readonly keyFile: string
  /** The relay signs what it takes; Postfix has nothing of its own for that. */
  readonly dkim: boolean
  /** The authority of the sink and of the policy host. */
  readonly caFile: string
}

export const DOMAIN = 'bench.test'
/** In From and in the envelope. */
export const SENDER_DOMAIN = 'origin.bench.test'
/** With an enforced MTA-STS policy; its mail exchanger is the same sink. */
export const POLICY_DOMAIN = 'sts.test'

/** The same system, sending to the domain with the policy; who stops the one stops the other. */
export function towardsPolicyDomain(system: SystemUnderTest): SystemUnderTest {
  const { name } = system
  if (name.endsWith('-sts')) return system
  return { ...system, name: `${name as Program}-sts`, recipientDomain: POLICY_DOMAIN, stop: async () => undefined }
}

/** Enters the namespace with a resolv.conf of its own; `ip netns exec` has a private mount namespace. */
export function enterSystem(options: SystemOptions): (command: readonly string[]) => readonly string[] {
  const bindResolver = `mount --bind ${options.dir}/resolv.conf /etc/resolv.conf && exec "$@"`
  return (command) => [...options.cpu.wrap, ...options.network.inSystem, 'sh', '-c', bindResolver, 'sh', ...command]
}
