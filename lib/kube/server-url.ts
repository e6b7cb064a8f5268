// The URL of an API server or of a proxy to it, checked for what people get wrong.

import { RelayError } from '../model/error.ts'

/**
 * `where` names the flag, or the file and field, that the text came from.
 * @throws RelayError (INVALID_CONFIG)
 */
export function parseServerUrl(text: string, where: string): URL {
  const url = parseHttpUrl(text, where, 'https://10.0.0.1:6443')
  if (url.search !== '' || url.hash !== '') {
    throw new RelayError('INVALID_CONFIG', `${where} ${text}: a server's URL has no "?" or "#" part`)
  }
  if (url.username !== '' || url.password !== '') {
    throw new RelayError(
      'INVALID_CONFIG',
      `${where}: credentials belong to the user in a kubeconfig, not into the URL`,
    )
  }
  return url
}

/** @throws RelayError (INVALID_CONFIG) */
export function parseProxyUrl(text: string, where: string): URL {
  if (/^socks/i.test(text)) {
    throw new RelayError(
      'INVALID_CONFIG',
      `${where}: SOCKS proxies aren't supported, use an http:// or https:// proxy`,
    )
  }
  return parseHttpUrl(text, where, 'http://proxy.example:3128')
}

function parseHttpUrl(text: string, where: string, example: string): URL {
  const trimmed = text.trim()
  if (!/^https?:\/\//i.test(trimmed)) {
    // "host:6443" even parses, as a URL of scheme "host:".
    const scheme = example.slice(0, example.indexOf(':'))
    const suggestion =
      URL.canParse(`${scheme}://${trimmed}`) && !trimmed.includes('://') ? `${scheme}://${trimmed}` : example
    throw new RelayError(
      'INVALID_CONFIG',
      `${where} "${text}" must start with http:// or https://, like ${suggestion}`,
    )
  }
  const url = URL.parse(trimmed)
  if (url === null)
    throw new RelayError('INVALID_CONFIG', `${where} "${text}" isn't a URL, write it like ${example}`)
  return url
}
