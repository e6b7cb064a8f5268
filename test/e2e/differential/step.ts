// The steps of the differential script: requests that both API servers get, in the same order, and kubectl commands.
// A placeholder "{{name}}" stands for what `remember` kept of an earlier answer of the same server.

export interface Step {
  readonly name: string
  readonly request: Request | KubectlCommand
  /** Names for values of the answer, each by its path: "metadata.resourceVersion", "items.0.metadata.name". */
  readonly remember?: Readonly<Record<string, string>>
}

export interface Request {
  readonly method: string
  readonly path: string
  readonly headers?: Readonly<Record<string, string>>
  /** A string is sent as it is, anything else as JSON. */
  readonly body?: unknown
  /** Instead of a body: what the server has at this path now, changed by this JSON merge patch. */
  readonly edit?: object
}

export interface KubectlCommand {
  /** "kubectl-1.20" or "kubectl-newest", as test/e2e/install provides them. */
  readonly program: string
  readonly kubectl: readonly string[]
  /** Its standard input, instead of a file. */
  readonly input?: string
}

/** Steps about one thing, in their order. */
export interface Chapter {
  readonly title: string
  /** Differences that many steps of this chapter show; each must excuse something in one of them. */
  readonly differs: readonly string[]
  /** Differences of single steps, by the step's name; each must excuse something in that step. */
  readonly differsIn?: Readonly<Record<string, readonly string[]>>
  readonly steps: readonly Step[]
}

export type Extra = Pick<Step, 'remember'> & Pick<Request, 'headers'>

export const patchTypes = {
  merge: 'application/merge-patch+json',
  strategic: 'application/strategic-merge-patch+json',
  json: 'application/json-patch+json',
  apply: 'application/apply-patch+yaml',
} as const

export function get(name: string, path: string, extra: Extra = {}): Step {
  return step(name, 'GET', path, undefined, extra)
}

export function post(name: string, path: string, body: unknown, extra: Extra = {}): Step {
  return step(name, 'POST', path, body, extra)
}

export function put(name: string, path: string, body: unknown, extra: Extra = {}): Step {
  return step(name, 'PUT', path, body, extra)
}

/** Reads the object, changes it as a JSON merge patch would, and puts it back, as `kubectl edit` and `replace` do. */
export function edit(name: string, path: string, change: object, extra: Extra = {}): Step {
  const { request, ...rest } = step(name, 'PUT', path, undefined, extra)
  return { ...rest, request: { ...(request as Request), edit: change } }
}

export function remove(name: string, path: string, body?: unknown, extra: Extra = {}): Step {
  return step(name, 'DELETE', path, body, extra)
}

export function patch(
  name: string,
  type: keyof typeof patchTypes,
  path: string,
  body: unknown,
  extra: Extra = {},
): Step {
  return step(name, 'PATCH', path, body, {
    ...extra,
    headers: { 'content-type': patchTypes[type], ...extra.headers },
  })
}

export function send(name: string, method: string, path: string, body?: unknown, extra: Extra = {}): Step {
  return step(name, method, path, body, extra)
}

/** A step builder for one kubectl, in one namespace. Arguments are split at spaces, but for those in single quotes. */
export function kubectlSteps(program: string, namespace: string) {
  return (args: string, options: { readonly input?: string } = {}): Step => {
    const { input } = options
    return {
      name: `${program} ${args}`,
      request: {
        program,
        kubectl: ['-n', namespace, ...words(args)],
        ...(input === undefined ? {} : { input }),
      },
    }
  }
}

function step(name: string, method: string, path: string, body: unknown, extra: Extra): Step {
  const { headers, ...rest } = extra
  return {
    name,
    request: { method, path, ...(headers ? { headers } : {}), ...(body === undefined ? {} : { body }) },
    ...rest,
  }
}

function words(args: string): readonly string[] {
  return [...args.matchAll(/'([^']*)'|([^\s']+)/g)].map(([, quoted, plain]) => quoted ?? plain ?? '')
}
