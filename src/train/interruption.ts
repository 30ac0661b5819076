import { setImmediate } from 'node:timers/promises';
import { ToolkitError } from '../errors.ts';

/**
 * Lets the event loop turn, which runs of a model block: so signals of the system are heard, and progress is drawn.
 */
export async function turn(): Promise<void> {
  await setImmediate();
}

/** A place between two pieces of work before the first step, where a training may end. Throws TRAINING_INTERRUPTED. */
export async function stopPoint(
  signal: AbortSignal | undefined,
  when = 'while features were computed',
): Promise<void> {
  await turn();
  if (signal?.aborted !== true) return;
  throw new ToolkitError('TRAINING_INTERRUPTED', `Training was interrupted ${when}`, {
    hint: 'The same command with --resume goes on; features that are in the cache are not computed again.',
  });
}
