/** The public API of `@hermetic/mta`: a relay inside another program, and what its settings and its queue are. */
export { type ConfigSources, loadConfig } from './config/load.ts'
export { type ConfigProblem, formatProblem } from './config/problem.ts'
export type { Config, ListenerConfig } from './config/schema.ts'
export { type Relay, type RelayOptions, type StartProblem, startRelay } from './main.ts'
export type { LogEvent } from './observability/log-events.ts'
