import { nodeRegistryContract } from '../node-registry.contract.ts'
import { LocalNodes } from './local-nodes.ts'

nodeRegistryContract(async (times) => {
  const registry = new LocalNodes({ monotonic: () => performance.now(), times })
  return { registry, [Symbol.asyncDispose]: async () => registry.close() }
})
