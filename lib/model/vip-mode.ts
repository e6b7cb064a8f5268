// Who makes the VIPs local to this node, and where.

/**
 * `none`: they are local already, or an administrator makes them so. `local`: a route to each in the node's own network
 * (AnyIP). `netns`: a network namespace of ours has them, to which the node routes.
 */
export const vipModes = ['none', 'local', 'netns'] as const
export type VipMode = (typeof vipModes)[number]
