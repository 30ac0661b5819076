/** float32 numbers as a NumPy v1 file. */
export function encodeNpy(array: {
  readonly shape: readonly number[];
  readonly data: Float32Array;
}): Uint8Array {
  const dict = `{'descr': '<f4', 'fortran_order': False, 'shape': (${array.shape.join(', ')},), }`;
  // Magic, version 1.0, length; the header ends in a newline and at a multiple of 64 bytes.
  const header = dict.padEnd(Math.ceil((dict.length + 11) / 64) * 64 - 11);
  const start = Buffer.from(`\u0093NUMPY\u0001\u0000..${header}\n`, 'latin1');
  start.writeUInt16LE(header.length + 1, 8);
  return Buffer.concat([start, new Uint8Array(array.data.slice().buffer)]);
}
