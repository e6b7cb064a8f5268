// What a Pod's containers must be: names, images, ports, environment, mounts, probes and resources, with the paths,
// reasons and order of the real server (kubernetes pkg/apis/core/validation validateContainers).

import { canonicalIp } from '../../model/address.ts'
import type { FieldErrors } from './field-errors.ts'
import { checkDnsLabel } from './metadata-validation.ts'
import { environmentName, portName, qualifiedName } from './name-formats.ts'
import type {
  ContainerSpec,
  EnvironmentVariable,
  Handler,
  PortSpec,
  Probe,
  Resources,
  VolumeMount,
} from './pod-spec.ts'
import { amountOf } from '../../model/quantity.ts'

export const portText = 'must be between 1 and 65535, inclusive'
const protocols = ['SCTP', 'TCP', 'UDP']
const pullPolicies = ['Always', 'IfNotPresent', 'Never']
const messagePolicies = ['File', 'FallbackToLogsOnError']
const probeNames = ['livenessProbe', 'readinessProbe', 'startupProbe'] as const
const standardResources = ['cpu', 'memory', 'ephemeral-storage', 'storage']

export function checkContainers(
  containers: readonly ContainerSpec[],
  volumes: ReadonlySet<string>,
  errors: FieldErrors,
): void {
  if (containers.length === 0) errors.required('spec.containers')
  const names = new Set<string>()
  const hostPorts = new Set<string>()
  containers.forEach((container, i) => {
    const at = `spec.containers[${i}]`
    checkContainer(container, volumes, at, errors)
    checkUnique(container.name, names, at, errors)
    checkHooks(container, at, errors)
    if (
      container.restartPolicy !== undefined &&
      !/^(Always|Never|OnFailure)$/.test(container.restartPolicy)
    ) {
      errors.unsupported(`${at}.restartPolicy`, container.restartPolicy, ['Always', 'Never', 'OnFailure'])
    }
  })
  containers.forEach((container, i) => {
    checkHostPorts(container.ports ?? [], `spec.containers[${i}].ports`, hostPorts, errors)
  })
}

export function checkInitContainers(
  initContainers: readonly ContainerSpec[],
  containers: readonly ContainerSpec[],
  volumes: ReadonlySet<string>,
  errors: FieldErrors,
): void {
  const names = new Set(containers.map(container => container.name ?? ''))
  initContainers.forEach((container, i) => {
    const at = `spec.initContainers[${i}]`
    checkContainer(container, volumes, at, errors)
    checkUnique(container.name, names, at, errors)
    checkHostPorts(container.ports ?? [], `${at}.ports`, new Set(), errors)
    if (container.restartPolicy === 'Always') {
      checkHooks(container, at, errors)
      return
    }
    for (const field of ['lifecycle', ...probeNames] as const) {
      if (container[field] === undefined) continue
      errors.forbidden(`${at}.${field}`, 'may not be set for init containers without restartPolicy=Always')
    }
  })
}

/** What only Pods ask for, not the templates of Pods, and therefore comes last on the real server. */
export function checkImages(containers: readonly ContainerSpec[], at: string, errors: FieldErrors): void {
  containers.forEach(({ image = '' }, i) => {
    if (image.trim() === image) return
    errors.invalid(`${at}[${i}].image`, image, 'must not have leading or trailing whitespace')
  })
}

function checkContainer(
  container: ContainerSpec,
  volumes: ReadonlySet<string>,
  at: string,
  errors: FieldErrors,
): void {
  const { name, image, terminationMessagePolicy, imagePullPolicy } = container
  if (!name) errors.required(`${at}.name`)
  else checkDnsLabel(name, `${at}.name`, errors)
  if (!image) errors.required(`${at}.image`)
  checkOneOf(terminationMessagePolicy, messagePolicies, `${at}.terminationMessagePolicy`, errors)
  checkPorts(container.ports ?? [], `${at}.ports`, errors)
  checkEnvironment(container.env ?? [], `${at}.env`, errors)
  checkMounts(container.volumeMounts ?? [], volumes, `${at}.volumeMounts`, errors)
  checkOneOf(imagePullPolicy, pullPolicies, `${at}.imagePullPolicy`, errors)
  checkResources(container.resources ?? {}, `${at}.resources`, errors)
}

export function checkOneOf(
  value: string | undefined,
  known: readonly string[],
  field: string,
  errors: FieldErrors,
): void {
  if (value === undefined || value === '') errors.required(field)
  else if (!known.includes(value)) errors.unsupported(field, value, known)
}

function checkUnique(name = '', names: Set<string>, at: string, errors: FieldErrors): void {
  if (names.has(name)) errors.duplicate(`${at}.name`, name)
  names.add(name)
}

function checkPorts(ports: readonly PortSpec[], at: string, errors: FieldErrors): void {
  const names = new Set<string>()
  ports.forEach((port, i) => {
    const { name = '', containerPort = 0, hostPort = 0, protocol } = port
    if (name !== '') {
      const problems = portName(name)
      errors.invalidBy(problems, `${at}[${i}].name`, name)
      if (problems.length === 0 && names.has(name)) errors.duplicate(`${at}[${i}].name`, name)
      names.add(name)
    }
    if (containerPort === 0) errors.required(`${at}[${i}].containerPort`)
    else if (!isPort(containerPort)) errors.invalid(`${at}[${i}].containerPort`, containerPort, portText)
    if (hostPort !== 0 && !isPort(hostPort)) errors.invalid(`${at}[${i}].hostPort`, hostPort, portText)
    checkOneOf(protocol, protocols, `${at}[${i}].protocol`, errors)
    if (port.hostIP && canonicalIp(port.hostIP) === null) {
      errors.invalid(
        `${at}[${i}].hostIP`,
        port.hostIP,
        'must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)',
      )
    }
  })
}

function checkHostPorts(
  ports: readonly PortSpec[],
  at: string,
  seen: Set<string>,
  errors: FieldErrors,
): void {
  ports.forEach(({ hostPort = 0, hostIP = '', protocol = 'TCP' }, i) => {
    if (hostPort === 0) return
    const key = `${protocol}/${hostIP}/${hostPort}`
    if (seen.has(key)) errors.duplicate(`${at}[${i}].hostPort`, key)
    seen.add(key)
  })
}

function checkEnvironment(variables: readonly EnvironmentVariable[], at: string, errors: FieldErrors): void {
  variables.forEach(({ name = '', value = '', valueFrom }, i) => {
    if (name === '') errors.required(`${at}[${i}].name`)
    else errors.invalidBy(environmentName(name), `${at}[${i}].name`, name)
    if (valueFrom === undefined) return
    const field = `${at}[${i}].valueFrom`
    const sources = Object.keys(valueFrom)
    if (sources.length === 0) {
      const known = '`fieldRef`, `resourceFieldRef`, `configMapKeyRef` or `secretKeyRef`'
      errors.invalid(field, '', `must specify one of: ${known}`)
    } else if (value !== '') {
      errors.invalid(field, '', 'may not be specified when `value` is not empty')
    } else if (sources.length > 1) {
      errors.invalid(field, '', 'may not have more than one field specified at a time')
    }
    if (valueFrom.fieldRef && !valueFrom.fieldRef.fieldPath) errors.required(`${field}.fieldRef.fieldPath`)
  })
}

function checkMounts(
  mounts: readonly VolumeMount[],
  volumes: ReadonlySet<string>,
  at: string,
  errors: FieldErrors,
): void {
  const paths = new Set<string>()
  mounts.forEach(({ name = '', mountPath = '', subPath = '', subPathExpr = '' }, i) => {
    if (name === '') errors.required(`${at}[${i}].name`)
    if (!volumes.has(name)) errors.notFound(`${at}[${i}].name`, name)
    if (mountPath === '') errors.required(`${at}[${i}].mountPath`)
    if (paths.has(mountPath)) errors.invalid(`${at}[${i}].mountPath`, mountPath, 'must be unique')
    paths.add(mountPath)
    for (const [field, path] of Object.entries({ subPath, subPathExpr })) {
      if (path.startsWith('/')) errors.invalid(`${at}[${i}].${field}`, path, 'must be a relative path')
      if (path.split('/').includes('..'))
        errors.invalid(`${at}[${i}].${field}`, path, "must not contain '..'")
    }
    if (subPath !== '' && subPathExpr !== '') {
      errors.invalid(`${at}[${i}].subPathExpr`, subPathExpr, 'subPathExpr and subPath are mutually exclusive')
    }
  })
}

function checkResources({ limits = {}, requests = {} }: Resources, at: string, errors: FieldErrors): void {
  for (const [field, list] of Object.entries({ limits, requests })) {
    for (const [name, quantity] of Object.entries(list)) {
      const path = `${at}.${field}[${name}]`
      errors.invalidBy(qualifiedName(name), path, name)
      const known = standardResources.includes(name) || name.startsWith('hugepages-') || name.includes('/')
      if (!known) errors.invalid(path, name, 'must be a standard resource type or fully qualified')
      const amount = amountOf(quantity)
      if (amount === null) errors.invalid(path, quantity, 'must be a quantity, such as "500m", "2" or "1Gi"')
      else if (amount < 0) errors.invalid(path, quantity, 'must be greater than or equal to 0')
    }
  }
  for (const [name, request] of Object.entries(requests)) {
    const limit = Object.hasOwn(limits, name) ? limits[name] : undefined
    if (limit === undefined || (amountOf(request) ?? 0) <= (amountOf(limit) ?? 0)) continue
    errors.invalid(`${at}.requests`, request, `must be less than or equal to ${name} limit of ${limit}`)
  }
}

function checkHooks(container: ContainerSpec, at: string, errors: FieldErrors): void {
  const { postStart, preStop } = container.lifecycle ?? {}
  if (postStart) checkHandler(postStart, `${at}.lifecycle.postStart`, errors)
  if (preStop) checkHandler(preStop, `${at}.lifecycle.preStop`, errors)
  for (const name of probeNames) {
    const probe = container[name]
    if (!probe) continue
    checkProbe(probe, `${at}.${name}`, errors)
    if (name !== 'readinessProbe' && probe.successThreshold !== 1) {
      errors.invalid(`${at}.${name}.successThreshold`, probe.successThreshold, 'must be 1')
    }
    if (name === 'readinessProbe' && probe.terminationGracePeriodSeconds !== undefined) {
      errors.invalid(
        `${at}.${name}.terminationGracePeriodSeconds`,
        probe.terminationGracePeriodSeconds,
        'must not be set for readinessProbes',
      )
    }
  }
}

function checkProbe(probe: Probe, at: string, errors: FieldErrors): void {
  checkHandler(probe, at, errors)
  const counts = [
    'initialDelaySeconds',
    'timeoutSeconds',
    'periodSeconds',
    'successThreshold',
    'failureThreshold',
  ] as const
  for (const field of counts) {
    const count = probe[field] ?? 0
    if (count < 0) errors.invalid(`${at}.${field}`, count, 'must be greater than or equal to 0')
  }
  const grace = probe.terminationGracePeriodSeconds
  if (grace !== undefined && grace <= 0) {
    errors.invalid(`${at}.terminationGracePeriodSeconds`, grace, 'must be greater than 0')
  }
}

function checkHandler(handler: Handler, at: string, errors: FieldErrors): void {
  const kinds = (['exec', 'httpGet', 'tcpSocket', 'grpc', 'sleep'] as const).filter(kind => handler[kind])
  if (kinds.length === 0) errors.required(at, 'must specify a handler type')
  for (const extra of kinds.slice(1)) {
    errors.forbidden(`${at}.${extra}`, 'may not specify more than 1 handler type')
  }
  const [kind] = kinds
  if (kind === 'exec' && !handler.exec?.command?.length) errors.required(`${at}.exec.command`)
  if (kind === 'httpGet') {
    checkPortOrName(handler.httpGet?.port, `${at}.httpGet.port`, errors)
    checkOneOf(handler.httpGet?.scheme, ['HTTP', 'HTTPS'], `${at}.httpGet.scheme`, errors)
  }
  if (kind === 'tcpSocket') checkPortOrName(handler.tcpSocket?.port, `${at}.tcpSocket.port`, errors)
  if (kind === 'grpc') checkPortOrName(handler.grpc?.port, `${at}.grpc.port`, errors)
}

function checkPortOrName(port: number | string = 0, field: string, errors: FieldErrors): void {
  if (typeof port === 'string') errors.invalidBy(portName(port), field, port)
  else if (!isPort(port)) errors.invalid(field, port, portText)
}

function isPort(port: number): boolean {
  return port >= 1 && port <= 65_535
}
