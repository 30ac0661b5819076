/** What kind of elements an attribute has, in HDF5's terms. */
export interface AttributeType {
  readonly kind: 'string' | 'integer' | 'float' | undefined;
  /** Bytes an element; of a variable-length string, of the pointer to it. */
  readonly size: number;
  readonly vlen: boolean;
  readonly signed: boolean;
}

/** Decodes the elements of an attribute; none for kinds that Keras never writes. `textAt` follows a pointer. */
export function attributeValues(
  data: Uint8Array,
  type: AttributeType,
  textAt: (pointer: number) => string,
): readonly string[] | readonly number[] {
  const { kind, size, vlen } = type;
  const places = Array.from({ length: Math.floor(data.length / size) }, (_, i) => i * size);
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  if (kind === 'string' && vlen) return places.map((at) => textAt(view.getUint32(at, true)));
  if (kind === 'string') return places.map((at) => fixedText(data.subarray(at, at + size)));
  if (kind === 'integer') return places.map((at) => integerAt(view, at, type));
  if (kind === 'float' && size === 8) return places.map((at) => view.getFloat64(at, true));
  if (kind === 'float' && size === 4) return places.map((at) => view.getFloat32(at, true));
  return [];
}

function fixedText(bytes: Uint8Array): string {
  const end = bytes.indexOf(0);
  return new TextDecoder().decode(end < 0 ? bytes : bytes.subarray(0, end));
}

function integerAt(view: DataView, at: number, { size, signed }: AttributeType): number {
  if (size === 8) return Number(signed ? view.getBigInt64(at, true) : view.getBigUint64(at, true));
  if (size === 4) return signed ? view.getInt32(at, true) : view.getUint32(at, true);
  if (size === 2) return signed ? view.getInt16(at, true) : view.getUint16(at, true);
  return signed ? view.getInt8(at) : view.getUint8(at);
}
