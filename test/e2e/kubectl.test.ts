// The embedded control plane under kubectl's everyday commands: Debian's kubectl and the newest one do the same to
// everything in examples/, each with a server of its own.

import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import t from 'tap'
import { parseAllDocuments } from 'yaml'
import { kubectlChecks, wordsOf } from './kubectl-checks.ts'
import { kubectlPrograms } from './kubectl.ts'
import { startStandalone } from './standalone.ts'
import { until } from './until.ts'

interface Named {
  readonly kind: string
  readonly metadata: { readonly name: string }
}

interface Example {
  readonly file: string
  /** "service/web", in the file's order. */
  readonly objects: readonly string[]
}

const folder = resolve(import.meta.dirname, '../../examples')
const examples: readonly Example[] = readdirSync(folder)
  .filter(name => name.endsWith('.yaml'))
  .map(name => {
    const documents = parseAllDocuments(readFileSync(join(folder, name), 'utf8'))
    const objects = documents.map(document => document.toJS() as Named)
    return {
      file: join(folder, name),
      objects: objects.map(({ kind, metadata }) => `${kind.toLowerCase()}/${metadata.name}`),
    }
  })

for (const { program, version, minor } of await kubectlPrograms()) {
  void t.test(`${program} ${version}`, async t => {
    t.ok(examples.length >= 5 && examples.every(({ objects }) => objects.length > 1), 'examples to work on')
    const server = await startStandalone(t)
    const kubectl = server.kubectl(program)

    for (const { file, objects } of examples) {
      await t.test(`${file.slice(folder.length + 1)}, from create to delete`, async t => {
        const { says, refuses } = kubectlChecks(t, kubectl)
        const lines = (what: string): RegExp =>
          new RegExp(`^${objects.map(object => `${object} ${what}\n`).join('')}$`)
        await says(`create -f ${file}`, lines('created'))
        await refuses(`create -f ${file}`, /AlreadyExists/)
        await says(`get -f ${file} -o name`, new RegExp(`^${objects.join('\n')}\n$`))
        await says(`delete -f ${file}`, ...objects.map(object => deleted(object)))
        for (const object of objects) await refuses(`get ${object}`, /\(NotFound\).*not found/)

        await says(`apply -f ${file}`, lines('created'))
        await says(`apply -f ${file}`, lines('unchanged'))
        const changed = join(server.folder, `changed.${program}.yaml`)
        writeFileSync(
          changed,
          readFileSync(file, 'utf8').replace('metadata:', 'metadata:\n  labels: { tier: x }'),
        )
        const [first = '', ...others] = objects
        const unchanged = others.map(object => `${object} unchanged\n`).join('')
        await says(`apply -f ${changed}`, new RegExp(`^${first} configured\n${unchanged}$`))
        await says(`get ${first} -o jsonpath={.metadata.labels.tier}`, /^x$/)
        await says(`apply -f ${file}`, new RegExp(`^${first} configured\n${unchanged}$`))
        await says(`get ${first} -o jsonpath={.metadata.labels.tier}`, /^$/)
      })
    }

    await t.test('get', async t => {
      const { says, refuses } = kubectlChecks(t, kubectl)
      const names = examples.flatMap(({ objects }) => objects)
      const services = names.filter(name => name.startsWith('service/'))
      const pods = names.filter(name => name.startsWith('pod/'))
      await says(`wait --for=condition=Ready --timeout=60s pods --all`, /condition met/)

      const table = (await says('get services')).split('\n')
      t.same(wordsOf(table[0]), ['NAME', 'TYPE', 'CLUSTER-IP', 'EXTERNAL-IP', 'PORT(S)', 'AGE'])
      t.equal(table.length, services.length + 2)
      await says(
        'get svc myapp-service --no-headers',
        /^myapp-service +NodePort +127\.96\.\d+\.\d+ +<none> +80:30008\/TCP +\d+m?s\n$/,
      )
      await says('get svc myapp-service -o wide', /SELECTOR\n.* app=myapp,type=front-end\n$/)
      await says('get svc web-public', /LoadBalancer +127\.96\.\d+\.\d+ +<pending> +8080:30080\/TCP/)
      await says('get svc multi-port', / 8000\/TCP,9100\/TCP,5500\/UDP /)
      await says('get svc -o name', new RegExp(`^(${services.join('|')}|\n){${2 * services.length}}$`))
      await says(
        'get svc myapp-service -o yaml',
        /^apiVersion: v1\nkind: Service\n/,
        /\n {2}clusterIPs:\n {2}- 127\./,
        /\n {2}internalTrafficPolicy: Cluster\n/,
      )
      await says('get svc back-end -o json', /^\{\n {4}"apiVersion": "v1"/)
      await says(`get svc back-end -o jsonpath='{.spec.ports[0].port}'`, /^80$/)
      await says(`get svc -o jsonpath='{.items[*].metadata.name}'`, /^(\S+ ){4}\S+$/)
      await says(
        `get svc back-end -o custom-columns=N:.metadata.name,T:.spec.type`,
        /^N +T\nback-end +ClusterIP\n$/,
      )
      await says(`get svc back-end -o go-template='{{.spec.type}}'`, /^ClusterIP$/)

      const podTable = (await says('get po -o wide')).split('\n')
      t.same(wordsOf(podTable[0]), [
        'NAME',
        'READY',
        'STATUS',
        'RESTARTS',
        'AGE',
        'IP',
        'NODE',
        'NOMINATED NODE',
        'READINESS GATES',
      ])
      for (const line of podTable.slice(1, -1)) t.match(line, /^\S+ +1\/1 +Running +0 +\S+ +127\.\d+/, line)
      t.equal(podTable.length, pods.length + 2)

      await says('get all', new RegExp(names[0] ?? 'none'), /service\/myapp-service +NodePort/)
      await says('get pods --show-labels', /LABELS\n/, /udp-echo-1 .* app=udp-echo\n/)
      await says('get pods -L app', / APP\n/, /udp-echo-1 .* udp-echo\n/)
      await says('get pods -l app=udp-echo -o name', /^pod\/udp-echo-1\npod\/udp-echo-2\n$/)
      await says(
        `get pods -l 'app in (udp-echo,multi-port),app!=multi-port' -o name`,
        /^(pod\/udp-echo-.\n){2}$/,
      )
      await says(
        'get services,pods -A',
        /^NAMESPACE +NAME/,
        /default +service\/back-end/,
        /default +pod\/udp-echo-1/,
      )
      await says('get pods --field-selector metadata.name=udp-echo-2 -o name', /^pod\/udp-echo-2\n$/)
      await says('get svc --field-selector spec.type=LoadBalancer -o name', /^service\/web-public\n$/)
      await says('get pods --field-selector status.phase=Running -o name', /^(pod\/\S+\n)+$/)
      await refuses('get pods --field-selector spec.colour=red', /field label not supported/)
      const sorted = await says(
        'get pods --sort-by=.metadata.name --no-headers -o custom-columns=N:.metadata.name',
      )
      t.same(sorted.trim().split('\n'), pods.map(name => name.slice(4)).sort())
      await says('get svc --chunk-size=2 -o name', new RegExp(`^(service/\\S+\n){${services.length}}$`))
      await says('get svc web-public back-end', /web-public[^]*back-end/)
      await refuses('get svc nothing', /^Error from server \(NotFound\): services "nothing" not found\n$/)
      await refuses('get deployments', /the server doesn't have a resource type "deployments"/)
      await says('get pods -n kube-system', /^$/)
      await says('get ns', /^NAME +STATUS +AGE\n/, /default +Active/)
      await says('get no -o wide', /^NAME +STATUS +ROLES +AGE +VERSION +INTERNAL-IP/, / Ready /)
      await says('get ep myapp-service', /^NAME +ENDPOINTS +AGE\nmyapp-service +127\.[\d.:,]+ +\S+\n$/)
      await says(
        'get endpointslices -l kubernetes.io/service-name=myapp-service',
        /^NAME +ADDRESSTYPE +PORTS +ENDPOINTS +AGE\nmyapp-service-\S+ +IPv4 +\d+ +127[\d.,]+ +\S+\n$/,
      )
      await says(
        'get --raw /api/v1/namespaces/default/services/back-end',
        /^\{"kind":"Service"|^\{"apiVersion"/,
      )
    })

    await t.test('get --watch shows what changes', async t => {
      const { says } = kubectlChecks(t, kubectl)
      const command = 'get svc -l app=watched --watch --output-watch-events -L colour'
      const watching = await kubectl.start(...command.split(' '))
      t.teardown(() => watching.close())
      const sees = (pattern: RegExp): Promise<unknown> =>
        until(`kubectl sees ${pattern}`, () => pattern.test(watching.output()) || undefined, {
          hopeless: () => watching.ended(),
          detail: () => watching.tail(),
        })
      const object = {
        apiVersion: 'v1',
        kind: 'Service',
        metadata: { name: 'watched', labels: { app: 'watched', colour: 'red' } },
        spec: { ports: [{ port: 80 }] },
      }
      // Without any object the header comes with the first event: the watch may have begun by then, or not.
      await kubectl.create(object)
      await sees(/ADDED +watched .* red\n/)
      await says('label svc watched colour=blue --overwrite')
      await sees(/MODIFIED +watched .* blue\n/)
      await says('delete svc watched')
      await sees(/DELETED +watched .* blue\n/)
      t.match(watching.output(), /^EVENT +NAME +TYPE +CLUSTER-IP +EXTERNAL-IP +PORT\(S\) +AGE +COLOUR\n/)
      t.equal(watching.output().match(/EVENT/g)?.length, 1, 'one header')
    })

    await t.test('describe', async t => {
      const { says, refuses } = kubectlChecks(t, kubectl)
      await says(
        'describe service myapp-service',
        /^Name: +myapp-service\nNamespace: +default\n/m,
        /^Selector: +app=myapp,type=front-end$/m,
        /^Type: +NodePort$/m,
        /^IP: +127\.96\./m,
        /^NodePort: +<unset> +30008\/TCP$/m,
        /^Endpoints: +127\.\d+\.\d+\.\d+:\d+,127\./m,
        /^Session Affinity: +None$/m,
      )
      await says(
        'describe pod udp-echo-1',
        /^Name: +udp-echo-1$/m,
        /^Status: +Running$/m,
        /^IP: +127\./m,
        /Image: +kube-relay\/sample-pod$/m,
        /^ +Ready +True/m,
      )
      await says('describe nodes', /^Name: /m, /^ +Ready +True/m, /^Addresses:$/m)
      await says('describe ns default', /^Name: +default$/m, /^Status: +Active$/m)
      // This old kubectl describes the v1beta1 slices only that servers had before 1.25.
      if (minor < 21) await refuses('describe endpointslice', /could not find the requested resource/)
      else await says('describe endpointslice', /^Name: +myapp-service-/m, /^AddressType: +IPv4$/m)
      await says('describe ep myapp-service', /^Name: +myapp-service$/m, /Addresses: +127\./, /Port/)
      await says('describe svc', /^Name: +back-end$/m, /^Name: +udp-echo$/m)
      await says('describe -f examples/udp-echo.yaml', /^Name: +udp-echo$/m, /^Name: +udp-echo-2$/m)
      await refuses('describe svc nothing', /services "nothing" not found/)
    })

    await t.test('patch, label, annotate', async t => {
      const { says, refuses } = kubectlChecks(t, kubectl)
      const patched = /^service\/back-end patched\n$/
      const port = `get svc back-end -o jsonpath='{.spec.ports[*].name}:{.spec.ports[*].port}'`
      await says(
        `patch svc back-end -p '{"spec":{"ports":[{"port":80,"name":"main"},{"port":81,"name":"more"}]}}'`,
        patched,
      )
      await says(port, /^main more:80 81$|^more main:81 80$/)
      await says(`patch svc back-end -p '{"spec":{"ports":[{"port":81,"$patch":"delete"}]}}'`, patched)
      await says(port, /^main:80$/)
      await says(`patch svc back-end --type merge -p '{"spec":{"ports":[{"port":82}]}}'`, patched)
      await says(port, /^:82$/)
      await says(
        `patch svc back-end --type json -p '[{"op":"replace","path":"/spec/ports/0/port","value":80}]'`,
        patched,
      )
      await says(port, /^:80$/)
      await says(`patch svc back-end -p '{}'`, /^service\/back-end patched \(no change\)\n$/)
      await refuses(
        `patch svc back-end --type json -p '[{"op":"test","path":"/spec/type","value":"x"}]'`,
        /The request is invalid/,
      )
      await refuses(
        `patch svc back-end -p '{"spec":{"ports":[{"port":0}]}}'`,
        /^The Service "back-end" is invalid: /,
        /spec\.ports\[\d\]\.port: Invalid value: 0: must be between 1 and 65535, inclusive/,
      )
      await refuses(`patch svc nothing -p '{}'`, /services "nothing" not found/)

      await says('label svc back-end tier=x', /^service\/back-end labeled\n$/)
      await refuses('label svc back-end tier=y', /already has a value \(x\), and --overwrite is false/)
      await says('label svc back-end tier=y --overwrite', /labeled/)
      await says('get svc -l tier=y -o name', /^service\/back-end\n$/)
      await says('label svc back-end tier-', /^service\/back-end (un)?labeled\n$/)
      await refuses('label svc back-end tier=a+b', /invalid label value|a valid label must/)
      await says('annotate svc back-end note=hello', /^service\/back-end annotated\n$/)
      await says('get svc back-end -o jsonpath={.metadata.annotations.note}', /^hello$/)
      await says('annotate svc back-end note-', /^service\/back-end annotated\n$/)
    })

    await t.test('edit and replace', async t => {
      const { says, refuses, outcome } = kubectlChecks(t, kubectl)
      const edit = (script: string): ReturnType<typeof outcome> =>
        outcome('edit svc back-end', { env: { KUBE_EDITOR: `sed -i ${script}`, EDITOR: `sed -i ${script}` } })
      t.match(await edit(`'s/^  sessionAffinity: None/  sessionAffinity: ClientIP/'`), {
        status: 0,
        stdout: 'service/back-end edited\n',
      })
      await says(
        'get svc back-end -o jsonpath={.spec.sessionAffinityConfig.clientIP.timeoutSeconds}',
        /^10800$/,
      )
      t.match(await edit(`s/nothing/else/`), { status: 0, stderr: /Edit cancelled, no changes made/ })
      t.match(await edit(`'s/^  sessionAffinity: ClientIP/  sessionAffinity: Sometimes/'`), {
        status: 1,
        // Why it is, stands in the file that the editor is then given again.
        stderr: /services "back-end" is invalid[^]*no valid changes were saved/,
      })

      const file = join(server.folder, `replace.${program}.json`)
      const stored = JSON.parse(await says('get svc back-end -o json')) as {
        spec: { sessionAffinity: string; sessionAffinityConfig?: object }
      }
      stored.spec.sessionAffinity = 'None'
      delete stored.spec.sessionAffinityConfig
      writeFileSync(file, JSON.stringify(stored))
      await says(`replace -f ${file}`, /^service\/back-end replaced\n$/)
      await refuses(`replace -f ${file}`, /\(Conflict\).*the object has been modified/)
      await says(`replace --force -f ${resolve(folder, 'back-end.yaml')}`, /service\/back-end replaced\n/)
    })

    await t.test('delete', async t => {
      const { says, refuses, outcome } = kubectlChecks(t, kubectl)
      await says('delete pod udp-echo-1', /^pod "udp-echo-1" deleted/)
      await says('delete pods -l app=multi-port', deleted('pod/multi-port-1'), deleted('pod/multi-port-2'))
      await says('delete svc multi-port --cascade=orphan', /^service "multi-port" deleted/)
      await says('delete svc back-end --cascade=foreground', /^service "back-end" deleted/)
      await says('delete pod udp-echo-2 --grace-period=0 --force', /^pod "udp-echo-2" force deleted/)
      await says('delete pod web-public-1 --wait=false', /^pod "web-public-1" deleted/)
      await until('web-public-1 is gone', async () => {
        const { stderr } = await outcome('get pod web-public-1')
        return /NotFound/.test(stderr) || undefined
      })
      await says('delete svc udp-echo --now', /^service "udp-echo" deleted/)
      await refuses('delete svc udp-echo', /^Error from server \(NotFound\): services "udp-echo" not found/)
      await says('delete svc udp-echo --ignore-not-found', /^$/)
      await says('delete svc,pods --all', deleted('service/myapp-service'), deleted('pod/myapp-front-end-3'))
      await says('get svc,pods,ep,endpointslices', /^$/)
      await refuses('delete node,ns nothing', /"nothing" not found/)
    })
  })
}

/** What `kubectl delete` says of "service/web"; newer ones say from where. */
function deleted(object: string): RegExp {
  const [kind = '', name = ''] = object.split('/')
  return new RegExp(`^${kind} "${name}" deleted( from \\S+ namespace)?$`, 'm')
}
