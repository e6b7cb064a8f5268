// The parts of OpenAPI that our documents use, in the two versions that clients read: 2.0 (Swagger) and 3.0.

/** A schema of either version; `x-…` are Kubernetes' extensions. */
export interface JsonSchema {
  readonly $ref?: string
  readonly description?: string
  readonly type?: string
  readonly format?: string
  readonly default?: unknown
  readonly required?: readonly string[]
  readonly properties?: Readonly<Record<string, JsonSchema>>
  readonly additionalProperties?: JsonSchema
  readonly items?: JsonSchema
  readonly allOf?: readonly JsonSchema[]
  readonly oneOf?: readonly JsonSchema[]
  readonly [extension: `x-${string}`]: unknown
}

export interface GroupVersionKind {
  readonly group: string
  readonly kind: string
  readonly version: string
}

export type Method = 'get' | 'put' | 'post' | 'delete' | 'patch'

export interface QueryParameterV2 {
  readonly name: string
  readonly in: 'query' | 'path'
  readonly description: string
  readonly type: string
  readonly required?: boolean
  readonly uniqueItems?: boolean
}

export interface BodyParameterV2 {
  readonly name: 'body'
  readonly in: 'body'
  readonly required?: boolean
  readonly schema: JsonSchema
}

export interface OperationV2 {
  readonly tags: readonly string[]
  readonly description: string
  readonly operationId: string
  readonly consumes: readonly string[]
  readonly produces: readonly string[]
  readonly parameters: readonly (QueryParameterV2 | BodyParameterV2)[]
  readonly responses: Readonly<Record<string, { readonly description: string; readonly schema: JsonSchema }>>
  readonly [extension: `x-${string}`]: unknown
}

export type PathItemV2 = Readonly<Partial<Record<Method, OperationV2>>>

export interface DocumentV2 {
  readonly swagger: '2.0'
  readonly info: { readonly title: string; readonly version: string }
  readonly paths: Readonly<Record<string, PathItemV2>>
  readonly definitions: Readonly<Record<string, JsonSchema>>
}

type Content = Readonly<Record<string, { readonly schema: JsonSchema }>>

export interface OperationV3 {
  readonly tags: readonly string[]
  readonly description: string
  readonly operationId: string
  readonly parameters: readonly {
    readonly name: string
    readonly in: 'query' | 'path'
    readonly description: string
    readonly required?: boolean
    readonly schema: JsonSchema
  }[]
  readonly requestBody?: { readonly required?: boolean; readonly content: Content }
  readonly responses: Readonly<Record<string, { readonly description: string; readonly content: Content }>>
  readonly [extension: `x-${string}`]: unknown
}

export type PathItemV3 = Readonly<Partial<Record<Method, OperationV3>>>

export interface DocumentV3 {
  readonly openapi: '3.0.0'
  readonly info: { readonly title: string; readonly version: string }
  readonly paths: Readonly<Record<string, PathItemV3>>
  readonly components: { readonly schemas: Readonly<Record<string, JsonSchema>> }
}
