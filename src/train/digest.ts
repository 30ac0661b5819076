import { createHash } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
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
async function fileDigest(path: string): Promise<string> {
  return createHash('sha256')
    .update(await readFile(path))
    .digest('hex');
}

/** Digests of files, each read once as long as its size and time stay the same. */
export class FileDigests {
  readonly #known = new Map<string, { readonly stamp: string; readonly digest: string }>();

  /** sha256 of a file's content in hex; `undefined` for one that cannot be read. */
  async of(path: string): Promise<string | undefined> {
    try {
      const { size, mtimeMs, ino } = await stat(path);
      const stamp = `${size} ${mtimeMs} ${ino}`;
      const known = this.#known.get(path);
      if (known?.stamp === stamp) return known.digest;
      const digest = await fileDigest(path);
      this.#known.set(path, { stamp, digest });
      return digest;
    } catch {
      // Whoever reads the file for what is in it says what is wrong with it.
      return undefined;
    }
  }
}
