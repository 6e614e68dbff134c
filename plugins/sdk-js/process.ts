/** Running programs on the machine. Needs a `process` permission. */
import { type Captured as HostCaptured, type Completed as HostCompleted, type ProcessError, run as hostRun } from 'shiro:step/process@0.1.0';
import { u64 } from './engine.ts';
import { Failure, payload } from './failure.ts';
import { bytesOf, decode } from './text.ts';

/** How many bytes of each stream are kept unless the command says otherwise. */
export const DEFAULT_CAPTURE = 256 * 1024;

/** A program to run. */
export interface Command {
  /** A name to look for on `PATH`, or a path with a slash in it. */
  program: string;
  /** Its arguments, without the program's name. */
  args?: string[];
  /** Variables for it, on top of what the grant lets it inherit. */
  env?: Record<string, string>;
  /** Where it runs: relative to the project's directory, which is the default. */
  workingDir?: string;
  /** What it reads; nothing by default. */
  stdin?: string | Uint8Array;
  /** How many bytes of each stream to keep: the first and the last half each. The host keeps 1 MiB at most. */
  captureBytes?: number;
  /** Ends it after this time. */
  timeoutMs?: number;
}

/** A program that ran. */
export interface Completed {
  /** Its exit code; undefined if a signal ended it. */
  exitCode?: number;
  /** The signal that ended it. */
  signal?: number;
  /** It ended by itself, with code 0. */
  success: boolean;
  /** What it wrote to standard output. */
  stdout: Captured;
  /** What it wrote to standard error. */
  stderr: Captured;
  /** How long it ran. */
  durationMs: number;
}

/** A stream as far as it was kept. */
export interface Captured {
  /** The first bytes: all of them if nothing was left out. */
  head: Uint8Array;
  /** The last bytes, when `head` is not all. */
  tail: Uint8Array;
  /** How many bytes the program wrote. */
  total: number;
  /** Head and tail as text, with a line between them that says what was left out. */
  text(): string;
}

/** Why a program did not run to its end: `failure` is what the step ends with if it lets this through. */
export class ProcessFailed extends Error {
  constructor(
    readonly kind: ProcessError['tag'],
    readonly failure: Failure,
    /** What a program left whose time was over. */
    readonly completed?: Completed,
  ) {
    super(failure.message);
  }
}

/** Runs a program and waits for its end. One that says no throws nothing: see `exitCode`. */
export function run(command: Command): Completed {
  const { program } = command;
  try {
    return completed(
      hostRun({
        program,
        args: command.args ?? [],
        env: Object.entries(command.env ?? {}),
        workingDir: command.workingDir,
        stdin: command.stdin === undefined ? undefined : bytesOf(command.stdin),
        captureBytes: command.captureBytes ?? DEFAULT_CAPTURE,
        timeoutMs: command.timeoutMs === undefined ? undefined : u64(command.timeoutMs),
      }),
    );
  } catch (thrown) {
    const error = payload<ProcessError>(thrown);
    if (error?.tag === undefined) throw thrown;
    const done = error.tag === 'timed-out' ? completed(error.val) : undefined;
    throw new ProcessFailed(error.tag, explain(error, program, done), done);
  }
}

function explain(error: ProcessError, program: string, done?: Completed): Failure {
  switch (error.tag) {
    case 'denied':
      return Failure.permanent('denied', `running \`${program}\` was denied: ${error.val}`);
    case 'not-found':
      return Failure.permanent(
        'not_found',
        program.includes('/') ? `there is no program at \`${program}\`` : `there is no program \`${program}\` on PATH`,
      );
    case 'not-started':
      return Failure.permanent('not_started', `\`${program}\` could not be started: ${error.val}`);
    case 'timed-out': {
      const seconds = ((done?.durationMs ?? 0) / 1000).toFixed(1);
      return Failure.transient('timeout', `\`${program}\` did not end within ${seconds}s and was stopped`);
    }
    case 'invalid':
      return Failure.permanent('invalid_command', `\`${program}\` can't be run like this: ${error.val}`);
  }
}

function completed(done: HostCompleted): Completed {
  const { tag, val } = done.status;
  return {
    exitCode: tag === 'exited' ? val : undefined,
    signal: tag === 'signaled' ? val : undefined,
    success: tag === 'exited' && val === 0,
    stdout: captured(done.stdout),
    stderr: captured(done.stderr),
    durationMs: Number(done.durationMs),
  };
}

function captured(stream: HostCaptured): Captured {
  const { head, tail } = stream;
  const total = Number(stream.total);
  const text = (): string => {
    const omitted = total - head.length - tail.length;
    if (omitted > 0) return `${decode(head)}\n[... ${omitted} bytes left out ...]\n${decode(tail)}`;
    // A character may lie across the two.
    const whole = new Uint8Array(head.length + tail.length);
    whole.set(head);
    whole.set(tail, head.length);
    return decode(whole);
  };
  return { head, tail, total, text };
}
