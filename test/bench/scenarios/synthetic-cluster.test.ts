// A cluster of any size is what it says: valid objects, each address once, and probed Services with one ready endpoint.

import { test } from 'tap'
import {
  addressOf,
  liveEndpoints,
  probedServices,
  serviceCidr,
  serviceObject,
  sliceObject,
  type ClusterSize,
} from '../../../bench/scenarios/synthetic-cluster.ts'
import { asFields } from '../../../lib/model/fields.ts'
import { readCidr } from '../../../lib/model/cidr.ts'
import { readEndpointSlice } from '../../../lib/model/endpoint-slice.ts'
import type { KubeObject } from '../../../lib/model/objects.ts'

function sized(services: number, probed = 20): ClusterSize {
  return { services, endpointsPerService: 5, probed, servicePort: 8000, endpointPort: 9000 }
}

void test('the probed Services are spread evenly, and are all of a few', async t => {
  t.same(probedServices(sized(3)), [0, 1, 2])
  t.same(probedServices(sized(100, 4)), [24, 49, 74, 99])
  t.equal(new Set(probedServices(sized(10_000))).size, 20)
  t.ok(probedServices(sized(10_000)).every(service => service >= 0 && service < 10_000))
})

void test('each Service has an address of its own in the range', async t => {
  const size = sized(70_000)
  const ips = Array.from({ length: size.services }, (_, service) => addressOf(service, size).ip)
  t.equal(new Set(ips).size, size.services)
  const range = readCidr(serviceCidr)
  t.ok(range !== null && ips.every(ip => range.contains(ip)))
  t.equal(liveEndpoints.filter(ip => range?.contains(ip) === true).length, 0)
  t.match(serviceObject(0, size), { spec: { clusterIP: '127.64.0.1', ports: [{ port: 8000 }] } })
})

void test('a probed Service has one ready endpoint, any other has five', async t => {
  const ready = (live: number | null): readonly string[] =>
    (readEndpointSlice(sliceObject(7, live, sized(10)) as KubeObject)?.endpoints ?? [])
      .filter(endpoint => endpoint.ready)
      .map(({ ip }) => ip)
  t.same(ready(0), [liveEndpoints[0]])
  t.same(ready(1), [liveEndpoints[1]])
  t.equal(new Set(ready(null)).size, 5)
  t.equal((asFields(sliceObject(7, 1, sized(10)))['endpoints'] as readonly unknown[]).length, 5)
})
