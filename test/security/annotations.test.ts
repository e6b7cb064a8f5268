// A tenant writes what he likes into his own Service's annotations. His own Service may suffer from it; everybody else's
// is served as before, and what is told of it is short and on one line.

import * as fc from 'fast-check'
import { test } from 'tap'
import { createSyncedState, tableText } from '../control/desired-state-harness.ts'
import { endpointSlice, service } from '../model/objects.ts'

const keys = [
  'kube-relay/balance',
  'kube-relay/proxy-protocol',
  'kube-relay/max-connections',
  'kube-relay/drain-timeout',
  'kube-relay/max-connection-age',
  'kube-relay/allow-loopback-endpoints',
  'kube-relay/workers',
  'kube-relay/',
  'kube-relay/__proto__',
  '__proto__',
  'constructor',
  'service.kubernetes.io/topology-mode',
  'service.kubernetes.io/topology-aware-hints',
]

const hostile = [
  '',
  '-1',
  'Infinity',
  'NaN',
  '1e309',
  '99999999999999999999999999',
  '0x7fffffff',
  '-99999h',
  '9'.repeat(100_000),
  'v2\r\nPROXY UNKNOWN',
  '\u0000',
  '\u001B[2J\u001B[1;1H',
  '{"level":"error","msg":"forged"}\n{"level":"error"}',
  '$(reboot)',
  '`reboot`',
  '../../etc/passwd',
  '%s%s%n',
  '"}\nkube_relay_synced 0\n',
]

const values = fc.oneof(fc.constantFrom(...hostile), fc.string({ maxLength: 200 }), fc.anything())

void test('property: hostile annotations stay with their Service', async t => {
  await fc.assert(
    fc.asyncProperty(
      fc.dictionary(fc.oneof(fc.constantFrom(...keys), fc.string()), values, { maxKeys: 8 }),
      async annotations => {
        const problems: string[] = []
        const { state, sync, port, replica, log } = createSyncedState({
          onProblem: (_, problem) => problems.push(problem),
        })
        state.setService(service())
        state.setEndpointSlice(endpointSlice())
        sync()
        const others = tableText(replica.values())
        log.take()
        const theirs = service(
          { clusterIP: '10.96.0.66', clusterIPs: ['10.96.0.66'] },
          { name: 'theirs', namespace: 'tenant', annotations },
        )
        state.setService(theirs)
        sync()
        const rest = [...replica.values()].filter(({ namespace }) => namespace !== 'tenant')
        if (tableText(rest) !== others) throw new Error('another Service has changed')
        const { settings } = port('tenant/theirs:')
        for (const ms of [settings.drainTimeoutMs, settings.maxConnectionAgeMs, settings.maxConnections]) {
          // A timer of Node that is set for longer than that fires at once.
          if (ms !== null && !(ms >= 1 && ms < 2 ** 31)) throw new Error(`a setting of ${ms}`)
        }
        for (const line of [...log.take(), ...problems]) {
          // oxlint-disable-next-line no-control-regex
          if (/[\u0000-\u001F\u007F]/.test(line))
            throw new Error(`control characters: ${JSON.stringify(line)}`)
          if (line.length > 1000) throw new Error(`a line of ${line.length} characters`)
        }
        state.deleteService({ namespace: 'tenant', name: 'theirs' })
        sync()
        if (tableText(replica.values()) !== others) throw new Error('something stays')
      },
    ),
    { numRuns: 300 },
  )
  t.pass('none has changed another')
})
