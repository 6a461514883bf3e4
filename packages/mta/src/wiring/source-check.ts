/**
 * Whether the configured source addresses are on this machine: the system is asked to bind each. What is wrong at the
 * start is an error of the configuration; an address that goes later is set aside by delivery.
 */
import { createSocket } from 'node:dgram'
import { err, ok, type Result } from '@hermetic/policy'
import { familyOf } from '../delivery/dial-order.ts'
import type { SourcePool } from '../delivery/source-address.ts'
import type { StartProblem } from './start-problem.ts'

export async function checkSources(pools: readonly SourcePool[]): Promise<Result<undefined, StartProblem>> {
  for (const address of new Set(pools.flatMap(({ addresses }) => addresses.map((one) => one.address)))) {
    const error = await bindError(address)
    if (error !== undefined) return err({ kind: 'source-address', address, error })
  }
  return ok(undefined)
}

function bindError(address: string): Promise<Error | undefined> {
  return new Promise((resolve) => {
    const socket = createSocket(familyOf(address) === 4 ? 'udp4' : 'udp6')
    const settle = (error?: Error): void => {
      socket.close()
      resolve(error)
    }
    socket.once('error', settle)
    socket.bind({ address, port: 0, exclusive: true }, () => settle())
  })
}
