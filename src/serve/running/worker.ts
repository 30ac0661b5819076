import { constants, copyFileSync, mkdirSync, rmSync, statSync } from 'node:fs';
import { basename, dirname, join, relative } from 'node:path';
import { performance } from 'node:perf_hooks';
import { isMainThread, parentPort } from 'node:worker_threads';
import { ToolkitError } from '../../errors.ts';
import { describeModel } from '../../runtime/describe.ts';
import type { Preprocess } from '../../runtime/model.ts';
import { pixelWriter } from '../../runtime/preprocess.ts';
import {
  openSession,
  type Port,
  type Session,
  type Tensor,
  type TextTensor,
} from '../../runtime/session.ts';
import { sizeOf } from '../../tensor.ts';
import { datatypeOf, datatypes } from '../request/datatypes.ts';
import { bytesIn, numbersOf } from '../request/views.ts';
import type {
  FromWorker,
  OpenMessage,
  PictureMessage,
  PortSpec,
  RunMessage,
  RunOutput,
  RunTensor,
  ToWorker,
} from './messages.ts';
import { pictureRow } from './picture-row.ts';
import { batchRule, warmUp } from './probe.ts';

/**
 * What runs beside the network: one open model, or the decoding of pictures. The same file is a thread and a process.
 *
 * It must never be ended from outside while a run is under way: onnxruntime takes the whole process with it.
 */
let session: Session | undefined;
/** How the open model takes pictures; absent where it takes none. */
let pixelsAs: Preprocess | undefined;
let writePixels: ReturnType<typeof pixelWriter> | undefined;
/** The numbers of the last run's pixels, whose place the next run takes: new memory for each costs more than writing it. */
let numbers = new Float32Array(0);

async function answer(message: ToWorker): Promise<void> {
  switch (message.kind) {
    case 'open':
      return open(message);
    case 'run':
      return run(message);
    case 'picture':
      return picture(message);
    case 'release':
      await session?.close();
      session = undefined;
      numbers = new Float32Array(0);
      send({ kind: 'released' });
      return;
    case 'close':
      await session?.close();
      close();
  }
}

async function open(message: OpenMessage): Promise<void> {
  const path = message.copy === undefined ? message.path : copied(message.path, message.copy);
  const { provider } = message;
  const opened = await openSession({ path }, { provider, threads: message.threads, spin: false });
  session = opened;
  const batch = await batchRule(opened, message.batched);
  if (batch.kind === 'dynamic') await warmUp(opened, message.warm);
  if (batch.kind === 'fixed') await warmUp(opened, [batch.size]);
  const about = describeModel(path);
  pixelsAs = about.pictures?.preprocess;
  writePixels = undefined;
  send({
    kind: 'opened',
    path,
    spec: {
      inputs: opened.inputs.map(specOf),
      outputs: opened.outputs.map(specOf),
      batch,
      about,
      provider: opened.provider,
      isPartlyOnCpu: opened.isPartlyOnCpu,
    },
  });
}

/** Copies a model with the files of its weights; a copy of a file that was written to meanwhile is no copy. */
function copied(path: string, folder: string): string {
  const { files } = describeModel(path);
  const [main = path] = files;
  const before = files.map(stampOf);
  for (const file of files) {
    const target = join(folder, relative(dirname(main), file));
    mkdirSync(dirname(target), { recursive: true });
    copyFileSync(file, target, constants.COPYFILE_FICLONE);
  }
  if (files.map(stampOf).join() === before.join()) return join(folder, basename(main));
  rmSync(folder, { recursive: true, force: true });
  throw new ToolkitError('FILE_UNREADABLE', 'The model was written to while it was being loaded', {
    where: { file: path },
    hint: 'Write a new file beside it and rename it over the old one.',
  });
}

function stampOf(file: string): string {
  const { ino, size, mtimeMs } = statSync(file);
  return `${ino}:${size}:${mtimeMs}`;
}

function specOf({ name, dtype, shape }: Port): PortSpec {
  return {
    name,
    datatype: datatypeOf(dtype),
    shape: shape.map((dim) => (typeof dim === 'number' && dim >= 0 ? dim : -1)),
  };
}

async function run({ id, inputs, buffer, outputs }: RunMessage): Promise<void> {
  if (!session) throw new Error('Bug: a run before the model is open');
  const feeds = Object.fromEntries(inputs.map((input) => [input.name, tensorOf(input, buffer)]));
  const start = performance.now();
  const results = await session.runAny(feeds, outputs);
  const inferNs = (performance.now() - start) * 1e6;
  const tensors = Object.entries(results).map(([name, result]) => outputOf(name, result));
  const buffers = new Set(tensors.map(({ bytes }) => bytes.buffer));
  send({ kind: 'ran', id, outputs: tensors, inferNs }, [...buffers]);
}

function tensorOf(input: RunTensor, buffer: ArrayBuffer): Tensor | TextTensor {
  const { shape, offset } = input;
  if (input.isPixels === true) return pixelTensor(input, buffer);
  const { dtype } = datatypes[input.datatype];
  if (dtype === 'string') return { dtype, shape, data: input.texts ?? [] };
  return { dtype, shape, data: numbersOf(dtype, buffer, { offset, count: sizeOf(shape) }) };
}

function pixelTensor({ shape, offset }: RunTensor, buffer: ArrayBuffer): Tensor {
  if (!pixelsAs) throw new Error('Bug: pixels for a model that takes no pictures');
  writePixels ??= pixelWriter(pixelsAs);
  const [size, width] = [sizeOf(shape), sizeOf(shape.slice(1))];
  if (numbers.length < size) numbers = new Float32Array(size);
  for (let at = 0; at < size; at += width) {
    writePixels(new Uint8Array(buffer, offset + at, width), numbers, at);
  }
  return { dtype: 'float32', shape, data: numbers.subarray(0, size) };
}

function outputOf(name: string, { dtype, shape, data }: Tensor | TextTensor): RunOutput {
  const about = { name, datatype: datatypeOf(dtype), shape };
  if (ArrayBuffer.isView(data)) return { ...about, bytes: bytesIn(data) };
  return { ...about, bytes: new Uint8Array(0), texts: data };
}

async function picture({ id, bytes, preprocess, maxPixels }: PictureMessage): Promise<void> {
  const data = await pictureRow(bytes, preprocess, maxPixels);
  send({ kind: 'pixels', id, data }, [data.buffer]);
}

function send(message: FromWorker, transfer: readonly ArrayBufferLike[] = []): void {
  if (!parentPort) {
    process.send?.(message);
    return;
  }
  const owned = transfer.filter((buffer) => buffer instanceof ArrayBuffer);
  parentPort.postMessage(message, owned);
}

function close(): void {
  if (parentPort) parentPort.close();
  else process.disconnect();
}

function receive(message: ToWorker): void {
  answer(message).catch((fault: unknown) => {
    const id = 'id' in message ? message.id : undefined;
    const isOurs = fault instanceof ToolkitError;
    const text = fault instanceof Error ? fault.message : String(fault);
    send({
      kind: 'fault',
      id,
      code: isOurs ? fault.code : undefined,
      what: text.split('\n')[0] ?? '',
      hint: isOurs ? fault.hint : '',
    });
  });
}

if (!isMainThread) parentPort?.on('message', receive);
else process.on('message', receive);
// A terminal sends Ctrl-C to all processes of its group: it is the parent that ends this one, by leaving it.
if (isMainThread) for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => undefined);
