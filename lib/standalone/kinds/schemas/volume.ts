// The volumes of a Pod, by kind of storage.

import { localObjectReference } from './metadata.ts'
import { boolean, core, int32, listOf, quantity, string, stringMap, strings, use } from './notation.ts'
import { downwardAPIVolumeFile, keyToPath, projectedVolumeSource } from './projected-volume.ts'
import { persistentVolumeClaimTemplate } from './volume-claim.ts'

const awsElasticBlockStoreVolumeSource = core(
  'AWSElasticBlockStoreVolumeSource',
  '',
  {
    fsType: string(),
    partition: int32(),
    readOnly: boolean(),
    volumeID: string(),
  },
  ['volumeID'],
)

const azureDiskVolumeSource = core(
  'AzureDiskVolumeSource',
  '',
  {
    cachingMode: string(),
    diskName: string(),
    diskURI: string(),
    fsType: string(),
    kind: string(),
    readOnly: boolean(),
  },
  ['diskName', 'diskURI'],
)

const azureFileVolumeSource = core(
  'AzureFileVolumeSource',
  '',
  {
    readOnly: boolean(),
    secretName: string(),
    shareName: string(),
  },
  ['secretName', 'shareName'],
)

const cephFSVolumeSource = core(
  'CephFSVolumeSource',
  '',
  {
    monitors: strings(),
    path: string(),
    readOnly: boolean(),
    secretFile: string(),
    secretRef: localObjectReference,
    user: string(),
  },
  ['monitors'],
)

const cinderVolumeSource = core(
  'CinderVolumeSource',
  '',
  {
    fsType: string(),
    readOnly: boolean(),
    secretRef: localObjectReference,
    volumeID: string(),
  },
  ['volumeID'],
)

const configMapVolumeSource = core('ConfigMapVolumeSource', '', {
  defaultMode: int32(),
  items: listOf(keyToPath),
  name: string(),
  optional: boolean(),
})

const csiVolumeSource = core(
  'CSIVolumeSource',
  '',
  {
    driver: string(),
    fsType: string(),
    nodePublishSecretRef: localObjectReference,
    readOnly: boolean(),
    volumeAttributes: stringMap(),
  },
  ['driver'],
)

const downwardAPIVolumeSource = core('DownwardAPIVolumeSource', '', {
  defaultMode: int32(),
  items: listOf(downwardAPIVolumeFile),
})

const emptyDirVolumeSource = core('EmptyDirVolumeSource', '', {
  medium: string(),
  sizeLimit: quantity(),
})

const ephemeralVolumeSource = core('EphemeralVolumeSource', '', {
  volumeClaimTemplate: persistentVolumeClaimTemplate,
})

const fcVolumeSource = core('FCVolumeSource', '', {
  fsType: string(),
  lun: int32(),
  readOnly: boolean(),
  targetWWNs: strings(),
  wwids: strings(),
})

const flexVolumeSource = core(
  'FlexVolumeSource',
  '',
  {
    driver: string(),
    fsType: string(),
    options: stringMap(),
    readOnly: boolean(),
    secretRef: localObjectReference,
  },
  ['driver'],
)

const flockerVolumeSource = core('FlockerVolumeSource', '', {
  datasetName: string(),
  datasetUUID: string(),
})

const gcePersistentDiskVolumeSource = core(
  'GCEPersistentDiskVolumeSource',
  '',
  {
    fsType: string(),
    partition: int32(),
    pdName: string(),
    readOnly: boolean(),
  },
  ['pdName'],
)

const gitRepoVolumeSource = core(
  'GitRepoVolumeSource',
  '',
  {
    directory: string(),
    repository: string(),
    revision: string(),
  },
  ['repository'],
)

const glusterfsVolumeSource = core(
  'GlusterfsVolumeSource',
  '',
  {
    endpoints: string(),
    path: string(),
    readOnly: boolean(),
  },
  ['endpoints', 'path'],
)

const hostPathVolumeSource = core(
  'HostPathVolumeSource',
  '',
  {
    path: string(),
    type: string(),
  },
  ['path'],
)

const imageVolumeSource = core('ImageVolumeSource', '', {
  pullPolicy: string(),
  reference: string(),
})

const iscsiVolumeSource = core(
  'ISCSIVolumeSource',
  '',
  {
    chapAuthDiscovery: boolean(),
    chapAuthSession: boolean(),
    fsType: string(),
    initiatorName: string(),
    iqn: string(),
    iscsiInterface: string(),
    lun: int32(),
    portals: strings(),
    readOnly: boolean(),
    secretRef: localObjectReference,
    targetPortal: string(),
  },
  ['iqn', 'lun', 'targetPortal'],
)

const nfsVolumeSource = core(
  'NFSVolumeSource',
  '',
  {
    path: string(),
    readOnly: boolean(),
    server: string(),
  },
  ['path', 'server'],
)

const persistentVolumeClaimVolumeSource = core(
  'PersistentVolumeClaimVolumeSource',
  '',
  {
    claimName: string(),
    readOnly: boolean(),
  },
  ['claimName'],
)

const photonPersistentDiskVolumeSource = core(
  'PhotonPersistentDiskVolumeSource',
  '',
  {
    fsType: string(),
    pdID: string(),
  },
  ['pdID'],
)

const portworxVolumeSource = core(
  'PortworxVolumeSource',
  '',
  {
    fsType: string(),
    readOnly: boolean(),
    volumeID: string(),
  },
  ['volumeID'],
)

const quobyteVolumeSource = core(
  'QuobyteVolumeSource',
  '',
  {
    group: string(),
    readOnly: boolean(),
    registry: string(),
    tenant: string(),
    user: string(),
    volume: string(),
  },
  ['registry', 'volume'],
)

const rbdVolumeSource = core(
  'RBDVolumeSource',
  '',
  {
    fsType: string(),
    image: string(),
    keyring: string(),
    monitors: strings(),
    pool: string(),
    readOnly: boolean(),
    secretRef: localObjectReference,
    user: string(),
  },
  ['image', 'monitors'],
)

const scaleIOVolumeSource = core(
  'ScaleIOVolumeSource',
  '',
  {
    fsType: string(),
    gateway: string(),
    protectionDomain: string(),
    readOnly: boolean(),
    secretRef: localObjectReference,
    sslEnabled: boolean(),
    storageMode: string(),
    storagePool: string(),
    system: string(),
    volumeName: string(),
  },
  ['gateway', 'secretRef', 'system'],
)

const secretVolumeSource = core('SecretVolumeSource', '', {
  defaultMode: int32(),
  items: listOf(keyToPath),
  optional: boolean(),
  secretName: string(),
})

const storageOSVolumeSource = core('StorageOSVolumeSource', '', {
  fsType: string(),
  readOnly: boolean(),
  secretRef: localObjectReference,
  volumeName: string(),
  volumeNamespace: string(),
})

const vsphereVirtualDiskVolumeSource = core(
  'VsphereVirtualDiskVolumeSource',
  '',
  {
    fsType: string(),
    storagePolicyID: string(),
    storagePolicyName: string(),
    volumePath: string(),
  },
  ['volumePath'],
)

export const volume = core(
  'Volume',
  'A volume of a Pod: its name, and exactly one kind of storage.',
  {
    awsElasticBlockStore: awsElasticBlockStoreVolumeSource,
    azureDisk: azureDiskVolumeSource,
    azureFile: azureFileVolumeSource,
    cephfs: cephFSVolumeSource,
    cinder: cinderVolumeSource,
    configMap: use(configMapVolumeSource, 'Files from a ConfigMap.'),
    csi: csiVolumeSource,
    downwardAPI: use(downwardAPIVolumeSource, "Files from the Pod's own fields."),
    emptyDir: use(emptyDirVolumeSource, 'An empty folder that lives as long as the Pod.'),
    ephemeral: use(ephemeralVolumeSource, 'A claimed volume that lives as long as the Pod.'),
    fc: fcVolumeSource,
    flexVolume: flexVolumeSource,
    flocker: flockerVolumeSource,
    gcePersistentDisk: gcePersistentDiskVolumeSource,
    gitRepo: gitRepoVolumeSource,
    glusterfs: glusterfsVolumeSource,
    hostPath: use(hostPathVolumeSource, 'A path of the node.'),
    image: use(imageVolumeSource, 'The files of an image.'),
    iscsi: iscsiVolumeSource,
    name: string('Its name, unique in the Pod.'),
    nfs: use(nfsVolumeSource, 'A folder of an NFS server.'),
    persistentVolumeClaim: use(persistentVolumeClaimVolumeSource, 'The volume of a claim.'),
    photonPersistentDisk: photonPersistentDiskVolumeSource,
    portworxVolume: portworxVolumeSource,
    projected: use(projectedVolumeSource, 'Files from several objects in one folder.'),
    quobyte: quobyteVolumeSource,
    rbd: rbdVolumeSource,
    scaleIO: scaleIOVolumeSource,
    secret: use(secretVolumeSource, 'Files from a Secret.'),
    storageos: storageOSVolumeSource,
    vsphereVolume: vsphereVirtualDiskVolumeSource,
  },
  ['name'],
)
