/** What a step may know of the run it is part of. */
import * as host from 'shiro:step/context@0.1.0';
import { getEnvironment } from 'wasi:cli/environment@0.2.12';

/** The workflow's name. */
export const workflow = (): string => host.workflow();
/** The run's id: unique everywhere, the same after a pause. */
export const runId = (): string => host.runId();
/** The step's id in the workflow. */
export const stepId = (): string => host.stepId();
/** Which attempt this is: 1 on the first. */
export const attempt = (): number => host.attempt();
/** The same for every attempt of this step in this run, on any machine: pass it to services that deduplicate. */
export const idempotencyKey = (): string => host.idempotencyKey();
/** Milliseconds until the host ends this attempt, if it has a limit. */
export function timeLeftMs(): number | undefined {
  const left = host.timeLeftMs();
  return left === undefined ? undefined : Number(left);
}
/** A variable of the job, if it is there and granted. Needs an `environment` or a `secrets` permission. */
export const variable = (name: string): string | undefined => getEnvironment().find(([known]) => known === name)?.[1];
