import { stat } from 'node:fs/promises';
import { ToolkitError } from '../errors.ts';
import type { TrainOptions } from './options.ts';
import type { Settings } from './settings.ts';

/** What a choice would be without effect beside, or cannot be done with. */
interface Clash {
  readonly is: (options: TrainOptions) => boolean;
  readonly what: string;
  readonly hint: string;
}

const clashes: readonly Clash[] = [
  {
    is: ({ valid, arrays, validationSplit: split = 0 }) =>
      split > 0 && (valid !== undefined || arrays?.validX !== undefined),
    what: 'Samples for validation were given, and a share of the training samples for it too (validationSplit, --split)',
    hint: 'Leave one of them out.',
  },
  {
    is: ({ arrays }) => (arrays?.validX === undefined) !== (arrays?.validY === undefined),
    what: 'Of the arrays for validation only one was given, where samples and targets are needed (--valid-data, --valid-targets)',
    hint: 'Give both, or neither.',
  },
  {
    is: ({ arrays, valid }) => arrays !== undefined && valid !== undefined,
    what: 'A folder for validation was given (--valid), but the training samples are arrays',
    hint: 'Give arrays for validation too: --valid-data and --valid-targets.',
  },
  {
    is: ({ arrays, augment }) => arrays !== undefined && augment !== undefined,
    what: 'Only pictures can be augmented, but arrays were given',
    hint: 'Leave the augmentation out, or give a folder of pictures.',
  },
  {
    is: ({ arrays, monitor = '' }) => arrays?.task === 'regression' && monitor.endsWith('acc'),
    what: 'Where numbers are predicted nothing has an accuracy that could be looked at (monitor)',
    hint: 'Look at val_mae, val_loss, mae or loss.',
  },
  {
    is: ({ arrays, monitor = '' }) => arrays?.task !== 'regression' && monitor.endsWith('mae'),
    what: 'Where classes are predicted nothing has a mean absolute error that could be looked at (monitor)',
    hint: 'Look at val_acc, val_loss, acc or loss.',
  },
];

/** Choices that would be silently ignored, or that do not go together. Throws OPTION_INVALID. */
export function checkTogether(options: TrainOptions): void {
  const clash = clashes.find(({ is }) => is(options));
  if (clash) throw new ToolkitError('OPTION_INVALID', clash.what, { hint: clash.hint });
}

/** What people should know of choices that go by validation samples where there are none. */
export function warningsOf(
  { monitor: asked }: Pick<TrainOptions, 'monitor'>,
  { stages, monitor }: Pick<Settings, 'stages' | 'monitor'>,
  validSamples: number,
): readonly string[] {
  if (validSamples > 0 || !monitor.startsWith('val_')) return [];
  const users = [
    ...(stages.some(({ stopping }) => stopping) ? ['patience'] : []),
    ...(stages.some(({ schedule }) => schedule.name === 'plateau') ? ['the plateau schedule'] : []),
  ];
  if (users.length === 0 && asked === undefined) return [];
  const what =
    users.length > 0
      ? `${users.join(' and ')} ${users.length === 1 ? 'goes' : 'go'} by "${monitor.slice(4)}" of the training samples instead of "${monitor}"`
      : `"${monitor}" is looked at by nothing`;
  return [`There are no validation samples: ${what}`];
}

/** A model that is overwritten while it is read, or that only its heir replaces, would be lost. Throws OPTION_INVALID. */
export async function refuseSame(base: string, output: string): Promise<void> {
  const [from, to] = await Promise.all(
    [base, output].map((path) => stat(path, { bigint: true }).catch(() => undefined)),
  );
  if (!from || !to || from.ino !== to.ino || from.dev !== to.dev) return;
  throw new ToolkitError(
    'OPTION_INVALID',
    'The output is the model that the training starts from',
    {
      where: { file: output },
      hint: 'Choose another name with -o: the model would be lost.',
    },
  );
}
