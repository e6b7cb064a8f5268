import { test } from 'tap'
import { requestAttributes } from '../../lib/kube/request-attributes.ts'

void test('requests in the words of RBAC', async t => {
  const cases: [request: string, expected: string][] = [
    ['GET /api/v1/services', 'list  services -'],
    ['GET /api/v1/services?watch', 'watch  services -'],
    ['GET /api/v1/nodes/n1', 'get  nodes -'],
    ['GET /api/v1/nodes/n1?watch', 'get  nodes -'],
    ['PATCH /api/v1/nodes/n1/status', 'patch  nodes/status -'],
    ['GET /apis/discovery.k8s.io/v1/endpointslices', 'list discovery.k8s.io endpointslices -'],
    ['POST /apis/events.k8s.io/v1/namespaces/a/events', 'create events.k8s.io events a'],
    ['PUT /api/v1/namespaces/a/services/b/status', 'update  services/status a'],
    ['DELETE /api/v1/namespaces/a/services/b', 'delete  services a'],
    ['DELETE /api/v1/namespaces/a/services', 'deletecollection  services a'],
    ['GET /api/v1/namespaces', 'list  namespaces -'],
    ['GET /api/v1/namespaces/a', 'get  namespaces -'],
    ['PUT /api/v1/namespaces/a/finalize', 'update  namespaces/finalize -'],
    ['GET /version', 'get  - -'],
    ['GET /apis', 'get  - -'],
    ['GET /api/v1', 'get  - -'],
    ['GET /apis/apps/v1', 'get  - -'],
  ]
  for (const [request, expected] of cases) {
    const [method = '', target = ''] = request.split(' ')
    const [path = '', watch] = target.split('?')
    const { verb, group, resource, namespace } = requestAttributes(method, path, watch ? { watch: true } : {})
    t.equal(`${verb} ${group} ${resource ?? '-'} ${namespace ?? '-'}`, expected, request)
  }
})
