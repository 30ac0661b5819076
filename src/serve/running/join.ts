import { sizeOf } from '../../tensor.ts';
import { datatypes } from '../request/datatypes.ts';
import type { InferTensor } from '../request/infer.ts';
import type { Waiting } from '../request/waiting.ts';
import type { RunResult } from './instance.ts';
import type { BatchRule, RunMessage, RunOutput, RunTensor } from './messages.ts';

/** Bytes that a tensor takes in memory. */
export function byteLengthOfTensor({ data }: InferTensor): number {
  if (data instanceof Uint8Array) return data.byteLength;
  return data.reduce((sum, element) => sum + element.byteLength, 0);
}

/** Offsets in the buffer of a run: every element type is aligned there. */
const alignment = 8;

/**
 * The inputs of several requests as those of one run, in one new buffer.
 *
 * Rows that a fixed batch size wants in addition repeat the first row, whose numbers the model is known to take.
 */
export function joinedRun(
  members: readonly Pick<Waiting, 'job'>[],
  rule: BatchRule,
): Omit<RunMessage, 'kind' | 'id'> {
  const first = members[0]?.job.inputs ?? [];
  const rows = members.reduce((sum, { job }) => sum + job.rows, 0);
  const added = rule.kind === 'fixed' ? rule.size - rows : 0;
  const inputs: RunTensor[] = [];
  let end = 0;
  for (const [at, { name, datatype, shape, isPixels }] of first.entries()) {
    const isJoined = rule.kind !== 'none';
    const runShape = isJoined ? [rows + added, ...shape.slice(1)] : shape;
    const texts = datatype === 'BYTES' ? textsOf(members, at, added) : undefined;
    inputs.push({ name, datatype, shape: runShape, offset: end, texts, isPixels });
    end += Math.ceil((sizeOf(runShape) * datatypes[datatype].bytes) / alignment) * alignment;
  }
  const buffer = new ArrayBuffer(end);
  for (const [at, { offset, texts }] of inputs.entries()) {
    if (!texts) fill(new Uint8Array(buffer, offset), { members, at, added, rows });
  }
  return { inputs, buffer, outputs: wanted(members) };
}

function fill(
  into: Uint8Array,
  {
    members,
    at,
    added,
    rows,
  }: {
    readonly members: readonly Pick<Waiting, 'job'>[];
    readonly at: number;
    readonly added: number;
    readonly rows: number;
  },
): void {
  let end = 0;
  for (const { job } of members) {
    const data = job.inputs[at]?.data;
    if (!(data instanceof Uint8Array)) continue;
    into.set(data, end);
    end += data.byteLength;
  }
  const width = end / rows;
  for (let i = 0; i < added; i++, end += width) into.copyWithin(end, 0, width);
}

const decoder = new TextDecoder();
const encoder = new TextEncoder();

function textsOf(members: readonly Pick<Waiting, 'job'>[], at: number, added: number): string[] {
  const texts = members.flatMap(({ job }) => {
    const data = job.inputs[at]?.data ?? [];
    return data instanceof Uint8Array ? [] : data.map((element) => decoder.decode(element));
  });
  const rows = members.reduce((sum, { job }) => sum + job.rows, 0);
  const row = texts.slice(0, texts.length / Math.max(rows, 1));
  return [...texts, ...Array.from({ length: added }, () => row).flat()];
}

/** The outputs that any of them wants. */
function wanted(members: readonly Pick<Waiting, 'job'>[]): readonly string[] {
  const [first] = members;
  if (members.length === 1 && first) return first.job.outputs;
  return [...new Set(members.flatMap(({ job }) => job.outputs))];
}

/** Each request's own outputs, in its order, as views of the run's. */
export function splitRun(
  result: RunResult,
  about: {
    readonly members: readonly Pick<Waiting, 'job'>[];
    readonly rows: number;
    readonly rule: BatchRule;
  },
): readonly (readonly InferTensor[])[] {
  const outputs = new Map(result.outputs.map((output) => [output.name, output]));
  // What one request alone gets, it gets as it is.
  const isWhole =
    about.rule.kind === 'none' || (about.rule.kind === 'dynamic' && about.members.length === 1);
  const total = about.rule.kind === 'fixed' ? about.rule.size : about.rows;
  let start = 0;
  return about.members.map(({ job }) => {
    const range = { start, rows: job.rows };
    start += job.rows;
    return job.outputs.map((name) => {
      const output = outputs.get(name);
      if (!output) throw new Error(`Bug: the run did not give "${name}"`);
      return isWhole ? whole(output) : rowsOf(output, range, total);
    });
  });
}

function whole({ name, datatype, shape, bytes, texts }: RunOutput): InferTensor {
  const data = texts ? texts.map((text) => encoder.encode(text)) : bytes;
  return { name, datatype, shape, data };
}

function rowsOf(
  output: RunOutput,
  { start, rows }: { readonly start: number; readonly rows: number },
  total: number,
): InferTensor {
  const [found = 0, ...rest] = output.shape;
  if (found !== total) {
    throw new Error(
      `Output "${output.name}" has ${found} rows for ${total} rows of input: they cannot be told apart`,
    );
  }
  const shape = [rows, ...rest];
  const { name, datatype } = output;
  const width = sizeOf(rest);
  if (output.texts) {
    const texts = output.texts.slice(start * width, (start + rows) * width);
    return { name, datatype, shape, data: texts.map((text) => encoder.encode(text)) };
  }
  const rowBytes = width * datatypes[datatype].bytes;
  return {
    name,
    datatype,
    shape,
    data: output.bytes.subarray(start * rowBytes, (start + rows) * rowBytes),
  };
}
