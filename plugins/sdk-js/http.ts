/** HTTP requests. They need a `network` permission. Redirects are not followed: the step sees the 3xx answer. */
import { subscribeDuration } from 'wasi:clocks/monotonic-clock@0.2.12';
import { handle } from 'wasi:http/outgoing-handler@0.2.12';
import {
  type ErrorCode,
  Fields,
  type FutureIncomingResponse,
  type IncomingResponse,
  type Method,
  type OutgoingBody as Outgoing,
  OutgoingBody,
  OutgoingRequest,
  RequestOptions,
} from 'wasi:http/types@0.2.12';
import { type Pollable, poll } from 'wasi:io/poll@0.2.12';
import type { InputStream } from 'wasi:io/streams@0.2.12';
import { u64 } from './engine.ts';
import { payload } from './failure.ts';
import { HttpError } from './http-error.ts';
import { bytesOf, decode } from './text.ts';
import { parseUrl, type Url } from './url.ts';

export { HttpError, type HttpErrorKind } from './http-error.ts';

/** A request. */
export interface Request {
  /** Any but CONNECT and TRACE; GET by default. */
  method?: string;
  /** Absolute, http or https. */
  url: string;
  /** Its headers. */
  headers?: Record<string, string>;
  /** Its body. */
  body?: string | Uint8Array;
  /** A value to send as JSON, in place of `body`. */
  json?: unknown;
  /** How long it may take in all, up to the body's last byte: 30 seconds unless set. */
  timeoutMs?: number;
  /** The longest response body that is read: 8 MiB unless set. */
  maxBody?: number;
}

/** A response with its body. */
export class Response {
  constructor(
    /** The status code. */
    readonly status: number,
    /** The headers in the order they came, names in lower case. */
    readonly headers: [string, string][],
    /** The body. */
    readonly body: Uint8Array,
    private readonly origin: string,
  ) {}

  /** The status is 2xx. */
  get ok(): boolean {
    return this.status >= 200 && this.status < 300;
  }

  /** A header's first value. The name may be in any case. */
  header(name: string): string | undefined {
    return this.headers.find(([header]) => header.toLowerCase() === name.toLowerCase())?.[1];
  }

  /** How long the service asks to wait (`Retry-After`, in seconds or as a date). */
  retryAfterMs(): number | undefined {
    const value = this.header('retry-after')?.trim();
    if (value === undefined) return undefined;
    if (/^\d+$/.test(value)) return Number(value) * 1000;
    const date = Date.parse(value);
    return Number.isNaN(date) ? undefined : Math.max(0, date - Date.now());
  }

  /** The body as text. Bytes that are no UTF-8 become U+FFFD. */
  text(): string {
    return decode(this.body);
  }

  /** The body as JSON. */
  json<T = unknown>(): T {
    try {
      return JSON.parse(this.text()) as T;
    } catch (error) {
      throw new HttpError('bad-response', this.origin, `not the JSON it should be: ${(error as Error).message}`);
    }
  }
}

/** Sends a GET request. */
export const get = (url: string, more: Omit<Request, 'url' | 'method'> = {}): Response => send({ ...more, url });

/** Sends a POST request. */
export const post = (url: string, more: Omit<Request, 'url' | 'method'> = {}): Response =>
  send({ ...more, url, method: 'POST' });

/** Sends a request and reads the response. A status that says no throws nothing. Throws an `HttpError` if there is none. */
export function send(request: Request): Response {
  return new Exchange(request, parseUrl(request.url)).send();
}

/**
 * What is held of the host. Engines drop what nobody refers to, in any order, but the host ends an instance that drops a body
 * before its stream: so nothing is let go of. The instance ends with the attempt.
 */
const held: unknown[] = [];

function keep<T>(resource: T): T {
  held.push(resource);
  return resource;
}

/** One request on its way. */
class Exchange {
  private readonly timeoutMs: number;
  private readonly maxBody: number;
  private readonly end: number;
  private readonly body: Uint8Array;
  private readonly headers: [string, Uint8Array][];

  constructor(
    private readonly request: Request,
    private readonly url: Url,
  ) {
    this.timeoutMs = request.timeoutMs ?? 30_000;
    this.maxBody = request.maxBody ?? 8 * 1024 * 1024;
    this.end = Date.now() + this.timeoutMs;
    this.headers = Object.entries(request.headers ?? {}).map(([name, value]) => [name, bytesOf(value)]);
    this.body = bytesOf(request.json === undefined ? (request.body ?? '') : JSON.stringify(request.json));
    if (request.json !== undefined) this.headers.push(['content-type', bytesOf('application/json')]);
    if (this.body.length > 0) this.headers.push(['content-length', bytesOf(String(this.body.length))]);
  }

  send(): Response {
    const outgoing = keep(this.outgoing());
    const body = keep(outgoing.body());
    const future = this.guard(() => keep(handle(outgoing, this.options())));
    this.write(body);
    const incoming = keep(this.answer(future));
    const headers = keep(incoming.headers()).entries();
    return new Response(
      incoming.status(),
      headers.map(([name, value]) => [name, decode(value)]),
      this.read(keep(keep(incoming.consume()).stream())),
      this.url.origin,
    );
  }

  private fail(kind: HttpError['kind'], detail: string): HttpError {
    return new HttpError(kind, this.url.origin, detail);
  }

  /** Calls an import that throws an `error-code`. */
  private guard<T>(call: () => T): T {
    try {
      return call();
    } catch (thrown) {
      throw HttpError.of(payload<ErrorCode>(thrown), this.url.origin);
    }
  }

  /** Calls an import that throws when it does not like what it is given. */
  private valid(what: string, call: () => void): void {
    try {
      call();
    } catch {
      throw this.fail('invalid-request', what);
    }
  }

  private outgoing(): OutgoingRequest {
    const fields = new Fields();
    for (const [name, value] of this.headers) {
      this.valid("a header's name or value is not valid or not allowed", () => fields.append(name, value));
    }
    const outgoing = new OutgoingRequest(fields);
    const { scheme, authority, path } = this.url;
    this.valid('the method is not valid', () => outgoing.setMethod(method(this.request.method ?? 'GET')));
    this.valid("the URL's scheme is not valid", () => outgoing.setScheme({ tag: scheme }));
    this.valid("the URL's host is not valid", () => outgoing.setAuthority(authority));
    this.valid("the URL's path is not valid", () => outgoing.setPathWithQuery(path));
    return outgoing;
  }

  /** Limits that a host need not know: the deadline holds all the same. */
  private options(): RequestOptions {
    const options = new RequestOptions();
    const nanoseconds = u64(this.timeoutMs * 1e6);
    options.setConnectTimeout(nanoseconds);
    options.setFirstByteTimeout(nanoseconds);
    options.setBetweenBytesTimeout(nanoseconds);
    return options;
  }

  private wait(ready: Pollable): void {
    const left = Math.max(0, this.end - Date.now());
    const timer = subscribeDuration(u64(left * 1e6));
    const indices = poll([ready, timer]);
    drop(ready);
    drop(timer);
    if (!Array.from(indices).includes(0)) throw this.fail('timeout', `not done after ${this.timeoutMs}ms`);
  }

  /** Writes the body. A host that stopped reading has an answer, or a reason: that is what counts then. */
  private write(body: Outgoing): void {
    if (this.body.length > 0) {
      const stream = keep(body.write());
      for (let at = 0; at < this.body.length; ) {
        this.wait(stream.subscribe());
        try {
          const room = Math.min(Number(stream.checkWrite()), this.body.length - at);
          stream.write(this.body.slice(at, at + room));
          at += room;
        } catch {
          return;
        }
      }
      try {
        stream.flush();
      } catch {
        return;
      }
      this.wait(stream.subscribe());
      // The body can't end while it has a stream.
      drop(stream);
    }
    try {
      OutgoingBody.finish(body, undefined);
    } catch {
      // See above.
    }
  }

  private answer(future: FutureIncomingResponse): IncomingResponse {
    for (;;) {
      this.wait(future.subscribe());
      const answer = future.get();
      if (answer === undefined) continue;
      if (answer.tag === 'err') throw this.fail('bad-response', 'the response was taken already');
      if (answer.val.tag === 'err') throw HttpError.of(answer.val.val, this.url.origin);
      return answer.val.val;
    }
  }

  private read(stream: InputStream): Uint8Array {
    const chunks: Uint8Array[] = [];
    let length = 0;
    for (;;) {
      const chunk = this.chunk(stream);
      if (chunk === undefined) break;
      if (chunk.length === 0) this.wait(stream.subscribe());
      else chunks.push(chunk);
      length += chunk.length;
      if (length > this.maxBody) throw this.fail('too-large', `more than ${this.maxBody} bytes`);
    }
    const whole = new Uint8Array(length);
    let at = 0;
    for (const chunk of chunks) {
      whole.set(chunk, at);
      at += chunk.length;
    }
    return whole;
  }

  /** Some bytes, none if there are none yet; undefined at the end. */
  private chunk(stream: InputStream): Uint8Array | undefined {
    try {
      return stream.read(u64(65_536));
    } catch (thrown) {
      if (payload<{ tag: string }>(thrown)?.tag === 'closed') return undefined;
      throw this.fail('bad-response', 'it broke off');
    }
  }
}

/** Engines without `Symbol.dispose` know it under this name. */
function drop(resource: object): void {
  const dispose = (Symbol as { dispose?: symbol }).dispose ?? Symbol.for('dispose');
  (resource as Record<symbol, (() => void) | undefined>)[dispose]?.();
}

const METHODS = ['get', 'head', 'post', 'put', 'delete', 'connect', 'options', 'trace', 'patch'] as const;

function method(name: string): Method {
  const known = METHODS.find((known) => known === name.toLowerCase());
  return known === undefined ? { tag: 'other', val: name } : { tag: known };
}
