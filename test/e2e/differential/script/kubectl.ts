// What people do with kubectl, with the oldest and the newest that there is, on the manifests in examples/.

import { resolve } from 'node:path'
import { kubectlSteps, type Chapter, type Step } from '../step.ts'

const folder = resolve(import.meta.dirname, '../../../../examples')

const changedService = `apiVersion: v1
kind: Service
metadata:
  name: changing
  labels: { stage: before }
spec:
  type: NodePort
  ports:
    - { name: a, port: 80, targetPort: 8080, nodePort: 30090 }
    - { name: b, port: 81, targetPort: 8081, nodePort: 30091 }
  selector: { app: changing }
`

const failingTest = `patch service changing --type=json -p '[{"op":"test","path":"/spec/type","value":"None"}]'`

function commands(program: string): readonly Step[] {
  const namespace = `diff-${program.replaceAll('.', '-')}`
  const kubectl = kubectlSteps(program, namespace)
  return [
    kubectl('create -f -', {
      input: JSON.stringify({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } }),
    }),
    kubectl(`create namespace ${namespace}-two`),
    kubectl(`create -f ${folder}`),
    kubectl(`apply -f ${folder}`),
    kubectl(`apply -f ${folder}`),
    kubectl(`get -f ${folder}`),
    kubectl(`get -f ${folder} -o json`),
    kubectl(`delete -f ${folder} --wait=false`),
    kubectl(`apply -f ${folder}/myapp-service.yaml`),
    kubectl('get services'),
    kubectl('get services -o wide'),
    kubectl('get services --show-labels'),
    kubectl('get pods -o name'),
    kubectl('get pods -l app=myapp'),
    kubectl('get services,pods'),
    kubectl("get service myapp-service -o 'jsonpath={.spec.ports[0].nodePort}'"),
    kubectl('get service myapp-service -o yaml'),
    kubectl('get service missing'),
    kubectl('get nonsense'),
    kubectl('get pods --field-selector=status.phase=Pending -o name'),
    kubectl('get pods --sort-by=.metadata.name'),
    kubectl('get services --chunk-size=1 -o name'),
    kubectl('describe service myapp-service'),
    kubectl(`describe namespace ${namespace}`),
    kubectl('describe service missing'),
    kubectl('apply -f -', { input: changedService }),
    kubectl('apply -f -', { input: changedService.replace('8080', '9090') }),
    kubectl('apply -f -', { input: changedService.replace(/ +- \{ name: b.*\n/, '') }),
    kubectl('apply -f -', { input: changedService.replace('30090', '30092') }),
    kubectl('apply --dry-run=server -f -', { input: changedService }),
    kubectl('apply --dry-run=client -f -', { input: changedService }),
    kubectl('apply -f -', { input: changedService.replace('NodePort', 'Odd') }),
    kubectl('apply -f -', { input: changedService.replace('  type:', '  types:') }),
    kubectl('get service changing -o json'),
    kubectl('edit service changing'),
    kubectl('edit service changing'),
    kubectl('label service changing more=labels'),
    kubectl('label service changing more=others'),
    kubectl('label service changing more=others --overwrite'),
    kubectl('label service changing more-'),
    kubectl("label service changing 'bad=a b'"),
    kubectl('annotate service changing note=text'),
    kubectl('annotate service changing note-'),
    kubectl(`patch service changing -p '{"spec":{"ports":[{"port":80,"targetPort":7070}]}}'`),
    kubectl(`patch service changing --type=merge -p '{"spec":{"sessionAffinity":"ClientIP"}}'`),
    kubectl(
      `patch service changing --type=json -p '[{"op":"replace","path":"/spec/sessionAffinity","value":"None"}]'`,
    ),
    kubectl(failingTest),
    kubectl(`patch service changing -p '{"spec":{"type":"Odd"}}'`),
    kubectl('get service changing -o json'),
    kubectl('create service clusterip made --tcp=80:8080'),
    kubectl('create service nodeport made-nodeport --tcp=80 --node-port=30095'),
    kubectl('create service loadbalancer made-loadbalancer --tcp=80'),
    kubectl('create service externalname made-name --external-name=example.com'),
    kubectl('create service clusterip made-headless --clusterip=None'),
    kubectl('create service nodeport taken --tcp=80 --node-port=30095'),
    kubectl('get services made-nodeport made-name made-headless'),
    kubectl('set selector service made app=other'),
    kubectl('run runner --image=example/web --port=80'),
    kubectl('expose pod runner --port=80 --name=exposed'),
    kubectl('get service exposed -o json'),
    kubectl('get pod runner'),
    kubectl('wait --for=delete pod/none --timeout=5s'),
    kubectl('delete service made made-headless'),
    kubectl('delete service missing'),
    kubectl('delete service missing --ignore-not-found'),
    kubectl('delete pod runner --grace-period=0 --force'),
    kubectl('delete services --all'),
    kubectl('get services'),
    kubectl('api-versions'),
    kubectl('version -o json'),
  ]
}

const namedBoth = (program: string): Readonly<Record<string, readonly string[]>> => ({
  [`${program} describe namespace diff-${program.replaceAll('.', '-')}`]: ['kinds-served'],
  [`${program} api-versions`]: ['kinds-served'],
  [`${program} version -o json`]: ['version'],
})

export const kubectlChapters: readonly Chapter[] = [
  {
    title: 'kubectl-1.20',
    differs: ['internal-traffic-policy', 'pod-generation'],
    differsIn: namedBoth('kubectl-1.20'),
    steps: commands('kubectl-1.20'),
  },
  {
    title: 'kubectl-newest',
    differs: ['internal-traffic-policy', 'pod-generation'],
    differsIn: {
      ...namedBoth('kubectl-newest'),
      'kubectl-newest describe service myapp-service': ['slices-described'],
      'kubectl-newest apply -f -': ['field-validation'],
      [`kubectl-newest ${failingTest}`]: ['patch-message'],
    },
    steps: commands('kubectl-newest'),
  },
]
