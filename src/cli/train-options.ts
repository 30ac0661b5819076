import { readFileSync } from 'node:fs';
import { type Command, Option } from 'commander';
import { z } from 'zod';
import { ToolkitError } from '../errors.ts';
import { type AugmentationOptions, augmentSchema } from '../train/augment/settings.ts';
import { losses } from '../train/losses.ts';
import { optimizers } from '../train/optimizers.ts';
import type { TrainOptions } from '../train/options.ts';
import { parseStage, type StageOptions, stageSchema } from '../train/plan/stage.ts';
import { checked, itemsOf, plainValue } from '../train/plan/text.ts';
import {
  byteCount,
  fileEnding,
  positiveNumber,
  preprocessOption,
  providerOption,
  share,
  wholeNumber,
} from './options.ts';

/** What commander makes of the command line. */
export interface Options
  extends Pick<
    TrainOptions,
    'provider' | 'preprocess' | 'force' | 'at' | 'head' | 'resume' | 'strict' | 'featureBatch'
  > {
  readonly output?: string;
  readonly valid?: string;
  readonly split?: number;
  readonly data?: string;
  readonly targets?: string;
  readonly validData?: string;
  readonly validTargets?: string;
  readonly task: 'classes' | 'regression';
  readonly train: readonly string[];
  readonly plan?: string;
  readonly epochs: number;
  readonly batch: number;
  readonly optimizer: keyof typeof optimizers;
  readonly lr?: number;
  readonly momentum?: number;
  readonly nesterov?: boolean;
  readonly weightDecay?: number;
  readonly clipnorm?: number;
  readonly clipvalue?: number;
  readonly schedule?: string;
  readonly keras: '1' | '3';
  readonly loss?: keyof typeof losses;
  readonly l2?: number;
  readonly labelSmoothing?: number;
  readonly classWeights?: string;
  readonly batchNorm: 'frozen' | 'train';
  readonly dropout?: number;
  readonly patience?: number;
  readonly monitor?: TrainOptions['monitor'];
  readonly augment?: string;
  readonly augmentPasses: number;
  readonly rescale?: number;
  readonly standardise?: string;
  readonly pseudoLabels?: string;
  readonly workers?: number;
  readonly memory?: number;
  readonly seed: number;
  readonly shuffle: boolean;
  readonly cache: string | boolean;
  readonly baselines: boolean;
  readonly history?: string;
  readonly checkpoints: string | boolean;
  readonly checkpointEvery: number;
  readonly keep: number;
  readonly findLr?: boolean;
}

/** Adds the options of `graft train` in the order in which they are read. */
export function withTrainOptions(command: Command): Command {
  return [data, stages, learning, pictures, running].reduce((next, add) => add(next), command);
}

function data(command: Command): Command {
  return command
    .option('--valid <folder>', 'validation images, with the same classes')
    .option(
      '--split <share>',
      'or so much of the training samples, as Keras splits them',
      share('less'),
    )
    .option('--data <x.npy>', 'samples as an array, instead of a folder')
    .option('--targets <y.npy>', 'their classes, scores or numbers')
    .option('--valid-data <x.npy>', 'samples for validation')
    .option('--valid-targets <y.npy>', 'their targets')
    .addOption(
      new Option('--task <kind>', 'what the targets of arrays are')
        .choices(['classes', 'regression'])
        .default('classes'),
    )
    .option('-o, --output <file>', 'the new ONNX file (default: beside the model, -tuned.onnx)')
    .option('-f, --force', 'overwrite the outputs');
}

function stages(command: Command): Command {
  return command
    .option(
      '--train <what[:options]>',
      'a stage: head, dense, conv5, all, a layer, a pattern, an index or a range, and its own options: ' +
        '"dense:epochs=5,lr=1e-4". Give it again for the next stage',
      (text: string, before: readonly string[]) => [...before, text],
      [],
    )
    .option(
      '--plan <file>',
      'the stages from a JSON file: a list, or {"head": …, "stages": [{"train": …}]}',
    )
    .option(
      '--head <layers>',
      'the new end: "flatten, dense 256 relu, dropout 0.5, dense", or "keep"',
    )
    .option('--at <value>', 'where the new end begins (default: before the last dense layer)')
    .option(
      '--dropout <rate>',
      'what every Dropout drops (default: its own; before a new head as before the old one)',
      share('less'),
    )
    .addOption(
      new Option('--batch-norm <how>', 'whether normalisations that learn go by the batch')
        .choices(['frozen', 'train'])
        .default('frozen'),
    );
}

function learning(command: Command): Command {
  return command
    .option('--epochs <n>', 'passes over the training samples', wholeNumber(1), 10)
    .option('--batch <n>', 'samples a step', wholeNumber(1), 64)
    .addOption(new Option('--optimizer <name>').choices(Object.keys(optimizers)).default('adam'))
    .option('--lr <rate>', 'learning rate (default: Keras’ own of the optimizer)', positiveNumber)
    .option('--find-lr', 'try learning rates on the first stage, print the losses, write nothing')
    .option('--schedule <name>', 'constant, step, cosine, onecycle, plateau: "cosine(warmup=1)"')
    .option('--momentum <m>', 'of SGD, and of RMSprop by the rules of Keras 3', share('one'))
    .option('--nesterov', 'Nesterov’s momentum, for SGD')
    .option(
      '--weight-decay <share>',
      'what weights lose of themselves a step, times the rate',
      Number,
    )
    .option('--clipnorm <norm>', 'longest gradient', positiveNumber)
    .option('--clipvalue <value>', 'largest number in a gradient', positiveNumber)
    .addOption(
      new Option('--keras <generation>', 'whose update rules').choices(['1', '3']).default('3'),
    )
    .addOption(
      new Option('--loss <name>', 'default: what goes with the end of the model').choices(
        Object.keys(losses),
      ),
    )
    .option('--l2 <factor>', 'penalty of kernels', Number)
    .option('--label-smoothing <share>', 'spread over all classes', share('less'))
    .option('--class-weights <weights>', '"balanced", or "cats=1,dogs=2"')
    .option(
      '--patience <n>',
      'stop a stage after so many epochs without improvement',
      wholeNumber(0),
    )
    .addOption(
      new Option('--monitor <measure>', 'by which epochs are compared (default: val_loss)').choices(
        ['val_loss', 'val_acc', 'val_mae', 'loss', 'acc', 'mae'],
      ),
    );
}

function pictures(command: Command): Command {
  return command
    .option(
      '--augment <changes>',
      'random changes, named as in Keras: "rotation=15,width_shift=0.1,zoom=0.1,horizontal_flip"',
    )
    .option('--feature-batch <n>', 'images at once while features are computed', wholeNumber(1), 16)
    .option('--strict', 'fail on an image that cannot be read, instead of skipping it')
    .option('--augment-passes <n>', 'compute so many changed passes once', wholeNumber(0), 0)
    .option(
      '--rescale <factor>',
      'what pixels are multiplied by; the new model says so',
      positiveNumber,
    )
    .option(
      '--standardise <how>',
      'bring pictures to mean 0, or deviation 1, as Keras names it: "samplewise_std_normalization", ' +
        '"featurewise_center"; the new model says so',
    )
    .option(
      '--pseudo-labels <folder>',
      'train, let the result score these pictures without classes, and train again with them added',
    )
    .option('--workers <n>', 'threads that read pictures', wholeNumber(0))
    .option(
      '--memory <size>',
      'most that features may take in memory; more are read from disk, batch by batch (default: 4GiB)',
      byteCount,
    );
}

function running(command: Command): Command {
  return command
    .option('--seed <n>', 'of first weights, order, dropout and changes', wholeNumber(0), 0)
    .option('--no-shuffle', 'keep the order of the samples')
    .option('--cache <folder>', 'where features are kept (default: in the user’s cache)')
    .option('--no-cache', 'keep no features')
    .option('--no-baselines', 'do not measure simple models on the same features')
    .option(
      '--history <file>',
      'as .json (default: beside the output), .csv or .jsonl',
      fileEnding('.json', '.csv', '.jsonl'),
    )
    .option('--resume', 'go on where a training was interrupted')
    .option(
      '--checkpoints <folder>',
      'where it is saved (default: beside the output, until it is done)',
    )
    .option('--no-checkpoints', 'do not save')
    .option('--checkpoint-every <seconds>', '0: after each epoch', Number, 30)
    .option('--keep <n>', 'checkpoints kept, besides the best', wholeNumber(1), 1)
    .addOption(providerOption())
    .addOption(preprocessOption());
}

const planFile = z.union([
  z.array(stageSchema),
  z.strictObject({ head: z.string().optional(), stages: z.array(stageSchema) }),
]);

/** The stages of the command line or of the plan's file, and the head that the file may name. */
export function stagesOf({
  train,
  plan,
  schedule,
  head,
}: Options): Pick<TrainOptions, 'stages' | 'head'> {
  if (plan !== undefined && train.length > 0) {
    throw wrong('The stages were given twice, by --train and by --plan');
  }
  const found =
    plan === undefined ? undefined : checked(planFile, jsonOf(plan), `The plan ${plan}`);
  const given = found && !Array.isArray(found) ? found : { head: undefined, stages: found };
  const planned = given.stages ?? (train.length > 0 ? train : ['head']).map(parseStage);
  return {
    head: head ?? given.head,
    stages: planned.map((stage): StageOptions => ({ ...withSchedule(stage, schedule) })),
  };
}

type Stage = z.output<typeof stageSchema>;

function withSchedule({ schedule, ...stage }: Stage, shared: string | undefined): StageOptions {
  if (schedule) return { ...stage, schedule: { name: schedule.name, ...schedule.numbers } };
  return { ...stage, ...(shared !== undefined && { schedule: shared }) };
}

function jsonOf(path: string): unknown {
  try {
    const json: unknown = JSON.parse(readFileSync(path, 'utf8'));
    return json;
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw wrong(`The plan "${path}" cannot be read: ${why}`);
  }
}

/** `rotation=15,horizontal_flip` as Keras' names; `_range` may be left out. The library checks them. */
export function augmentationOf(
  text: string | undefined,
  keras: 1 | 3,
): AugmentationOptions | undefined {
  if (text === undefined) return undefined;
  const items = itemsOf(text).map(({ name, value }): [string, unknown] => [
    rangeName(name),
    plainValue(value),
  ]);
  const given = { keras, ...Object.fromEntries(items) };
  return checked(augmentSchema, given, `The augmentation "${text}"`);
}

function rangeName(name: string): string {
  return /^(rotation|width_shift|height_shift|shear|zoom|channel_shift|brightness)$/.test(name)
    ? `${name}_range`
    : name;
}

/** `balanced`, or weights by class. */
export function classWeightsOf(text: string | undefined): TrainOptions['classWeights'] {
  if (text === undefined || text === 'balanced') return text;
  return Object.fromEntries(
    itemsOf(text).map(({ name, value }) => {
      const weight = Number(value);
      if (value === undefined || !(weight >= 0)) {
        throw wrong(`"${name}" should weigh a number of at least 0, but weighs "${value ?? ''}"`);
      }
      return [name, weight];
    }),
  );
}

function wrong(what: string): ToolkitError {
  return new ToolkitError('OPTION_INVALID', what, { hint: 'See graft train --help.' });
}
