// deploy/base/rbac.yaml grants what the agent needs and nothing more, and where a rule is missing the agent says which.

import t from 'tap'
import { startAgent } from './agent.ts'
import { agentRequests } from './audit.ts'
import { startCluster } from './cluster.ts'
import { endpointSlice, service } from './objects.ts'
import { agentUser } from './service-account.ts'

interface Rule {
  readonly apiGroups: readonly string[]
  readonly resources: readonly string[]
  readonly verbs: readonly string[]
}

const clusterRole = '/apis/rbac.authorization.k8s.io/v1/clusterroles/kube-relay'

const cluster = await startCluster(t)
const { api, kubectl, newestKubectl } = cluster
const pods = [{ name: 'pod-a', address: '10.244.1.200' }]
const endpoints = ['10.244.1.200:8080']
const { rules } = (await api.must('GET', clusterRole)) as unknown as { rules: readonly Rule[] }

void t.test('every rule is used, and nothing is asked for that is not granted', async t => {
  await kubectl.create(service({ name: 'web' }), endpointSlice({ service: 'web', pods }))
  const agent = await startAgent(t, cluster)
  await agent.untilServing('web', endpoints)
  await agent.untilStatus('all watches are open', ({ watches }) =>
    Object.values(watches).every(state => state === 'watching'),
  )
  const events = agentRequests(cluster)
  t.same(
    events.filter(event => event.responseStatus?.code === 403).map(event => event.requestURI),
    [],
    'no request was forbidden',
  )
  const used = new Set(
    events.map(({ verb, objectRef }) => `${verb} ${objectRef?.apiGroup ?? ''}/${objectRef?.resource ?? '?'}`),
  )
  const granted = rules.flatMap(({ apiGroups, resources, verbs }) =>
    apiGroups.flatMap(group =>
      resources.flatMap(resource => verbs.map(verb => `${verb} ${group}/${resource}`)),
    ),
  )
  t.same([...used].sort(), granted.sort())
})

void t.test('the commands of docs/RBAC.md', async t => {
  const asAgent = '--all-namespaces --as system:serviceaccount:kube-system:kube-relay'.split(' ')
  t.equal(
    (await kubectl('auth', 'can-i', 'watch', 'endpointslices.discovery.k8s.io', ...asAgent)).trim(),
    'yes',
  )
  const { stdout } = await kubectl.outcome(['auth', 'can-i', 'list', 'secrets', ...asAgent])
  t.equal(stdout.trim(), 'no')
  // `create token` is younger than kubectl 1.20.
  const token = await newestKubectl(
    ...'create token kube-relay --namespace kube-system --duration 24h'.split(' '),
  )
  t.equal((await api.send('GET', '/api/v1/services?limit=1', undefined, token.trim())).status, 200)
  t.equal((await api.send('GET', '/api/v1/secrets?limit=1', undefined, token.trim())).status, 403)
})

for (const resource of ['services', 'endpointslices', 'nodes']) {
  void t.test(`without the rule for ${resource} the log says so, and adding it mends it`, async t => {
    await api.must('PATCH', clusterRole, { rules: rules.filter(rule => !rule.resources.includes(resource)) })
    t.teardown(() => api.must('PATCH', clusterRole, { rules }))
    const agent = await startAgent(t, cluster)
    // Which of the two verbs it misses first depends on how the server is asked for a list.
    const line = await agent.untilLogged(/RBAC/)
    t.match(line, new RegExp(`needs "(list|watch)" on ${resource}`))
    t.match(line, agentUser)
    const { watches } = await agent.untilStatus('the status says it, too', status =>
      (status.watches[resource] ?? '').startsWith('not connected'),
    )
    t.match(watches[resource], resource)
    // The node is for topology only: without it, everything is served.
    if (resource === 'nodes') await agent.untilServing('web', endpoints)

    await api.must('PATCH', clusterRole, { rules })
    await agent.untilStatus('all watches are open', status =>
      Object.values(status.watches).every(state => state === 'watching'),
    )
    await agent.untilServing('web', endpoints)
  })
}
