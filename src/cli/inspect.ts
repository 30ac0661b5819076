import { Command } from 'commander';
import type { Trainable } from '../inspect/estimate.ts';
import { memoryText, summaryText } from '../inspect/format.ts';
import { type InspectOptions, inspect } from '../inspect/inspect.ts';
import { kerasOptions, nameList, wholeNumber } from './options.ts';
import { bytesText, print, withinTerminal } from './terminal.ts';

interface Options extends Omit<InspectOptions, 'trainable'> {
  readonly train?: string;
  readonly json?: boolean;
}

/** `graft inspect`. */
export function inspectCommand(): Command {
  const command = new Command('inspect')
    .description('Print the layers, parameters and memory of a Keras or ONNX file.')
    .argument('<file>', 'a Keras or ONNX file')
    .option('--batch <n>', 'samples at once, for the memory estimates', wholeNumber(1), 1)
    .option('--train <layers>', 'estimate training too: head, dense, all, or layers by comma')
    .option('--optimizer <name>', 'sgd, momentum, rmsprop or adam', 'adam')
    .option('--json', 'everything as JSON');
  for (const option of kerasOptions()) command.addOption(option);
  return command.action(async (file: string, options: Options) => {
    const trainable = trainableOf(options.train);
    const inspection = await inspect(file, { ...options, trainable });
    if (options.json === true) return print(JSON.stringify(inspection, null, 2));
    const { decisions, format, bytes, unsupported } = inspection;
    print(
      `${file}: ${format}, ${bytesText(bytes)}`,
      ...decisions.map(({ subject, value, evidence }) => `  ${subject}: ${value} (${evidence})`),
      ...(unsupported === undefined ? [] : ['', unsupported]),
      '',
      withinTerminal(summaryText(inspection)),
      '',
      withinTerminal(memoryText(inspection)),
    );
  });
}

/** The groups by their names; anything else is a list of layers. */
function trainableOf(text: string | undefined): Trainable | undefined {
  if (text === undefined || text === 'head' || text === 'dense' || text === 'all') return text;
  return nameList(text);
}
