// The version 2 document as protobuf, in gnostic's messages (github.com/google/gnostic, openapiv2/OpenAPIv2.proto): the
// form in which kubectl asks for it. Every list of named things is a repeated {name = 1, value = 2} there.

import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire'
import type {
  BodyParameterV2,
  DocumentV2,
  JsonSchema,
  OperationV2,
  PathItemV2,
  QueryParameterV2,
} from './openapi-types.ts'

type Writer = BinaryWriter
type Write = (writer: Writer) => void

/** message Document */
export function encodeOpenApiV2(document: DocumentV2): Uint8Array {
  const writer = new BinaryWriter()
  text(writer, 1, document.swagger)
  message(writer, 2, info => {
    text(info, 1, document.info.title)
    text(info, 2, document.info.version)
  })
  message(writer, 8, paths => {
    for (const [path, item] of Object.entries(document.paths)) {
      named(paths, 2, path, value => writePathItem(value, item))
    }
  })
  message(writer, 9, definitions => writeSchemas(definitions, document.definitions))
  return writer.finish()
}

/** message PathItem */
function writePathItem(writer: Writer, item: PathItemV2): void {
  const numbers = { get: 2, put: 3, post: 4, delete: 5, patch: 8 } as const
  for (const [method, number] of Object.entries(numbers)) {
    const operation = item[method as keyof typeof numbers]
    if (operation) message(writer, number, value => writeOperation(value, operation))
  }
}

/** message Operation */
function writeOperation(writer: Writer, operation: OperationV2): void {
  texts(writer, 1, operation.tags)
  text(writer, 3, operation.description)
  text(writer, 5, operation.operationId)
  texts(writer, 6, operation.produces)
  texts(writer, 7, operation.consumes)
  for (const parameter of operation.parameters) {
    message(writer, 8, item => message(item, 1, value => writeParameter(value, parameter)))
  }
  message(writer, 9, responses => {
    for (const [code, response] of Object.entries(operation.responses)) {
      named(responses, 1, code, value =>
        message(value, 1, body => {
          text(body, 1, response.description)
          message(body, 2, item => message(item, 1, schema => writeSchema(schema, response.schema)))
        }),
      )
    }
  })
  writeExtensions(writer, 13, operation)
}

/** message Parameter: BodyParameter, or QueryParameterSubSchema or PathParameterSubSchema in a NonBodyParameter. */
function writeParameter(writer: Writer, parameter: BodyParameterV2 | QueryParameterV2): void {
  if (parameter.in === 'body') {
    message(writer, 1, body => {
      text(body, 2, parameter.name)
      text(body, 3, parameter.in)
      flag(body, 4, parameter.required)
      message(body, 5, schema => writeSchema(schema, parameter.schema))
    })
    return
  }
  const isQuery = parameter.in === 'query'
  message(writer, 2, nonBody =>
    message(nonBody, isQuery ? 3 : 4, value => {
      flag(value, 1, parameter.required)
      text(value, 2, parameter.in)
      text(value, 3, parameter.description)
      text(value, 4, parameter.name)
      text(value, isQuery ? 6 : 5, parameter.type)
      flag(value, isQuery ? 20 : 19, parameter.uniqueItems)
    }),
  )
}

/** The repeated NamedSchema of messages Definitions and Properties. */
function writeSchemas(writer: Writer, schemas: Readonly<Record<string, JsonSchema>>): void {
  for (const [name, schema] of Object.entries(schemas))
    named(writer, 1, name, value => writeSchema(value, schema))
}

/** message Schema */
function writeSchema(writer: Writer, schema: JsonSchema): void {
  const { additionalProperties, items, properties } = schema
  text(writer, 1, schema.$ref)
  text(writer, 2, schema.format)
  text(writer, 4, schema.description)
  texts(writer, 19, schema.required ?? [])
  if (additionalProperties) {
    message(writer, 21, item => message(item, 1, value => writeSchema(value, additionalProperties)))
  }
  if (schema.type !== undefined) message(writer, 22, type => text(type, 1, schema.type))
  if (items) message(writer, 23, item => message(item, 1, value => writeSchema(value, items)))
  if (properties) message(writer, 25, value => writeSchemas(value, properties))
  writeExtensions(writer, 31, schema)
}

/** The repeated NamedAny of the "x-" fields. Their values are YAML, of which JSON is a part. */
function writeExtensions(writer: Writer, number: number, described: JsonSchema | OperationV2): void {
  for (const [name, value] of Object.entries(described)) {
    if (name.startsWith('x-')) named(writer, number, name, any => text(any, 2, JSON.stringify(value)))
  }
}

function named(writer: Writer, number: number, name: string, write: Write): void {
  message(writer, number, entry => {
    text(entry, 1, name)
    message(entry, 2, write)
  })
}

function message(writer: Writer, number: number, write: Write): void {
  writer.tag(number, WireType.LengthDelimited).fork()
  write(writer)
  writer.join()
}

function text(writer: Writer, number: number, value: string | undefined): void {
  if (value !== undefined) writer.tag(number, WireType.LengthDelimited).string(value)
}

function texts(writer: Writer, number: number, values: readonly string[]): void {
  for (const value of values) text(writer, number, value)
}

function flag(writer: Writer, number: number, value: boolean | undefined): void {
  if (value === true) writer.tag(number, WireType.Varint).bool(value)
}
