import { permitsContract } from '../permits.contract.ts'
import { createLocalPermits } from './local-permits.ts'

permitsContract((perSite) => createLocalPermits({ perSite }))
