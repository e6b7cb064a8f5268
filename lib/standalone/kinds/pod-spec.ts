// A Pod's spec as the schema lets it through: the fields that its defaults and its validation read. What the endpoints
// read of a Pod is in api-types.ts.

export interface PodSpec {
  readonly nodeName?: string
  readonly hostname?: string
  readonly subdomain?: string
  readonly restartPolicy?: string
  readonly dnsPolicy?: string
  readonly dnsConfig?: DnsConfig
  readonly schedulerName?: string
  readonly serviceAccount?: string
  readonly serviceAccountName?: string
  readonly priorityClassName?: string
  readonly runtimeClassName?: string
  readonly hostNetwork?: boolean
  readonly enableServiceLinks?: boolean
  readonly securityContext?: object
  readonly terminationGracePeriodSeconds?: number
  readonly activeDeadlineSeconds?: number
  readonly nodeSelector?: Readonly<Record<string, string>>
  readonly containers?: readonly ContainerSpec[]
  readonly initContainers?: readonly ContainerSpec[]
  readonly ephemeralContainers?: readonly ContainerSpec[]
  readonly volumes?: readonly Volume[]
  readonly tolerations?: readonly Toleration[]
  readonly hostAliases?: readonly { readonly ip?: string; readonly hostnames?: readonly string[] }[]
  readonly readinessGates?: readonly { readonly conditionType?: string }[]
  readonly schedulingGates?: readonly { readonly name?: string }[]
}

export interface ContainerSpec {
  readonly name?: string
  readonly image?: string
  readonly imagePullPolicy?: string
  readonly restartPolicy?: string
  readonly terminationMessagePath?: string
  readonly terminationMessagePolicy?: string
  readonly ports?: readonly PortSpec[]
  readonly env?: readonly EnvironmentVariable[]
  readonly volumeMounts?: readonly VolumeMount[]
  readonly resources?: Resources
  readonly lifecycle?: { readonly postStart?: Handler; readonly preStop?: Handler }
  readonly livenessProbe?: Probe
  readonly readinessProbe?: Probe
  readonly startupProbe?: Probe
}

export interface PortSpec {
  readonly name?: string
  readonly containerPort?: number
  readonly hostPort?: number
  readonly hostIP?: string
  readonly protocol?: string
}

export interface EnvironmentVariable {
  readonly name?: string
  readonly value?: string
  readonly valueFrom?: {
    readonly fieldRef?: { readonly apiVersion?: string; readonly fieldPath?: string }
    readonly resourceFieldRef?: object
    readonly configMapKeyRef?: object
    readonly secretKeyRef?: object
  }
}

export interface VolumeMount {
  readonly name?: string
  readonly mountPath?: string
  readonly subPath?: string
  readonly subPathExpr?: string
}

/** "500m", "1Gi", or the number itself. */
export type Quantity = string | number
export type ResourceList = Readonly<Record<string, Quantity>>

export interface Resources {
  readonly limits?: ResourceList
  readonly requests?: ResourceList
}

export interface Handler {
  readonly exec?: { readonly command?: readonly string[] }
  readonly httpGet?: { readonly path?: string; readonly port?: number | string; readonly scheme?: string }
  readonly tcpSocket?: { readonly port?: number | string }
  readonly grpc?: { readonly port?: number; readonly service?: string }
  readonly sleep?: { readonly seconds?: number }
}

export interface Probe extends Handler {
  readonly initialDelaySeconds?: number
  readonly timeoutSeconds?: number
  readonly periodSeconds?: number
  readonly successThreshold?: number
  readonly failureThreshold?: number
  readonly terminationGracePeriodSeconds?: number
}

/** A name, and under the name of its kind where it comes from. */
export interface Volume {
  readonly name?: string
  readonly [source: string]: unknown
}

export interface Toleration {
  readonly key?: string
  readonly operator?: string
  readonly value?: string
  readonly effect?: string
  readonly tolerationSeconds?: number
}

export interface DnsConfig {
  readonly nameservers?: readonly string[]
  readonly searches?: readonly string[]
  readonly options?: readonly { readonly name?: string }[]
}
