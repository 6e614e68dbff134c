/** What a step type asks for. */
import type { Scope } from './store.ts';

/** What is done with files or keys. */
export type Access = 'read' | 'read-write';

/**
 * Limits of one attempt that a step would like raised. They are for a policy to set: this says what the step is likely to
 * need.
 */
export interface Limits {
  /** Memory, in MiB. */
  memory_mib?: number;
  /** Time in which it computes. */
  cpu_seconds?: number;
  /** Time in all. */
  wall_seconds?: number;
  /** What it returns. */
  output_mib?: number;
  /** What it writes to its log, stdout and stderr. */
  log_mib?: number;
  /** What it writes to files. */
  files_mib?: number;
  /** HTTP bodies in each direction. */
  http_mib?: number;
  /** What it stores in the shared data. */
  store_mib?: number;
  /** HTTP requests in flight at once; more wait. */
  open_requests?: number;
}

/**
 * What a step type asks for, named as in its description. What it gets is for whoever runs the workflow to decide.
 * `{config.key}` in a URL, a program or a path stands for what the user configured, and nothing else.
 */
export interface Permissions {
  /**
   * HTTP requests to the scheme, host and port of a URL, whose host may be `*.example.com`. Only with these methods (in upper
   * case), and only to paths below this prefix, if they are there.
   */
  network?: { url: string; methods?: string[]; path_prefix?: string }[];
  /**
   * Programs it runs, `*` for any. `args` are patterns, one each: a text is itself, `*` any one argument, `**` at the end any
   * further ones. It may run in `working_dir` (relative to the project's directory, which it is otherwise) and below it, and
   * inherits the variables of the job that `environment` names, or all of them.
   */
  process?: {
    program: string;
    args?: string[];
    working_dir?: string;
    environment?: string[];
    inherit_environment?: boolean;
  }[];
  /**
   * Variables of the job that it sees, with `context.variable`: names, or the beginning of one and `*`. Never secret ones.
   */
  environment?: string[];
  /** Secret variables of the job that it sees, each by its name. Their values are masked wherever they would show. */
  secrets?: string[];
  /**
   * Directories it reads or writes: relative to the project's, or absolute. Reading is the default. (The SDK has no functions
   * for files: ask for them if the script imports `wasi:filesystem` itself.)
   */
  files?: { path: string; access?: Access }[];
  /**
   * Keys of the workflow's shared data that it reads, or reads and writes, with `store`: one by its name, or with a `*` behind
   * it all keys that begin so. `*` as a scope is each of them. Reading is the default.
   */
  store?: { scope: Scope | '*'; keys: string; access?: Access }[];
  /** What it is likely to need. */
  limits?: Limits;
}
