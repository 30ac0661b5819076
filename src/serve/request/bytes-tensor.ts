import { invalid } from './check.ts';

/** Every element is preceded by its length in this many bytes, little-endian. */
const prefixBytes = 4;

/**
 * Takes a BYTES tensor apart: elements, each preceded by its length as uint32, little-endian; as views.
 *
 * Throws REQUEST_INVALID. Source: the binary tensor data extension.
 */
export function readBytesTensor(
  bytes: Uint8Array,
  { name, count }: { readonly name: string; readonly count: number },
): readonly Uint8Array[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const elements: Uint8Array[] = [];
  let at = 0;
  while (at < bytes.byteLength) {
    const left = bytes.byteLength - at - prefixBytes;
    const length = left < 0 ? 0 : view.getUint32(at, true);
    if (left < 0 || length > left) {
      throw invalid(
        `element ${elements.length} of input '${name}': before each element its length is expected, in 4 bytes ` +
          `little-endian, but ${left < 0 ? 'fewer are left' : `it says ${length} and ${left} are left`}`,
      );
    }
    if (elements.length === count) break;
    elements.push(bytes.subarray(at + prefixBytes, at + prefixBytes + length));
    at += prefixBytes + length;
  }
  if (elements.length === count && at === bytes.byteLength) return elements;
  throw invalid(
    `input '${name}' has ${at < bytes.byteLength ? 'more than ' : ''}${elements.length} elements, but its shape wants ${count}`,
  );
}

/** The elements, each preceded by its length. */
export function writeBytesTensor(elements: readonly Uint8Array[]): Uint8Array {
  const total = elements.reduce((sum, { byteLength }) => sum + prefixBytes + byteLength, 0);
  const bytes = new Uint8Array(total);
  const view = new DataView(bytes.buffer);
  let at = 0;
  for (const element of elements) {
    view.setUint32(at, element.byteLength, true);
    bytes.set(element, at + prefixBytes);
    at += prefixBytes + element.byteLength;
  }
  return bytes;
}
