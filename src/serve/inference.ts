import { performance } from 'node:perf_hooks';
import { ToolkitError } from '../errors.ts';
import { sizeOf } from '../tensor.ts';
import type { Models } from './models/models.ts';
import type { ServedVersion } from './models/served.ts';
import { findTarget, type Target } from './models/target.ts';
import { type Checked, checkRequest, invalid } from './request/check.ts';
import { classified } from './request/classification.ts';
import { datatypes } from './request/datatypes.ts';
import type { InferEvent, Outcome } from './request/events.ts';
import type { InferRequest, InferResponse, InferTensor, InferTiming } from './request/infer.ts';
import { Leaving } from './request/leaving.ts';
import { concatenated, sliced } from './request/parts.ts';
import { markTold } from './request/told.ts';
import type { JobResult } from './request/waiting.ts';
import type { Pictures } from './running/pictures.ts';

/** What the walk of a request needs. */
export interface Inference {
  readonly models: Models;
  readonly pictures: Pictures;
  readonly onInfer: (event: InferEvent) => void;
}

/**
 * One request: found its model, checked, its pictures decoded, split into runs, joined again.
 *
 * Throws MODEL_UNKNOWN, MODEL_NOT_READY, REQUEST_INVALID, IMAGE_UNREADABLE, SERVER_BUSY, REQUEST_TIMEOUT,
 * REQUEST_CANCELLED, RUNTIME_FAILED, WORKER_LOST.
 */
export async function infer(inference: Inference, request: InferRequest): Promise<InferResponse> {
  const startedMs = Date.now();
  const start = performance.now();
  let [rows, timing]: [number, InferTiming] = [0, noTime];
  let target: Target | undefined;
  let outcome: Outcome = 'success';
  try {
    target = findTarget(inference.models, request);
    target.served.inUse.enter();
    const checked = checkRequest(request, target.expected);
    rows = checked.rows;
    const answer = await answered(inference, { request, target, checked, start });
    timing = answer.timing;
    const { name: model } = target;
    return { model, version: target.served.version, id: request.id, ...answer };
  } catch (fault) {
    outcome = outcomeOf(fault);
    if (target) markTold(fault);
    throw fault;
  } finally {
    const { door, requestId, traceparent } = request;
    const event: InferEvent = {
      model: target?.served.name ?? request.model,
      version: target?.served.version ?? request.version ?? '',
      door,
      rows,
      outcome,
      startedMs,
      totalNs: Math.round((performance.now() - start) * 1e6),
      requestId,
      traceparent,
      ...timing,
    };
    target?.served.inUse.leave();
    target?.served.statistics.request(event);
    // A name that no model has is a client's word: it must not become a label.
    if (target) inference.onInfer(event);
  }
}

const noTime: InferTiming = {
  queueNs: 0,
  computeInputNs: 0,
  computeInferNs: 0,
  computeOutputNs: 0,
};

interface Walk {
  readonly request: InferRequest;
  readonly target: Target;
  readonly checked: Checked;
  /** When it came, in milliseconds of `performance.now()`. */
  readonly start: number;
}

async function answered(
  { pictures }: Inference,
  walk: Walk,
): Promise<Pick<InferResponse, 'outputs' | 'timing'>> {
  const { request, target, checked, start } = walk;
  const { served, expected } = target;
  const names = checked.outputs.map(({ name }) => name);
  if (checked.rows === 0) return { outputs: emptyOutputs(names, served), timing: noTime };
  const inputs = await decoded(pictures, walk);
  const decodedNs = Math.round((performance.now() - start) * 1e6);
  const timeoutMs = Math.min(request.timeoutMs ?? Infinity, served.settings.timeoutMs);
  const about = { outputs: names, deadlineMs: start + timeoutMs };
  const result = await runAll(served, {
    inputs,
    rows: checked.rows,
    leaving: request.leaving,
    ...about,
  });
  const outputs = result.outputs.map((output, i) => {
    const count = checked.outputs[i]?.classification;
    if (count === undefined || count <= 0) return output;
    return classified(output, { count, isBatched: expected.isBatched, classes: served.classes });
  });
  const { queueNs, computeInferNs, computeOutputNs } = result;
  const computeInputNs = result.computeInputNs + decodedNs;
  return { outputs, timing: { queueNs, computeInputNs, computeInferNs, computeOutputNs } };
}

/** The inputs with pictures decoded to pixels of the size that the model takes. */
async function decoded(
  pictures: Pictures,
  { request, target, checked }: Walk,
): Promise<readonly InferTensor[]> {
  const about = target.served.spec.about.pictures;
  const port = target.served.spec.inputs.find(({ name }) => name === about?.input);
  const at = checked.inputs.findIndex(
    ({ name, datatype }) => datatype === 'BYTES' && name === target.expected.pictureInput,
  );
  const input = checked.inputs[at];
  if (!about || !port || !input || input.data instanceof Uint8Array) return checked.inputs;
  const { size, layout, color } = about.preprocess;
  const channels = color === 'gray' ? 1 : 3;
  const bytes = input.data.length * channels * size[0] * size[1];
  if (bytes > target.served.settings.maxWaitingBytes) {
    throw new ToolkitError(
      'REQUEST_TOO_LARGE',
      `The ${input.data.length} pictures of input '${input.name}' take ${bytes} bytes when decoded`,
      { hint: 'Send fewer at once.' },
    );
  }
  const rows = await Promise.all(
    input.data.map(async (picture, i) => {
      try {
        return await pictures.row(picture, about.preprocess, request.leaving);
      } catch (fault) {
        if (!(fault instanceof ToolkitError) || fault.code !== 'IMAGE_UNREADABLE') throw fault;
        const [what = ''] = fault.message.split('\n');
        throw new ToolkitError(
          'IMAGE_UNREADABLE',
          `Element ${i} of input '${input.name}': ${what}`,
          {
            hint: fault.hint,
          },
        );
      }
    }),
  );
  const [only] = rows;
  const data = rows.length === 1 && only ? only : Buffer.concat(rows);
  const shape = [rows.length, ...(layout === 'nchw' ? [channels, ...size] : [...size, channels])];
  const tensor: InferTensor = { name: port.name, datatype: 'UINT8', shape, data, isPixels: true };
  return checked.inputs.with(at, tensor);
}

interface Rows {
  readonly inputs: readonly InferTensor[];
  readonly rows: number;
  readonly outputs: readonly string[];
  readonly deadlineMs: number;
  readonly leaving: Leaving | undefined;
}

/** Runs rows as many runs as it takes. A few parts at a time stand in line: others shall not wait for all of them. */
async function runAll(served: ServedVersion, job: Rows): Promise<JobResult> {
  const { queue, maxRows } = served;
  if (maxRows === undefined || job.rows <= maxRows) return queue.submit(job);
  const leaving = new Leaving();
  const leave = (): void => leaving.leave();
  job.leaving?.whenLeft(leave);
  const count = Math.ceil(job.rows / maxRows);
  const results: JobResult[] = [];
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < count) {
      const at = next++;
      const start = at * maxRows;
      const rows = Math.min(maxRows, job.rows - start);
      const inputs = job.inputs.map((input) => sliced(input, start, rows));
      results[at] = await queue.submit({ ...job, inputs, rows, leaving });
    }
  };
  try {
    const width = Math.min(count, 2 * served.settings.instances);
    await Promise.all(Array.from({ length: width }, worker));
  } finally {
    // One part that fails makes the others worthless.
    leave();
    job.leaving?.forget(leave);
  }
  return joinedResults(results);
}

function joinedResults(results: readonly JobResult[]): JobResult {
  const outputs = (results[0]?.outputs ?? []).map((_, i) =>
    concatenated(results.flatMap((result) => result.outputs[i] ?? [])),
  );
  const sum = (key: keyof InferTiming): number =>
    results.reduce((total, result) => total + result[key], 0);
  return {
    outputs,
    queueNs: sum('queueNs'),
    computeInputNs: sum('computeInputNs'),
    computeInferNs: sum('computeInferNs'),
    computeOutputNs: sum('computeOutputNs'),
  };
}

/** No rows give no rows: some kernels cannot say so themselves. */
function emptyOutputs(names: readonly string[], { spec }: ServedVersion): readonly InferTensor[] {
  return names.map((name) => {
    const port = spec.outputs.find((output) => output.name === name);
    if (!port) throw invalid(`unexpected inference output '${name}'`);
    const shape = [0, ...port.shape.slice(1).map((dim) => Math.max(dim, 0))];
    const bytes = new Uint8Array(sizeOf(shape) * datatypes[port.datatype].bytes);
    return { name, datatype: port.datatype, shape, data: port.datatype === 'BYTES' ? [] : bytes };
  });
}

const outcomes: Readonly<Record<string, Outcome>> = {
  REQUEST_INVALID: 'invalid',
  IMAGE_UNREADABLE: 'invalid',
  MODEL_UNKNOWN: 'invalid',
  SERVER_BUSY: 'rejected',
  REQUEST_TIMEOUT: 'timeout',
  REQUEST_CANCELLED: 'cancelled',
  MODEL_NOT_READY: 'unavailable',
};

function outcomeOf(fault: unknown): Outcome {
  return fault instanceof ToolkitError ? (outcomes[fault.code] ?? 'backend') : 'backend';
}
