import { isUtf8 } from 'node:buffer';
import { ToolkitError } from '../../errors.ts';
import { sizeOf } from '../../tensor.ts';
import { datatypes, type PortSpec } from './datatypes.ts';
import { shown } from './faults.ts';
import type { InferRequest, InferTensor, RequestedOutput } from './infer.ts';

/** What a model takes and gives, as a request is measured by it. */
export interface Expected {
  readonly model: string;
  readonly inputs: readonly PortSpec[];
  readonly outputs: readonly PortSpec[];
  /** Whether the first axis is a batch, of any number of rows. */
  readonly isBatched: boolean;
  /** The input that takes whole pictures as BYTES as well. */
  readonly pictureInput: string | undefined;
}

/** A request that fits its model. */
export interface Checked {
  /** In the model's order. */
  readonly inputs: readonly InferTensor[];
  /** Length of the first axis; 1 where it is no batch. */
  readonly rows: number;
  readonly outputs: readonly RequestedOutput[];
}

/** Measures a request by what its model takes. Throws REQUEST_INVALID, naming the tensor and the expectation. */
export function checkRequest(request: InferRequest, expected: Expected): Checked {
  const inputs = checkNames(request, expected);
  for (const [i, input] of inputs.entries()) {
    const port = expected.inputs[i];
    if (port) checkInput(input, port, expected);
  }
  return { inputs, rows: rowsOf(inputs, expected), outputs: checkOutputs(request, expected) };
}

function checkNames({ inputs }: InferRequest, { model, ...expected }: Expected): InferTensor[] {
  const given = new Map(inputs.map((input) => [input.name, input]));
  const wanted = expected.inputs.map(({ name }) => name);
  const twice = inputs.find((input) => given.get(input.name) !== input);
  if (twice) throw invalid(`input '${twice.name}' is given twice for model '${model}'`);
  const foreign = inputs.find(({ name }) => !wanted.includes(name));
  if (foreign) {
    throw invalid(
      `unexpected inference input '${foreign.name}' for model '${model}', allowed inputs are: ${wanted.join(', ')}`,
    );
  }
  const missing = wanted.filter((name) => !given.has(name));
  if (missing.length > 0) {
    throw invalid(
      `expected ${wanted.length} inputs but got ${given.size} inputs for model '${model}'. ` +
        `Got input(s) [${quoted([...given.keys()])}], but missing required input(s) [${quoted(missing)}]`,
    );
  }
  return wanted.flatMap((name) => given.get(name) ?? []);
}

function checkInput(input: InferTensor, port: PortSpec, expected: Expected): void {
  const { name, datatype, shape, data } = input;
  const about = `input '${name}' for model '${expected.model}'`;
  if (datatype === 'BYTES' && name === expected.pictureInput) {
    checkPictures(input, about);
    return;
  }
  if (datatype !== port.datatype) {
    throw invalid(`${about} has datatype ${datatype}, but ${port.datatype} is expected`);
  }
  const fits =
    shape.length === port.shape.length &&
    port.shape.every((dim, axis) => {
      const isFree = dim === -1 || (axis === 0 && expected.isBatched);
      return isFree || dim === shape[axis];
    });
  if (!fits) {
    const axes = expected.isBatched ? [-1, ...port.shape.slice(1)] : port.shape;
    throw invalid(
      `unexpected shape for ${about}, expected [${axes.join()}], got [${shape.join()}]`,
    );
  }
  if (data instanceof Uint8Array) {
    const bytes = sizeOf(shape) * datatypes[datatype].bytes;
    if (bytes !== data.byteLength) {
      throw invalid(
        `input byte size mismatch for ${about}. Expected ${bytes}, got ${data.byteLength}`,
      );
    }
    return;
  }
  const broken = data.findIndex((element) => !isUtf8(element));
  if (broken >= 0) throw invalid(`element ${broken} of ${about} is no UTF-8 text`);
  // onnxruntime takes texts as C has them, and would go on with what stands before it.
  const cut = data.findIndex((element) => element.includes(0));
  if (cut >= 0) throw invalid(`element ${cut} of ${about} has a zero byte, which no text has`);
}

function checkPictures({ shape }: InferTensor, about: string): void {
  const isList = shape.length >= 1 && shape.slice(1).every((dim) => dim === 1);
  if (isList) return;
  throw invalid(
    `pictures as ${about} have the shape [-1,1] or [-1], one BYTES element a picture, but it is [${shape.join()}]`,
  );
}

function rowsOf(inputs: readonly InferTensor[], { model, isBatched }: Expected): number {
  if (!isBatched) return 1;
  const [first, ...others] = inputs;
  const rows = first?.shape[0] ?? 1;
  const other = others.find(({ shape }) => shape[0] !== rows);
  if (!other) return rows;
  throw invalid(
    `inputs of model '${model}' differ in their batch size: '${first?.name ?? ''}' has ${rows}, '${other.name}' has ${other.shape[0] ?? 0}`,
  );
}

function checkOutputs({ outputs }: InferRequest, expected: Expected): readonly RequestedOutput[] {
  if (!outputs || outputs.length === 0) return expected.outputs.map(({ name }) => ({ name }));
  const allowed = expected.outputs.map(({ name }) => name);
  const seen = new Set<string>();
  for (const { name } of outputs) {
    if (!allowed.includes(name)) {
      throw invalid(
        `unexpected inference output '${name}' for model '${expected.model}', allowed outputs are: ${allowed.join(', ')}`,
      );
    }
    if (seen.has(name)) throw invalid(`output '${name}' already exists in request`);
    seen.add(name);
  }
  return outputs;
}

function quoted(names: readonly string[]): string {
  return names.map((name) => `'${name}'`).join(',');
}

/** REQUEST_INVALID with where the expectation can be looked up. */
export function invalid(what: string): ToolkitError {
  return new ToolkitError('REQUEST_INVALID', shown(what), {
    hint: "The model's metadata (GET /v2/models/NAME) lists its inputs and outputs.",
  });
}
