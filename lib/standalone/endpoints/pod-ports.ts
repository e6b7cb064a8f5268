// The ports of a Pod's endpoint: what a Service's targetPorts mean for this one Pod.
//
// A pod that runs as a process of an unprivileged user can't listen on port 80, so it listens on another one. Its
// status then says so, in `status.listening`, a field of ours that only such pods have:
//   listening: [{ protocol: TCP, containerPort: 80, port: 8080 }]
// and its endpoint gets port 8080. Services and manifests keep saying 80.

import type { EndpointPort, Pod, Service, ServicePort } from '../kinds/api-types.ts'

/** One endpoint port for each service port; a port whose name the Pod doesn't have is left out. */
export function endpointPortsOf(service: Service, pod: Pod): readonly EndpointPort[] {
  return (service.spec.ports ?? []).flatMap(servicePort => {
    const containerPort = containerPortOf(servicePort, pod)
    if (containerPort === undefined) return []
    const { protocol = 'TCP', appProtocol } = servicePort
    const port = listeningPort(pod, protocol, containerPort)
    return [
      { name: servicePort.name ?? '', protocol, port, ...(appProtocol === undefined ? {} : { appProtocol }) },
    ]
  })
}

function containerPortOf({ targetPort, port, protocol }: ServicePort, pod: Pod): number | undefined {
  if (typeof targetPort !== 'string') return targetPort ?? port
  // An init container that goes on running beside the others, a sidecar, can serve as well.
  const sidecars = pod.spec?.initContainers?.filter(({ restartPolicy }) => restartPolicy === 'Always')
  for (const container of [...(pod.spec?.containers ?? []), ...(sidecars ?? [])]) {
    const named = container.ports?.find(
      candidate => candidate.name === targetPort && (candidate.protocol ?? 'TCP') === (protocol ?? 'TCP'),
    )
    if (named) return named.containerPort
  }
  return undefined
}

function listeningPort(pod: Pod, protocol: string, containerPort: number): number {
  const listening = pod.status?.listening ?? []
  return (
    listening.find(at => at.protocol === protocol && at.containerPort === containerPort)?.port ??
    containerPort
  )
}
