import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { z } from 'zod';

/** Names of classes that lie beside a model, and where. */
interface Labels {
  readonly names: readonly string[];
  readonly evidence: string;
}

const metadataSchema = z.object({
  packageName: z.string().startsWith('@teachablemachine/'),
  labels: z.array(z.string()),
});

/**
 * The classes of a model that Google's Teachable Machine exported: "0 cats", "1 dogs" in labels.txt beside
 * keras_model.h5, or `labels` in metadata.json beside TensorFlow.js' model.json. `undefined` where neither is there with
 * as many names as the model has outputs.
 */
export function teachableLabels(file: string, count: number): Labels | undefined {
  const folder = dirname(file);
  const found = [
    { name: 'metadata.json', names: namesInMetadata(read(join(folder, 'metadata.json'))) },
    { name: 'labels.txt', names: namesInLines(read(join(folder, 'labels.txt'))) },
  ].find(({ names }) => names.length === count);
  if (!found) return undefined;
  return {
    names: found.names,
    evidence: `${found.name} beside the file, as Teachable Machine writes it`,
  };
}

function read(path: string): string {
  return existsSync(path) ? readFileSync(path, 'utf8') : '';
}

function namesInMetadata(text: string): readonly string[] {
  try {
    return metadataSchema.safeParse(JSON.parse(text)).data?.labels ?? [];
  } catch {
    // Any other program's metadata.json: no evidence.
    return [];
  }
}

/** Numbered from 0, without a gap; anything else is not Teachable Machine's. */
function namesInLines(text: string): readonly string[] {
  const lines = text.split(/\r?\n/).filter((line) => line !== '');
  const names = lines.map((line, i) =>
    line.startsWith(`${i} `) ? line.slice(`${i} `.length) : undefined,
  );
  return names.every((name) => name !== undefined) ? names : [];
}
