import { createHash } from 'node:crypto';
import { ToolkitError } from '../../errors.ts';
import {
  type Checkpoint,
  hasCheckpoints,
  readCheckpoint,
  removeCheckpoints,
  writeCheckpoint,
} from '../checkpoint.ts';
import { prefixDigest } from '../digest.ts';
import type { TrainOptions } from '../options.ts';
import type { Campaign } from '../stage-open.ts';
import { lockFolder } from './lock.ts';

/** Keeps a training on disk while it runs. */
export interface Saving {
  /** Where an interrupted run stood, when this one goes on from it. */
  readonly found: Checkpoint | undefined;
  /** Whether the last save is long enough ago. */
  readonly isDue: (isEpochOver: boolean) => boolean;
  readonly save: (checkpoint: Omit<Checkpoint, 'identity'>) => Promise<void>;
  /** Takes the saved states away once the result is written, unless their folder was asked for. */
  readonly finish: () => Promise<void>;
  /** Lets another training write here: at the end, whatever it is. */
  readonly close: () => Promise<void>;
}

const defaultSeconds = 30;

/**
 * Opens the folder of checkpoints of a training, and reads the newest where it is to go on.
 *
 * A folder that holds a training already is not begun anew without `force`. Throws OUTPUT_EXISTS, OPTION_INVALID for
 * another training's checkpoints. Until it is closed no other training can open it.
 */
export async function openSaving(options: TrainOptions, campaign: Campaign): Promise<Saving> {
  const { checkpoints = {}, output } = options;
  if (checkpoints === false) return notSaving;
  const { folder = `${output}.checkpoints`, every = defaultSeconds, keep = 1 } = checkpoints;
  const identity = identityOf(campaign);
  const close = await lockFolder(folder);
  const found = await foundIn(folder, identity, options).catch(async (error: unknown) => {
    await close();
    throw error;
  });
  let last = performance.now();
  return {
    found,
    isDue: (isEpochOver) => performance.now() - last >= every * 1000 && (isEpochOver || every > 0),
    async save(checkpoint) {
      await writeCheckpoint(folder, { ...checkpoint, identity }, Math.max(1, keep));
      last = performance.now();
    },
    async finish() {
      if (checkpoints.folder === undefined) await removeCheckpoints(folder);
    },
    close,
  };
}

/** The newest checkpoint, for a training that goes on; one that begins anew finds none, or takes them away. */
async function foundIn(
  folder: string,
  identity: string,
  { resume = false, force = false }: TrainOptions,
): Promise<Checkpoint | undefined> {
  if (resume) return readCheckpoint(folder, identity);
  if (!force && (await hasCheckpoints(folder))) throw saved(folder);
  await removeCheckpoints(folder);
  return undefined;
}

const notSaving: Saving = {
  found: undefined,
  isDue: () => false,
  save: () => Promise.resolve(),
  finish: () => Promise.resolve(),
  close: () => Promise.resolve(),
};

/** Digest of all that the numbers depend on: model, plan, data, provider. */
export function identityOf({
  network,
  settings,
  loss,
  source,
  provider,
  threads,
}: Campaign): string {
  const { base, at, headPlan } = network;
  const parts = [prefixDigest(base, at), at, headPlan, settings, loss, source.identity];
  return createHash('sha256')
    .update(JSON.stringify([...parts, provider ?? 'cpu', threads ?? null]))
    .digest('hex');
}

function saved(folder: string): ToolkitError {
  return new ToolkitError('OUTPUT_EXISTS', 'A training that was interrupted is saved here', {
    where: { file: folder },
    hint: 'Go on with it with --resume, or begin anew with --force.',
  });
}
