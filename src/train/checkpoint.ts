import { createHash } from 'node:crypto';
import { mkdir, open, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { ToolkitError } from '../errors.ts';
import { outputFault, writeOutput } from '../output.ts';
import type { Baselines } from './baselines.ts';
import type { StoppingState } from './callbacks/early-stopping.ts';
import type { PlateauState } from './callbacks/plateau.ts';
import type { StageRecord } from './epoch.ts';
import type { Progress, TrainerState } from './trainer.ts';

/** Where a training stands: enough to go on as if nothing had happened. */
export interface Checkpoint {
  /** Digest of the plan, the base and the data that it belongs to. */
  readonly identity: string;
  /** Stage, from 0. */
  readonly stage: number;
  /** The epoch, from 1, in which it is or which comes next. */
  readonly epoch: number;
  /** What of that epoch is done. */
  readonly progress: Progress;
  readonly isStageOver: boolean;
  readonly stopping: StoppingState;
  readonly plateau: PlateauState;
  readonly history: readonly StageRecord[];
  /** What an earlier stage measured for comparison. */
  readonly baselines: Baselines | undefined;
  readonly trainer: TrainerState;
  /** The parameters of the best epoch of the stage, where they are kept. */
  readonly best: ReadonlyMap<string, Float32Array> | undefined;
  /** What earlier stages made of parameters, by initializer. */
  readonly learned: ReadonlyMap<string, Float32Array>;
}

const magic = 'graft checkpoint 1\n';
const ending = '.checkpoint';

const tensorEntry = z.object({
  part: z.enum(['trainer', 'best', 'learned']),
  name: z.string(),
  length: z.number().int().nonnegative(),
});

const record = z.object({
  stage: z.number(),
  epoch: z.number(),
  loss: z.number(),
  acc: z.number().exactOptional(),
  mae: z.number().exactOptional(),
  val_loss: z.number().exactOptional(),
  val_acc: z.number().exactOptional(),
  val_mae: z.number().exactOptional(),
  lr: z.number(),
  saturated: z.number().exactOptional(),
  seconds: z.number(),
});

const header = z.object({
  identity: z.string(),
  stage: z.number().int(),
  epoch: z.number().int(),
  progress: z.object({
    step: z.number(),
    samples: z.number(),
    loss: z.number(),
    correct: z.number(),
    saturated: z.number(),
  }),
  isStageOver: z.boolean(),
  stopping: z.object({ best: z.number().optional(), bestEpoch: z.number(), wait: z.number() }),
  plateau: z.object({
    best: z.number().optional(),
    wait: z.number(),
    cooldown: z.number(),
    factor: z.number(),
  }),
  history: z.array(record),
  baselines: z
    .object({
      majority: z.number(),
      neighbours: z.number().optional(),
      logistic: z.number().optional(),
    })
    .optional(),
  iteration: z.number().int(),
  hasBest: z.boolean(),
  tensors: z.array(tensorEntry),
  /** sha256 of all numbers. */
  digest: z.string(),
});

/**
 * Writes a checkpoint into a folder: a file of its own, there whole or not at all, and old ones are taken away.
 *
 * Kept are the last `keep`, and the one of the best epoch. Throws OUTPUT_UNWRITABLE.
 */
export async function writeCheckpoint(
  folder: string,
  checkpoint: Checkpoint,
  keep: number,
): Promise<string> {
  await mkdir(folder, { recursive: true }).catch((error: unknown) => {
    throw outputFault(error, folder, 'Give another folder with --checkpoints.');
  });
  const names = await checkpointNames(folder);
  const next = String(numberOf(names.at(-1) ?? '') + 1).padStart(6, '0');
  const { stage, epoch } = checkpoint;
  const path = join(folder, `${next}-stage${stage + 1}-epoch${epoch}${ending}`);
  const tensors = tensorsOf(checkpoint);
  const head = Buffer.from(`${magic}${JSON.stringify(headerOf(checkpoint, tensors))}\n`);
  await writeOutput(path, { force: true }, async (file) => {
    await file.write(head);
    for (const { numbers } of tensors) {
      await file.write(new Uint8Array(numbers.buffer, numbers.byteOffset, numbers.byteLength));
    }
  });
  const best = names.filter((name) => isOf(name, stage, checkpoint.stopping.bestEpoch)).slice(-1);
  const kept = new Set([...names.slice(Math.max(0, names.length - keep + 1)), ...best]);
  for (const name of names) if (!kept.has(name)) await rm(join(folder, name), { force: true });
  return path;
}

/** The newest checkpoint of a folder that is whole; `undefined` where there is none. Throws OPTION_INVALID for another plan's. */
export async function readCheckpoint(
  folder: string,
  identity: string,
): Promise<Checkpoint | undefined> {
  for (const name of (await checkpointNames(folder)).toReversed()) {
    const path = join(folder, name);
    const found = await readWhole(path);
    if (!found) continue;
    if (found.identity === identity) return found;
    throw new ToolkitError(
      'OPTION_INVALID',
      'The checkpoint is of another training: model, data or plan are not the same',
      {
        where: { file: path },
        hint: 'Go on with the same options, or remove the folder and begin anew.',
      },
    );
  }
  return undefined;
}

/** Whether a folder holds any. */
export async function hasCheckpoints(folder: string): Promise<boolean> {
  return (await checkpointNames(folder)).length > 0;
}

/** Takes all checkpoints of a folder away, and the folder where nothing else is in it. */
export async function removeCheckpoints(folder: string): Promise<void> {
  for (const name of await readdir(folder).catch(() => [])) {
    // Those that a killed process was writing too: nobody else writes here.
    if (/\.checkpoint(\.\d+\.[\da-f]+\.tmp)?$/.test(name))
      await rm(join(folder, name), { force: true });
  }
  const rest = await readdir(folder).catch(() => ['?']);
  if (rest.length === 0) await rm(folder, { recursive: true, force: true });
}

async function checkpointNames(folder: string): Promise<string[]> {
  const names = await readdir(folder).catch(() => []);
  return names.filter((name) => name.endsWith(ending) && !name.startsWith('.')).toSorted();
}

function numberOf(name: string): number {
  return Number(/^\d+/.exec(name)?.[0] ?? 0);
}

function isOf(name: string, stage: number, epoch: number): boolean {
  return name.includes(`-stage${stage + 1}-epoch${epoch}${ending}`);
}

interface PartTensor extends z.infer<typeof tensorEntry> {
  readonly numbers: Float32Array;
}

function tensorsOf({ trainer, best, learned }: Checkpoint): readonly PartTensor[] {
  const parts = { trainer: trainer.tensors, best, learned } as const;
  return (['trainer', 'best', 'learned'] as const).flatMap((part) =>
    [...(parts[part] ?? [])].map(([name, numbers]) => ({
      part,
      name,
      length: numbers.length,
      numbers,
    })),
  );
}

function headerOf(
  { trainer, best, learned: _learned, ...plain }: Checkpoint,
  tensors: readonly PartTensor[],
): z.input<typeof header> {
  return {
    ...plain,
    history: plain.history.map((each) => ({ ...each })),
    iteration: trainer.iteration,
    hasBest: best !== undefined,
    tensors: tensors.map(({ part, name, length }) => ({ part, name, length })),
    digest: digestOf(tensors.map(({ numbers }) => numbers)),
  };
}

function digestOf(arrays: readonly Float32Array[]): string {
  const hash = createHash('sha256');
  for (const { buffer, byteOffset, byteLength } of arrays) {
    hash.update(new Uint8Array(buffer, byteOffset, byteLength));
  }
  return hash.digest('hex');
}

/** `undefined` for what is no whole checkpoint. Memory: its numbers. */
async function readWhole(path: string): Promise<Checkpoint | undefined> {
  const file = await open(path).catch(() => undefined);
  if (!file) return undefined;
  try {
    const text = await headText(file);
    const parsed = header.safeParse(text && JSON.parse(text.json));
    if (!text || !parsed.success) return undefined;
    const arrays = await arraysOf(file, text.bytes, parsed.data.tensors);
    const isWhole = arrays && digestOf(arrays) === parsed.data.digest;
    return isWhole ? checkpointOf(parsed.data, arrays) : undefined;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  } finally {
    await file.close();
  }
}

type OpenFile = Awaited<ReturnType<typeof open>>;

/** Arrays one behind the other; `undefined` where the file ends before they do. */
async function arraysOf(
  file: OpenFile,
  start: number,
  tensors: readonly { readonly length: number }[],
): Promise<readonly Float32Array[] | undefined> {
  const arrays: Float32Array[] = [];
  let at = start;
  for (const { length } of tensors) {
    const numbers = new Float32Array(length);
    if (!(await fill(file, new Uint8Array(numbers.buffer), at))) return undefined;
    at += numbers.byteLength;
    arrays.push(numbers);
  }
  return arrays;
}

/** Reads a range in pieces of at most 1 GiB, since one read has a limit; whether all of it was there. */
async function fill(file: OpenFile, bytes: Uint8Array, at: number): Promise<boolean> {
  for (let done = 0; done < bytes.length; ) {
    const most = Math.min(bytes.length - done, 2 ** 30);
    const { bytesRead } = await file.read(bytes, done, most, at + done);
    if (bytesRead === 0) return false;
    done += bytesRead;
  }
  return true;
}

/** The second line, and how many bytes the first two take. */
async function headText(
  file: OpenFile,
): Promise<{ readonly json: string; readonly bytes: number } | undefined> {
  const chunk = Buffer.alloc(1024 * 1024);
  let read = Buffer.alloc(0);
  for (;;) {
    const { bytesRead } = await file.read(chunk, 0, chunk.length, read.length);
    if (bytesRead === 0) return undefined;
    read = Buffer.concat([read, chunk.subarray(0, bytesRead)]);
    if (!read.subarray(0, magic.length).equals(Buffer.from(magic).subarray(0, read.length)))
      return undefined;
    const end = read.indexOf('\n', magic.length);
    if (end >= 0) return { json: read.toString('utf8', magic.length, end), bytes: end + 1 };
  }
}

function checkpointOf(
  { iteration, tensors, hasBest, digest: _digest, ...plain }: z.output<typeof header>,
  arrays: readonly Float32Array[],
): Checkpoint {
  const part = (wanted: PartTensor['part']): ReadonlyMap<string, Float32Array> =>
    new Map(
      tensors.flatMap(({ part: own, name }, i) =>
        own === wanted ? [[name, arrays[i] ?? new Float32Array(0)] as const] : [],
      ),
    );
  return {
    ...plain,
    stopping: { ...plain.stopping, best: plain.stopping.best },
    plateau: { ...plain.plateau, best: plain.plateau.best },
    baselines: plain.baselines && {
      majority: plain.baselines.majority,
      neighbours: plain.baselines.neighbours,
      logistic: plain.baselines.logistic,
    },
    trainer: { iteration, tensors: part('trainer') },
    best: hasBest ? part('best') : undefined,
    learned: part('learned'),
  };
}
