import { permitsContract } from '../permits.contract.ts'
import { createLocalPermits } from './local-permits.ts'

permitsContract(async ({ concurrency, initialConcurrency, rate }) => ({
  permits: createLocalPermits({
    perSite: concurrency,
    ...(initialConcurrency === undefined ? {} : { initialPerSite: initialConcurrency }),
    ...(rate === undefined ? {} : { rate }),
  }),
  [Symbol.asyncDispose]: async () => {},
}))
