import { readFileSync } from 'node:fs';
import { onTestFinished } from 'vitest';
import type { KerasLayer, KerasModel } from '../../src/keras/model.ts';
import { type OpenKerasOptions, openKeras } from '../../src/keras/open.ts';
import type { TensorSource } from '../../src/tensor.ts';

/** Opens a file; it is closed when the test is over. */
export async function open(path: string, options?: OpenKerasOptions): Promise<KerasModel> {
  const model = await openKeras(path, options);
  onTestFinished(() => model.close());
  return model;
}

/** Some of a float32 weight. */
export function floats(
  source: TensorSource | undefined,
  start: number,
  count: number,
): Float32Array {
  if (source?.dtype !== 'float32') throw new Error(`expected float32, found ${source?.dtype}`);
  const bytes = source.read(start, count);
  return new Float32Array(Uint8Array.from(bytes).buffer);
}

/** The layer of a name; fails without. */
export function layerNamed(model: KerasModel, name: string): KerasLayer {
  const found = model.graph.layers.find((layer) => layer.name === name);
  if (!found) throw new Error(`no layer ${name}`);
  return found;
}

/** What was decided on a subject. */
export function decided(model: KerasModel, subject: string): string | undefined {
  return model.decisions.find((decision) => decision.subject === subject)?.value;
}

interface Manifest {
  readonly layers: readonly string[];
}

/** What the fixture says of itself. */
export function manifestOf(folder: string): Manifest {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- manifests are written by the fixtures' scripts
  return JSON.parse(readFileSync(`${folder}manifest.json`, 'utf8')) as Manifest;
}

/** Classes of all layers as the file spells them. */
export function savedClasses(model: KerasModel): string[] {
  return model.graph.layers.map((layer) => layer.savedClassName);
}
