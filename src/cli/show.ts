import { basename, dirname } from 'node:path';
import { Command } from 'commander';
import { ToolkitError } from '../errors.ts';
import { refuseExisting } from '../output.ts';
import { listImages } from '../runtime/folder.ts';
import { loadModel } from '../runtime/model.ts';
import { predict } from '../runtime/predict.ts';
import type { Provider } from '../runtime/providers.ts';
import { type SheetItem, writeContactSheet } from '../show/sheet.ts';
import { providerOption, wholeNumber } from './options.ts';
import { note, noteSkipped, print } from './terminal.ts';

interface Options {
  readonly output: string;
  readonly force?: boolean;
  readonly model?: string;
  readonly columns?: number;
  readonly cell?: number;
  readonly max: number;
  readonly provider: Provider;
}

export function showCommand(): Command {
  return new Command('show')
    .description('Draw images on one sheet, titled with their folders or with predictions.')
    .argument('<images...>', 'image files, or folders of them')
    .option('-o, --output <file>', 'the PNG file', 'sheet.png')
    .option('-f, --force', 'overwrite the output')
    .option('--model <file>', 'an ONNX file whose predictions become the titles')
    .option('--columns <n>', 'images a row', wholeNumber(1))
    .option('--cell <pixels>', 'width and height of an image (default: 160)', wholeNumber(16))
    .option('--max <n>', 'images at most', wholeNumber(1), 64)
    .addOption(providerOption())
    .action(run);
}

async function run(images: string[], options: Options): Promise<void> {
  if (options.force !== true) await refuseExisting(options.output);
  const { files, skipped } = await listImages(images);
  for (const file of skipped) noteSkipped(file);
  if (files.length === 0) throw nothingToShow(images);
  const shown = files.slice(0, options.max);
  if (shown.length < files.length)
    note(`Showing the first ${shown.length} of ${files.length} images`);
  const items = options.model === undefined ? shown.map(titled) : await predicted(shown, options);
  await writeContactSheet(options.output, items, options);
  print(`${options.output}\n  ${items.length} images`);
}

/** The notebook's titles: the class, which is the folder's name; then the file's. */
function titled(file: string): SheetItem {
  return { file, title: `${basename(dirname(file))}/${basename(file)}` };
}

async function predicted(files: readonly string[], options: Options): Promise<SheetItem[]> {
  const model = await loadModel(options.model ?? '', { provider: options.provider });
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

function nothingToShow(paths: readonly string[]): ToolkitError {
  return new ToolkitError('DATASET_EMPTY', 'There is no image to show', {
    where: { file: paths.join(', ') },
    hint: 'Give image files (png, jpg, bmp, gif, webp, tif), or folders that hold some.',
  });
}
