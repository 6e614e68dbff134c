/** Messages for whoever reads the job's log. */
import { log } from 'shiro:step/log@0.1.0';

type Fields = Record<string, unknown>;

function write(level: 'debug' | 'info' | 'warn' | 'error', message: string, fields?: Fields): void {
  log(level, String(message), fields === undefined ? '' : JSON.stringify(fields));
}

/** What helps to find a fault. Shown only when asked for. */
export const debug = (message: string, fields?: Fields): void => write('debug', message, fields);
/** What is worth knowing. */
export const info = (message: string, fields?: Fields): void => write('info', message, fields);
/** Something may be wrong. */
export const warn = (message: string, fields?: Fields): void => write('warn', message, fields);
/** Something is wrong. The step goes on: throw a `Failure` to end it. */
export const error = (message: string, fields?: Fields): void => write('error', message, fields);
