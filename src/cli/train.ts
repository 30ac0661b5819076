import { Command } from 'commander';
import { ToolkitError } from '../errors.ts';
import type { TrainOptions } from '../train/options.ts';
import { checked, itemsOf, plainValue } from '../train/plan/text.ts';
import { trainWithPseudoLabels } from '../train/pseudo-labels.ts';
import { findRate } from '../train/rate-finder.ts';
import { type StandardiseOptions, standardiseSchema } from '../train/standardisation.ts';
import { train } from '../train/train.ts';
import { noteAssumedIn } from './assumed.ts';
import { takeSignals } from './signals.ts';
import { note, print } from './terminal.ts';
import {
  augmentationOf,
  classWeightsOf,
  type Options,
  stagesOf,
  withTrainOptions,
} from './train-options.ts';
import { curveText, eventPrinter } from './train-print.ts';

/** `graft train`. */
export function trainCommand(): Command {
  const command = new Command('train')
    .description(
      'Fit a new end on images or arrays, then any layer before it, and write one ONNX file.',
    )
    .argument('<model>', 'the ONNX file to start from')
    .argument('[folder]', 'training images, one sub-folder a class');
  return withTrainOptions(command).action(run);
}

async function run(base: string, folder: string | undefined, options: Options): Promise<void> {
  const output = options.output ?? base.replace(/(\.onnx)?$/, '-tuned.onnx');
  const history = options.history ?? output.replace(/(\.onnx)?$/, '.history.json');
  const { seed, shuffle, provider = 'cpu' } = options;
  const printer = eventPrinter(
    `seed ${seed}, ${shuffle ? 'shuffled' : 'not shuffled'}, on ${provider}`,
  );
  if (folder !== undefined) noteUnsaid(base, options);
  const interrupt = catchInterrupt(printer);
  try {
    const all: TrainOptions = {
      base,
      train: folder,
      output,
      history,
      ...settingsOf(options),
      ...dataOf(options),
      ...stagesOf(options),
      signal: interrupt.signal,
      onEvent: printer.print,
    };
    if (options.findLr === true && options.pseudoLabels !== undefined) {
      throw new ToolkitError(
        'OPTION_INVALID',
        '--find-lr tries rates before there are pseudo-labels',
        {
          hint: 'Leave out one of --find-lr and --pseudo-labels.',
        },
      );
    }
    if (options.findLr === true) print(curveText(await findRate(all)));
    else {
      await (options.pseudoLabels === undefined
        ? train(all)
        : trainWithPseudoLabels(all, options.pseudoLabels));
    }
  } finally {
    printer.stop();
    interrupt.letGo();
  }
}

/** Says that pixels go in as they are, where neither the model nor the options tell. */
function noteUnsaid(base: string, { preprocess, rescale, standardise }: Options): void {
  if (rescale === undefined && standardise === undefined) noteAssumedIn(base, preprocess?.mode);
}

interface Interrupt {
  /** Aborted by the first Ctrl-C, or SIGTERM; the next one ends the process. */
  readonly signal: AbortSignal;
  readonly letGo: () => void;
}

function catchInterrupt({ stop, isLearning }: ReturnType<typeof eventPrinter>): Interrupt {
  const stopping = new AbortController();
  const signals = ['SIGINT', 'SIGTERM'] as const;
  const letGo = takeSignals(signals, () => {
    stop();
    note(`${isLearning() ? 'Saving after this step' : 'Stopping'}; once more ends at once.`);
    stopping.abort();
    // Without a listener the system ends the process, though a run of the model may block its event loop.
    for (const signal of signals) process.removeAllListeners(signal);
  });
  return { signal: stopping.signal, letGo };
}

function dataOf(options: Options): Partial<TrainOptions> {
  const { data, targets, validData, validTargets, task, keras } = options;
  if ((data === undefined) !== (targets === undefined)) {
    const [given, missing] = data === undefined ? ['--targets', '--data'] : ['--data', '--targets'];
    throw new ToolkitError('OPTION_INVALID', `${given} was given without ${missing}`, {
      hint: 'Arrays are given as --data x.npy --targets y.npy.',
    });
  }
  return {
    valid: options.valid,
    validationSplit: options.split,
    arrays:
      data === undefined || targets === undefined
        ? undefined
        : { x: data, y: targets, validX: validData, validY: validTargets, task },
    augment: augmentationOf(options.augment, keras === '1' ? 1 : 3),
    augmentPasses: options.augmentPasses,
    preprocess: preprocessOf(options),
    standardise: standardisationOf(options.standardise),
    strict: options.strict,
    featureBatch: options.featureBatch,
    workers: options.workers,
    memory: options.memory,
    cache: options.cache === true ? undefined : options.cache,
  };
}

function preprocessOf({ preprocess, rescale }: Options): TrainOptions['preprocess'] {
  if (rescale === undefined) return preprocess;
  return { ...preprocess, rescale };
}

function settingsOf(options: Options): Partial<TrainOptions> {
  const { checkpoints, checkpointEvery: every, keep } = options;
  const folder = typeof checkpoints === 'string' ? checkpoints : undefined;
  return {
    force: options.force,
    provider: options.provider,
    at: options.at,
    resume: options.resume,
    baselines: options.baselines,
    checkpoints: checkpoints === false ? false : { folder, every, keep },
    epochs: options.epochs,
    batchSize: options.batch,
    seed: options.seed,
    shuffle: options.shuffle,
    loss: options.loss,
    dropout: options.dropout,
    patience: options.patience,
    monitor: options.monitor,
    l2: options.l2,
    labelSmoothing: options.labelSmoothing,
    classWeights: classWeightsOf(options.classWeights),
    batchNorm: options.batchNorm,
    optimizer: {
      name: options.optimizer,
      keras: options.keras === '1' ? 1 : 3,
      learningRate: options.lr,
      momentum: options.momentum,
      nesterov: options.nesterov,
      weightDecay: options.weightDecay,
      clipnorm: options.clipnorm,
      clipvalue: options.clipvalue,
    },
  };
}

/** `samplewise_center,featurewise_std_normalization`. The library checks the names. */
function standardisationOf(text: string | undefined): StandardiseOptions | undefined {
  if (text === undefined) return undefined;
  const given = Object.fromEntries(
    itemsOf(text).map(({ name, value }) => [name, plainValue(value)]),
  );
  return checked(standardiseSchema, given, `The standardisation "${text}"`);
}
