// The fields of a Pod and its spec.

import { container, ephemeralContainer } from './container.ts'
import { kind, localObjectReference } from './metadata.ts'
import {
  boolean,
  core,
  int32,
  int64,
  listOf,
  quantities,
  string,
  stringMap,
  strings,
  use,
} from './notation.ts'
import { podStatus } from './pod-status.ts'
import { resourceRequirements } from './resource-requirements.ts'
import { affinity, toleration, topologySpreadConstraint } from './scheduling.ts'
import { podSecurityContext } from './security-context.ts'
import { volume } from './volume.ts'

const podDNSConfigOption = core('PodDNSConfigOption', 'One option of a resolver.', {
  name: string('Its name.'),
  value: string('Its value, where it has one.'),
})

const podDNSConfig = core('PodDNSConfig', "What is added to a resolver's configuration.", {
  nameservers: strings('Addresses of name servers.'),
  options: listOf(podDNSConfigOption, 'Options of the resolver.'),
  searches: strings('Domains that are searched.'),
})

const hostAlias = core(
  'HostAlias',
  'A line of a hosts file.',
  {
    hostnames: strings('The names of the address.'),
    ip: string('The address.'),
  },
  ['ip'],
)

const podOS = core(
  'PodOS',
  '',
  {
    name: string(),
  },
  ['name'],
)

const podReadinessGate = core(
  'PodReadinessGate',
  'A condition that must be true for a Pod to be ready.',
  {
    conditionType: string("The condition's type."),
  },
  ['conditionType'],
)

const podResourceClaim = core(
  'PodResourceClaim',
  '',
  {
    name: string(),
    resourceClaimName: string(),
    resourceClaimTemplateName: string(),
  },
  ['name'],
)

const podSchedulingGate = core(
  'PodSchedulingGate',
  '',
  {
    name: string(),
  },
  ['name'],
)

const podSchedulingGroup = core('PodSchedulingGroup', '', {
  podGroupName: string(),
})

const podSpec = core(
  'PodSpec',
  'What a Pod is to be.',
  {
    activeDeadlineSeconds: int64('How long the Pod may be active on its node before it is marked as failed.'),
    affinity: use(affinity, 'Which nodes it may be, or prefers to be, placed on.'),
    automountServiceAccountToken: boolean(
      "Whether its service account's token is mounted into its containers.",
    ),
    containers: listOf(container, 'Its containers: at least one.', { key: 'name' }),
    dnsConfig: use(podDNSConfig, "What is added to its resolver's configuration."),
    dnsPolicy: string(
      'How its resolver is set up: ClusterFirst (the default), ClusterFirstWithHostNet, Default or None.',
    ),
    enableServiceLinks: boolean('Whether environment variables tell it of the Services. True by default.'),
    ephemeralContainers: listOf(
      ephemeralContainer,
      'Containers that were added for debugging while it runs.',
      { key: 'name' },
    ),
    hostAliases: listOf(hostAlias, 'Lines for its /etc/hosts.', { key: 'ip' }),
    hostIPC: boolean("Whether it uses its node's IPC namespace."),
    hostNetwork: boolean("Whether it uses its node's network instead of one of its own."),
    hostPID: boolean("Whether it sees its node's processes."),
    hostUsers: boolean('False gives it a user namespace of its own.'),
    hostname: string("Its host name. Default: the Pod's name."),
    hostnameOverride: string('Its host name inside its containers, whatever its other fields say.'),
    imagePullSecrets: listOf(localObjectReference, 'The Secrets with which its images are pulled.', {
      key: 'name',
    }),
    initContainers: listOf(container, 'Containers that run one after another before the others start.', {
      key: 'name',
    }),
    nodeName: string('The node it is on. Set by the scheduler, or by whoever wants no scheduler.'),
    nodeSelector: stringMap('The labels that its node must have.'),
    os: use(podOS, 'The operating system it is for.'),
    overhead: quantities('What running it takes beside what its containers ask for.'),
    preemptionPolicy: string(
      'Whether it may displace Pods of a lower priority: Never or PreemptLowerPriority.',
    ),
    priority: int32('Its priority as a number: higher goes first.'),
    priorityClassName: string('The name of its priority.'),
    readinessGates: listOf(podReadinessGate, 'More conditions that must be true for it to be ready.'),
    resourceClaims: listOf(podResourceClaim, 'The claims of devices that its containers may use.', {
      key: 'name',
      retainKeys: true,
    }),
    resources: use(resourceRequirements, 'What all of its containers together may use.'),
    restartPolicy: string(
      'Whether containers that end are started again: Always (the default), OnFailure or Never.',
    ),
    runtimeClassName: string('Which container runtime it needs.'),
    schedulerName: string('Which scheduler places it.'),
    schedulingGates: listOf(podSchedulingGate, 'What must be removed before it is scheduled.', {
      key: 'name',
    }),
    schedulingGroup: use(podSchedulingGroup, 'The group of Pods that it is scheduled with.'),
    securityContext: use(podSecurityContext, 'Settings of security for all of its containers.'),
    serviceAccount: string('The old name of serviceAccountName.'),
    serviceAccountName: string('The service account it runs as.'),
    setHostnameAsFQDN: boolean('Whether its host name is the whole name with the domain.'),
    shareProcessNamespace: boolean("Whether its containers see each other's processes."),
    subdomain: string(
      "With hostname: its name in DNS is HOSTNAME.SUBDOMAIN.NAMESPACE.svc and the cluster's domain.",
    ),
    terminationGracePeriodSeconds: int64(
      'How long its containers may take to end before they are killed. Default: 30.',
    ),
    tolerations: listOf(toleration, 'The taints of nodes that it puts up with.'),
    topologySpreadConstraints: listOf(
      topologySpreadConstraint,
      'How Pods like it are to be spread over zones or nodes.',
      {
        key: 'topologyKey',
        mapKeys: ['topologyKey', 'whenUnsatisfiable'],
      },
    ),
    volumes: listOf(volume, 'The volumes that its containers can mount.', { key: 'name', retainKeys: true }),
  },
  ['containers'],
)

export const podSchema = kind(
  'io.k8s.api.core.v1',
  'Pod',
  'One or more containers that run together on one node and share its network address.',
  {
    spec: use(podSpec, 'What the Pod is to be.'),
    status: use(podStatus, 'What the Pod is now. Written by the system.'),
  },
)
