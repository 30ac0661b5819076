import { Command } from 'commander';
import { ToolkitError } from '../errors.ts';
import type { Provider } from '../runtime/providers.ts';
import { type Verification, type Verified, type VerifyOptions, verify } from '../verify/verify.ts';
import { providerOption, reportOption, toleranceNumber } from './options.ts';
import { note, print, tableText } from './terminal.ts';

interface Options extends VerifyOptions {
  readonly against: readonly string[];
  readonly provider: Provider;
  readonly report: 'text' | 'json';
}

export function verifyCommand(): Command {
  return new Command('verify')
    .description('Run a model on inputs and compare with what Keras put out.')
    .argument('<model>', 'an ONNX file')
    .requiredOption(
      '--against <files...>',
      'the inputs, then the expected outputs, in the model’s order (.npy, or NAME=FILE), or one .npz',
    )
    .option(
      '--layers',
      'compare the layers that the .npz has arrays for: where do they differ first?',
    )
    .option('--atol <n>', 'absolute tolerance (default: 1e-5)', toleranceNumber)
    .option('--rtol <n>', 'relative tolerance (default: 1e-4)', toleranceNumber)
    .addOption(providerOption())
    .addOption(reportOption())
    .addHelpText(
      'after',
      '\nAn .npz names its arrays after the model’s inputs, outputs and layers,\n' +
        'or "input", "expected_1" and so on. Two numbers are equal where\n' +
        '|actual − expected| ≤ atol + rtol · |expected|; exit code 1 where some are not.',
    )
    .action(async (model: string, { against, report, ...options }: Options) => {
      const verification = await verify(model, against, options);
      print(
        report === 'json' ? JSON.stringify(verification, null, 2) : verificationText(verification),
      );
      noteNotCompared(verification, options.layers === true);
      if (!verification.isEqual) throw differs(verification);
    });
}

/** A table of outputs and layers beside their references. */
export function verificationText({ outputs, layers, tolerance }: Verification): string {
  const rows = [
    ...layers.map((each) => rowOf('layer', each)),
    ...outputs.map((each) => rowOf('output', each)),
  ];
  return [
    tableText(['', 'Name', 'Shape', 'Max abs', 'Max rel', 'Within tolerance'], rows),
    `  tolerance: ${tolerance.atol} + ${tolerance.rtol} · |expected|`,
  ].join('\n');
}

function rowOf(kind: string, each: Verified): string[] {
  return [
    kind,
    each.class === undefined || kind === 'output' ? each.name : `${each.name} (${each.class})`,
    each.shape.join('×'),
    errorText(each.maxAbsolute),
    errorText(each.maxRelative),
    verdict(each),
  ];
}

function errorText(error: number | undefined): string {
  if (error === undefined) return '';
  return error === 0 ? '0' : error.toExponential(2);
}

function verdict(each: Verified): string {
  if (each.isEqual) return 'yes';
  if (each.maxAbsolute === undefined) return `NO: expected ${each.expectedShape.join('×')}`;
  const total = each.shape.reduce((product, dim) => product * dim, 1);
  return each.notFinite > 0
    ? `NO: ${each.notFinite} of ${total} not finite`
    : `NO: ${each.outside} of ${total} outside`;
}

/** The layers with arrays that were left out, and why. */
export function noteNotCompared({ notCompared }: Verification, wereAsked: boolean): void {
  if (notCompared.length === 0) return;
  const why = wereAsked ? 'they are fused into others' : 'pass --layers';
  note(`Not compared: ${notCompared.join(', ')} (${why})`);
}

/** The error of a model that differs from its reference: where first, and by how much. */
export function differs(verification: Verification, what = 'The model'): ToolkitError {
  const { layers, outputs, model } = verification;
  const first = [...layers, ...outputs].find(({ isEqual }) => !isEqual);
  const diverged = verification.firstDivergence;
  return new ToolkitError('REFERENCE_DIFFERS', `${what} differs from its reference${at(first)}`, {
    where: { file: model, layer: diverged },
    hint:
      diverged === undefined
        ? 'Check that inputs and layout are those that Keras was given; graft verify --layers, with an .npz that has the outputs of layers too, shows where it begins.'
        : 'Of the layers compared, this is the first that differs: look at its line of the table.',
  });
}

function at(first: Verified | undefined): string {
  if (!first) return '';
  const { name, shape, expectedShape, worst } = first;
  if (!worst) {
    return `: "${name}" has shape [${shape.join(', ')}], expected [${expectedShape.join(', ')}]`;
  }
  const { index, actual, expected } = worst;
  return `: "${name}" at [${index.join(', ')}] is ${shortened(actual)}, expected ${shortened(expected)}`;
}

/** As many digits as float32 has. */
function shortened(value: number): string {
  return String(Number(value.toPrecision(9)));
}
