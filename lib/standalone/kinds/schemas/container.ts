// The fields of a container: one of a Pod, one that runs before the others, or one that is added for debugging.

import {
  atomic,
  boolean,
  core,
  int32,
  int64,
  intOrString,
  listOf,
  quantity,
  string,
  strings,
  use,
} from './notation.ts'
import { resourceRequirements } from './resource-requirements.ts'
import { securityContext } from './security-context.ts'

const configMapKeySelector = atomic(
  core(
    'ConfigMapKeySelector',
    '',
    {
      key: string(),
      name: string(),
      optional: boolean(),
    },
    ['key'],
  ),
)

export const objectFieldSelector = atomic(
  core(
    'ObjectFieldSelector',
    '',
    {
      apiVersion: string(),
      fieldPath: string(),
    },
    ['fieldPath'],
  ),
)

const fileKeySelector = atomic(
  core(
    'FileKeySelector',
    '',
    {
      key: string(),
      optional: boolean(),
      path: string(),
      volumeName: string(),
    },
    ['key', 'path', 'volumeName'],
  ),
)

export const resourceFieldSelector = atomic(
  core(
    'ResourceFieldSelector',
    '',
    {
      containerName: string(),
      divisor: quantity(),
      resource: string(),
    },
    ['resource'],
  ),
)

const secretKeySelector = atomic(
  core(
    'SecretKeySelector',
    '',
    {
      key: string(),
      name: string(),
      optional: boolean(),
    },
    ['key'],
  ),
)

const envVarSource = core('EnvVarSource', 'Where the value of an environment variable is from.', {
  configMapKeyRef: use(configMapKeySelector, 'A key of a ConfigMap.'),
  fieldRef: use(objectFieldSelector, 'A field of the Pod.'),
  fileKeyRef: use(fileKeySelector, 'A key in a file of a volume.'),
  resourceFieldRef: use(resourceFieldSelector, "A container's limit or request."),
  secretKeyRef: use(secretKeySelector, 'A key of a Secret.'),
})

const envVar = core(
  'EnvVar',
  'One environment variable.',
  {
    name: string('Its name.'),
    value: string('Its value, in which $(NAME) stands for another variable.'),
    valueFrom: use(envVarSource, 'Where its value is taken from, instead of value.'),
  },
  ['name'],
)

const configMapEnvSource = core('ConfigMapEnvSource', '', {
  name: string(),
  optional: boolean(),
})

const secretEnvSource = core('SecretEnvSource', '', {
  name: string(),
  optional: boolean(),
})

const envFromSource = core('EnvFromSource', 'An object each of whose keys becomes an environment variable.', {
  configMapRef: use(configMapEnvSource, 'A ConfigMap.'),
  prefix: string('What is put before each key.'),
  secretRef: use(secretEnvSource, 'A Secret.'),
})

const execAction = core('ExecAction', 'A command.', {
  command: strings('The program and its arguments. No shell is involved.'),
})

const httpHeader = core(
  'HTTPHeader',
  'A header of an HTTP request.',
  {
    name: string('Its name.'),
    value: string('Its value.'),
  },
  ['name', 'value'],
)

const httpGetAction = core(
  'HTTPGetAction',
  'An HTTP request.',
  {
    host: string("The host that is connected to. Default: the Pod's address."),
    httpHeaders: listOf(httpHeader, "The request's own headers."),
    path: string('The path.'),
    port: intOrString('The port: a number, or the name of a container port.'),
    scheme: string('HTTP (the default) or HTTPS.'),
  },
  ['port'],
)

const sleepAction = core(
  'SleepAction',
  'A pause.',
  {
    seconds: int64('How long.'),
  },
  ['seconds'],
)

const tcpSocketAction = core(
  'TCPSocketAction',
  'A TCP connection.',
  {
    host: string("The host that is connected to. Default: the Pod's address."),
    port: intOrString('The port: a number, or the name of a container port.'),
  },
  ['port'],
)

const lifecycleHandler = core('LifecycleHandler', 'One thing to do: exactly one of the fields.', {
  exec: use(execAction, 'Run a command in the container.'),
  httpGet: use(httpGetAction, 'Make an HTTP request.'),
  sleep: use(sleepAction, 'Wait.'),
  tcpSocket: use(tcpSocketAction, 'Deprecated; does nothing.'),
})

const lifecycle = core('Lifecycle', "What is done at two moments of a container's life.", {
  postStart: use(lifecycleHandler, 'Done right after its start.'),
  preStop: use(lifecycleHandler, 'Done before it is asked to end.'),
  stopSignal: string("The signal by which it is asked to end. Default: the image's."),
})

const grpcAction = core(
  'GRPCAction',
  'A gRPC health check.',
  {
    port: int32('The port.'),
    service: string('The service to ask for.'),
  },
  ['port'],
)

const probe = core(
  'Probe',
  'A test that is made of a container again and again: exactly one of exec, grpc, httpGet and tcpSocket.',
  {
    exec: use(execAction, 'Runs a command in the container: it must exit with 0.'),
    failureThreshold: int32('How many failures in a row count as failed. Default: 3.'),
    grpc: use(grpcAction, "Asks the container's gRPC health service."),
    httpGet: use(httpGetAction, 'Makes an HTTP request: it must be answered with a status from 200 to 399.'),
    initialDelaySeconds: int32("How long after the container's start the first test is made."),
    periodSeconds: int32('How often the test is made. Default: every 10 seconds.'),
    successThreshold: int32('How many successes in a row count as passed. Default: 1.'),
    tcpSocket: use(tcpSocketAction, 'Opens a TCP connection.'),
    terminationGracePeriodSeconds: int64('How long the container may take to end when this probe fails.'),
    timeoutSeconds: int32('How long one test may take. Default: 1 second.'),
  },
)

const containerPort = core(
  'ContainerPort',
  'A port that a container listens on.',
  {
    containerPort: int32('The port.'),
    hostIP: string("The node's address at which hostPort is."),
    hostPort: int32('A port of the node that leads to it.'),
    name: string("Its name, to which a Service's targetPort can refer. Unique in the Pod."),
    protocol: string('TCP (the default), UDP or SCTP.'),
  },
  ['containerPort'],
)

const containerResizePolicy = core(
  'ContainerResizePolicy',
  '',
  {
    resourceName: string(),
    restartPolicy: string(),
  },
  ['resourceName', 'restartPolicy'],
)

const containerRestartRuleOnExitCodes = core(
  'ContainerRestartRuleOnExitCodes',
  '',
  {
    operator: string(),
    values: listOf(int32()),
  },
  ['operator'],
)

const containerRestartRule = core(
  'ContainerRestartRule',
  '',
  {
    action: string(),
    exitCodes: containerRestartRuleOnExitCodes,
  },
  ['action'],
)

const volumeDevice = core(
  'VolumeDevice',
  '',
  {
    devicePath: string(),
    name: string(),
  },
  ['devicePath', 'name'],
)

const volumeMount = core(
  'VolumeMount',
  'A volume, where a container has it.',
  {
    mountPath: string('The path in the container.'),
    mountPropagation: string(
      'Whether mounts inside it are seen outside, or the other way: None, HostToContainer or Bidirectional.',
    ),
    name: string("The volume's name."),
    readOnly: boolean('Whether it can only be read.'),
    recursiveReadOnly: string(
      'Whether that holds for mounts inside it, too: Disabled, IfPossible or Enabled.',
    ),
    subPath: string('The path inside the volume. Default: its root.'),
    subPathExpr: string('Like subPath, with environment variables as $(NAME).'),
  },
  ['mountPath', 'name'],
)

const containerFields = {
  args: strings('The arguments of its command. Default: those of the image.'),
  command: strings("What it runs. Default: the image's entry point."),
  env: listOf(envVar, 'Its environment variables.', { key: 'name' }),
  envFrom: listOf(envFromSource, 'Objects each of whose keys becomes an environment variable.'),
  image: string('The image it is made from.'),
  imagePullPolicy: string('When the image is pulled: Always, IfNotPresent or Never.'),
  lifecycle: use(lifecycle, 'What is done after its start and before its end.'),
  livenessProbe: use(probe, 'Tells whether it still works: it is restarted when not.'),
  name: string('Its name, unique in the Pod. It can not be changed.'),
  ports: listOf(
    containerPort,
    'The ports that it listens on. Only names matter: a port that is missing here is reachable, too.',
    {
      key: 'containerPort',
      mapKeys: ['containerPort', 'protocol'],
    },
  ),
  readinessProbe: use(probe, 'Tells whether it can serve: it gets no connections from Services when not.'),
  resizePolicy: listOf(containerResizePolicy, 'Whether it must restart when its resources are changed.'),
  resources: use(resourceRequirements, 'How much of the node it asks for, and may use.'),
  restartPolicy: string(
    'Whether it is started again when it ends: a sidecar is an init container with Always.',
  ),
  restartPolicyRules: listOf(containerRestartRule, 'Rules by exit code, which come before restartPolicy.'),
  securityContext: use(securityContext, 'Settings of security, which override those of the Pod.'),
  startupProbe: use(probe, 'Tells whether it has started; the other probes wait for that.'),
  stdin: boolean('Whether it has a standard input.'),
  stdinOnce: boolean('Whether its standard input ends with the first client that goes.'),
  terminationMessagePath: string(
    'The file from which its last message is read. Default: /dev/termination-log.',
  ),
  terminationMessagePolicy: string('Where its last message is from: File, or FallbackToLogsOnError.'),
  tty: boolean('Whether it has a terminal.'),
  volumeDevices: listOf(volumeDevice, 'The block devices it uses.', { key: 'devicePath' }),
  volumeMounts: listOf(volumeMount, 'The volumes it mounts.', { key: 'mountPath' }),
  workingDir: string("The folder it starts in. Default: the image's."),
}

export const container = core('Container', 'One container of a Pod.', containerFields, ['name'])

export const ephemeralContainer = core(
  'EphemeralContainer',
  'A container that was added to a running Pod for debugging.',
  {
    ...containerFields,
    targetContainerName: string('The container whose processes it shows.'),
  },
  ['name'],
)
