import { rm, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { ToolkitError } from '../errors.ts';
import { readCard } from '../onnx/card.ts';
import { readModel } from '../onnx/read.ts';
import { listImages, type SkippedFile } from '../runtime/folder.ts';
import { loadModel } from '../runtime/model.ts';
import { predict } from '../runtime/predict.ts';
import { listSplit } from './data/listing.ts';
import { fileDigest } from './digest.ts';
import type { TrainOptions } from './options.ts';
import { checkTargets, type TrainResult, train } from './train.ts';

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
  const known = await knownPictures(options);
  const teacher = `${output}.teacher.onnx`;
  const passedOver: SkippedFile[] = [];
  try {
    const first = await firstRound(options, teacher);
    const { unlabelled, skipped } = await unlabelledIn(folder, known);
    const onSkip = (skip: SkippedFile): void => {
      passedOver.push(skip);
      onEvent?.({ kind: 'skip', part: 'train', ...skip });
    };
    for (const skip of skipped) onSkip(skip);
    const softSamples = await scored(options, { teacher, folder, unlabelled, onSkip });
    const result = await train({ ...options, softSamples, baselines: false });
    await rm(teacher, { force: true });
    return { ...result, baselines: first?.baselines, skipped: [...result.skipped, ...passedOver] };
  } catch (error) {
    // An interrupted training goes on with it.
    const isKept = error instanceof ToolkitError && keeping.has(error.code);
    if (!isKept) await rm(teacher, { force: true });
    throw error;
  }
}

/** Faults after which the first result is still wanted, or is another training's. */
const keeping: ReadonlySet<string> = new Set(['TRAINING_INTERRUPTED', 'OUTPUT_EXISTS']);

/** Trains without the pictures that have no class; a resumed training may have done so. */
async function firstRound(
  options: TrainOptions,
  teacher: string,
): Promise<TrainResult | undefined> {
  const { checkpoints = {}, resume, onEvent } = options;
  const isDone = resume === true && (await stat(teacher).catch(() => undefined)) !== undefined;
  if (isDone) return undefined;
  const folder = checkpoints === false ? undefined : checkpoints.folder;
  const own =
    folder === undefined ? checkpoints : { ...checkpoints, folder: join(folder, 'teacher') };
  return train({
    ...options,
    output: teacher,
    history: undefined,
    checkpoints: own,
    onEvent: (event) => event.kind !== 'done' && onEvent?.(event),
  });
}

/** Digests of the pictures that have a class: what they are for. Throws OPTION_INVALID where there is no folder of them. */
async function knownPictures(options: TrainOptions): Promise<ReadonlyMap<string, string>> {
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
      const digest = await fileDigest(path).catch(() => undefined);
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
): Promise<{ readonly unlabelled: readonly string[]; readonly skipped: readonly SkippedFile[] }> {
  const { files, skipped } = await listImages([folder]);
  const unlabelled: string[] = [];
  const passedOver = [...skipped];
  for (const path of files) {
    const reason = known.get(await fileDigest(path).catch(() => ''));
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
