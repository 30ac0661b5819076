import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { neededFor } from '../onnx/edit.ts';
import type { StoredModel } from '../onnx/read.ts';
import { FileRanges } from '../onnx/wire.ts';

/**
 * sha256, in hex, of all that a value is computed from: the nodes' bytes, and every number of their weights.
 *
 * Two files with the same beginning, such as a model and one fine-tuned from it, have the same digest there.
 * Memory: one chunk.
 */
export function prefixDigest(model: StoredModel, at: string): string {
  const { nodes, values } = neededFor(model, [at]);
  const hash = createHash('sha256');
  const file = new FileRanges(model.path);
  try {
    for (const node of model.nodes) {
      if (!nodes.has(node)) continue;
      const { start, end } = node.field;
      hash.update(file.read(start, end - start));
    }
  } finally {
    file.close();
  }
  const tensors = [...model.initializers.values()].filter(({ name }) => values.has(name));
  for (const tensor of tensors.toSorted((a, b) => (a.name < b.name ? -1 : 1))) {
    hash.update(JSON.stringify([tensor.name, tensor.dtype, tensor.shape]));
    for (const chunk of tensor.chunks()) hash.update(chunk);
  }
  return hash.update(JSON.stringify([model.opset, at])).digest('hex');
}

/** sha256 of a file's content in hex. Memory: the file. */
export async function fileDigest(path: string): Promise<string> {
  return createHash('sha256')
    .update(await readFile(path))
    .digest('hex');
}
