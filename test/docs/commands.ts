// The commands in the documents, as a reader would type them: found, put into one form, and each with what runs it. A new
// one that nothing runs has no place here, and fails commands.test.ts.

import { globSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { codeLinesOf, type CodeLine } from './markdown.ts'

export const root = path.join(import.meta.dirname, '../..')

export const documents: readonly string[] = [
  'README.md',
  'CONTRIBUTING.md',
  'SECURITY.md',
  ...globSync(['docs/**/*.md', 'systemd/**/*.md', 'deploy/**/*.md', 'packaging/**/*.md'], { cwd: root }),
  ...globSync('test/**/*.md', { cwd: root }),
].toSorted()

export const readDocument = (document: string): string => readFileSync(path.join(root, document), 'utf8')

export interface Command {
  /** Document and line. */
  readonly at: string
  /** Without comment, on one line. */
  readonly text: string
  /** As it stands there. */
  readonly typed: string
}

/** A block of code that is neither a command nor says what language it is in. */
export interface UnknownBlock {
  readonly at: string
  readonly document: string
  readonly firstLine: string
}

const shells = new Set(['sh', 'bash', 'shell', 'console'])

const programs = new Set(
  (
    'npm npx node kube-relay curl kubectl ip sysctl dig sha256sum for cd sudo systemctl systemd-analyze journalctl ' +
    'dpkg apt apt-get docker buildah podman iptables modprobe install cat echo mkdir mv rm cp chmod chown export tar ' +
    'helm promtool skopeo nft iptables-save systemd-sysusers systemd-tmpfiles test/e2e/run test/packaging/run sed kustomize crictl ctr ss kill diff grep tail ps kube-proxy man source'
  ).split(' '),
)

/** What a document has in its blocks of code. */
export function readBlocks(document: string): {
  readonly commands: readonly Command[]
  readonly unknown: readonly UnknownBlock[]
} {
  const commands: Command[] = []
  const unknown: UnknownBlock[] = []
  const blocks = Map.groupBy(codeLinesOf(readDocument(document)), ({ block }) => block)
  for (const lines of blocks.values()) {
    const [first] = lines
    if (first === undefined) continue
    if (shells.has(first.language) || (first.language === '' && programs.has(programOf(first.text)))) {
      commands.push(...commandsOf(document, lines))
    } else if (first.language === '') {
      unknown.push({ at: `${document}:${first.line}`, document, firstLine: first.text.trim() })
    }
  }
  return { commands, unknown }
}

function programOf(text: string): string {
  const [program = ''] = text
    .trim()
    .replace(/^(?:\$ )?(?:[A-Z_]+=\S+ )*/, '')
    .split(/\s/, 1)
  return program
}

function commandsOf(document: string, lines: readonly CodeLine[]): readonly Command[] {
  const commands: Command[] = []
  let open: string[] = []
  let at = ''
  for (const { line, text } of lines) {
    if (open.length === 0) at = `${document}:${line}`
    open.push(open.length === 0 ? text.trim().replace(/^\$ /, '') : text)
    const typed = open.join('\n')
    // It goes on after a backslash, and until a quotation mark is closed.
    if (typed.endsWith('\\') || (typed.match(/'/g) ?? []).length % 2 === 1) continue
    open = []
    const oneLine = withoutComment(typed.replaceAll(/\\\n\s*/g, '').replaceAll(/\n\s*/g, ' '))
    if (oneLine !== '') commands.push({ at, text: oneLine, typed })
  }
  return commands
}

/** Without what stands behind a hash, or far behind the command. */
function withoutComment(text: string): string {
  return text
    .trim()
    .replace(/(^|\s)#.*$/, '')
    .replace(/\s{3,}\S.*$/, '')
    .trim()
    .replaceAll(/\s+/g, ' ')
}

/**
 * What runs a command: `here`, commands.test.ts itself; or files with the words of it that have to be found there.
 */
export type Held = 'here' | Readonly<Record<string, readonly (string | RegExp)[]>>

/** The key of `held` that a command has. */
export function keyOf(text: string): string | undefined {
  if (Object.hasOwn(held, text)) return text
  return Object.keys(held).find(key => key.endsWith('…') && text.startsWith(key.slice(0, -1)))
}

/** By the command, word for word; or by how it begins, before an ellipsis. */
export const held: Readonly<Record<string, Held>> = {
  // README, CONTRIBUTING
  'npm ci && npm run demo': { '.ci/run': ['npm ci'], 'test/cmd/dev.test.ts': ["start(t, ['dev'"] },
  'npm ci && npm test': { '.ci/run': ['readme_test', 'npm ci && npm test'] },
  'npm ci': { '.ci/run': ['npm ci'] },
  'npm test': { '.ci/run': ['npm test'] },
  'npm run check': { '.ci/run': ['npm run --silent check'] },
  'npm run format': {
    'package.json': ['"format": "prettier --write'],
    '.ci/run': ['npm run --silent check'],
  },
  'npx tap test/policy/balancer.test.ts': { '.ci/run': ['npm test'] },
  'npm run build && npm pack': { '.ci/installed-package': ['npm run --silent build', 'npm pack'] },
  'npm install --global ./kube-relay-0.1.0.tgz': {
    '.ci/installed-package': ['npm install', './kube-relay-*.tgz'],
  },
  'curl 127.0.0.1:30008': 'here',
  'kube-relay check --kubeconfig FILE': 'here',
  'kube-relay run --kubeconfig FILE': 'here',
  'kube-relay status': 'here',
  'kube-relay reload': 'here',

  // docs/OPERATIONS
  'kube-relay status -o json': 'here',
  'kube-relay status default/web': 'here',
  'kube-relay status --watch': 'here',
  'kube-relay explain 10.96.0.10:80': 'here',
  'kube-relay check --no-api': 'here',

  // docs/STATUS
  'kube-relay status default/web:http': 'here',
  'kube-relay explain 10.96.0.10:53 --protocol udp': 'here',
  'kube-relay explain 192.168.0.1:30008 --client 203.0.113.7': 'here',

  // docs/ACCESS-LOG
  'kube-relay run --access-log /var/log/kube-relay/access.log': 'here',
  'kube-relay run --access-log - --access-log-format text': 'here',

  // docs/BENCHMARK
  'kube-relay bench tcp-rr --contestants direct,pipe,kube-relay --rounds 3': {
    'test/bench/command.test.ts': ['--contestants', '--rounds'],
  },
  'kube-relay bench all --html report.html --json out.json': {
    'test/bench/command.test.ts': ['--html', '--json'],
  },
  'kube-relay bench all --compare out.json': { 'test/bench/run.test.ts': ["'--compare'"] },
  'node bench/micro/run.ts': { 'test/bench/micro/micro.test.ts': ["bench/micro/run.ts'"] },
  'node bench/micro/run.ts pick --rounds 15 --round-ms 200': {
    'test/bench/micro/micro.test.ts': ["'--rounds'", "'--round-ms'", 'pick'],
  },

  // docs/CONFIGURATION
  'kube-relay run --config /var/lib/kube-proxy/config.conf --hostname-override "$NODE_NAME"': 'here',
  'dig +short @127.0.0.1 -p 5353 myapp-service.default.svc.cluster.local': 'here',

  // docs/CONTROL-PLANE
  'kube-relay dev': 'here',
  'kube-relay run --manifests DIR': 'here',
  'kube-relay run --manifests DIR --data-file FILE': 'here',
  'kubectl --server http://127.0.0.1:PORT get services': {
    'test/e2e/kubectl.test.ts': ['get', 'services'],
    'test/e2e/standalone.ts': ['server'],
  },

  // docs/RBAC
  'kubectl auth can-i watch endpointslices.discovery.k8s.io --all-namespaces --as system:serviceaccount:kube-system:kube-relay':
    {
      'test/e2e/rbac.test.ts': [
        "'auth', 'can-i', 'watch', 'endpointslices.discovery.k8s.io'",
        '--all-namespaces --as system:serviceaccount:kube-system:kube-relay',
      ],
    },
  'kubectl create token kube-relay --namespace kube-system --duration 24h > /etc/kube-relay/token': {
    'test/e2e/rbac.test.ts': ['create token kube-relay --namespace kube-system --duration 24h'],
  },

  // docs/RELIABILITY
  'npx tap test/resilience/hand-over.test.ts': { '.ci/run': ['npm test'] },
  'KUBE_RELAY_OUTAGE=60 npx tap test/resilience/agent-crash.test.ts': {
    'test/resilience/agent-crash.test.ts': ['KUBE_RELAY_OUTAGE'],
  },
  'KUBE_RELAY_CHURN=60 npx tap test/resilience/endpoint-changes.test.ts': {
    'test/resilience/endpoint-changes.test.ts': ['KUBE_RELAY_CHURN'],
  },
  'npm run soak': { '.ci/run': ['npm run --silent soak'] },
  'npm run soak -- --minutes 2 --seed 7': {
    '.ci/run': ['soak -- --minutes 2'],
    'test/resilience/soak.ts': ['seed'],
  },

  // docs/VIPS
  'ip route show table all proto 143': 'here',
  'ip -n kube-relay route show table local proto 143': 'here',
  'kube-relay run --vip-exclude 192.168.10.0/24,10.244.0.0/16': 'here',
  'sysctl -w net.ipv4.conf.all.arp_ignore=1 net.ipv4.conf.all.arp_announce=2': 'here',
  'ip link delete krelay0; ip netns delete kube-relay': 'here',
  'for family in -4 -6; do ip $family route flush table local proto 143; done': 'here',

  'kube-relay run --cleanup': { 'test/cmd/clean-up.test.ts': ["'run', '--cleanup'"] },

  // docs/INSTALL, docs/MIGRATION
  // Registries and engines aren't here: umoci reads the same archive.
  'npm run build:image': { 'package.json': ['"build:image"'], 'test/packaging/image.test.ts': ['umoci'] },
  'skopeo copy oci-archive:build/kube-relay-0.1.0-image.tar docker://registry.example/kube-relay:0.1.0': {
    'test/packaging/image.test.ts': ['umoci'],
  },
  'ctr --namespace k8s.io images import build/kube-relay-0.1.0-image.tar': {
    'test/packaging/image.test.ts': ['umoci'],
  },
  'podman load --input build/kube-relay-0.1.0-image.tar': { 'test/packaging/image.test.ts': ['umoci'] },
  'kubectl apply --kustomize deploy/overlays/kubeadm': {
    'test/e2e/manifests.test.ts': ["'kubeadm'", 'dryRun'],
  },
  'kubectl apply --kustomize deploy/overlays/kubeadm-canary': {
    'test/e2e/overlays.ts': ["'kubeadm-canary'"],
    'test/e2e/manifests.test.ts': ['overlays', 'dryRun'],
  },
  'kubectl apply --kustomize deploy/overlays/vip-local': {
    'test/e2e/manifests.test.ts': ["'vip-local'", 'dryRun'],
  },
  'kubectl delete --kustomize deploy/overlays/kubeadm': { 'test/e2e/documents.test.ts': [] },
  'kubectl --namespace kube-system create configmap kube-relay --from-literal=KUBERNETES_SERVICE_HOST=10.0.0.1 --from-literal=KUBERNETES_SERVICE_PORT=6443':
    { 'test/e2e/documents.test.ts': [] },
  'kubectl --namespace kube-system rollout status daemonset/kube-relay': { 'test/e2e/documents.test.ts': [] },
  'kubectl --namespace kube-system rollout status daemonset/kube-proxy': { 'test/e2e/documents.test.ts': [] },
  "kubectl --namespace kube-system patch daemonset kube-proxy --patch '…": {
    'test/e2e/documents.test.ts': [],
  },
  'kubectl label node --all kube-relay/proxy=kube-relay --overwrite': { 'test/e2e/documents.test.ts': [] },
  'kubectl label node NODE kube-relay/proxy=both --overwrite': { 'test/e2e/documents.test.ts': [] },
  'iptables-save -t nat | grep -v KUBE-': { 'test/resilience/kernel-proxy.ts': ['iptables'] },
  'nft list ruleset': { 'test/resilience/kernel-proxy.ts': ['nft('] },
  'kubectl label node NODE kube-relay/proxy=kube-relay': { 'test/e2e/documents.test.ts': [] },
  'kubectl label node NODE kube-relay/proxy-': { 'test/e2e/documents.test.ts': [] },
  'kubectl --namespace kube-system get pods --selector app.kubernetes.io/name=kube-relay --output wide': {
    'test/e2e/documents.test.ts': [],
  },
  'kubectl --namespace kube-system delete daemonset kube-proxy': { 'test/e2e/documents.test.ts': [] },
  // There is no kubelet that could do these: what they run in the pod is run in the image's root.
  'kubectl --namespace kube-system exec daemonset/kube-relay -- kube-relay status': {
    'test/packaging/image.test.ts': ["'status'"],
  },
  'kubectl --namespace kube-system exec POD -- kube-relay status': {
    'test/packaging/image.test.ts': ["'status'"],
  },
  'kubectl --namespace kube-system exec POD -- kube-relay check': {
    'test/packaging/binary.test.ts': ["'check'"],
  },
  'kubectl --namespace kube-system logs POD': { 'test/e2e/manifests.test.ts': ['startAsDaemonSet'] },
  'kube-proxy --cleanup': {
    'test/resilience/migration.test.ts': ['kernelProxy'],
    'test/resilience/kernel-proxy.ts': ['cleanUp'],
  },
  'npm run build:deb': { 'test/packaging/run': ['node packaging/deb.ts'] },
  'apt-get install ./build/kube-relay_0.1.0_amd64.deb': {
    'test/packaging/systemd.test.ts': ["'dpkg', '-i'"],
  },
  'npm run build:binary': { 'test/packaging/run': ['node packaging/binary.ts'] },
  'install build/kube-relay /usr/local/bin/kube-relay': {
    'test/packaging/binary.test.ts': ['copy', "'--no-api'"],
  },

  // systemd/README
  'systemd-sysusers kube-relay.conf': { 'packaging/debian/postinst': ['systemd-sysusers kube-relay.conf'] },
  'systemd-tmpfiles --create kube-relay.conf': {
    'packaging/debian/postinst': ['systemd-tmpfiles --create kube-relay.conf'],
  },
  'systemctl restart systemd-sysctl': { 'packaging/debian/postinst': ['systemd-sysctl'] },
  'systemctl daemon-reload': { 'test/packaging/systemd.test.ts': ["systemctl('daemon-reload')"] },
  'systemctl enable --now kube-relay': {
    'packaging/debian/postinst': ['deb-systemd-helper enable kube-relay.service', 'action=start'],
  },
  'install -D -m 644 /usr/share/kube-relay/vip-local.conf /etc/systemd/system/kube-relay.service.d/vip-local.conf':
    { 'test/packaging/systemd.test.ts': ['`vip-${mode}.conf`', 'kube-relay.service.d'] },
  'systemctl restart kube-relay': {
    'test/packaging/systemd.test.ts': ["systemctl('restart', 'kube-relay')"],
  },

  // SECURITY
  'cd build && sha256sum --check SHA256SUMS': { 'packaging/checksums.ts': ['SHA256SUMS', '  ${file}'] },

  // test/e2e
  'npm run test:e2e': { '.ci/run': ['npm run --silent test:e2e'] },
  'test/e2e/run test/e2e/services.test.ts': { 'package.json': ['"test:e2e": "test/e2e/run"'] },
  'test/e2e/run test/e2e/rbac.test.ts -R tap': { 'package.json': ['"test:e2e": "test/e2e/run"'] },
  'test/e2e/run test/e2e/nodes-local.test.ts test/e2e/nodes-netns.test.ts -R tap': {
    'package.json': ['"test:e2e": "test/e2e/run"'],
  },
  "KUBE_RELAY_E2E_SCENARIO='multiport|hairpin' test/e2e/run test/e2e/nodes-local.test.ts -R tap": {
    'test/e2e/nodes/run-scenarios.ts': ['KUBE_RELAY_E2E_SCENARIO'],
  },
}

/** Blocks that are no commands: pictures, output, files. By the document and how the block begins. */
export const otherBlocks: readonly (readonly [document: string, begins: string])[] = [
  ['README.md', 'NAMESPACE  SERVICE'],
  ['docs/ACCESS-LOG.md', '{"time"'],
  ['docs/ACCESS-LOG.md', '2026-01-02T03:04:05.678Z TCP'],
  ['docs/ACCESS-LOG.md', '/var/log/kube-relay/access.log {'],
  ['docs/ARCHITECTURE.md', 'cmd/'],
  ['docs/ARCHITECTURE.md', 'client'],
  ['docs/ARCHITECTURE.md', 'kube/watch-stream.ts'],
  ['docs/ARCHITECTURE.md', 'workers/worker-pool.ts'],
  ['docs/BENCHMARK.md', 'name: rinetd'],
  ['docs/CONFIGURATION.md', 'kube-relay: config.conf:3'],
  ['docs/CONFIGURATION.md', 'metadata:'],
  ['docs/INSTALL.md', 'apiVersion: kustomize.config.k8s.io/v1beta1'],
  ['docs/OPERATIONS.md', 'scrape_configs:'],
  ['docs/RBAC.md', 'https://10.0.0.1:6443 refuses'],
  ['docs/STATUS.md', '{ "node": "node-1"'],
  ['docs/VIPS.md', 'netns'],
  ['systemd/README.md', '[Service]'],
  ['test/e2e/README.md', "the run's network namespace"],
  ['test/e2e/nodes/README.md', 'client 10.89.0.100'],
]
