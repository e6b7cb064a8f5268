// How much of a node a container asks for.

import { core, listOf, quantities, string } from './notation.ts'

const resourceClaim = core(
  'ResourceClaim',
  '',
  {
    name: string(),
    request: string(),
  },
  ['name'],
)

export const resourceRequirements = core('ResourceRequirements', 'How much a container asks for.', {
  claims: listOf(resourceClaim, "The Pod's resourceClaims that it uses."),
  limits: quantities('The most it may use.'),
  requests: quantities('What is set aside for it. Default: its limits.'),
})
