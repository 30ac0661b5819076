import { Command } from 'commander';
import { packModel, unpackModel } from '../onnx/pack.ts';
import type { WrittenModel } from '../onnx/write.ts';
import { bytesText, print } from './terminal.ts';

interface Options {
  readonly force?: boolean;
}

export function packCommand(): Command {
  return new Command('pack')
    .description('Bring a model and its external data into one file (of less than 2 GiB).')
    .argument('<model>', 'an ONNX file whose weights lie in files beside it')
    .argument('<output>', 'the one file')
    .option('-f, --force', 'overwrite the output')
    .action(async (model: string, output: string, options: Options) => {
      report(output, await packModel(model, output, options));
    });
}

export function unpackCommand(): Command {
  return new Command('unpack')
    .description('Move the weights of a model into a file beside it: <output>.data.')
    .argument('<model>', 'an ONNX file')
    .argument('<output>', 'the file for the graph')
    .option('-f, --force', 'overwrite the outputs')
    .action(async (model: string, output: string, options: Options) => {
      report(output, await unpackModel(model, output, options));
    });
}

function report(output: string, { data, bytes }: WrittenModel): void {
  print(output, ...(data === undefined ? [] : [data]), `  ${bytesText(bytes)}`);
}
