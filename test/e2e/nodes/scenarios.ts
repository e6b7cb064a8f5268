// All scenarios, in the order in which they run and in which the table shows them.

import type { Scenario } from './scenario.ts'
import { affinityScenarios } from './scenarios/affinity.ts'
import { basicScenarios } from './scenarios/basic.ts'
import { endpointScenarios } from './scenarios/endpoints.ts'
import { externalIpScenarios } from './scenarios/external-ips.ts'
import { hostNetworkScenarios } from './scenarios/host-network.ts'
import { policyScenarios } from './scenarios/policies.ts'
import { portScenarios } from './scenarios/ports.ts'
import { requestScenarios } from './scenarios/requests.ts'
import { restartScenarios } from './scenarios/restarts.ts'
import { serviceScenarios } from './scenarios/services.ts'
import { sourceScenarios } from './scenarios/sources.ts'
import { terminatingScenarios } from './scenarios/terminating.ts'
import { typeScenarios } from './scenarios/types.ts'
import { vipScenarios } from './scenarios/vips.ts'

export const scenarios: readonly Scenario[] = [
  ...basicScenarios,
  ...portScenarios,
  ...serviceScenarios,
  ...typeScenarios,
  ...externalIpScenarios,
  ...affinityScenarios,
  ...endpointScenarios,
  ...requestScenarios,
  ...terminatingScenarios,
  ...policyScenarios,
  ...hostNetworkScenarios,
  ...sourceScenarios,
  ...vipScenarios,
  ...restartScenarios,
]
