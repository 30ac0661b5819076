import { mkdtemp, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { Command } from 'commander';
import {
  type ConversionReport,
  type ConvertOptions,
  convert,
  outputFor,
} from '../convert/convert.ts';
import { outputFault, refuseExisting } from '../output.ts';
import { type Verification, verify } from '../verify/verify.ts';
import {
  classList,
  fileEnding,
  inputLayoutOption,
  kerasOptions,
  lambdaList,
  modeOption,
  nameList,
  reportOption,
  toleranceNumber,
} from './options.ts';
import { bytesText, countText, note, oneLine, print } from './terminal.ts';
import { differs, noteNotCompared, verificationText } from './verify.ts';

interface Options extends ConvertOptions {
  readonly report: 'text' | 'json';
  readonly lambda?: Readonly<Record<string, string>>;
  readonly verify?: readonly string[];
  readonly layers?: never;
  readonly atol?: number;
  readonly rtol?: number;
}

/** `graft convert`. */
export function convertCommand(): Command {
  const command = new Command('convert')
    .description('Turn a Keras file into an ONNX file.')
    .argument(
      '<file>',
      'what Keras wrote: .h5, .keras, .weights.h5, TensorFlow.js; recognised by content',
    )
    .option('-o, --output <file>', 'the ONNX file (default: beside the input)', fileEnding('.onnx'))
    .option('-f, --force', 'overwrite the output');
  for (const option of kerasOptions()) command.addOption(option);
  return command
    .option(
      '--lambda <name=preset>',
      'what a Lambda layer computes, by its name or its function’s; may be repeated',
      lambdaList,
    )
    .option('--features <layers>', 'layers whose outputs become outputs too, by comma', nameList)
    .option('--classes <names|file>', 'names of the classes', classList)
    .addOption(inputLayoutOption())
    .addOption(modeOption())
    .option(
      '--verify <files...>',
      'compare with what Keras put out, layers too; nothing is written if it differs (see graft verify)',
    )
    .option('--atol <n>', 'absolute tolerance of --verify (default: 1e-5)', toleranceNumber)
    .option('--rtol <n>', 'relative tolerance of --verify (default: 1e-4)', toleranceNumber)
    .addOption(reportOption())
    .action(run);
}

async function run(file: string, options: Options): Promise<void> {
  const { lambda, verify: files, report: kind } = options;
  const settings: ConvertOptions = { ...options, lambdas: lambda };
  const { report, verification } =
    files === undefined
      ? { report: await convert(file, settings), verification: undefined }
      : await convertVerified(file, settings, { files, ...options });
  if (kind === 'json') print(JSON.stringify({ ...report, verification }, null, 2));
  else
    print(
      reportText(report, verification),
      ...(verification ? [verificationText(verification)] : []),
    );
  for (const warning of report.warnings) note(`Warning: ${warning}`);
  if (!verification) return;
  noteNotCompared(verification, true);
  if (!verification.isEqual) throw differs(verification, 'Nothing was written: the model');
}

interface Verifying {
  readonly files: readonly string[];
  readonly atol?: number;
  readonly rtol?: number;
}

/** Converts into a folder beside the output, and moves the model out of it when it agrees with its reference. */
async function convertVerified(
  file: string,
  options: ConvertOptions,
  { files, atol, rtol }: Verifying,
): Promise<{ readonly report: ConversionReport; readonly verification: Verification }> {
  const output = options.output ?? outputFor(file);
  if (options.force !== true) await refuseExisting(output);
  const folder = await temporaryBeside(output);
  try {
    const made = join(folder, basename(output));
    const report = await convert(file, { ...options, output: made });
    const found = await verify(made, files, { atol, rtol, layers: 'if given' });
    const data = report.data && `${output}.data`;
    if (found.isEqual) await movedOut(made, { output, data });
    return { report: { ...report, output, data }, verification: { ...found, model: output } };
  } catch (error) {
    throw outputFault(error, output);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function temporaryBeside(output: string): Promise<string> {
  try {
    return await mkdtemp(join(dirname(output), `.${basename(output)}.`));
  } catch (error) {
    throw outputFault(error, output);
  }
}

/** The data first: a model is finished when it is there itself. */
async function movedOut(
  made: string,
  { output, data }: { readonly output: string; readonly data: string | undefined },
): Promise<void> {
  if (data !== undefined) {
    await rm(output, { force: true });
    await rename(`${made}.data`, data);
  }
  await rename(made, output);
}

/** What was concluded from the file, why, and how to overrule it; then what was written. */
function reportText(report: ConversionReport, verification: Verification | undefined): string {
  const isWritten = verification?.isEqual !== false;
  const decisions = report.decisions.map(({ subject, value, evidence, overrule }) =>
    [
      `  ${oneLine(subject)}: ${oneLine(value)}`,
      `    because ${oneLine(evidence)}`,
      overrule && `    overrule with ${overrule}`,
    ]
      .filter(Boolean)
      .join('\n'),
  );
  return [
    report.input,
    ...decisions,
    isWritten ? report.output : `${report.output} (not written)`,
    ...(report.data === undefined ? [] : [report.data]),
    `  ${report.layers} layers, ${countText(report.parameters)} parameters, ` +
      `${report.nodes} nodes, ${bytesText(report.bytes)}`,
  ].join('\n');
}
