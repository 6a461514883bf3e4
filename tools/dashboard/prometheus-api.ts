/** The questions to a Prometheus that a dashboard asks, over its HTTP API. */

export interface Series {
  readonly labels: Readonly<Record<string, string>>
  /** Unix seconds, and the number; NaN where there is none. */
  readonly points: readonly (readonly [at: number, value: number])[]
}

export interface Span {
  /** Unix seconds. */
  readonly from: number
  readonly to: number
  readonly step: number
}

type Sample = readonly [number, string]

/** Rejects with Prometheus' own words when it does not understand the query. */
export async function queryRange(
  prometheus: string,
  query: string,
  { from, to, step }: Span,
): Promise<readonly Series[]> {
  const words = { query, start: String(from), end: String(to), step: String(step) }
  const answer = await answerOf(`${prometheus}/api/v1/query_range`, new URLSearchParams(words))
  if (answer.status !== 'success') throw new Error(`${answer.error}: ${query}`)
  return answer.data.result.map(({ metric, values }) => ({
    labels: metric,
    points: values.map(([at, value]) => [at, Number(value)] as const),
  }))
}

async function answerOf(url: string, body: URLSearchParams): Promise<Answer> {
  try {
    const response = await fetch(url, { method: 'POST', body })
    return JSON.parse(await response.text())
  } catch (error) {
    throw new Error(`no Prometheus answers at ${url}`, { cause: error })
  }
}

type Answer =
  | {
      readonly status: 'success'
      readonly data: {
        readonly result: readonly { readonly metric: Series['labels']; readonly values: readonly Sample[] }[]
      }
    }
  | { readonly status: 'error'; readonly error: string }
