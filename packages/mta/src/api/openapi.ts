/** The OpenAPI 3.1 document of the API, written from the endpoints that are served. Pure. */
import { type Endpoint, type Field, type Fields, fieldsWithPage, type Schema } from './endpoint.ts'
import { API_PATH, ENDPOINTS } from './endpoints.ts'
import { PROBLEMS, type ProblemName } from './problem.ts'
import { BULK, list, object, TEXT } from './schemas.ts'

/** Of the API, not of the program: the second number grows with what is new, the first with what is gone. */
const API_VERSION = '1.0.0'

const PROBLEM = object({ type: TEXT, title: TEXT, status: { type: 'integer' } }, { detail: TEXT })

/** Every endpoint may answer these. */
const ALWAYS: readonly ProblemName[] = ['bad-request', 'no-token', 'wrong-host', 'too-many', 'defect', 'unavailable']

export function openApiDocument(): Readonly<Record<string, unknown>> {
  const paths: Record<string, Record<string, unknown>> = {}
  for (const endpoint of ENDPOINTS) {
    const path = `${API_PATH}${endpoint.path}`
    paths[path] = { ...paths[path], [endpoint.method]: operation(endpoint) }
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'Hermetic control API',
      version: API_VERSION,
      description:
        'What the command line can see and order, for programs. docs/operating/api.md tells how to turn it on.',
      license: { name: 'MIT', identifier: 'MIT' },
    },
    servers: [{ url: '/' }],
    security: [{ token: [] }],
    paths,
    components: {
      securitySchemes: { token: { type: 'http', scheme: 'bearer', description: 'Made by hermetic api token add.' } },
      schemas: { Problem: PROBLEM },
    },
  }
}

export function openApiText(): string {
  return `${JSON.stringify(openApiDocument(), undefined, 2)}\n`
}

function operation(endpoint: Endpoint): Readonly<Record<string, unknown>> {
  const { id, sentence, role, inPath = {}, method } = endpoint
  const fields = fieldsWithPage(endpoint)
  return {
    operationId: id,
    summary: sentence,
    description: `Role: ${role === 'read' ? 'read or operate' : 'operate'}.`,
    'x-hermetic-role': role,
    parameters: [...parameters('path', inPath), ...(method === 'get' ? parameters('query', fields) : [])],
    ...(method === 'post' && Object.keys(fields).length > 0 ? { requestBody: requestBody(fields) } : {}),
    responses: responses(endpoint),
  }
}

function parameters(place: 'path' | 'query', fields: Fields): readonly unknown[] {
  return Object.entries(fields).map(([name, field]) => ({
    ...{ name, in: place, required: place === 'path' || field.required === true },
    ...{ description: field.sentence, schema: fieldSchema(field) },
  }))
}

function requestBody(fields: Fields): Schema {
  const required = Object.entries(fields).flatMap(([name, field]) => (field.required === true ? [name] : []))
  const properties = Object.fromEntries(
    Object.entries(fields).map(([name, field]) => [name, { ...fieldSchema(field), description: field.sentence }]),
  )
  const schema = {
    type: 'object',
    additionalProperties: false,
    properties,
    ...(required.length > 0 ? { required } : {}),
  }
  return { required: true, content: { 'application/json': { schema } } }
}

function fieldSchema({ type, oneOf, max, example }: Field): Schema {
  const more = example === undefined ? {} : { examples: [example] }
  switch (type) {
    case 'strings':
      return { type: 'array', items: { type: 'string' }, ...(max === undefined ? {} : { maxItems: max }), ...more }
    case 'filter':
      return { type: 'object' }
    case 'integer':
      return { type, minimum: 0, ...(max === undefined ? {} : { maximum: max }), ...more }
    default:
      return {
        type,
        ...(oneOf === undefined ? {} : { enum: oneOf }),
        ...(max === undefined ? {} : { maxLength: max }),
        ...more,
      }
  }
}

/** Of the body of a 200. */
export function answerSchema(endpoint: Endpoint): Schema {
  if (endpoint.kind === 'bulk') return BULK
  if (endpoint.kind === 'order') return endpoint.answer
  return object({ items: list(endpoint.item), next_cursor: { type: ['string', 'null'] } })
}

function responses(endpoint: Endpoint): Readonly<Record<string, unknown>> {
  const names: readonly ProblemName[] = [
    ...ALWAYS,
    ...(endpoint.role === 'operate' ? (['forbidden'] as const) : []),
    ...(endpoint.inPath === undefined ? [] : (['not-found'] as const)),
    ...(endpoint.kind === 'bulk' ? (['more-than-confirmed'] as const) : []),
    ...(endpoint.method === 'post' ? (['too-large', 'not-json'] as const) : []),
  ]
  const problems = names.map((name) => [
    String(PROBLEMS[name].status),
    {
      description: PROBLEMS[name].title,
      content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } },
    },
  ])
  const done = { description: 'Done', content: { 'application/json': { schema: answerSchema(endpoint) } } }
  return { 200: done, ...Object.fromEntries(problems) }
}
