/**
 * A system under test as the bench sees it: something with two listeners and a CPU account. Types and the small
 * facts that both systems share.
 */
import type { CpuAccount } from './cpu-account.ts'
import type { BenchNetwork } from './network.ts'
import type { Scenario } from './scenarios.ts'

export interface SystemUnderTest {
  readonly name: 'postfix' | 'hermetic'
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
  readonly domain: string
}

export const DOMAIN = 'bench.test'

/** Enters the namespace with a resolv.conf of its own; `ip netns exec` has a private mount namespace. */
export function enterSystem(options: SystemOptions): (command: readonly string[]) => readonly string[] {
  const bindResolver = `mount --bind ${options.dir}/resolv.conf /etc/resolv.conf && exec "$@"`
  return (command) => [...options.cpu.wrap, ...options.network.inSystem, 'sh', '-c', bindResolver, 'sh', ...command]
}
