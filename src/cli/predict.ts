import { Command, Option } from 'commander';
import { stringify } from 'csv-stringify/sync';
import type { Preprocess } from '../onnx/card.ts';
import { loadModel } from '../runtime/model.ts';
import { type Prediction, predict } from '../runtime/predict.ts';
import type { Provider } from '../runtime/providers.ts';
import { imageArguments, noneReadable } from './images.ts';
import { preprocessOption, providerOption, wholeNumber } from './options.ts';
import { isTerminal, note, noteSkipped, print, progressBar, tableText } from './terminal.ts';

const formats = ['table', 'csv', 'jsonl'] as const;
type Format = (typeof formats)[number];

interface Options {
  readonly top: number;
  readonly batch?: number;
  readonly provider: Provider;
  readonly preprocess?: Partial<Preprocess>;
  readonly strict?: boolean;
  readonly format?: Format;
}

/** `graft predict`. */
export function predictCommand(): Command {
  return new Command('predict')
    .description('Label images: the best classes of each, with their probabilities.')
    .argument('<model>', 'an ONNX file')
    .argument('<images...>', 'image files, or folders of them')
    .option('--top <n>', 'classes an image', wholeNumber(1), 5)
    .option('--batch <n>', 'images at once (default: 8)', wholeNumber(1))
    .addOption(providerOption())
    .addOption(preprocessOption())
    .option('--strict', 'fail on an image that cannot be read, instead of skipping it')
    .addOption(
      new Option('--format <kind>', 'default: table on a terminal, csv otherwise').choices(formats),
    )
    .action(run);
}

async function run(path: string, images: string[], options: Options): Promise<void> {
  const files = await imageArguments(images);
  // A few images are worth a quick start more than the throughput of prepacked weights.
  const { provider, preprocess } = options;
  const model = await loadModel(path, { provider, preprocess, prepack: files.length > 16 });
  if (model.session.isPartlyOnCpu) {
    note(`Some operators of this model have no ${provider} kernel: they run on the CPU.`);
  }
  const format = options.format ?? (isTerminal() ? 'table' : 'csv');
  const writer = writers[format]();
  const bar = progressBar('Predicting', 'images');
  let count = 0;
  try {
    const predictions = predict(model, files, {
      ...options,
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

const rowOf = ({ file, top }: Prediction): string[] => [
  file,
  ...top.flatMap(({ label, probability }) => [label, probability.toFixed(6)]),
];

const headOf = (top: number): string[] => [
  'file',
  ...Array.from({ length: top }, (_, i) => [`class_${i + 1}`, `probability_${i + 1}`]).flat(),
];

/** How predictions are printed: whole at the end for people, row by row for programs. */
const writers: { readonly [F in Format]: () => Writer } = {
  table() {
    const rows: string[][] = [];
    return {
      row({ file, top }) {
        rows.push(
          ...top.map(({ label, probability }, i) => [
            i === 0 ? file : '',
            label,
            probability.toFixed(4),
          ]),
        );
      },
      end: () => print(tableText(['Image', 'Class', 'Probability'], rows)),
    };
  },
  csv() {
    let isHeadDue = true;
    return {
      row(prediction) {
        const rows = isHeadDue
          ? [headOf(prediction.top.length), rowOf(prediction)]
          : [rowOf(prediction)];
        isHeadDue = false;
        process.stdout.write(stringify(rows));
      },
      end: () => undefined,
    };
  },
  jsonl: () => ({
    row: (prediction) => print(JSON.stringify(prediction)),
    end: () => undefined,
  }),
};
