// Lists, pages, selectors, versions, watches, deletion of collections, preconditions and dry runs.

import { get, patch, post, put, remove, send, type Chapter, type Step } from '../step.ts'
import { services, slice, web } from './objects.ts'

/** A namespace of its own, so that what other chapters leave behind is in nobody's way. */
const namespace = 'diff-lists'
const items = `/api/v1/namespaces/${namespace}/services`
const one = `${items}/item-a`
const collection = `/apis/discovery.k8s.io/v1/namespaces/${namespace}/endpointslices`
const select = (query: string): string => `${items}?${query}`

const population: readonly Step[] = ['a', 'b', 'c', 'd', 'e'].map((letter, i) =>
  post(
    `Service item-${letter}`,
    items,
    web(`item-${letter}`, i === 4 ? { type: 'NodePort' } : {}, {
      labels: { list: 'yes', letter, ...(i < 2 ? { early: '' } : {}) },
    }),
    {
      remember: { [`version_${letter}`]: 'metadata.resourceVersion', [`uid_${letter}`]: 'metadata.uid' },
    },
  ),
)

const listSteps: readonly Step[] = [
  post('a namespace', '/api/v1/namespaces', {
    apiVersion: 'v1',
    kind: 'Namespace',
    metadata: { name: namespace },
  }),
  ...population,
  get('all', items, { remember: { now: 'metadata.resourceVersion' } }),
  get('a first page', select('limit=2'), { remember: { page: 'metadata.continue' } }),
  get('the next', select('limit=2&continue={{page}}'), { remember: { page: 'metadata.continue' } }),
  get('the last', select('limit=2&continue={{page}}')),
  get('a page with a selector counts nothing', select('limit=2&labelSelector=list=yes')),
  get('a limit that fits', select('limit=5')),
  get('a limit of 0', select('limit=0')),
  get('a negative limit', select('limit=-1')),
  get('a limit that is no number', select('limit=many')),
  get('a continue token that is none', select('limit=2&continue=nonsense')),
  get('a continue token and a version', select('limit=2&continue={{page}}&resourceVersion={{now}}')),
  get('version 0', select('resourceVersion=0&labelSelector=letter=c')),
  get('version 0 and a limit', select('resourceVersion=0&limit=2&labelSelector=letter=c')),
  get('the newest version', select('resourceVersion={{now}}&labelSelector=letter=c')),
  get('exactly this version', select('resourceVersion={{now}}&resourceVersionMatch=Exact')),
  get(
    'not older than this version',
    select('resourceVersion={{now}}&resourceVersionMatch=NotOlderThan&labelSelector=letter=c'),
  ),
  get('exactly version 0', select('resourceVersion=0&resourceVersionMatch=Exact')),
  get('a match without a version', select('resourceVersionMatch=Exact')),
  get('a match that is none', select('resourceVersion={{now}}&resourceVersionMatch=Nearly')),
  get('a match and a continue token', select('limit=2&continue={{page}}&resourceVersionMatch=Exact')),
  get('a version that is no number', select('resourceVersion=latest')),
  get('one object at version 0', `${one}?resourceVersion=0`),
  get('one object at a version that is no number', `${one}?resourceVersion=latest`),
  get('all namespaces', '/api/v1/services?labelSelector=list=yes'),
  get("a namespace that isn't there", '/api/v1/namespaces/nowhere/services'),
  ...[
    'letter=a',
    'letter==a',
    'letter!=a',
    'letter in (a,b)',
    'letter notin (a,b)',
    'early',
    '!early',
    'early=',
    'list=yes,letter in (c, d)',
    'letter>a',
    'letter in',
    'letter in ()',
    'a b',
    '=',
    ',',
    'letter=a=b',
    'not/a/key=x',
    '-bad=x',
    'ok=-bad-',
  ].map(text => get(`labels: ${text}`, select(`labelSelector=${encodeURIComponent(text)}`))),
  ...[
    'metadata.name=item-a',
    'metadata.name!=item-a',
    'metadata.namespace=diff-lists',
    'metadata.namespace=default',
    'metadata.name=item-a,metadata.namespace=diff-lists',
    'metadata.name==item-b',
    'metadata.name in (a)',
    'metadata.labels=x',
    'status.phase=x',
    'metadata.name',
    '',
  ].map(text => get(`fields: ${text}`, select(`fieldSelector=${encodeURIComponent(text)}`))),
]

const watchSteps: readonly Step[] = [
  patch('a change', 'merge', one, { metadata: { labels: { changed: 'once' } } }),
  patch('another', 'merge', one, { metadata: { labels: { changed: 'twice', early: null } } }),
  remove('a deletion', `${items}/item-b`),
  get('since the list', select('watch=1&resourceVersion={{now}}&timeoutSeconds=1')),
  get(
    'with a selector that the change leaves',
    select('watch=true&resourceVersion={{now}}&timeoutSeconds=1&labelSelector=early'),
  ),
  get(
    'with a selector that the change enters',
    select('watch=true&resourceVersion={{now}}&timeoutSeconds=1&labelSelector=changed'),
  ),
  get(
    'of one object by its name',
    select('watch=true&resourceVersion={{now}}&timeoutSeconds=1&fieldSelector=metadata.name=item-b'),
  ),
  get(
    'by the old path',
    `/api/v1/watch/namespaces/diff-lists/services?resourceVersion={{now}}&timeoutSeconds=1`,
  ),
  get(
    'of one object by the old path',
    `/api/v1/watch/namespaces/diff-lists/services/item-a?resourceVersion={{now}}&timeoutSeconds=1`,
  ),
  get('from now on, beginning with all there is', select('watch=1&timeoutSeconds=1&labelSelector=letter=c')),
  get('from version 0', select('watch=1&resourceVersion=0&timeoutSeconds=1&labelSelector=letter=c')),
  get('from before anything', select('watch=1&resourceVersion=1&timeoutSeconds=1')),
  get('from a version that is no number', select('watch=1&resourceVersion=latest')),
  get('with a selector that is none', select('watch=1&labelSelector=a%20b')),
  get('with a field that is none', select('watch=1&fieldSelector=spec.none=1')),
  get('a timeout that is no number', select('watch=1&timeoutSeconds=soon')),
  get('a list with a timeout', select('timeoutSeconds=5&labelSelector=letter=c')),
  get('watch=0 is a list', select('watch=0&labelSelector=letter=c')),
  get('watch=false is a list', select('watch=false&labelSelector=letter=c')),
]

const options = (fields: object): object => ({ kind: 'DeleteOptions', apiVersion: 'v1', ...fields })

const deleteSteps: readonly Step[] = [
  remove(
    'with another uid',
    one,
    options({ preconditions: { uid: '00000000-0000-0000-0000-000000000001' } }),
  ),
  remove('with an old version', one, options({ preconditions: { resourceVersion: '{{version_a}}' } })),
  remove('with an unknown propagation policy', one, options({ propagationPolicy: 'Sideways' })),
  remove(
    'with a policy and orphanDependents',
    one,
    options({ propagationPolicy: 'Background', orphanDependents: true }),
  ),
  remove('with a negative grace period', one, options({ gracePeriodSeconds: -1 })),
  remove('with a dry run that is none', one, options({ dryRun: ['Some'] })),
  remove('as a dry run', one, options({ dryRun: ['All'] })),
  remove('as a dry run by the query', `${one}?dryRun=All`),
  remove('with another kind in its body', one, { kind: 'Service', apiVersion: 'v1' }),
  remove('with a body that is no JSON', one, '{'),
  get('is still there', one),
  remove('with its uid', one, options({ preconditions: { uid: '{{uid_a}}' } })),
  remove('with orphanDependents', `${items}/item-c`, options({ orphanDependents: false })),
  ...['a', 'b', 'c'].map(letter =>
    post(
      `EndpointSlice ${letter}`,
      collection,
      slice(`slice-${letter}`, {}, { labels: { list: 'yes', letter } }),
    ),
  ),
  remove('a selection', `${collection}?labelSelector=letter=a`),
  remove('of a selection that is none', `${collection}?labelSelector=a%20b`),
  remove('of a field', `${collection}?fieldSelector=metadata.name=slice-b`),
  remove('of nothing', `${collection}?labelSelector=letter=b`),
  remove('all that are left, as a dry run', `${collection}?dryRun=All`),
  get('one is left', collection),
  remove('all that are left', collection),
  get('nothing is left', collection),
]

const dryRunSteps: readonly Step[] = [
  post(
    'a creation',
    `${services}?dryRun=All`,
    web('dry', { type: 'NodePort', ports: [{ port: 80, nodePort: 30060 }] }),
  ),
  get('has created nothing', `${services}/dry`),
  post(
    'and has taken no port',
    services,
    web('dry', { type: 'NodePort', ports: [{ port: 80, nodePort: 30060 }] }),
  ),
  post('of what is there', `${services}?dryRun=All`, web('dry')),
  post('of something invalid', `${services}?dryRun=All`, web('dry-bad', { ports: [] })),
  post('of a kind of dry run that is none', `${services}?dryRun=true`, web('dry-two')),
  patch('a patch', 'merge', `${services}/dry?dryRun=All`, { spec: { type: 'ClusterIP' } }),
  patch('of a patch that is invalid', 'merge', `${services}/dry?dryRun=All`, { spec: { type: 'Odd' } }),
  put('a put', `${services}/missing?dryRun=All`, web('missing')),
  post(
    'the port was kept',
    services,
    web('dry-three', { type: 'NodePort', ports: [{ port: 80, nodePort: 30060 }] }),
  ),
  get('nothing has changed', `${services}/dry`),
  remove('deleted', `${services}/dry`),
]

const methodSteps: readonly Step[] = [
  send('HEAD of a list', 'HEAD', items),
  send("HEAD of what isn't there", 'HEAD', `${items}/missing`),
]

export const listChapters: readonly Chapter[] = [
  {
    title: 'lists',
    differs: ['internal-traffic-policy'],
    differsIn: {
      'a namespace': ['namespace-label'],
      'a version that is no number': ['client-fault'],
      'one object at a version that is no number': ['client-fault'],
    },
    steps: listSteps,
  },
  {
    title: 'watches',
    differs: ['internal-traffic-policy', 'deleted-service'],
    differsIn: {
      'from before anything': ['first-versions'],
      'from a version that is no number': ['client-fault'],
    },
    steps: watchSteps,
  },
  {
    title: 'deletions',
    differs: ['deleted-service'],
    differsIn: {
      'with another kind in its body': ['client-fault'],
      'with a body that is no JSON': ['client-fault'],
    },
    steps: deleteSteps,
  },
  {
    title: 'dry runs',
    differs: ['internal-traffic-policy', 'deleted-service'],
    differsIn: { 'a creation': ['dry-run-addresses'] },
    steps: dryRunSteps,
  },
  { title: 'HEAD', differs: [], steps: methodSteps },
]
