// The formats of names, label keys and port names, each as a function from a text to what is wrong with it, in the real
// API server's words (apimachinery pkg/util/validation). No message means that the text is right.

export type Format = (text: string) => readonly string[]

const label = '[a-z0-9]([-a-z0-9]*[a-z0-9])?'
const subdomain = `${label}(\\.${label})*`
const serviceLabel = '[a-z]([-a-z0-9]*[a-z0-9])?'
const qualified = '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]'
const labelText = `(${qualified})?`

const isLabel = new RegExp(`^${label}$`)
const isSubdomain = new RegExp(`^${subdomain}$`)
const isServiceLabel = new RegExp(`^${serviceLabel}$`)
const isQualified = new RegExp(`^${qualified}$`)

/** RFC 1123: Namespaces, port names of slices, container names. */
export const dnsLabel: Format = text => {
  if (isLabel.test(text)) return tooLong(text, 63)
  const wrong = isSubdomain.test(text)
    ? 'must not contain dots'
    : withExamples(
        "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character",
        label,
        'my-name',
        '123-abc',
      )
  return [...tooLong(text, 63), wrong]
}

/** RFC 1123, with dots: the names of most objects. */
export const dnsSubdomain: Format = text => {
  if (isSubdomain.test(text)) return tooLong(text, 253)
  const wrong = withExamples(
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character",
    subdomain,
    'example.com',
  )
  return [...tooLong(text, 253), wrong]
}

/** One step of a path: the names of core v1 Events, which were free once. */
export const pathSegment: Format = text => {
  if (text === '.' || text === '..') return [`may not be '${text}'`]
  return ['/', '%'].filter(part => text.includes(part)).map(part => `may not contain '${part}'`)
}

/** RFC 1035: Services, whose names start with a letter. */
export const dns1035Label: Format = text => {
  if (isServiceLabel.test(text)) return tooLong(text, 63)
  const wrong = withExamples(
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character",
    serviceLabel,
    'my-name',
    'abc-123',
  )
  return [...tooLong(text, 63), wrong]
}

/** A label's key: a name, or a DNS subdomain, "/" and a name. Annotations, finalizers and appProtocols are such, too. */
export const qualifiedName: Format = text => {
  const steps = text.split('/')
  const name = steps.at(-1) ?? ''
  if (steps.length > 2) {
    const parts = withExamples(nameText(), qualified, 'MyName', 'my.name', '123-abc')
    return [
      `a qualified name ${parts} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')`,
    ]
  }
  const problems: string[] = []
  if (steps.length === 2) {
    const prefix = steps[0] ?? ''
    if (prefix === '') problems.push('prefix part must be non-empty')
    else problems.push(...dnsSubdomain(prefix).map(problem => `prefix part ${problem}`))
  }
  if (name === '') problems.push('name part must be non-empty')
  else problems.push(...tooLong(name, 63).map(problem => `name part ${problem}`))
  if (!isQualified.test(name)) {
    problems.push(`name part ${withExamples(nameText(), qualified, 'MyName', 'my.name', '123-abc')}`)
  }
  return problems
}

/** A label's value; it may be empty. */
export const labelValue: Format = text => {
  if (text === '' || isQualified.test(text)) return tooLong(text, 63)
  const wrong = withExamples(
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character",
    labelText,
    'MyValue',
    'my_value',
    '12345',
  )
  return [...tooLong(text, 63), wrong]
}

/** RFC 6335: the names of container ports and named target ports. */
export const portName: Format = text => {
  const problems = [...tooLong(text, 15)]
  if (!/^[-a-z0-9]+$/.test(text)) {
    problems.push('must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)')
  }
  if (!/[a-z]/.test(text)) problems.push('must contain at least one letter (a-z)')
  if (text.includes('--')) problems.push('must not contain consecutive hyphens')
  if (text.startsWith('-') || text.endsWith('-')) problems.push('must not begin or end with a hyphen')
  return problems
}

/** Printable ASCII without "=", as servers since Kubernetes 1.34 have it. */
export const environmentName: Format = text => {
  if (text === '') return ['environment variable name must be non-empty']
  return /^[ -<>-~]+$/.test(text)
    ? []
    : ["a valid environment variable name must consist only of printable ASCII characters other than '='"]
}

/** At least two DNS labels, with or without a dot at the end: the addresses of FQDN slices. */
export const domainName: Format = text => {
  const name = text.endsWith('.') ? text.slice(0, -1) : text
  const problems = dnsSubdomain(name)
  if (problems.length > 0) return [problems.join(',')]
  const labels = name.split('.')
  if (labels.length < 2) return ['should be a domain with at least two segments separated by dots']
  return labels.filter(part => part.length > 63).map(part => dnsLabel(part).join(','))
}

function nameText(): string {
  return "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character"
}

function tooLong(text: string, limit: number): readonly string[] {
  return Buffer.byteLength(text) > limit ? [`must be no more than ${limit} bytes`] : []
}

function withExamples(text: string, pattern: string, ...examples: readonly string[]): string {
  const quoted = examples.map(example => `'${example}', `).join(' or ')
  return `${text} (e.g. ${quoted}regex used for validation is '${pattern}')`
}
