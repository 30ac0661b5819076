import { crc32, deflateRawSync } from 'node:zlib';

/** A .npy file, as numpy.save writes version 1. */
export function npy(
  descr: string,
  shape: readonly number[],
  data: Buffer,
  isFortran = false,
): Buffer {
  const tuple = shape.length === 1 ? `(${shape[0]},)` : `(${shape.join(', ')})`;
  const order = isFortran ? 'True' : 'False';
  const text = `{'descr': '${descr}', 'fortran_order': ${order}, 'shape': ${tuple}, }`;
  const header = `${text.padEnd(Math.ceil((text.length + 11) / 64) * 64 - 11)}\n`;
  const length = Buffer.alloc(2);
  length.writeUInt16LE(header.length);
  return Buffer.concat([
    Buffer.from('\x93NUMPY\x01\x00', 'latin1'),
    length,
    Buffer.from(header),
    data,
  ]);
}

/** float32 numbers as a .npy file. */
export function floats(shape: readonly number[], numbers: readonly number[]): Buffer {
  return npy('<f4', shape, Buffer.from(Float32Array.from(numbers).buffer));
}

/** An .npz file, as numpy.savez_compressed writes it. Source: PKWARE's APPNOTE, 4.3. */
export function npz(arrays: Readonly<Record<string, Buffer>>): Buffer {
  const [locals, centrals]: [Buffer[], Buffer[]] = [[], []];
  let offset = 0;
  for (const [name, bytes] of Object.entries(arrays)) {
    const path = Buffer.from(`${name}.npy`);
    const packed = deflateRawSync(bytes);
    const common = Buffer.alloc(26);
    common.writeUInt16LE(20, 0);
    common.writeUInt16LE(8, 4);
    common.writeUInt32LE(crc32(bytes), 10);
    common.writeUInt32LE(packed.length, 14);
    common.writeUInt32LE(bytes.length, 18);
    common.writeUInt16LE(path.length, 22);
    const place = Buffer.alloc(14);
    place.writeUInt32LE(offset, 10);
    locals.push(Buffer.concat([Buffer.from('PK\x03\x04'), common, path, packed]));
    centrals.push(
      Buffer.concat([Buffer.from('PK\x01\x02\x14\x00', 'latin1'), common, place, path]),
    );
    offset += locals.at(-1)?.length ?? 0;
  }
  const directory = Buffer.concat(centrals);
  const end = Buffer.alloc(22);
  end.write('PK\x05\x06', 'latin1');
  end.writeUInt16LE(centrals.length, 8);
  end.writeUInt16LE(centrals.length, 10);
  end.writeUInt32LE(directory.length, 12);
  end.writeUInt32LE(offset, 16);
  return Buffer.concat([...locals, directory, end]);
}
