import { Command, Option } from 'commander';
import { optimizers } from '../train/optimizers.ts';
import { headLosses, type TrainSettings } from '../train/settings.ts';
import { type TrainEvent, type TrainOptions, train } from '../train/train.ts';
import { positiveNumber, preprocessOption, providerOption, share, wholeNumber } from './options.ts';
import { bytesText, note, type Progress, print, progressBar } from './terminal.ts';

interface Options
  extends Pick<
    TrainOptions,
    'provider' | 'preprocess' | 'force' | 'at' | 'strict' | 'featureBatch'
  > {
  readonly output?: string;
  readonly valid?: string;
  readonly epochs: number;
  readonly batch: number;
  readonly optimizer: keyof typeof optimizers;
  readonly lr?: number;
  readonly momentum?: number;
  readonly nesterov?: boolean;
  readonly keras: '1' | '3';
  readonly loss: NonNullable<TrainSettings['loss']>;
  readonly dropout?: number;
  readonly seed: number;
  readonly shuffle: boolean;
  readonly cache: string | boolean;
  readonly history?: string;
}

/** `graft train`. */
export function trainCommand(): Command {
  return new Command('train')
    .description('Fit a new last layer on a folder of images, and splice it into one ONNX file.')
    .argument('<model>', 'the ONNX file to start from')
    .argument('<folder>', 'training images, one sub-folder a class')
    .option('--valid <folder>', 'validation images, with the same classes')
    .option('-o, --output <file>', 'the new ONNX file (default: beside the model, -tuned.onnx)')
    .option('-f, --force', 'overwrite the outputs')
    .option('--epochs <n>', 'passes over the training images', wholeNumber(1), 10)
    .option('--batch <n>', 'images a step', wholeNumber(1), 64)
    .addOption(new Option('--optimizer <name>').choices(Object.keys(optimizers)).default('adam'))
    .option('--lr <rate>', 'learning rate (default: Keras’ own of the optimizer)', positiveNumber)
    .option('--momentum <m>', 'of SGD, and of RMSprop by the rules of Keras 3', share('one'))
    .option('--nesterov', 'Nesterov’s momentum, for SGD')
    .addOption(
      new Option('--keras <generation>', 'whose update rules').choices(['1', '3']).default('3'),
    )
    .addOption(new Option('--loss <name>').choices(headLosses).default('categorical_crossentropy'))
    .option(
      '--dropout <rate>',
      'share of the features dropped (default: as before the old head)',
      share('less'),
    )
    .option('--seed <n>', 'of first weights, order and dropout', wholeNumber(0), 0)
    .option('--no-shuffle', 'keep the order of the files')
    .option('--at <value>', 'where the features are taken (default: before the last dense layer)')
    .option('--feature-batch <n>', 'images at once while features are computed', wholeNumber(1), 16)
    .option('--strict', 'fail on an image that cannot be read, instead of skipping it')
    .option('--cache <folder>', 'where features are kept (default: in the user’s cache)')
    .option('--no-cache', 'keep no features')
    .option('--history <file>', 'the history as JSON (default: beside the output)')
    .addOption(providerOption())
    .addOption(preprocessOption())
    .action(run);
}

async function run(base: string, folder: string, options: Options): Promise<void> {
  const output = options.output ?? base.replace(/(\.onnx)?$/, '-tuned.onnx');
  const history = options.history ?? output.replace(/(\.onnx)?$/, '.history.json');
  const printer = eventPrinter(options);
  try {
    await train({
      base,
      train: folder,
      valid: options.valid,
      output,
      history,
      force: options.force,
      provider: options.provider,
      preprocess: options.preprocess,
      strict: options.strict,
      featureBatch: options.featureBatch,
      at: options.at,
      cache: options.cache === true ? undefined : options.cache,
      ...settingsOf(options),
      onEvent: printer.print,
    });
  } finally {
    printer.stop();
  }
  print(`History in ${history}`);
}

function settingsOf(options: Options): TrainSettings {
  const { epochs, batch, seed, shuffle, loss, dropout } = options;
  return {
    epochs,
    batchSize: batch,
    seed,
    shuffle,
    loss,
    dropout,
    optimizer: {
      name: options.optimizer,
      keras: options.keras === '1' ? 1 : 3,
      learningRate: options.lr,
      momentum: options.momentum,
      nesterov: options.nesterov,
    },
  };
}

interface EventPrinter {
  readonly print: (event: TrainEvent) => void;
  readonly stop: () => void;
}

/** Prints the plan, then progress as Keras does. */
function eventPrinter(options: Options): EventPrinter {
  let bar: Progress | undefined;
  let samples = 0;
  const stop = (): void => {
    bar?.stop();
    bar = undefined;
  };
  return {
    stop,
    print(event) {
      if (event.kind === 'features') {
        bar ??= progressBar(`Features (${event.part})`, 'images');
        bar.update(event.done, event.total);
        if (event.done === event.total) {
          stop();
          print(`Features (${event.part}): ${event.total} images, ${event.cached} from the cache`);
        }
        return;
      }
      if (event.kind === 'plan') samples = event.trainImages;
      const text = eventText(event, { samples, options });
      if (event.kind === 'skip') note(text);
      else print(text);
    },
  };
}

type Told = Exclude<TrainEvent, { readonly kind: 'features' }>;

function eventText(
  event: Told,
  { samples, options }: { readonly samples: number; readonly options: Options },
): string {
  switch (event.kind) {
    case 'plan':
      return planText(event, options);
    case 'skip':
      return `Skipped ${event.path}: ${event.reason}`;
    case 'epoch':
      return epochText(event, samples);
    case 'done':
      return `${event.output}\n  ${bytesText(event.bytes)}`;
  }
}

type PlanEvent = Extract<TrainEvent, { readonly kind: 'plan' }>;

function planText(event: PlanEvent, { seed, shuffle, loss, provider }: Options): string {
  const { cut, classes, dropout, optimizer, epochs, batchSize, trainImages, validImages } = event;
  const parameters = (cut.width + 1) * classes.length;
  return [
    `Found ${trainImages} images belonging to ${classes.length} classes: ${classes.join(', ')}`,
    `Taken off: ${cut.removed.join(', ')}. Frozen up to "${cut.at}" (${cut.width} features).`,
    `New head: ${dropout > 0 ? `Dropout(${Number(dropout.toPrecision(6))}), ` : ''}Dense(${classes.length}, softmax), ` +
      `${parameters} parameters`,
    `${optimizer.name} (rules of Keras ${optimizer.keras}, learning rate ${optimizer.learningRate}), ` +
      `${loss}, batch ${batchSize}, ${epochs} epochs, seed ${seed}, ` +
      `${shuffle ? 'shuffled' : 'not shuffled'}, on ${provider ?? 'cpu'}`,
    `Train on ${trainImages} samples${validImages > 0 ? `, validate on ${validImages} samples` : ''}`,
  ].join('\n');
}

type EpochEvent = Extract<TrainEvent, { readonly kind: 'epoch' }>;

/** Keras' line of a finished epoch. */
function epochText(event: EpochEvent, samples: number): string {
  const measures = (['loss', 'acc', 'val_loss', 'val_acc'] as const).flatMap((name) => {
    const value = event[name];
    return value === undefined ? [] : [`${name}: ${measureText(value)}`];
  });
  return [
    `Epoch ${event.epoch}/${event.epochs}`,
    `${samples}/${samples} [${'='.repeat(30)}] - ${event.seconds.toFixed(2)}s - ${measures.join(' - ')}`,
  ].join('\n');
}

/** Keras writes small numbers with an exponent; so are those of a training that runs away. */
function measureText(value: number): string {
  const size = Math.abs(value);
  return value === 0 || (size > 1e-3 && size < 1e6) ? value.toFixed(4) : value.toExponential(4);
}
