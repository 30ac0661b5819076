import type { StoredModel } from '../../onnx/read.ts';
import type { Shape } from '../../tensor.ts';

/**
 * A model with the sizes that it leaves open, such as the number of steps, as the samples have them.
 *
 * `sample` is the shape of one. What is in the file stays as it is.
 */
export function withSizes(model: StoredModel, sample: readonly number[] | undefined): StoredModel {
  const [input] = model.inputs;
  const dims = input?.shape.slice(1) ?? [];
  if (dims.length !== sample?.length) return model;
  const sizes = new Map(
    dims.flatMap((dim, i) => (typeof dim === 'string' ? [[dim, sample[i] ?? dim] as const] : [])),
  );
  if (sizes.size === 0) return model;
  const fixed = <V extends { readonly shape: Shape }>(value: V): V => ({
    ...value,
    shape: value.shape.map((dim) => (typeof dim === 'string' ? (sizes.get(dim) ?? dim) : dim)),
  });
  return {
    ...model,
    inputs: model.inputs.map(fixed),
    values: new Map([...model.values].map(([name, value]) => [name, fixed(value)])),
  };
}
