// The interfaces that the SDK imports, as an engine shows them: of shiro:step all, of WASI what is used.

declare module 'shiro:step/log@0.1.0' {
  export function log(level: 'debug' | 'info' | 'warn' | 'error', message: string, fields: string): void;
}

declare module 'shiro:step/context@0.1.0' {
  export function workflow(): string;
  export function runId(): string;
  export function stepId(): string;
  export function attempt(): number;
  export function idempotencyKey(): string;
  export function timeLeftMs(): bigint | undefined;
}

declare module 'shiro:step/process@0.1.0' {
  export interface Command {
    program: string;
    args: string[];
    env: [string, string][];
    workingDir?: string;
    stdin?: Uint8Array;
    captureBytes: number;
    timeoutMs?: bigint;
  }
  export type Status = { tag: 'exited'; val: number } | { tag: 'signaled'; val: number };
  export interface Captured {
    head: Uint8Array;
    tail: Uint8Array;
    total: bigint;
  }
  export interface Completed {
    status: Status;
    stdout: Captured;
    stderr: Captured;
    durationMs: bigint;
  }
  export type ProcessError =
    | { tag: 'denied'; val: string }
    | { tag: 'not-found' }
    | { tag: 'not-started'; val: string }
    | { tag: 'timed-out'; val: Completed }
    | { tag: 'invalid'; val: string };
  export function run(command: Command): Completed;
}

declare module 'wasi:cli/environment@0.2.12' {
  export function getEnvironment(): [string, string][];
}

declare module 'shiro:step/store@0.1.0' {
  export type StoreError =
    | { tag: 'denied' | 'invalid' | 'limit' | 'unreadable' | 'failed'; val: string }
    | { tag: 'other'; val: [string, string] };
  export function get(scope: string, key: string): string | undefined;
  export function exists(scope: string, key: string): boolean;
  export function set(scope: string, key: string, value: string, ttlMs: bigint | undefined): void;
  function remove(scope: string, key: string): boolean;
  export { remove as delete };
  export function list(scope: string, prefix: string): string[];
  export function expiresAtMs(scope: string, key: string): bigint | undefined;
}

declare module 'wasi:random/random@0.2.12' {
  export function getRandomBytes(length: bigint): Uint8Array;
}

declare module 'wasi:clocks/monotonic-clock@0.2.12' {
  export function subscribeDuration(nanoseconds: bigint): import('wasi:io/poll@0.2.12').Pollable;
}

declare module 'wasi:io/poll@0.2.12' {
  export class Pollable {
    private constructor();
  }
  export function poll(list: Pollable[]): Uint32Array | number[];
}

declare module 'wasi:io/streams@0.2.12' {
  type Pollable = import('wasi:io/poll@0.2.12').Pollable;
  export class InputStream {
    private constructor();
    read(length: bigint): Uint8Array;
    subscribe(): Pollable;
  }
  export class OutputStream {
    private constructor();
    checkWrite(): bigint;
    write(bytes: Uint8Array): void;
    flush(): void;
    subscribe(): Pollable;
  }
}

declare module 'wasi:http/types@0.2.12' {
  type Pollable = import('wasi:io/poll@0.2.12').Pollable;
  type InputStream = import('wasi:io/streams@0.2.12').InputStream;
  type OutputStream = import('wasi:io/streams@0.2.12').OutputStream;
  type Result<T, E> = { tag: 'ok'; val: T } | { tag: 'err'; val: E };
  export interface ErrorCode {
    tag: string;
    val?: { rcode?: string; alertMessage?: string } | string | number | bigint;
  }
  export interface Method {
    tag: 'get' | 'head' | 'post' | 'put' | 'delete' | 'connect' | 'options' | 'trace' | 'patch' | 'other';
    val?: string;
  }
  export class Fields {
    append(name: string, value: Uint8Array): void;
    entries(): [string, Uint8Array][];
  }
  export class OutgoingRequest {
    constructor(headers: Fields);
    body(): OutgoingBody;
    setMethod(method: Method): void;
    setScheme(scheme: { tag: 'HTTP' | 'HTTPS' }): void;
    setAuthority(authority: string): void;
    setPathWithQuery(path: string): void;
  }
  export class OutgoingBody {
    private constructor();
    write(): OutputStream;
    static finish(body: OutgoingBody, trailers: Fields | undefined): void;
  }
  export class RequestOptions {
    setConnectTimeout(nanoseconds: bigint): void;
    setFirstByteTimeout(nanoseconds: bigint): void;
    setBetweenBytesTimeout(nanoseconds: bigint): void;
  }
  export class FutureIncomingResponse {
    private constructor();
    subscribe(): Pollable;
    get(): Result<Result<IncomingResponse, ErrorCode>, undefined> | undefined;
  }
  export class IncomingResponse {
    private constructor();
    status(): number;
    headers(): Fields;
    consume(): IncomingBody;
  }
  export class IncomingBody {
    private constructor();
    stream(): InputStream;
  }
}

declare module 'wasi:http/outgoing-handler@0.2.12' {
  import type { FutureIncomingResponse, OutgoingRequest, RequestOptions } from 'wasi:http/types@0.2.12';
  export function handle(request: OutgoingRequest, options: RequestOptions | undefined): FutureIncomingResponse;
}

// The SDK's own on QuickJS. Written so that it agrees with TypeScript's library for the web, where that is used.
interface Console {
  debug(...values: unknown[]): void;
  log(...values: unknown[]): void;
  info(...values: unknown[]): void;
  warn(...values: unknown[]): void;
  error(...values: unknown[]): void;
  trace(...values: unknown[]): void;
}
declare var console: Console;
