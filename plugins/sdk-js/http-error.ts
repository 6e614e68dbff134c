/** Why there is no response. */
import type { ErrorCode } from 'wasi:http/types@0.2.12';
import { Failure } from './failure.ts';

/** What kind of thing went wrong. */
export type HttpErrorKind =
  | 'invalid-request'
  | 'denied'
  | 'dns'
  | 'connect'
  | 'tls'
  | 'timeout'
  | 'bad-response'
  | 'too-large';

/** Why there is no response, or not all of it. Its text names the host, and never more of the URL, which may be secret. */
export class HttpError extends Error {
  constructor(
    /** What kind of thing went wrong. */
    readonly kind: HttpErrorKind,
    /** Scheme and host. */
    readonly origin: string,
    /** The reason. */
    readonly detail: string,
  ) {
    super(explain(kind, origin, detail));
  }

  /** The failure that the step ends with if it lets this through. */
  get failure(): Failure {
    const code = this.kind === 'denied' ? 'denied' : `http_${this.kind.replace('-', '_')}`;
    const transient = ['dns', 'connect', 'timeout', 'bad-response'].includes(this.kind);
    return new Failure(transient ? 'transient' : 'permanent', code, this.message + hint(this.kind));
  }

  /** The error that a host's code stands for. */
  static of(code: ErrorCode, origin: string): HttpError {
    const [kind, detail] = CODES[code?.tag] ?? ['bad-response', 'an error without a name'];
    return new HttpError(kind, origin, given(code) ?? detail);
  }
}

function explain(kind: HttpErrorKind, origin: string, detail: string): string {
  switch (kind) {
    case 'invalid-request':
      return `the request can't be sent: ${detail}`;
    case 'denied':
      return `the request to ${origin} was denied: ${detail}`;
    case 'dns':
      return `the host of ${origin} could not be found: ${detail}`;
    case 'connect':
      return `no connection to ${origin}: ${detail}`;
    case 'tls':
      return `no secure connection to ${origin}: ${detail}`;
    case 'timeout':
      return `${origin} did not answer in time: ${detail}`;
    case 'bad-response':
      return `the answer of ${origin} could not be read: ${detail}`;
    case 'too-large':
      return `the answer of ${origin} is too long: ${detail}`;
  }
}

/** What to do, where the host can't know: what it did not allow, it says itself. */
const hint = (kind: HttpErrorKind): string =>
  kind === 'tls' ? ' (hint: a private certificate authority has to be known to shiro)' : '';

/** The reason that comes with some codes. */
function given(code: ErrorCode): string | undefined {
  const val = code?.val;
  if (typeof val === 'string') return code.tag === 'internal-error' ? val : undefined;
  if (typeof val !== 'object' || val === null) return undefined;
  return code.tag === 'DNS-error' ? val.rcode : code.tag === 'TLS-alert-received' ? val.alertMessage : undefined;
}

const CODES: Record<string, [HttpErrorKind, string]> = {
  'DNS-timeout': ['dns', 'the name server did not answer in time'],
  'DNS-error': ['dns', 'no such name'],
  'destination-not-found': ['dns', 'no such host'],
  'destination-unavailable': ['connect', 'it is not available'],
  'destination-IP-prohibited': ['denied', 'its address is not allowed'],
  'destination-IP-unroutable': ['connect', 'there is no route to it'],
  'connection-refused': ['connect', 'connection refused'],
  'connection-terminated': ['connect', 'the connection broke'],
  'connection-timeout': ['timeout', 'no connection in time'],
  'connection-read-timeout': ['timeout', 'nothing more to read in time'],
  'connection-write-timeout': ['timeout', 'the request could not be written in time'],
  'connection-limit-reached': ['connect', 'too many connections'],
  'TLS-protocol-error': ['tls', 'TLS protocol error'],
  'TLS-certificate-error': ['tls', 'the certificate is not trusted'],
  'TLS-alert-received': ['tls', 'it sent a TLS alert'],
  'HTTP-request-denied': ['denied', 'it is not granted'],
  'HTTP-request-length-required': ['invalid-request', 'its length is required'],
  'HTTP-request-body-size': ['invalid-request', 'its body is too long, or not as long as announced'],
  'HTTP-request-method-invalid': ['invalid-request', 'the method is not allowed'],
  'HTTP-request-URI-invalid': ['invalid-request', 'the URL is not valid'],
  'HTTP-request-URI-too-long': ['invalid-request', 'the URL is too long'],
  'HTTP-request-header-section-size': ['invalid-request', 'the headers are too long'],
  'HTTP-request-header-size': ['invalid-request', 'the headers are too long'],
  'HTTP-request-trailer-section-size': ['invalid-request', 'the trailers are too long'],
  'HTTP-request-trailer-size': ['invalid-request', 'the trailers are too long'],
  'HTTP-response-incomplete': ['bad-response', 'it is not complete'],
  'HTTP-response-header-section-size': ['too-large', "its headers are over the host's limit"],
  'HTTP-response-header-size': ['too-large', "its headers are over the host's limit"],
  'HTTP-response-body-size': ['too-large', "its body is over the host's limit"],
  'HTTP-response-trailer-section-size': ['too-large', "its trailers are over the host's limit"],
  'HTTP-response-trailer-size': ['too-large', "its trailers are over the host's limit"],
  'HTTP-response-transfer-coding': ['bad-response', 'unknown encoding'],
  'HTTP-response-content-coding': ['bad-response', 'unknown encoding'],
  'HTTP-response-timeout': ['timeout', 'no response in time'],
  'HTTP-upgrade-failed': ['bad-response', 'the upgrade failed'],
  'HTTP-protocol-error': ['bad-response', 'HTTP protocol error'],
  'loop-detected': ['bad-response', 'loop detected'],
  'configuration-error': ['invalid-request', "shiro's network configuration does not allow it"],
  'internal-error': ['bad-response', 'an error without a name'],
};
