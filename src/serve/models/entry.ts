import { ToolkitError } from '../../errors.ts';
import { shown } from '../request/faults.ts';
import type { ServedVersion } from './served.ts';

/** The state of a version, as Triton's repository index spells it. */
export type ModelState = 'READY' | 'LOADING' | 'UNLOADING' | 'UNAVAILABLE';

/** What is known of a version of a model. */
export interface Entry {
  readonly name: string;
  readonly version: string;
  state: ModelState;
  /** Why it is not there, or why a newer file of it is not. */
  reason: string;
  /** The files as they were when it was last loaded, or tried. */
  stamp: string;
  /** The files as they were at the last look, where that differs: whoever writes them may not be done. */
  unsettled: string | undefined;
  served: ServedVersion | undefined;
}

/** A version in the index. */
export interface ModelEntry {
  readonly name: string;
  readonly version: string;
  readonly state: ModelState;
  readonly reason: string;
  /** Requests that wait for a run. */
  readonly pending: number;
  readonly instances: number;
}

/** A version that has not been looked at yet. */
export function emptyEntry(name: string, version: string): Entry {
  return {
    name,
    version,
    state: 'LOADING',
    reason: '',
    stamp: '',
    unsettled: undefined,
    served: undefined,
  };
}

/** MODEL_UNKNOWN, with what there is. */
export function unknown(what: string, known: readonly string[]): ToolkitError {
  const hint =
    known.length > 0 ? `There are: ${known.slice(0, 20).join(', ')}.` : 'There are none.';
  return new ToolkitError('MODEL_UNKNOWN', shown(what), { hint });
}

/** MODEL_NOT_READY, with why. */
export function notReady({
  name,
  version,
  state,
  reason,
}: Pick<Entry, 'name' | 'version' | 'state' | 'reason'>): ToolkitError {
  const which = version === '' ? `'${name}'` : `'${name}' version ${version}`;
  const why = reason === '' ? state.toLowerCase() : reason;
  return new ToolkitError('MODEL_NOT_READY', `Model ${which} is not ready: ${why}`, {
    hint: 'Ask the repository index for the state of all models.',
  });
}

/** CONTROL_REFUSED: requests change nothing here. */
export function controlRefused(): ToolkitError {
  return new ToolkitError(
    'CONTROL_REFUSED',
    'Models are not loaded and unloaded by requests here',
    {
      hint: 'Change their files, or start the server with --model-control-mode explicit.',
    },
  );
}
