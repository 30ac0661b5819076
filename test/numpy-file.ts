/** The bytes of a NumPy v1 file. */
export function npyBytes(dtype: string, shape: readonly number[], data: ArrayBufferView): Buffer {
  const list = shape.map((dim) => `${dim},`).join(' ');
  const header = `{'descr': '${dtype}', 'fortran_order': False, 'shape': (${list}), }`;
  const padded = `${header.padEnd(117)}\n`;
  const length = Buffer.alloc(2);
  length.writeUInt16LE(padded.length);
  const numbers = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
  const magic = Buffer.from('\x93NUMPY\x01\x00', 'latin1');
  return Buffer.concat([magic, length, Buffer.from(padded), numbers]);
}
