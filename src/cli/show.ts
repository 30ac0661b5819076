import { basename, dirname } from 'node:path';
import { Command } from 'commander';
import type { Preprocess } from '../onnx/card.ts';
import { checkTarget } from '../output.ts';
import { loadModel } from '../runtime/model.ts';
import { predict } from '../runtime/predict.ts';
import type { Provider } from '../runtime/providers.ts';
import { type SheetItem, writeContactSheet } from '../show/sheet.ts';
import { noteAssumed } from './assumed.ts';
import { imageArguments, noneReadable } from './images.ts';
import { fileEnding, preprocessOption, providerOption, wholeNumber } from './options.ts';
import { note, noteSkipped, print } from './terminal.ts';

interface Options {
  readonly output: string;
  readonly force?: boolean;
  readonly model?: string;
  readonly columns?: number;
  readonly cell?: number;
  readonly max: number;
  readonly provider: Provider;
  readonly preprocess?: Partial<Preprocess>;
}

/** `graft show`. */
export function showCommand(): Command {
  return new Command('show')
    .description('Draw images on one sheet, titled with their folders or with predictions.')
    .argument('<images...>', 'image files, or folders of them')
    .option('-o, --output <file>', 'the PNG file', fileEnding('.png'), 'sheet.png')
    .option('-f, --force', 'overwrite the output')
    .option('--model <file>', 'an ONNX file whose predictions become the titles')
    .option('--columns <n>', 'images a row', wholeNumber(1))
    .option('--cell <pixels>', 'width and height of an image (default: 160)', wholeNumber(16))
    .option('--max <n>', 'images at most', wholeNumber(1), 64)
    .addOption(providerOption())
    .addOption(preprocessOption())
    .action(run);
}

async function run(images: string[], options: Options): Promise<void> {
  await checkTarget(options.output, options);
  const files = await imageArguments(images);
  const shown = files.slice(0, options.max);
  if (shown.length < files.length)
    note(`Showing the first ${shown.length} of ${files.length} images`);
  const items = options.model === undefined ? shown.map(titled) : await predicted(shown, options);
  if (items.length === 0) throw noneReadable(images);
  await writeContactSheet(options.output, items, { ...options, onSkip: noteSkipped });
  print(`${options.output}\n  ${items.length} images`);
}

/** The notebook's titles: the class, which is the folder's name; then the file's. */
function titled(file: string): SheetItem {
  return { file, title: `${basename(dirname(file))}/${basename(file)}` };
}

async function predicted(files: readonly string[], options: Options): Promise<SheetItem[]> {
  const { provider, preprocess } = options;
  const model = await loadModel(options.model ?? '', { provider, preprocess });
  noteAssumed(model.path, model.preprocess);
  try {
    const items: SheetItem[] = [];
    for await (const { file, top } of predict(model, files, { top: 1, onSkip: noteSkipped })) {
      const title = top.map(({ label, probability }) => `${label} ${probability.toFixed(3)}`);
      items.push({ file, title: title.join() });
    }
    return items;
  } finally {
    await model.close();
  }
}
