// A program that list-watches the server of its argument until its input ends. It never calls process.exit: it ends
// by itself if, and only if, nothing is left running.

import { KubeClient } from '../../lib/kube/client.ts'
import { anonymousAccess } from '../../lib/kube/cluster-access.ts'
import { ListWatch } from '../../lib/kube/list-watch.ts'
import { silentLog } from '../../lib/ops/log.ts'
import { services } from './list-watch-harness.ts'
import { RecordingHandler } from './recording-handler.ts'

const client = new KubeClient(anonymousAccess(new URL(process.argv[2] ?? '')))
const stopping = new AbortController()
process.stdin.resume().once('end', () => stopping.abort())
await new ListWatch({ client, resource: services, handler: new RecordingHandler(), log: silentLog }).run(
  stopping.signal,
)
await client.close()
