/**
 * The same GIF with the transparent colour of its first frame made opaque.
 *
 * Pillow's `convert('RGB')` shows the palette's colour where a pixel is transparent; a decoder that honours
 * transparency shows black there. Source: GIF89a specification, section 23 (Graphic Control Extension).
 */
export function withoutTransparency(bytes: Uint8Array): Uint8Array {
  const at = transparencyFlag(bytes);
  if (at === undefined) return bytes;
  const opaque = bytes.slice();
  opaque[at] = (opaque[at] ?? 0) & 0xfe;
  return opaque;
}

/** Where the flags of the first frame's Graphic Control Extension lie, if it has one with a transparent colour. */
function transparencyFlag(bytes: Uint8Array): number | undefined {
  const screen = bytes[10] ?? 0;
  let at = 13 + (screen & 0x80 ? 3 * 2 ** ((screen & 7) + 1) : 0);
  while (bytes[at] === 0x21) {
    if (bytes[at + 1] === 0xf9 && ((bytes[at + 3] ?? 0) & 1) === 1) return at + 3;
    at += 2;
    for (let length = bytes[at] ?? 0; length > 0; length = bytes[at] ?? 0) at += length + 1;
    at += 1;
  }
  return undefined;
}
