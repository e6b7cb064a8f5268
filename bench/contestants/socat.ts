// socat, which forks a process for each connection and for each client of UDP. It has no notion of threads.

import { programContestant } from './program.ts'

const tcp = 'nodelay,keepalive'

export const socat = programContestant({
  name: 'socat',
  describe: 'socat with a process for each connection (fork)',
  commands: {
    TCP: [
      'socat',
      `TCP4-LISTEN:{listen_port},bind={listen_ip},fork,reuseaddr,backlog=4096,${tcp}`,
      `TCP4:{server_ip}:{server_port},${tcp}`,
    ],
    UDP: [
      'socat',
      // Silent for so long, a client's process ends.
      '-T30',
      'UDP4-RECVFROM:{listen_port},bind={listen_ip},fork',
      'UDP4-SENDTO:{server_ip}:{server_port}',
    ],
  },
  config: null,
  version: ['socat', '-V'],
  install: 'apt install socat',
  excused: {
    idle: 'it would take a process for each of the open connections',
    'udp-rr': 'it would take a process for each flow',
  },
})
