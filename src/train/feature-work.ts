import { createHash } from 'node:crypto';
import { ToolkitError } from '../errors.ts';
import type { StoredModel } from '../onnx/read.ts';
import { type LoadedModel, loadModel } from '../runtime/model.ts';
import { onnxruntimeVersion } from '../runtime/session.ts';
import { defaultCacheFolder, type FeatureStore, openStore } from './cache.ts';
import type { FeatureCut } from './cut.ts';
import { prefixDigest } from './digest.ts';
import type { FeatureOptions } from './feature-options.ts';

/** Goes up when pictures of the same content are decoded or resized to other numbers than before. */
const picturesVersion = 1;

/** A frozen part ready to run, and where its rows are kept. Whoever opened it closes it. */
export interface Work {
  readonly model: LoadedModel;
  readonly at: string;
  readonly store: FeatureStore | undefined;
  /** Takes a fault of keeping rows that are in memory anyway: told where the folder is not of the user's choice, else thrown. */
  readonly unkept: (fault: unknown) => void;
  readonly close: () => Promise<void>;
}

/** Opens the frozen part, and the rows kept of all that it depends on. Throws what `loadModel` throws. */
export async function openWork(
  model: StoredModel,
  { at, width }: Pick<FeatureCut, 'at' | 'width'>,
  options: FeatureOptions,
): Promise<Work> {
  const { provider, threads, preprocess } = options;
  const loaded = await loadModel(model.path, { provider, threads, preprocess, outputs: [at] });
  try {
    const { cache = defaultCacheFolder() } = options;
    const made = [picturesVersion, onnxruntimeVersion, loaded.session.provider];
    const changed = options.variant ? [options.variant.key] : [];
    const key = [prefixDigest(model, at), loaded.preprocess, made, width, ...changed];
    const name = createHash('sha256').update(JSON.stringify(key)).digest('hex');
    const store = cache === false ? undefined : openStore(cache, name, width);
    const close = async (): Promise<void> => {
      await store?.close();
      await loaded.close();
    };
    return { model: loaded, at, store, unkept: (fault) => tellUnkept(fault, options), close };
  } catch (error) {
    await loaded.close();
    throw error;
  }
}

function tellUnkept(fault: unknown, { cache, onWarning }: FeatureOptions): void {
  const isWriting = fault instanceof ToolkitError && fault.code === 'OUTPUT_UNWRITABLE';
  if (!isWriting || cache !== undefined || !onWarning) throw fault;
  const [why = ''] = fault.message.split('\n');
  onWarning(
    `Features are not kept, since ${fault.where.file} cannot be written: ${why}. --cache names another folder`,
  );
}

/** A row of features for each image of a batch. */
export async function featureRows(
  { model, at }: Work,
  {
    data,
    shape,
    files,
  }: { data: Float32Array; shape: readonly number[]; files: readonly string[] },
  width: number,
): Promise<readonly Float32Array[]> {
  const count = model.fixedBatch ?? files.length;
  const elements = data.length / files.length;
  const filled = count === files.length ? data : new Float32Array(count * elements);
  if (filled !== data) filled.set(data);
  const feed = { dtype: 'float32', shape: shape.with(0, count), data: filled } as const;
  const results = await model.session.run({ [model.input.name]: feed }, [at]);
  const features = results[at]?.data;
  if (!(features instanceof Float32Array) || features.length !== count * width) {
    throw new Error(`Bug: "${at}" should be float32 of ${width} numbers an image`);
  }
  return files.map((_, i) => features.slice(i * width, (i + 1) * width));
}
