/** The parts of an absolute http or https URL, as a request needs them. */
import { HttpError } from './http-error.ts';

/** An http or https URL in parts. */
export interface Url {
  scheme: 'HTTP' | 'HTTPS';
  /** Host, and port if there is one. */
  authority: string;
  /** Begins with a slash; the fragment is left out. */
  path: string;
  /** Scheme and authority: what may be shown. */
  origin: string;
}

/** What is wrong with the text is said without repeating it: a URL may hold a secret. */
export function parseUrl(text: string): Url {
  const invalid = (detail: string): HttpError => new HttpError('invalid-request', '', detail);
  const [, scheme, authority, rest] = /^(https?):\/\/([^/?#\\]*)([^]*)$/i.exec(text) ?? [];
  if (scheme === undefined || authority === undefined || rest === undefined) {
    throw invalid('the URL does not begin with http:// or https://');
  }
  if (/[\s\x00-\x1f\x7f-\x9f]/.test(text)) throw invalid('the URL has a space, a line break or a control character in it');
  if (authority === '') throw invalid('the URL has no host');
  if (authority.includes('@')) throw invalid('the URL has a user name or a password in it: pass them in a header');
  if (rest.startsWith('\\')) throw invalid('the URL has a backslash after its host');
  const path = rest.split('#')[0]!;
  return {
    scheme: scheme.toLowerCase() === 'https' ? 'HTTPS' : 'HTTP',
    authority,
    path: path.startsWith('/') ? path : `/${path}`,
    origin: `${scheme.toLowerCase()}://${authority}`,
  };
}
