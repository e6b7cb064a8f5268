// The embedded control plane under the rest of kubectl's commands, oldest and newest: what it says about itself, what
// kubectl creates without a file, waiting, server-side apply, dry runs, strict validation; and, for what can't work
// here, that the error says so.

import { readFileSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import t from 'tap'
import { kubectlChecks, wordsOf } from './kubectl-checks.ts'
import { kubectlPrograms } from './kubectl.ts'
import { startStandalone } from './standalone.ts'
import { until } from './until.ts'

const example = resolve(import.meta.dirname, '../../examples/myapp-service.yaml')

for (const { program, version, minor } of await kubectlPrograms()) {
  const modern = minor > 20

  void t.test(`${program} ${version}`, async t => {
    const server = await startStandalone(t)
    const kubectl = server.kubectl(program)
    const fileWith = (name: string, text: string): string => {
      const path = join(server.folder, `${name}.${program}.yaml`)
      writeFileSync(path, text)
      return path
    }

    await t.test('what the server says about itself', async t => {
      const { says } = kubectlChecks(t, kubectl)
      const resources = (await says('api-resources')).split('\n')
      t.same(wordsOf(resources[0]), ['NAME', 'SHORTNAMES', 'APIVERSION', 'NAMESPACED', 'KIND'])
      const table = resources.slice(1, -1).map(line => line.trim().split(/\s+/))
      const expected = [
        ['endpoints', 'ep', 'v1', 'true', 'Endpoints'],
        ['events', 'ev', 'v1', 'true', 'Event'],
        ['namespaces', 'ns', 'v1', 'false', 'Namespace'],
        ['nodes', 'no', 'v1', 'false', 'Node'],
        ['pods', 'po', 'v1', 'true', 'Pod'],
        ['services', 'svc', 'v1', 'true', 'Service'],
        ['endpointslices', 'discovery.k8s.io/v1', 'true', 'EndpointSlice'],
      ]
      for (const row of expected)
        t.ok(
          table.some(each => each.join() === row.join()),
          row.join(' '),
        )
      await says('api-resources -o name', /^services$/m, /^endpointslices\.discovery\.k8s\.io$/m)
      await says('api-resources --namespaced=false -o name', /^namespaces\nnodes\n$/)
      await says('api-resources --verbs=patch,deletecollection -o name', /^services$/m)
      await says('api-versions', /^discovery\.k8s\.io\/v1$/m, /^events\.k8s\.io\/v1$/m, /^v1$/m)
      await says('version -o json', /"serverVersion": \{/, /"gitVersion": "v1\.\d+\.\d+\+kube-relay/)
      await says('cluster-info', new RegExp(`is running at .*${server.url}`))
      await says(
        'explain service.spec.type',
        /^KIND: +Service\nVERSION: +v1\n/,
        /FIELD: +type <string>/,
        /ClusterIP/,
      )
      await says('explain svc', /spec\s+<(Object|ServiceSpec)>/)
      await says('explain pods.spec.containers.ports', /containerPort\s+<integer>/)
      await says('explain endpointslice.endpoints.conditions', /ready\s+<boolean>/)
      await says('explain namespace --recursive', /phase\s+<string>/)
    })

    await t.test('strict validation names the field', async t => {
      const { refuses } = kubectlChecks(t, kubectl)
      const [service = ''] = readFileSync(example, 'utf8').split('\n---\n')
      const text = service.replace('  type: NodePort', '  types: NodePort')
      const file = fileWith('types', text)
      const patterns = modern
        ? [/strict decoding error: unknown field "spec\.types"/]
        : [/unknown field "types" in io\.k8s\.api\.core\.v1\.ServiceSpec/]
      await refuses(`create -f ${file}`, ...patterns)
      await refuses(`apply -f ${file}`, ...patterns)
      await refuses('get svc myapp-service', /not found/)
      const wrong = fileWith('wrong', text.replace('types: NodePort', 'ports: 80'))
      await refuses(`create -f ${wrong}`, /ports/)
    })

    await t.test('create without a file, expose, run', async t => {
      const { says, refuses } = kubectlChecks(t, kubectl)
      await says('create namespace shop', /^namespace\/shop created\n$/)
      await says('create service clusterip a --tcp=80:8080 -n shop', /^service\/a created\n$/)
      await says('create service nodeport b --tcp=80 --node-port=30111 -n shop', /^service\/b created\n$/)
      await refuses(
        'create service nodeport c --tcp=81 --node-port=30111 -n shop',
        /spec\.ports\[0\]\.nodePort: Invalid value: 30111: provided port is already allocated/,
      )
      await says('create service loadbalancer d --tcp=443:8443 -n shop', /^service\/d created\n$/)
      await says(
        'create service externalname e --external-name=example.org -n shop',
        /^service\/e created\n$/,
      )
      await says('create service clusterip f --clusterip=None -n shop', /^service\/f created\n$/)
      const table = (await says('get svc -n shop --no-headers')).trim().split('\n')
      t.match(table, [
        /^a +ClusterIP +127\.96\.\S+ +<none> +80\/TCP /,
        /^b +NodePort +127\.96\.\S+ +<none> +80:30111\/TCP /,
        /^d +LoadBalancer +127\.96\.\S+ +<pending> +443:3\d{4}\/TCP /,
        /^e +ExternalName +<none> +example\.org +<none> /,
        /^f +ClusterIP +None +<none> +<none> /,
      ])
      await says(
        'run web --image=kube-relay/sample-pod --port=8080 --labels=app=web -n shop',
        /^pod\/web created\n$/,
      )
      await says('wait --for=condition=Ready pod/web -n shop --timeout=60s', /^pod\/web condition met\n$/)
      await says('get pod web -n shop', / 1\/1 +Running +0 /)
      await says('expose pod web --port=80 --target-port=8080 -n shop', /^service\/web exposed\n$/)
      await says('get svc web -n shop -o jsonpath={.spec.selector.app}', /^web$/)
      await says('expose svc a --name=a2 --port=90 --selector=app=web -n shop', /^service\/a2 exposed\n$/)
      await says('describe ns shop', /^Name: +shop$/m, /^Status: +Active$/m)
      await says('delete ns shop', /^namespace "shop" deleted/)
      await refuses('get ns shop', /namespaces "shop" not found/)
      await refuses('create service clusterip a --tcp=80 -n shop', /namespaces "shop" not found/)
      await says('get svc,pods -A -o name', /^$/)
    })

    await t.test('wait', async t => {
      const { says, refuses } = kubectlChecks(t, kubectl)
      await says(`apply -f ${example}`, /created/)
      await says(
        'wait --for=condition=Ready pods -l app=myapp --timeout=60s',
        /^(pod\/\S+ condition met\n){3}$/,
      )
      if (modern) {
        await says(
          `wait --for=jsonpath='{.status.phase}'=Running pod/myapp-front-end-1 --timeout=60s`,
          /condition met/,
        )
        await says(`wait --for=create svc/myapp-service --timeout=60s`, /condition met/)
      }
      await refuses(
        'wait --for=condition=Odd pod/myapp-front-end-1 --timeout=1s',
        /timed out waiting for the condition/,
      )
      const waiting = await kubectl.start('-v=6', 'wait', '--for=delete', 'pod/myapp-front-end-2')
      t.teardown(() => waiting.close())
      // Before it has seen the Pod it would say that there is none.
      await until('kubectl watches the Pod', () => waiting.output().includes('watch=true') || undefined)
      await says('delete pod myapp-front-end-2', /deleted/)
      t.equal(await waiting.exited, 0, waiting.output())
      await says(`delete -f ${example} --ignore-not-found`, /deleted/)
    })

    await t.test('apply: on the server, in a dry run, as a difference, with pruning', async t => {
      const { says, refuses, outcome } = kubectlChecks(t, kubectl)
      await says(
        `apply --dry-run=server -f ${example}`,
        /^service\/myapp-service created \(server dry run\)\n/,
      )
      await says(`create --dry-run=server -o name -f ${example}`, /^service\/myapp-service\npod\//)
      await says(`apply --dry-run=client -f ${example}`, /created \(dry run\)/)
      await says('get svc,pods', /^$/)
      t.match(await outcome(`diff -f ${example}`), {
        status: 1,
        stdout: /^\+ .*nodePort: 30008$/m,
      })

      const serverSide = `apply --server-side --field-manager=tester -f ${example}`
      await says(serverSide, /^service\/myapp-service serverside-applied\npod\//)
      await says(serverSide, /^service\/myapp-service serverside-applied\npod\//)
      await says('get svc myapp-service -o jsonpath={.spec.type}', /^NodePort$/)
      await says(`delete -f ${example}`, /deleted/)

      await says(`apply -f ${example}`, /created/)
      t.match(await outcome(`diff -f ${example}`), { status: 0, stdout: '' })
      const changed = fileWith(
        'diff',
        readFileSync(example, 'utf8').replace('type: front-end', 'type: other'),
      )
      t.match(await outcome(`diff -f ${changed}`), { status: 1, stdout: /^\+ {4}type: other$/m })
      await says(
        `apply --dry-run=server -f ${changed}`,
        /^service\/myapp-service configured \(server dry run\)\n/,
      )
      await says('get svc myapp-service -o jsonpath={.spec.selector.type}', /^front-end$/)
      await says(`apply view-last-applied svc/myapp-service`, /nodePort: 30008/)
      await refuses(`delete svc nothing --dry-run=server`, /not found/)
      await says(
        'delete svc myapp-service --dry-run=server',
        /deleted( from default namespace)? \(server dry run\)/,
      )
      await says('get svc myapp-service -o name', /^service\/myapp-service\n$/)

      const [service = ''] = readFileSync(example, 'utf8').split('\n---\n')
      const labelled = (name: string): string =>
        service
          .replace('name: myapp-service', `name: ${name}\n  labels: { set: pruned }`)
          .replace(/nodePort: 30008.*/, '')
      const both = fileWith('prune-both', `${labelled('one')}\n---\n${labelled('two')}`)
      const allowed = modern ? '--prune-allowlist=core/v1/Service' : '--prune-whitelist=core/v1/Service'
      await says(`apply -f ${both}`, /one created\nservice\/two created/)
      await says(
        `apply --prune -l set=pruned ${allowed} -f ${fileWith('prune-one', labelled('one'))}`,
        /^service\/one unchanged\nservice\/two pruned\n$/,
      )
      await says('delete svc one myapp-service', /deleted/)
      await says('delete pods --all', /deleted/)
    })

    await t.test('events', async t => {
      const { says } = kubectlChecks(t, kubectl)
      await says(`create service clusterip web --tcp=80`, /created/)
      const uid = await says('get svc web -o jsonpath={.metadata.uid}')
      await kubectl.create({
        apiVersion: 'v1',
        kind: 'Event',
        metadata: { name: 'web.1', namespace: 'default' },
        involvedObject: { apiVersion: 'v1', kind: 'Service', name: 'web', namespace: 'default', uid },
        type: 'Warning',
        reason: 'PortInUse',
        message: 'port 30008 is taken',
        firstTimestamp: new Date(Date.now() - 600_000).toISOString().replace(/\.\d+/, ''),
        lastTimestamp: new Date(Date.now() - 45_000).toISOString().replace(/\.\d+/, ''),
        count: 3,
        source: { component: 'tester' },
      })
      const row = /^(4\d|5\d)s +Warning +PortInUse +service\/web +port 30008 is taken$/m
      await says('get events', /^LAST SEEN +TYPE +REASON +OBJECT +MESSAGE\n/, row)
      await says('get events.events.k8s.io', /^LAST SEEN +TYPE +REASON +OBJECT +MESSAGE\n/, row)
      await says('get events -o wide', / tester +port 30008 is taken +10m +3 +web\.1\n/)
      await says('get events --field-selector reason=PortInUse -o name', /^event\/web\.1\n$/)
      await says('get events --field-selector involvedObject.name=other', /^$/)
      await says(
        'describe svc web',
        /^Events:$/m,
        /Warning +PortInUse +.*x3 over 10m.* +tester +port 30008 is taken/,
      )
      if (modern) await says('events --for service/web', /PortInUse/)
      await says('delete events --all', /event "web\.1" deleted/)
      await says('delete svc web', /deleted/)
    })

    await t.test('what has no answer here says so', async t => {
      const { says, refuses } = kubectlChecks(t, kubectl)
      await says('run web --image=kube-relay/sample-pod --port=8080', /created/)
      await says('wait --for=condition=Ready pod/web --timeout=60s', /met/)
      const notServed = /the server could not find the requested resource|doesn't have a resource type/
      const noKubelet = /need a kubelet, which the embedded control plane has not/
      await refuses('logs web', noKubelet)
      await refuses('exec web -- true', noKubelet)
      await refuses('port-forward web 18080:8080', noKubelet)
      await refuses(`cp web:/etc/hostname ${join(server.folder, 'copied')}`, noKubelet)
      await refuses('top pods', /Metrics API not available/)
      await refuses('auth can-i get pods', notServed)
      await refuses('get secrets', notServed)
      await refuses(
        'create deployment x --image=x',
        /no matches for kind|could not find the requested resource/,
      )
      await refuses('scale pod/web --replicas=2', /could not find|not find the requested|no kind/)
      await says('delete pod web', /deleted/)
    })
  })
}
