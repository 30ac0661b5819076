/** What Emscripten offers of its memory. */
interface Memory {
  _malloc(bytes: number): number;
  _free(pointer: number): void;
}

/** Lends `bytes` of HDF5's memory to `work`. */
export function withMemory<T>(module: Memory, bytes: number, work: (pointer: number) => T): T {
  // oxlint-disable-next-line eslint/no-underscore-dangle -- Emscripten's name
  const pointer = module._malloc(Math.max(1, bytes));
  if (pointer === 0) throw new Error(`no memory for ${bytes} bytes`);
  try {
    return work(pointer);
  } finally {
    // oxlint-disable-next-line eslint/no-underscore-dangle -- Emscripten's name
    module._free(pointer);
  }
}
