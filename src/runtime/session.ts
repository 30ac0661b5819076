import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import type * as Onnxruntime from 'onnxruntime-node';
import { ToolkitError } from '../errors.ts';
import { graphOnly } from '../onnx/edit.ts';
import { GraphBuilder } from '../onnx/graph.ts';
import { readModel, type StoredModel } from '../onnx/read.ts';
import { encodeModel } from '../onnx/write.ts';
import { type DType, dtypeBytes, type Numbers, type Value } from '../tensor.ts';
import { closedFault, closedPorts } from './closed-ports.ts';
import {
  checkedProvider,
  type Installed,
  type Provider,
  providers,
  unavailable,
} from './providers.ts';
import { stopTelemetry } from './telemetry.ts';

/** The release of onnxruntime-node that this toolkit is made and tested for; the same as in package.json. */
export const onnxruntimeVersion = '1.30.0';

/** Numbers that go into a model or come out of it, in row-major order. */
export interface Tensor {
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly data: Numbers;
}

/** Texts that go into a model or come out of it, in row-major order. */
export interface TextTensor {
  readonly dtype: 'string';
  readonly shape: readonly number[];
  readonly data: readonly string[];
}

/** What a model takes or gives: a value, which may also be of texts. */
export interface Port extends Omit<Value, 'dtype' | 'constant'> {
  readonly dtype: DType | 'string';
}

/** How a session is opened. */
export interface SessionOptions {
  /** Default `cpu`. Another one that cannot be had is an error, never a fall-back. */
  readonly provider?: Provider | undefined;
  /** Default true: weights are reordered for speed. False opens a large model about five times sooner and runs it slower. */
  readonly prepack?: boolean | undefined;
  /** Threads inside one operator; default: onnxruntime's, one a core. */
  readonly threads?: number | undefined;
  /**
   * Default true: threads wait for the next operator by spinning, which is quickest while a run lasts and burns their
   * cores for a while after it. False where other work follows each run.
   */
  readonly spin?: boolean | undefined;
  /** Of a model from a file: values that become the outputs; only what they need is loaded. */
  readonly outputs?: readonly string[] | undefined;
}

/** An open model. Whoever opened it calls `close`. Runs block the event loop: other work must be on its way before. */
export class Session {
  readonly inputs: readonly Port[];
  readonly outputs: readonly Port[];
  readonly provider: Provider;
  /** Whether some nodes run on the CPU because the provider lacks them; never so without a provider other than `cpu`. */
  readonly isPartlyOnCpu: boolean;
  readonly #library: Library;
  readonly #file: string | undefined;
  #session: Onnxruntime.InferenceSession | undefined;

  constructor(
    library: Library,
    session: Onnxruntime.InferenceSession,
    about: {
      readonly provider: Provider;
      readonly isPartlyOnCpu: boolean;
      readonly file: string | undefined;
    },
  ) {
    this.#library = library;
    this.#session = session;
    this.#file = about.file;
    this.provider = about.provider;
    this.isPartlyOnCpu = about.isPartlyOnCpu;
    this.inputs = session.inputMetadata.map(portOf);
    this.outputs = session.outputMetadata.map(portOf);
  }

  /** Runs the model once; `fetches` are the outputs to compute, default all. Throws RUNTIME_FAILED. */
  async run(
    feeds: Readonly<Record<string, Tensor>>,
    fetches?: readonly string[],
  ): Promise<Record<string, Tensor>> {
    const results = await this.runAny(feeds, fetches);
    return Object.fromEntries(
      Object.entries(results).map(([name, result]) => [name, numbersOnly(result)]),
    );
  }

  /** As `run`, for models that take or give texts as well. Throws RUNTIME_FAILED. */
  async runAny(
    feeds: Readonly<Record<string, Tensor | TextTensor>>,
    fetches?: readonly string[],
  ): Promise<Record<string, Tensor | TextTensor>> {
    const session = this.#session;
    if (!session) throw failed('The model could not be run', 'it is closed', { file: this.#file });
    try {
      const inputs = Object.fromEntries(
        Object.entries(feeds).map(([name, tensor]) => [name, this.#wrap(tensor)]),
      );
      const results = await session.run(inputs, fetches ?? session.outputNames);
      return Object.fromEntries(
        Object.entries(results).map(([name, result]) => [name, tensorOf(result)]),
      );
    } catch (cause) {
      throw failed('The model could not be run', cause, {
        file: this.#file,
        hint: `It takes ${this.inputs.map(spelled).join(' and ')}.`,
      });
    }
  }

  /** Frees the model. A second call does nothing. */
  async close(): Promise<void> {
    const session = this.#session;
    this.#session = undefined;
    await session?.release();
  }

  #wrap(tensor: Tensor | TextTensor): Onnxruntime.Tensor {
    const { dtype, data, shape } = tensor;
    if (tensor.dtype === 'string') {
      return new this.#library.ort.Tensor('string', [...tensor.data], shape);
    }
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the constructor checks that data and dtype fit, and throws
    return new this.#library.ort.Tensor(dtype as 'float32', data as Float32Array, shape);
  }
}

/**
 * Opens a model: bytes of a small one, or a file.
 *
 * A file is mapped: onnxruntime gets the graph, and the weights as ranges of that file, which must stay as it is until
 * `close` (renaming and deleting are safe; writing into it is not). Throws RUNTIME_MISSING, PROVIDER_UNAVAILABLE,
 * RUNTIME_FAILED, and what `readModel` throws.
 */
export async function openSession(
  model: Uint8Array | StoredModel | { readonly path: string },
  options: SessionOptions = {},
): Promise<Session> {
  const provider = checkedProvider(options.provider ?? 'cpu');
  checkModel(model);
  if (model instanceof Uint8Array) {
    return open(await loadLibrary(), { bytes: model, provider, options });
  }
  const stored = 'nodes' in model ? model : readModel(model.path);
  const closed = closedPorts(stored, options.outputs === undefined);
  if (closed.length > 0) throw closedFault(stored.path, closed);
  const graph = graphOnly(stored, options.outputs ? { outputs: options.outputs } : {});
  const library = await loadLibrary();
  return open(library, { ...graph, file: stored.path, provider, options });
}

/** JavaScript may give a path alone. */
function checkModel(model: unknown): void {
  if (typeof model === 'object' && model !== null) return;
  throw new ToolkitError(
    'OPTION_INVALID',
    `A session is opened for bytes, a model that was read, or { path }, not for ${JSON.stringify(model)}`,
    { hint: "Give openSession({ path: 'model.onnx' })." },
  );
}

/** Whether models can run on a provider here: to be asked before long work. Throws RUNTIME_MISSING, PROVIDER_UNAVAILABLE. */
export async function checkProvider(provider: Provider): Promise<void> {
  const library = await loadLibrary();
  const { installed } = library;
  const why = providers[provider].missing(installed);
  if (why !== undefined) throw unavailable(provider, installed, { why });
  const cause = provider === 'cpu' ? undefined : await providerFault(library, provider);
  if (cause !== undefined) throw unavailable(provider, installed, { why: messageOf(cause), cause });
}

interface Opening {
  readonly bytes: Uint8Array;
  readonly provider: Provider;
  readonly options: SessionOptions;
  readonly folder?: string;
  readonly file?: string;
}

async function open(library: Library, opening: Opening): Promise<Session> {
  const { provider, file } = opening;
  const { installed } = library;
  const why = providers[provider].missing(installed);
  if (why !== undefined) throw unavailable(provider, installed, { why, file });
  const about = { provider, file, isPartlyOnCpu: false };
  try {
    return new Session(library, await create(library, opening, { isStrict: true }), about);
  } catch (cause) {
    if (provider === 'cpu') throw failed('The model could not be loaded', cause, { file });
    const fault = await providerFault(library, provider);
    if (fault)
      throw unavailable(provider, installed, { why: messageOf(fault), file, cause: fault });
  }
  // The provider works, but not for every node: shapes, for one, are computed on the CPU.
  try {
    const session = await create(library, opening, { isStrict: false });
    return new Session(library, session, { ...about, isPartlyOnCpu: true });
  } catch (cause) {
    throw failed(`The model could not be loaded on "${provider}"`, cause, { file });
  }
}

/** What goes wrong when the provider is given the smallest of models, all of which it must run itself. */
async function providerFault(library: Library, provider: Provider): Promise<unknown> {
  const graph = new GraphBuilder();
  graph.output(graph.add('Relu', [graph.input('x', 'float32', [1])]));
  const bytes = encodeModel(graph, { name: 'probe' });
  try {
    const session = await create(library, { bytes, provider, options: {} }, { isStrict: true });
    await session.release();
    return undefined;
  } catch (fault) {
    return fault;
  }
}

async function create(
  { ort }: Library,
  { bytes, folder, provider, options }: Opening,
  { isStrict }: { readonly isStrict: boolean },
): Promise<Onnxruntime.InferenceSession> {
  return ort.InferenceSession.create(bytes, {
    executionProviders: [providers[provider].execution],
    // Everything that matters is thrown as well; a library does not write to the terminal.
    logSeverityLevel: 4,
    ...(options.threads === undefined ? {} : { intraOpNumThreads: options.threads }),
    extra: {
      session: {
        ...(options.prepack === false && { disable_prepacking: '1' }),
        ...(options.spin === false && { intra_op: { allow_spinning: '0' } }),
        ...(folder !== undefined && { model_external_initializers_file_folder_path: folder }),
        ...(provider !== 'cpu' && isStrict && { disable_cpu_ep_fallback: '1' }),
      },
    },
  });
}

interface Library {
  readonly ort: typeof Onnxruntime;
  readonly installed: Installed;
}

/** Loads onnxruntime-node, an optional dependency, when a model is first opened. */
async function loadLibrary(): Promise<Library> {
  stopTelemetry();
  try {
    const ort = await import('onnxruntime-node');
    const home = dirname(createRequire(import.meta.url).resolve('onnxruntime-node/package.json'));
    return {
      ort,
      installed: {
        backends: ort.listSupportedBackends().map(({ name }) => name),
        folder: join(home, 'bin', 'napi-v6', process.platform, process.arch),
        version: onnxruntimeVersion,
      },
    };
  } catch (cause) {
    throw new ToolkitError(
      'RUNTIME_MISSING',
      `Models are run by onnxruntime-node ${onnxruntimeVersion}, which could not be loaded: ${messageOf(cause)}`,
      {
        hint:
          `Install it with\n    ONNXRUNTIME_NODE_INSTALL=skip npm install onnxruntime-node@${onnxruntimeVersion}\n` +
          '  ("true" instead of "skip" also fetches CUDA, for NVIDIA GPUs on Linux).',
        cause,
      },
    );
  }
}

function portOf(metadata: Onnxruntime.InferenceSession.ValueMetadata): Port {
  if (!metadata.isTensor) return { name: metadata.name, dtype: 'float32', shape: [] };
  const dtype = metadata.type === 'string' ? 'string' : dtypeOf(metadata.type);
  return { name: metadata.name, dtype, shape: metadata.shape };
}

function numbersOnly(result: Tensor | TextTensor): Tensor {
  if (result.dtype !== 'string') return result;
  throw new ToolkitError('RUNTIME_FAILED', 'The model puts out texts, where numbers are expected', {
    hint: 'Open it for its outputs of numbers alone (openSession with outputs), or ask it through graft serve, which answers texts.',
  });
}

function dtypeOf(type: string): DType {
  if (type in dtypeBytes) {
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the keys of dtypeBytes are the dtypes
    return type as DType;
  }
  throw new Error(`values of type ${type} are not supported`);
}

function tensorOf(result: Onnxruntime.Tensor): Tensor | TextTensor {
  const { data } = result;
  if (result.type === 'string') {
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the data of a tensor of strings is an array of them
    return { dtype: 'string', shape: result.dims, data: data as string[] };
  }
  if (!ArrayBuffer.isView(data)) throw new Error(`values of type ${result.type} are not supported`);
  // From Node 24 on, float16 comes as a Float16Array.
  const numbers =
    result.type === 'float16'
      ? new Uint16Array(data.buffer, data.byteOffset, data.byteLength / 2)
      : data;
  return { dtype: dtypeOf(result.type), shape: result.dims, data: numbers };
}

function spelled({ name, dtype, shape }: Port): string {
  return `"${name}", ${dtype} [${shape.join(', ')}]`;
}

function failed(
  what: string,
  cause: unknown,
  { file, hint }: { readonly file?: string | undefined; readonly hint?: string },
): ToolkitError {
  return new ToolkitError('RUNTIME_FAILED', `${what}: ${messageOf(cause)}`, {
    where: { file },
    hint: hint ?? 'See that the file is whole, and that onnxruntime knows its operators.',
    cause,
  });
}

/** onnxruntime's words, without the place in its own source. */
function messageOf(fault: unknown): string {
  const text = fault instanceof Error ? fault.message : String(fault);
  return text
    .replace(/^\/\S*onnxruntime\S+:\d+ .* was false\. /s, '')
    .replaceAll(/\s+/g, ' ')
    .trim();
}
