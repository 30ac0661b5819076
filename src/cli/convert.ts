import { Command, Option } from 'commander';
import { type ConversionReport, type ConvertOptions, convert } from '../convert/convert.ts';
import { archHelp, classList, kernelsOption, nameList } from './options.ts';
import { bytesText, countText, print } from './terminal.ts';

interface Options extends ConvertOptions {
  readonly report?: 'text' | 'json';
}

/** `graft convert`. */
export function convertCommand(): Command {
  return new Command('convert')
    .description('Turn a Keras file into an ONNX file.')
    .argument('<file>', 'the Keras file (.h5)')
    .option('-o, --output <file>', 'the ONNX file (default: beside the input)')
    .option('-f, --force', 'overwrite the output')
    .option('--arch <file|name>', archHelp)
    .addOption(kernelsOption())
    .option('--features <layers>', 'layers whose outputs become outputs too, by comma', nameList)
    .option('--classes <names|file>', 'names of the classes', classList)
    .addOption(
      new Option('--input-layout <layout>', 'instead of the Keras model’s own').choices([
        'nchw',
        'nhwc',
      ]),
    )
    .addOption(
      new Option('--report <kind>', 'how to print it').choices(['text', 'json']).default('text'),
    )
    .addHelpText(
      'after',
      '\nExamples:\n  graft convert vgg16.h5\n  graft convert weights.h5 --arch model.json --kernels theano -o model.onnx',
    )
    .action(async (file: string, options: Options) => {
      const report = await convert(file, options);
      print(options.report === 'json' ? JSON.stringify(report, null, 2) : reportText(report));
    });
}

/** What was concluded from the file, why, and how to overrule it; then what was written. */
function reportText(report: ConversionReport): string {
  const decisions = report.decisions.map(({ subject, value, evidence, overrule }) =>
    [
      `  ${subject}: ${value}`,
      `    because ${evidence}`,
      overrule && `    overrule with ${overrule}`,
    ]
      .filter(Boolean)
      .join('\n'),
  );
  return [
    report.input,
    ...decisions,
    report.output,
    `  ${report.layers} layers, ${countText(report.parameters)} parameters, ` +
      `${report.nodes} nodes, ${bytesText(report.bytes)}`,
  ].join('\n');
}
