/** Every endpoint of the API, once. Pure. */
import type { Endpoint } from './endpoint.ts'
import { POLICY_ENDPOINTS } from './policy-endpoints.ts'
import { QUEUE_ENDPOINTS } from './queue-endpoints.ts'
import { RELAY_ENDPOINTS } from './relay-endpoints.ts'

export const ENDPOINTS: readonly Endpoint[] = [...RELAY_ENDPOINTS, ...QUEUE_ENDPOINTS, ...POLICY_ENDPOINTS]

export const API_PATH = '/api/v1'
