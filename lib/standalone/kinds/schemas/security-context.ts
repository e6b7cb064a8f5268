// What a container or a whole Pod may do on its node.

import { boolean, core, int64, listOf, string, strings } from './notation.ts'

const appArmorProfile = core(
  'AppArmorProfile',
  '',
  {
    localhostProfile: string(),
    type: string(),
  },
  ['type'],
)

const capabilities = core('Capabilities', '', {
  add: strings(),
  drop: strings(),
})

const seLinuxOptions = core('SELinuxOptions', '', {
  level: string(),
  role: string(),
  type: string(),
  user: string(),
})

const seccompProfile = core(
  'SeccompProfile',
  '',
  {
    localhostProfile: string(),
    type: string(),
  },
  ['type'],
)

const windowsSecurityContextOptions = core('WindowsSecurityContextOptions', '', {
  gmsaCredentialSpec: string(),
  gmsaCredentialSpecName: string(),
  hostProcess: boolean(),
  runAsUserName: string(),
})

export const securityContext = core('SecurityContext', 'What a container may do on its node.', {
  allowPrivilegeEscalation: boolean(),
  appArmorProfile: appArmorProfile,
  capabilities: capabilities,
  privileged: boolean(),
  procMount: string(),
  readOnlyRootFilesystem: boolean(),
  runAsGroup: int64(),
  runAsNonRoot: boolean(),
  runAsUser: int64(),
  seLinuxOptions: seLinuxOptions,
  seccompProfile: seccompProfile,
  windowsOptions: windowsSecurityContextOptions,
})

const sysctl = core(
  'Sysctl',
  '',
  {
    name: string(),
    value: string(),
  },
  ['name', 'value'],
)

export const podSecurityContext = core(
  'PodSecurityContext',
  "What a Pod's containers may do on its node, where they don't say otherwise.",
  {
    appArmorProfile: appArmorProfile,
    fsGroup: int64(),
    fsGroupChangePolicy: string(),
    runAsGroup: int64(),
    runAsNonRoot: boolean(),
    runAsUser: int64(),
    seLinuxChangePolicy: string(),
    seLinuxOptions: seLinuxOptions,
    seccompProfile: seccompProfile,
    supplementalGroups: listOf(int64()),
    supplementalGroupsPolicy: string(),
    sysctls: listOf(sysctl),
    windowsOptions: windowsSecurityContextOptions,
  },
)
