import { closeSync } from 'node:fs';
import type { ready } from 'h5wasm';
import { ToolkitError } from '../errors.ts';
import type { FileRange } from '../files/file-range.ts';
import { sourceOf } from '../source.ts';
import { type DType, dtypeBytes, sizeOf, type TensorSource } from '../tensor.ts';
import { guard } from './h5-fault.ts';
import { claimedStringBytes, hasExternalStorage } from './h5-header.ts';
import { withMemory } from './h5-memory.ts';
import { type FileSystem, mountRange, type Reading } from './h5-mount.ts';
import { checkSize, unsafe } from './h5-safety.ts';
import { type AttributeType, attributeValues } from './h5-values.ts';
import { asHdf5, openHdf5Range } from './recognise.ts';
import { slabs } from './slabs.ts';

type Hdf5Module = Awaited<typeof ready>;
type AttributeValue = number | string | readonly string[] | readonly number[];

/** An open HDF5 file. Paths are absolute ("/layer/weight"). Whoever opened it calls `close`. */
export interface Hdf5File {
  readonly file: string;
  /** "group", "dataset", or undefined when nothing is there. Throws KERAS_FILE_UNSAFE on the way through a link. */
  kind(path: string): 'group' | 'dataset' | undefined;
  members(group: string): readonly string[];
  attributeNames(path: string): readonly string[];
  /** A string, a number, or a list of them; an empty list for a dataset without elements; undefined where absent. */
  attribute(path: string, name: string): AttributeValue | undefined;
  /** The numbers of a dataset, read when asked for. Memory: what one read asks for. */
  dataset(path: string): TensorSource;
  close(): void;
}

let modulePromise: Promise<Hdf5Module> | undefined;
let opened = 0;

/** Loads HDF5 once. Without its throwing handler a failed read gives zeros and no error. */
function loadModule(): Promise<Hdf5Module> {
  modulePromise ??= startModule();
  return modulePromise;
}

/** On demand: importing h5wasm compiles it, which takes 40 MB. */
async function startModule(): Promise<Hdf5Module> {
  const h5wasm = await import('h5wasm');
  const module = await h5wasm.ready;
  module.activate_throwing_error_handler();
  return module;
}

/**
 * Opens an HDF5 file, or a part of a file that is one, for reading. HDF5 sees one file in a file system of its own,
 * never the host's. The range becomes the result's, whatever happens.
 *
 * Throws what `openHdf5Range` throws, and FILE_UNREADABLE for damage that HDF5 itself reports.
 */
export async function openHdf5(file: string | FileRange): Promise<Hdf5File> {
  const range = typeof file === 'string' ? openHdf5Range(file) : asHdf5(file);
  const name = `/${++opened}.h5`;
  try {
    const module = await loadModule();
    return mounted(module, name, range);
  } catch (error) {
    closeSync(range.fd);
    throw error;
  }
}

function mounted(module: Hdf5Module, name: string, range: FileRange): Hdf5File {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- h5wasm's types leave out most of Emscripten's file system
  const reading = mountRange(module.FS as unknown as FileSystem, name, range);
  try {
    const low = module.H5F_LIBVER_EARLIEST;
    const id = guard(range, '/', () =>
      module.open(name, module.H5F_ACC_RDONLY, false, low, module.H5F_LIBVER_LATEST),
    );
    return new OpenHdf5({ module, id, range, name, reading });
  } catch (error) {
    module.FS.unlink(name);
    throw error;
  }
}

interface Handle {
  readonly module: Hdf5Module;
  readonly id: bigint;
  readonly range: FileRange;
  readonly name: string;
  readonly reading: Reading;
}

class OpenHdf5 implements Hdf5File {
  readonly file: string;
  readonly #handle: Handle;
  readonly #members = new Map<string, readonly string[]>();
  readonly #types = new Map<string, number>();
  #isOpen = true;

  constructor(handle: Handle) {
    this.#handle = handle;
    this.file = handle.range.file;
  }

  kind(path: string): 'group' | 'dataset' | undefined {
    const { module } = this.#handle;
    let at = '';
    let type: number = module.H5G_GROUP;
    for (const part of path.split('/').filter((name) => name !== '')) {
      if (type !== module.H5G_GROUP || !this.members(at || '/').includes(part)) return undefined;
      at = `${at}/${part}`;
      type = this.#typeOf(at);
    }
    if (type === module.H5G_GROUP) return 'group';
    return type === module.H5G_DATASET ? 'dataset' : undefined;
  }

  members(group: string): readonly string[] {
    const { module, id } = this.#handle;
    const known = this.#members.get(group);
    if (known) return known;
    const names = this.#guard(group, () => module.get_names(id, group, false));
    this.#members.set(group, names);
    return names;
  }

  attributeNames(path: string): readonly string[] {
    const { module, id } = this.#handle;
    if (!this.kind(path)) return [];
    return this.#guard(path, () => module.get_attribute_names(id, path));
  }

  attribute(path: string, name: string): AttributeValue | undefined {
    if (!this.attributeNames(path).includes(name)) return undefined;
    return this.#guard(`${path}@${name}`, () => readAttribute(this.#handle, path, name));
  }

  dataset(path: string): TensorSource {
    const { module, id, range } = this.#handle;
    if (this.kind(path) !== 'dataset') {
      throw new ToolkitError(
        'KERAS_WEIGHT_MISSING',
        'The file names a weight that it does not hold',
        {
          where: { file: this.file, path },
          hint: 'The file is incomplete: save it again.',
        },
      );
    }
    const metadata = this.#guard(path, () => {
      if (hasExternalStorage(range, addressOf(this.#handle, path)))
        throw unsafe(range.file, path, 'an external data file');
      return module.get_dataset_metadata(id, path);
    });
    if (metadata.virtual_sources) throw unsafe(this.file, path, 'a virtual dataset');
    const shape = metadata.shape ?? [];
    const dtype = this.#dtypeOf(path, metadata);
    checkSize(range, path, {
      bytes: sizeOf(shape) * dtypeBytes[dtype],
      isChunked: !!metadata.chunks,
    });
    return sourceOf(dtype, shape, (start, count, into) =>
      this.#guard(path, () =>
        readRange(this.#handle, { path, shape, dtype }, { start, count, into }),
      ),
    );
  }

  close(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    const { module, id, range, name } = this.#handle;
    try {
      guard(range, '/', () => module.close_file(id));
    } finally {
      module.FS.unlink(name);
      closeSync(range.fd);
    }
  }

  #dtypeOf(path: string, metadata: { type: number; size: number; signed: boolean }): DType {
    const { H5T_FLOAT, H5T_INTEGER } = this.#handle.module.H5T_class_t;
    const bits = metadata.size * 8;
    if (metadata.type === H5T_FLOAT.value) {
      const found = (['float16', 'float32', 'float64'] as const).find((t) => t === `float${bits}`);
      if (found) return found;
    }
    if (metadata.type === H5T_INTEGER.value) {
      const name = `${metadata.signed ? 'int' : 'uint'}${bits}`;
      const found = Object.keys(dtypeBytes).find((dtype): dtype is DType => dtype === name);
      if (found) return found;
    }
    const isOpaque = metadata.type === this.#handle.module.H5T_class_t.H5T_OPAQUE.value;
    // Only the files of Keras 3's own layout say which type this is; no other of two bytes is written as opaque.
    if (isOpaque && metadata.size === 2 && isBfloat16(this.attribute(path, 'dtype'))) {
      return 'bfloat16';
    }
    throw new ToolkitError(
      'FILE_UNREADABLE',
      `Expected numbers, but found HDF5 type ${metadata.type} of ${metadata.size} bytes`,
      { where: { file: this.file, path }, hint: 'Save the model in float32 and try again.' },
    );
  }

  /** Looked up once: every path goes through the groups above it. */
  #typeOf(path: string): number {
    const { module, id } = this.#handle;
    const known = this.#types.get(path);
    if (known !== undefined) return known;
    this.#refuseLink(path);
    const type = this.#guard(path, () => module.get_type(id, path));
    this.#types.set(path, type);
    return type;
  }

  #refuseLink(path: string): void {
    const { module, id } = this.#handle;
    const isLink = this.#guard(path, () => {
      // For other links the one gives null and the other an object without keys, whatever h5wasm's types say.
      const isSoft = Boolean(module.get_symbolic_link(id, path));
      return isSoft || 'filename' in module.get_external_link(id, path);
    });
    if (isLink) throw unsafe(this.file, path, 'a link to another place');
  }

  #guard<T>(path: string, work: () => T): T {
    if (!this.#isOpen) throw new Error(`Bug: ${this.file} was read after it was closed`);
    return guard(this.#handle.range, path, work);
  }
}

function isBfloat16(stated: AttributeValue | undefined): boolean {
  return stated === undefined || stated === 'bfloat16';
}

/** HDF5 gives little-endian numbers whatever the file has. */
interface Layout {
  readonly path: string;
  readonly shape: readonly number[];
  readonly dtype: DType;
}

interface ElementRange {
  readonly start: number;
  readonly count: number;
  readonly into: Uint8Array | undefined;
}

/** A flat element range as hyperslabs, copied out of HDF5's memory. */
function readRange(
  handle: Handle,
  layout: Layout,
  { start, count, into }: ElementRange,
): Uint8Array {
  const { module, id, reading } = handle;
  const width = dtypeBytes[layout.dtype];
  const out = into ? into.subarray(0, count * width) : new Uint8Array(count * width);
  reading.isStructure = false;
  try {
    return withMemory(module, out.length, (pointer) => {
      let done = 0;
      for (const { offset, size } of slabs(layout.shape, start, count)) {
        const isScalar = size.length === 0;
        const counts = isScalar ? null : size.map(BigInt);
        const offsets = isScalar ? null : offset.map(BigInt);
        const strides = isScalar ? null : size.map(() => 1n);
        module.get_dataset_data(id, layout.path, counts, offsets, strides, BigInt(pointer));
        const bytes = sizeOf(size) * width;
        out.set(module.HEAPU8.subarray(pointer, pointer + bytes), done);
        done += bytes;
      }
      return out;
    });
  } finally {
    reading.isStructure = true;
  }
}

/** Where an object's header lies in the range. */
function addressOf({ module, id, range }: Handle, path: string): number {
  const reference = Buffer.from(module.create_object_reference(id, path));
  return range.base + reference.readUIntLE(0, 6);
}

/** Strings are decoded as UTF-8 whatever the file declares: Keras on Python 2 wrote UTF-8 bytes as "ASCII". */
function readAttribute(handle: Handle, path: string, name: string): AttributeValue {
  const { module, id, range } = handle;
  const metadata = module.get_attribute_metadata(id, path, name);
  if (!metadata.shape || metadata.total_size === 0) return [];
  const bytes = metadata.size * metadata.total_size;
  const claimed = metadata.vlen
    ? claimedStringBytes(range, addressOf(handle, path), { name, count: metadata.total_size })
    : bytes;
  if (Math.max(bytes, claimed) > range.length) {
    throw new Error(`an attribute claims ${Math.max(bytes, claimed)} bytes`);
  }
  const { H5T_STRING, H5T_INTEGER, H5T_FLOAT } = module.H5T_class_t;
  const kinds = new Map<number, AttributeType['kind']>([
    [H5T_STRING.value, 'string'],
    [H5T_INTEGER.value, 'integer'],
    [H5T_FLOAT.value, 'float'],
  ]);
  const type = { ...metadata, kind: kinds.get(metadata.type) };
  const values = withMemory(module, bytes, (pointer) => {
    module.get_attribute_data(id, path, name, BigInt(pointer));
    const data = module.HEAPU8.slice(pointer, pointer + bytes);
    const found = attributeValues(data, type, (at) => module.UTF8ToString(at));
    if (metadata.vlen) module.reclaim_vlen_memory(id, path, name, BigInt(pointer));
    return found;
  });
  const [only] = values;
  return metadata.shape.length === 0 && only !== undefined ? only : values;
}
