import { compileFunction, type WasmFunction, wasmMemory } from '../../wasm.ts';

/** Memory that WebAssembly's functions reach by addresses, and JavaScript as arrays over the same bytes. */
export class FunctionMemory {
  readonly #memory;
  #used = 0;

  /** Bytes that nothing was written to cost no memory yet. */
  constructor(bytes: number) {
    this.#memory = wasmMemory(bytes);
  }

  /** Numbers in memory, all 0, from a multiple of 16 bytes on. Their `byteOffset` is their address. */
  floats(length: number): Float32Array {
    const numbers = new Float32Array(this.#memory.buffer, this.#used, length);
    this.#used += floatBytes(length);
    return numbers;
  }

  /** A function over this memory. */
  function(of: WasmFunction): (...numbers: number[]) => void {
    return compileFunction(of, this.#memory);
  }
}

/** The most bytes that an address reaches. */
export const mostBytes = 2 ** 32;

/** What so many numbers take, up to the next multiple of 64 bytes: a line of the processor's cache. */
export function floatBytes(length: number): number {
  return Math.ceil(length / 16) * 64;
}
