// The token file is read again as the token on disk is replaced: the old one truly ends here.

import t from 'tap'
import { startAgent } from './agent.ts'
import { startCluster } from './cluster.ts'
import { endpointSlice, service } from './objects.ts'
import { createRevocableToken, createToken } from './service-account.ts'

const cluster = await startCluster(t)
const { api, kubectl } = cluster
// Nobody connects here: only what the status says about it matters.
const pods = [{ name: 'pod-a', address: '10.244.1.200' }]
const endpoints = ['10.244.1.200:8080']

void t.test('a token that is replaced before it ends: the agent goes on with the new one', async t => {
  const first = await createRevocableToken(api, 'first')
  const agent = await startAgent(t, cluster, { token: first.token })
  await agent.untilStatus('synced', status => status.synced)

  agent.writeToken(await createToken(api))
  await first.revoke()
  // The watches that are open were allowed with the old token; now they must be opened anew.
  await cluster.apiserver.crash()
  await cluster.apiserver.start()
  await kubectl.create(service({ name: 'after' }), endpointSlice({ service: 'after', pods }))
  await agent.untilServing('after', endpoints)
})

void t.test(
  'a token that ended before it is replaced: the log says so, and the new one mends it',
  async t => {
    const ended = await createRevocableToken(api, 'ended')
    await ended.revoke()
    const agent = await startAgent(t, cluster, { token: ended.token })
    const line = await agent.untilLogged(/doesn't accept our credentials|401|Unauthorized/)
    t.match(line, /token/, 'the line names the token file')
    t.notMatch(agent.output(), ended.token, 'no token in the log')
    t.equal((await agent.status()).synced, false)

    agent.writeToken(await createToken(api))
    await agent.untilServing('after', endpoints)
  },
)
