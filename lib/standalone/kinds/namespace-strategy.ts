// How Namespaces are written.

import type { Strategy } from './strategy.ts'

export const namespaceStrategy: Strategy = { prepare: object => ({ ...object, status: { phase: 'Active' } }) }
