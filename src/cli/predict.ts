import { Command, Option } from 'commander';
import { stringify } from 'csv-stringify/sync';
import { ToolkitError } from '../errors.ts';
import type { Preprocess } from '../onnx/card.ts';
import { type LoadedModel, loadModel } from '../runtime/model.ts';
import { type Prediction, predict } from '../runtime/predict.ts';
import { noteAssumed } from './assumed.ts';
import { imageArguments, noneReadable } from './images.ts';
import { fileEnding, preprocessOption, providerOption, wholeNumber } from './options.ts';
import { type ArrayOptions, answerEndings, predictArrays } from './predict-arrays.ts';
import {
  isTerminal,
  note,
  noteSkipped,
  print,
  progressBar,
  tableText,
  writeText,
} from './terminal.ts';

const formats = ['table', 'csv', 'jsonl'] as const;
type Format = (typeof formats)[number];

interface Options extends Omit<ArrayOptions, 'data' | 'format'> {
  readonly data?: readonly string[];
  readonly top: number;
  readonly preprocess?: Partial<Preprocess>;
  readonly strict?: boolean;
  readonly format?: Format;
}

/** `graft predict`. */
export function predictCommand(): Command {
  return new Command('predict')
    .description(
      'Label images: the best classes of each, with their probabilities; or run a model on arrays.',
    )
    .argument('<model>', 'an ONNX file')
    .argument('[images...]', 'image files, or folders of them')
    .option(
      '--data <files...>',
      'arrays instead of images: .npy files in the order of the inputs, NAME=FILE.npy, or an .npz',
    )
    .option(
      '-o, --output <file>',
      'with --data: where the outputs go, .npy, .npz, .csv or .jsonl (default: printed as CSV)',
      fileEnding(...answerEndings),
    )
    .option('-f, --force', 'overwrite the output')
    .option('--top <n>', 'classes an image', wholeNumber(1), 5)
    .option('--batch <n>', 'images or rows at once (default: 8 images, 256 rows)', wholeNumber(1))
    .addOption(providerOption())
    .addOption(preprocessOption())
    .option('--strict', 'fail on an image that cannot be read, instead of skipping it')
    .addOption(
      new Option('--format <kind>', 'default: table on a terminal, csv otherwise').choices(formats),
    )
    .action(run);
}

async function run(path: string, images: string[], options: Options): Promise<void> {
  const { data } = options;
  checkUse(images, options);
  if (data !== undefined) await predictArrays(path, { ...options, data });
  else await predictImages(path, images, options);
}

function checkUse(images: readonly string[], options: Options): void {
  const fault =
    options.data === undefined ? imagesFault(images, options) : dataFault(images, options);
  if (fault === undefined) return;
  throw new ToolkitError('OPTION_INVALID', fault, {
    hint: 'Either images (… cat.jpg photos/ > labels.csv), or arrays (… --data x.npy -o y.npy).',
  });
}

function imagesFault(images: readonly string[], { output }: Options): string | undefined {
  if (images.length === 0) return 'There is nothing to predict';
  return output === undefined ? undefined : '-o is for --data';
}

function dataFault(images: readonly string[], { format }: Options): string | undefined {
  if (images.length > 0) return 'Images and --data cannot go together';
  return format === 'table' ? 'Arrays are printed as csv or jsonl' : undefined;
}

async function predictImages(path: string, images: string[], options: Options): Promise<void> {
  const files = await imageArguments(images);
  // A few images are worth a quick start more than the throughput of prepacked weights.
  const { provider, preprocess } = options;
  const model = await loadModel(path, { provider, preprocess, prepack: files.length > 16 });
  noteAssumed(path, model.preprocess);
  if (model.session.isPartlyOnCpu) {
    note(`Some operators of this model have no ${provider} kernel: they run on the CPU.`);
  }
  const format = options.format ?? (isTerminal() ? 'table' : 'csv');
  const writer = writers[format](wordsOf(model));
  const bar = progressBar('Predicting', 'images');
  let count = 0;
  try {
    const predictions = predict(model, files, {
      ...options,
      ...(isWhole(model) && { top: widthOf(model) }),
      onSkip: noteSkipped,
      onProgress: (done, total) => bar.update(done, total),
    });
    for await (const prediction of predictions) {
      count += 1;
      writer.row(prediction);
    }
  } finally {
    bar.stop();
    await model.close();
  }
  writer.end();
  if (count === 0) throw noneReadable(images);
}

interface Writer {
  row(prediction: Prediction): void;
  end(): void;
}

/** How the numbers of a model are called. */
interface Words {
  /** Names of the columns, where each row has the same numbers in the same order; else each has its best ones. */
  readonly columns: readonly string[] | undefined;
  readonly score: string;
}

/** Numbers that belong to no classes are put out whole, if they are few: none is better than the other. */
function isWhole(model: LoadedModel): boolean {
  const isClassifier =
    model.isClassifier && (widthOf(model) > 1 || model.card.classes !== undefined);
  return !isClassifier && widthOf(model) <= widestRow;
}

const widestRow = 16;

function widthOf({ output }: LoadedModel): number {
  return typeof output.shape[1] === 'number' ? output.shape[1] : Infinity;
}

function wordsOf(model: LoadedModel): Words {
  const { name } = model.output;
  const width = widthOf(model);
  const names = width === 1 ? [name] : Array.from({ length: width }, (_, i) => `${name}_${i}`);
  const columns = isWhole(model) ? names : undefined;
  return { columns, score: model.isClassifier ? 'probability' : 'score' };
}

const inOrder = ({ top }: Prediction): Prediction['top'] =>
  top.toSorted((a, b) => a.index - b.index);

function rowOf(prediction: Prediction, { columns }: Words): string[] {
  const { file, top } = prediction;
  if (columns) return [file, ...inOrder(prediction).map((score) => score.probability.toFixed(6))];
  return [file, ...top.flatMap(({ label, probability }) => [label, probability.toFixed(6)])];
}

function headOf({ top }: Prediction, { columns, score }: Words): string[] {
  const best = top.flatMap((_, i) => [`class_${i + 1}`, `${score}_${i + 1}`]);
  return ['file', ...(columns ?? best)];
}

/** How predictions are printed: whole at the end for people, row by row for programs. */
const writers: { readonly [F in Format]: (words: Words) => Writer } = {
  table(words) {
    const { columns, score } = words;
    const rows: string[][] = [];
    return {
      row(prediction) {
        if (columns) return void rows.push(rowOf(prediction, words));
        const { file, top } = prediction;
        rows.push(
          ...top.map(({ label, probability }, i) => [
            i === 0 ? file : '',
            label,
            probability.toFixed(4),
          ]),
        );
      },
      end() {
        const best = ['Class', `${score.charAt(0).toUpperCase()}${score.slice(1)}`];
        print(tableText(['Image', ...(columns ?? best)], rows));
      },
    };
  },
  csv(words) {
    let isHeadDue = true;
    return {
      row(prediction) {
        const row = rowOf(prediction, words);
        writeText(stringify(isHeadDue ? [headOf(prediction, words), row] : [row]));
        isHeadDue = false;
      },
      end: () => undefined,
    };
  },
  jsonl: ({ columns }) => ({
    row(prediction) {
      const { file } = prediction;
      const numbers = inOrder(prediction).map(({ probability }) => probability);
      const named = columns?.map((name, i) => [name, numbers[i]] as const);
      print(JSON.stringify(named ? { file, ...Object.fromEntries(named) } : prediction));
    },
    end: () => undefined,
  }),
};
