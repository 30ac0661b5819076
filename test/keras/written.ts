import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type File, h5wasm, ready } from 'h5wasm';
import { temporaryFolder } from '../files.ts';

let count = 0;

/** Writes an HDF5 file with h5wasm, for the test that asks; the file is gone when the test is over. */
export async function written(name: string, write: (file: File) => void): Promise<string> {
  const { FS } = await ready;
  const path = join(temporaryFolder(), name);
  const inner = `/made-${++count}.h5`;
  const file = new h5wasm.File(inner, 'w');
  write(file);
  file.flush();
  file.close();
  writeFileSync(path, FS.readFile(inner));
  FS.unlink(inner);
  return path;
}

/** Name, and names and shapes of the weights. */
export type MadeLayer = readonly [
  name: string,
  weights: Readonly<Record<string, readonly number[]>>,
];

/** Layers in the layout of Keras 1 and later; every number is its place in its weight. */
export function writeLayers(
  file: File,
  layers: readonly MadeLayer[],
  attributes: Readonly<Record<string, string>> = {},
): void {
  writeNames(
    file,
    'layer_names',
    layers.map(([name]) => name),
  );
  for (const [key, value] of Object.entries(attributes)) file.create_attribute(key, value);
  for (const [name, weights] of layers) {
    const group = file.create_group(name);
    writeNames(group, 'weight_names', Object.keys(weights));
    for (const [weight, shape] of Object.entries(weights)) {
      group.create_dataset({ name: weight, data: numbered(shape), shape: [...shape] });
    }
  }
}

/** The layout of Keras 0. */
export function writePositions(
  file: File,
  layers: readonly (readonly (readonly number[])[])[],
): void {
  file.create_attribute('nb_layers', layers.length);
  for (const [i, shapes] of layers.entries()) {
    const group = file.create_group(`layer_${i}`);
    group.create_attribute('nb_params', shapes.length);
    for (const [k, shape] of shapes.entries()) {
      group.create_dataset({ name: `param_${k}`, data: numbered(shape), shape: [...shape] });
    }
  }
}

/** An empty list is an empty array of float64, as h5py writes it. */
export function writeNames(
  group: Pick<File, 'create_attribute'>,
  key: string,
  names: readonly string[],
): void {
  if (names.length === 0) group.create_attribute(key, new Float64Array(0), [0], '<d');
  else group.create_attribute(key, [...names]);
}

function numbered(shape: readonly number[]): Float32Array {
  const size = shape.reduce((product, dim) => product * dim, 1);
  return Float32Array.from({ length: size }, (_, i) => i);
}
