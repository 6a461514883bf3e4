/** Errors of the API as RFC 9457 problem details: one list, which the OpenAPI document names too. Pure. */

export interface ProblemKind {
  readonly status: 400 | 401 | 403 | 404 | 405 | 408 | 409 | 413 | 415 | 421 | 429 | 500 | 503
  readonly title: string
}

export const PROBLEMS = {
  'bad-request': { status: 400, title: 'The request is not understood' },
  'no-token': { status: 401, title: 'A token is needed' },
  forbidden: { status: 403, title: 'This token may not do that' },
  'not-found': { status: 404, title: 'There is no such thing' },
  'method-not-allowed': { status: 405, title: 'Not with this method' },
  'too-slow': { status: 408, title: 'The request did not arrive in time' },
  'more-than-confirmed': { status: 409, title: 'More messages match than were confirmed' },
  'too-large': { status: 413, title: 'The request is too large' },
  'not-json': { status: 415, title: 'The body must be application/json' },
  'wrong-host': { status: 421, title: 'This server does not have that name' },
  'too-many': { status: 429, title: 'Too many requests' },
  defect: { status: 500, title: 'A defect of Hermetic' },
  unavailable: { status: 503, title: 'Something that is needed does not answer' },
} as const satisfies Readonly<Record<string, ProblemKind>>

export type ProblemName = keyof typeof PROBLEMS

/** What is sent: `type` is relative to the document that explains it. */
export interface ProblemDetails {
  readonly type: string
  readonly title: string
  readonly status: ProblemKind['status']
  readonly detail?: string
}

export function problemDetails(name: ProblemName, detail?: string): ProblemDetails {
  const { status, title } = PROBLEMS[name]
  return { type: `urn:hermetic:problem:${name}`, title, status, ...(detail === undefined ? {} : { detail }) }
}

/** Thrown by whatever answers a request, and made an answer in one place. */
export class ApiProblem extends Error {
  override readonly name = 'ApiProblem'
  readonly problem: ProblemName
  readonly detail: string | undefined
  readonly retryAfterS: number | undefined

  constructor(problem: ProblemName, detail?: string, retryAfterS?: number) {
    super(detail ?? problem)
    this.problem = problem
    this.detail = detail
    this.retryAfterS = retryAfterS
  }
}
