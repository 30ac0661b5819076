import { ToolkitError } from '../errors.ts';
import type { LayerRecord } from '../onnx/card.ts';
import type { StoredModel } from '../onnx/read.ts';
import type { NamedArray } from './arrays.ts';

/** What the arrays of a reference are for a model. */
export interface Reference {
  /** By name of the model's input. */
  readonly inputs: ReadonlyMap<string, NamedArray>;
  /** By name of the model's output. */
  readonly outputs: ReadonlyMap<string, NamedArray>;
  /** By name of the Keras layer. */
  readonly layers: ReadonlyMap<string, NamedArray>;
}

/**
 * Finds out what each array is.
 *
 * Without names: the inputs in the model's order, then the outputs. With names: that of an input, an output or a layer
 * of the model, or "input", "input_0", "expected", "expected_0", "output_0" and so on by position.
 * Throws REFERENCE_INVALID.
 */
export function referenceFor(
  model: StoredModel,
  layers: readonly LayerRecord[],
  arrays: readonly NamedArray[],
): Reference {
  const file = arrays[0]?.file ?? '';
  const found: { readonly [Part in keyof Reference]: Map<string, NamedArray> } = {
    inputs: new Map(),
    outputs: new Map(),
    layers: new Map(),
  };
  const names = {
    inputs: model.inputs.map(({ name }) => name),
    outputs: model.outputs.map(({ name }) => name),
    layers: layers.map(({ name }) => name),
  };
  const unnamed = [
    ...names.inputs.map((name) => ['inputs', name] as const),
    ...names.outputs.map((name) => ['outputs', name] as const),
  ];
  for (const array of arrays) {
    const place = array.name === undefined ? unnamed.shift() : placeOf(array.name, names);
    if (!place) throw unplaced(array, names);
    const [part, name] = place;
    const known = found[part];
    if (known.has(name)) throw twice(array, name);
    known.set(name, array);
  }
  checkWhole(found, names, file);
  return found;
}

type Names = { readonly [Part in keyof Reference]: readonly string[] };
type Place = readonly [part: keyof Reference, name: string];

const byPosition: readonly (readonly [part: 'inputs' | 'outputs', pattern: RegExp])[] = [
  ['inputs', /^inputs?(?:_(\d+))?$/],
  ['outputs', /^(?:expected|outputs?)(?:_(\d+))?$/],
];

function placeOf(name: string, names: Names): Place | undefined {
  for (const part of ['inputs', 'outputs'] as const) {
    if (names[part].includes(name)) return [part, name];
  }
  for (const [part, pattern] of byPosition) {
    const match = pattern.exec(name);
    const found = match && names[part][Number(match[1] ?? 0)];
    if (found !== undefined && found !== null) return [part, found];
  }
  return names.layers.includes(name) ? ['layers', name] : undefined;
}

function checkWhole(found: Reference, names: Names, file: string): void {
  const missing = names.inputs.filter((name) => !found.inputs.has(name));
  if (missing.length > 0) {
    throw invalid(`There are no numbers for the model's ${listed('input', missing)}`, file, names);
  }
  if (found.outputs.size > 0 || found.layers.size > 0) return;
  throw invalid('There is nothing to compare with: no output and no layer', file, names);
}

function unplaced({ name, file }: NamedArray, names: Names): ToolkitError {
  const what =
    name === undefined
      ? `The model has ${names.inputs.length} inputs and ${names.outputs.length} outputs, but more arrays are given`
      : `The array "${name}" is no input, output or layer of the model`;
  return invalid(what, file, names);
}

function twice({ file }: NamedArray, name: string): ToolkitError {
  return new ToolkitError('REFERENCE_INVALID', `Two arrays are given for "${name}"`, {
    where: { file },
    hint: 'Give one array for each input, output and layer.',
  });
}

function invalid(what: string, file: string, { inputs, outputs }: Names): ToolkitError {
  return new ToolkitError('REFERENCE_INVALID', what, {
    where: { file },
    hint:
      `Give the ${listed('input', inputs)} and then the ${listed('output', outputs)}, in this order, ` +
      'or NAME=FILE, or an .npz with these names and those of layers.',
  });
}

function listed(kind: string, names: readonly string[]): string {
  const quoted = names.map((name) => `"${name}"`).join(', ');
  return names.length === 1 ? `${kind} ${quoted}` : `${kind}s ${quoted}`;
}
