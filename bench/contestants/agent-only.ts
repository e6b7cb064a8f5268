// The scenarios about what only an agent of Kubernetes does, and why a plain proxy has no part in them.

export const agentOnly: Readonly<Record<string, string>> = {
  sync: 'it watches no Kubernetes API',
  start: 'it keeps no table of Services to start with',
  handover: 'what a reload is differs too much between programs',
}
