import { ToolkitError } from '../errors.ts';
import { readCard } from '../onnx/card.ts';
import { readModel, type StoredModel } from '../onnx/read.ts';
import type { LabelledFile } from '../runtime/folder.ts';
import { imageEnds } from '../runtime/model.ts';
import { augmentSchema } from './augment/settings.ts';
import { type FeatureCut, popLayer } from './cut.ts';
import { arraySource } from './data/arrays.ts';
import { imageSource } from './data/images.ts';
import { byAbsolutePath, listSplit, withSoftSamples } from './data/listing.ts';
import type { DataSource, SourceEvents } from './data/source.ts';
import type { FileDigests } from './digest.ts';
import { type HeadActivation, type HeadLayer, parseHead } from './heads/head-text.ts';
import type { LossName } from './losses.ts';
import type { TrainOptions } from './options.ts';
import { cutPoints } from './plan/cut-point.ts';
import { withSizes } from './plan/fixed-sizes.ts';
import { networkOf } from './plan/network.ts';
import { checked } from './plan/text.ts';
import type { Settings } from './settings.ts';
import { freeHeadName } from './splice.ts';
import type { Campaign } from './stage-open.ts';
import { fittedTo, standardiseSchema } from './standardisation.ts';

/** Reads model, data and head, and decides what is left open. Throws what reading them throws, and OPTION_INVALID. */
export async function openCampaign(
  options: TrainOptions,
  settings: Settings,
  events: SourceEvents,
  digests?: FileDigests,
): Promise<Campaign & { readonly removed: readonly string[] }> {
  const stored = readModel(options.base);
  const names = keptNames(stored, options);
  const source = await openSource({ ...options, names }, settings, events, digests);
  const base = withSizes(stored, source.sample);
  const end = endOf(base, options.head, options.at);
  const width = lastWidth(base);
  const loss = settings.loss ?? defaultLoss(base, source, end);
  const dropout = settings.dropout ?? end.dropout;
  const layers = end.layers ?? [
    ...(dropout > 0 ? [{ kind: 'dropout', rate: dropout } as const] : []),
    { kind: 'dense', units: undefined, activation: undefined } as const,
  ];
  const last = layers.findLast((layer) => layer.kind === 'dense');
  const outputs =
    (last?.kind === 'dense' ? last.units : undefined) ?? (last ? source.outputs : width);
  const network = networkOf(base, {
    at: end.at,
    kept: end.kept,
    headPlan: {
      layers,
      outputs: source.outputs,
      activation: activationFor(loss, source),
      seed: settings.seed,
      name: freeHeadName(base, end.at),
    },
  });
  const { provider, threads, output } = options;
  const scratch = `${output}.${process.pid}.frozen.onnx`;
  return {
    network,
    source,
    settings,
    loss,
    outputs,
    provider,
    threads,
    scratch,
    removed: end.removed,
  };
}

/** Arrays tell no names of classes: a classifier that keeps its end keeps its own. */
function keptNames(
  base: StoredModel,
  { head, arrays }: TrainOptions,
): readonly string[] | undefined {
  if (head !== 'keep' || !arrays || arrays.task === 'regression') return undefined;
  const { classes } = readCard(base);
  return classes?.length === lastWidth(base) ? classes : undefined;
}

function openSource(
  options: TrainOptions & { readonly names: readonly string[] | undefined },
  settings: Settings,
  events: SourceEvents,
  digests: FileDigests | undefined,
): Promise<DataSource> {
  const { arrays, train, valid, validationSplit: split, provider, threads } = options;
  if (split !== undefined && !(split >= 0 && split < 1)) {
    throw wrong(`"validationSplit" should be a share from 0 to less than 1, but is ${split}`);
  }
  if (arrays) {
    if (train !== undefined)
      throw wrong('Folders of pictures and arrays were given, where one is expected');
    if (options.softSamples) throw wrong('Pictures with scores cannot join arrays');
    if (options.standardise) throw wrong('Pictures are standardised, but arrays were given');
    const isClasses = arrays.task !== 'regression';
    const files = { ...arrays, split, isClasses, names: options.names };
    return arraySource(files, { provider, threads }, events);
  }
  if (train === undefined) throw wrong('Neither a folder of pictures nor arrays were given');
  return openImages(options, { train, valid, split, seed: settings.seed, digests }, events);
}

async function openImages(
  options: TrainOptions,
  {
    train,
    valid,
    split,
    seed,
    digests,
  }: {
    readonly train: string;
    readonly valid: string | undefined;
    readonly split: number | undefined;
    readonly seed: number;
    readonly digests: FileDigests | undefined;
  },
  events: SourceEvents,
): Promise<DataSource> {
  const { provider, threads, cache, strict, workers, softTargets } = options;
  const { augmentPasses = 0, featureBatch: batch } = options;
  const augment = options.augment && checked(augmentSchema, options.augment, 'The augmentation');
  const memory = options.memory ?? 4 * 2 ** 30;
  const given = {
    provider,
    threads,
    cache,
    strict,
    batch,
    augment,
    augmentPasses,
    seed,
    workers,
    memory,
    digests,
  };
  const softSamples = byAbsolutePath(options.softSamples ?? new Map());
  const listing = withSoftSamples(await listSplit(train, { valid, split }), softSamples);
  const own = await preprocessFor(options, listing.train.files);
  return imageSource(listing, { ...given, preprocess: own, softTargets, softSamples }, events);
}

/** What is said of the preprocessing, with what the pictures that are learned from say of it. */
async function preprocessFor(
  { base, preprocess, standardise, workers, signal }: TrainOptions,
  files: readonly LabelledFile[],
): Promise<TrainOptions['preprocess']> {
  if (standardise === undefined) return preprocess;
  const wanted = checked(standardiseSchema, standardise, 'The standardisation');
  const model = readModel(base);
  const ends = imageEnds(model, readCard(model), preprocess);
  const found = await fittedTo(files, wanted, { preprocess: ends.preprocess, workers, signal });
  return { ...preprocess, standardise: found };
}

interface End extends Pick<FeatureCut, 'at' | 'dropout' | 'removed'> {
  readonly kept: FeatureCut['layers'];
  /** `undefined` for one dense layer. */
  readonly layers: readonly HeadLayer[] | undefined;
}

/** Where the new head begins. One that begins with a map of features takes the last such map. */
function endOf(base: StoredModel, text: string | undefined, at: string | undefined): End {
  if (text === 'keep') {
    const output = base.outputs[0]?.name ?? '';
    const { layers } = popLayer(base, { at: output });
    return { at: output, dropout: 0, removed: [], kept: layers, layers: [] };
  }
  const layers = text === undefined ? undefined : parseHead(text);
  const isMap = ['flatten', 'gap', 'gmp', 'maxpool'].includes(layers?.[0]?.kind ?? '');
  const place = at ?? (isMap ? lastMap(base) : undefined);
  const { layers: kept, ...cut } = popLayer(base, place === undefined ? {} : { at: place });
  return { ...cut, kept, layers };
}

/** The last value [N, C, H, W] through which everything goes. */
function lastMap(base: StoredModel): string | undefined {
  const points = cutPoints(base, base.outputs[0]?.name ?? '', new Set());
  return (
    points.findLast(({ shape }) => shape.length === 3 && (shape[1] ?? 0) * (shape[2] ?? 0) > 1)
      ?.name ?? points.findLast(({ shape }) => shape.length === 3)?.name
  );
}

function lastWidth({ outputs: [output] }: StoredModel): number {
  return (output?.shape.slice(1) ?? []).reduce<number>((size, dim) => size * Number(dim), 1);
}

/** What goes with the end of the network, from its logits. */
function defaultLoss(base: StoredModel, { classes }: DataSource, { layers }: End): LossName {
  const last = layers?.findLast((layer) => layer.kind === 'dense');
  const activation =
    layers?.length === 0
      ? activationOf(base)
      : last?.kind === 'dense'
        ? last.activation
        : undefined;
  if (activation === 'sigmoid') return 'binary_crossentropy';
  if (activation === 'softmax') return 'categorical_crossentropy';
  return classes ? 'categorical_crossentropy' : 'mean_squared_error';
}

function activationOf(base: StoredModel): string | undefined {
  const output = base.outputs[0]?.name ?? '';
  return base.nodes.find(({ outputs }) => outputs.includes(output))?.op.toLowerCase();
}

function activationFor(loss: LossName, { classes }: DataSource): HeadActivation {
  if (loss.endsWith('binary_crossentropy')) return 'sigmoid';
  return classes || loss.endsWith('categorical_crossentropy') ? 'softmax' : 'linear';
}

function wrong(what: string): ToolkitError {
  return new ToolkitError('OPTION_INVALID', what, { hint: 'Give a folder of classes, or arrays.' });
}
