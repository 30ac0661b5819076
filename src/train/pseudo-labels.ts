import { readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { z } from 'zod';
import { ToolkitError } from '../errors.ts';
import { readCard } from '../onnx/card.ts';
import { readModel } from '../onnx/read.ts';
import { listImages, type SkippedFile } from '../runtime/folder.ts';
import { loadModel } from '../runtime/model.ts';
import { predict } from '../runtime/predict.ts';
import type { Baselines } from './baselines.ts';
import { identityOf } from './callbacks/saving.ts';
import { openCampaign } from './campaign.ts';
import { listSplit } from './data/listing.ts';
import { FileDigests } from './digest.ts';
import type { TrainOptions } from './options.ts';
import { checkedSettings } from './settings.ts';
import { checkTargets, type TrainResult, trainKnowing } from './train.ts';

/** Scores of pictures, by absolute path. */
type Scores = ReadonlyMap<string, readonly number[]>;

/** How pictures are scored. */
interface ScoreOptions
  extends Pick<TrainOptions, 'provider' | 'threads' | 'preprocess' | 'strict'> {
  readonly onSkip?: ((skipped: SkippedFile) => void) | undefined;
}

/**
 * What a classifier says of pictures: scores of all classes, in the order of its classes, by absolute path.
 *
 * Throws what `loadModel` throws, and when strict IMAGE_UNREADABLE.
 */
export async function pseudoLabels(
  model: string,
  files: readonly string[],
  { provider, threads, preprocess, strict, onSkip }: ScoreOptions = {},
): Promise<Scores> {
  const loaded = await loadModel(model, { provider, threads, preprocess });
  try {
    const all = new Map<string, readonly number[]>();
    const how = { top: Number.POSITIVE_INFINITY, strict, onSkip };
    for await (const { file, top } of predict(loaded, files, how)) {
      const inOrder = top.toSorted((a, b) => a.index - b.index);
      all.set(
        resolve(file),
        inOrder.map(({ probability }) => probability),
      );
    }
    return all;
  } finally {
    await loaded.close();
  }
}

/**
 * Trains twice: the first result scores pictures that have no class, and the same plan begins anew with these as soft
 * targets among the training pictures.
 *
 * Pictures that are for validation, or have a class already, are left out, by their content. The first result lies
 * beside the output until all is done, so that `resume` need not make it again. Throws what `train` throws, and
 * OPTION_INVALID for arrays.
 */
export async function trainWithPseudoLabels(
  options: TrainOptions,
  folder: string,
): Promise<TrainResult> {
  const { output, onEvent } = options;
  if ((await listImages([folder])).files.length === 0) throw noUnlabelled(folder);
  await checkTargets(options);
  const digests = new FileDigests();
  const known = await knownPictures(options, digests);
  const teacher: Teacher = { path: `${output}.teacher.onnx`, mark: `${output}.teacher.txt` };
  const identity = await identityFor(options);
  const isDone = options.resume === true && (await isFirstRoundDone(teacher, identity));
  const passedOver: SkippedFile[] = [];
  try {
    if (!isDone) await firstRound(options, { teacher, identity, digests });
    const { unlabelled, skipped } = await unlabelledIn(folder, known, digests);
    const onSkip = (skip: SkippedFile): void => {
      passedOver.push(skip);
      onEvent?.({ kind: 'skip', part: 'train', ...skip });
    };
    for (const skip of skipped) onSkip(skip);
    const softSamples = await scored(options, {
      teacher: teacher.path,
      folder,
      unlabelled,
      onSkip,
    });
    const result = await trainKnowing({ ...options, softSamples, baselines: false }, digests);
    const baselines = baselinesIn(teacher.path);
    await remove(teacher);
    return { ...result, baselines, skipped: [...result.skipped, ...passedOver] };
  } catch (error) {
    // An interrupted training goes on with it.
    const isKept = error instanceof ToolkitError && keeping.has(error.code);
    if (!isKept) await remove(teacher);
    throw error;
  }
}

/** Faults after which the first result is still wanted, or is another training's. */
const keeping: ReadonlySet<string> = new Set(['TRAINING_INTERRUPTED', 'OUTPUT_EXISTS']);

/** The first result, and the file that says of which training it is. */
interface Teacher {
  readonly path: string;
  readonly mark: string;
}

async function remove({ path, mark }: Teacher): Promise<void> {
  await rm(path, { force: true });
  await rm(mark, { force: true });
}

/** What the first round depends on. */
async function identityFor(options: TrainOptions): Promise<string> {
  const silent = { onSkip: () => undefined, onProgress: () => undefined };
  // What the pictures are standardised by follows from them, and need not be found once more.
  const { standardise = null } = options;
  const plain = { ...options, standardise: undefined };
  const campaign = await openCampaign(plain, checkedSettings(plain), silent);
  return `${identityOf(campaign)} ${JSON.stringify(standardise)}`;
}

/** Whether the first result is there already. Throws OPTION_INVALID where it is another training's. */
async function isFirstRoundDone({ path, mark }: Teacher, identity: string): Promise<boolean> {
  const isThere = (await stat(path).catch(() => undefined)) !== undefined;
  const found = await readFile(mark, 'utf8').catch(() => undefined);
  if (!isThere || found === undefined) return false;
  if (found === identity) return true;
  throw new ToolkitError(
    'OPTION_INVALID',
    'The first result that is kept is of another training: model, data or plan are not the same',
    {
      where: { file: path },
      hint: 'Go on with the same options, or remove the file and begin anew.',
    },
  );
}

/** Trains without the pictures that have no class. */
async function firstRound(
  options: TrainOptions,
  {
    teacher,
    identity,
    digests,
  }: {
    readonly teacher: Teacher;
    readonly identity: string;
    readonly digests: FileDigests;
  },
): Promise<void> {
  const { checkpoints = {}, onEvent } = options;
  const folder = checkpoints === false ? undefined : checkpoints.folder;
  const own =
    folder === undefined ? checkpoints : { ...checkpoints, folder: join(folder, 'teacher') };
  // What is there without its mark was being written when the process ended.
  if (options.resume === true) await remove(teacher);
  await trainKnowing(
    {
      ...options,
      output: teacher.path,
      history: undefined,
      checkpoints: own,
      onEvent: (event) => event.kind !== 'done' && onEvent?.(event),
    },
    digests,
  );
  await writeFile(teacher.mark, identity);
}

const measured = z.object({
  baselines: z.object({
    majority: z.number(),
    neighbours: z.number().optional(),
    logistic: z.number().optional(),
  }),
});

/** What the first round measured, as its result says. */
function baselinesIn(path: string): Baselines | undefined {
  const found = measured.safeParse(readCard(readModel(path)).history).data?.baselines;
  return found && { ...found, neighbours: found.neighbours, logistic: found.logistic };
}

/** Digests of the pictures that have a class: what they are for. Throws OPTION_INVALID where there is no folder of them. */
async function knownPictures(
  options: TrainOptions,
  digests: FileDigests,
): Promise<ReadonlyMap<string, string>> {
  const { train: folder, valid, validationSplit: split } = options;
  if (folder === undefined) {
    throw new ToolkitError('OPTION_INVALID', 'Pseudo-labels need pictures, but arrays were given', {
      hint: 'Give a folder of training pictures, one sub-folder a class.',
    });
  }
  const listing = await listSplit(folder, { valid, split });
  const known = new Map<string, string>();
  const add = async (files: readonly { readonly path: string }[], words: string): Promise<void> => {
    for (const { path } of files) {
      const digest = await digests.of(path);
      if (digest !== undefined) known.set(digest, words);
    }
  };
  await add(listing.train.files, 'it is among the training pictures, with a class');
  await add(listing.valid?.files ?? [], 'it is a picture for validation');
  return known;
}

async function unlabelledIn(
  folder: string,
  known: ReadonlyMap<string, string>,
  digests: FileDigests,
): Promise<{ readonly unlabelled: readonly string[]; readonly skipped: readonly SkippedFile[] }> {
  const { files, skipped } = await listImages([folder]);
  const unlabelled: string[] = [];
  const passedOver = [...skipped];
  for (const path of files) {
    const reason = known.get((await digests.of(path)) ?? '');
    if (reason === undefined) unlabelled.push(path);
    else passedOver.push({ path, reason });
  }
  if (unlabelled.length === 0) throw noUnlabelled(folder);
  return { unlabelled, skipped: passedOver };
}

interface Unlabelled {
  readonly teacher: string;
  readonly folder: string;
  readonly unlabelled: readonly string[];
  readonly onSkip: (skipped: SkippedFile) => void;
}

async function scored(
  { provider, threads, preprocess, strict, onEvent }: TrainOptions,
  { teacher, folder, unlabelled, onSkip }: Unlabelled,
): Promise<Scores> {
  const how = { provider, threads, preprocess, strict, onSkip };
  const scores = await pseudoLabels(teacher, unlabelled, how);
  if (scores.size === 0) throw noUnlabelled(folder);
  onEvent?.({ kind: 'pseudoLabels', folder, ...summaryOf(teacher, scores) });
  return scores;
}

function summaryOf(
  teacher: string,
  scores: Scores,
): { readonly images: Readonly<Record<string, number>>; readonly confidence: number } {
  const best = [...scores.values()].map((each) => Math.max(...each));
  const found = [...scores.values()].map((each, i) => each.indexOf(best[i] ?? 0));
  const classes = readCard(readModel(teacher)).classes ?? [];
  const images = Object.fromEntries(
    classes.map((name, label) => [name, found.filter((each) => each === label).length]),
  );
  return { images, confidence: best.reduce((sum, score) => sum + score, 0) / best.length };
}

function noUnlabelled(folder: string): ToolkitError {
  return new ToolkitError('DATASET_EMPTY', 'No picture was found that could get a pseudo-label', {
    where: { file: folder },
    hint: 'It should hold pictures that are neither among the training ones nor for validation.',
  });
}
