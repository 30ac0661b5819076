/** A picture as bytes 0..255, row by row from the top: [height, width, channels], channels RGB or one of grey. */
export interface Pixels {
  readonly width: number;
  readonly height: number;
  readonly channels: 1 | 3;
  readonly data: Uint8Array;
}

/** RGB from samples of 1 (grey), 2 (grey, alpha), 3 or 4 (RGB, alpha) channels. Alpha is dropped, not blended, as by Pillow's `convert('RGB')`. */
export function rgbOf(samples: Uint8Array, channels: number): Uint8Array {
  if (channels === 3) return samples;
  const count = samples.length / channels;
  const rgb = new Uint8Array(count * 3);
  const green = channels < 3 ? 0 : 1;
  const blue = channels < 3 ? 0 : 2;
  for (let i = 0, from = 0, to = 0; i < count; i++, from += channels, to += 3) {
    rgb[to] = samples[from] ?? 0;
    rgb[to + 1] = samples[from + green] ?? 0;
    rgb[to + 2] = samples[from + blue] ?? 0;
  }
  return rgb;
}

/** RGB from CMYK by plain (255 - C)(255 - K)/255, without a colour profile. Source: Pillow, Convert.c, cmyk2rgb. */
export function rgbOfCmyk(cmyk: Uint8Array, channels: number): Uint8Array {
  const rgb = new Uint8Array((cmyk.length / channels) * 3);
  for (let from = 0, to = 0; from < cmyk.length; from += channels, to += 3) {
    const white = 255 - (cmyk[from + 3] ?? 0);
    for (let c = 0; c < 3; c++) {
      const product = (cmyk[from + c] ?? 0) * white + 128;
      rgb[to + c] = white - (((product >> 8) + product) >> 8);
    }
  }
  return rgb;
}

/**
 * Bytes from 16-bit samples. Grey is clipped to 255 (nearly every picture becomes white) and colour takes the high
 * byte: that is what Pillow does, and what every model that Keras trained on such files has seen.
 */
export function bytesOfWords(words: Uint16Array, channels: number): Uint8Array {
  const bytes = new Uint8Array(words.length);
  const isGrey = channels === 1;
  for (let i = 0; i < words.length; i++) {
    const word = words[i] ?? 0;
    bytes[i] = isGrey ? Math.min(word, 255) : word >> 8;
  }
  return bytes;
}

/** Bytes from floating-point samples: cut off below the point and clipped to 0..255. Source: Pillow, Convert.c, f2l. */
export function bytesOfFloats(floats: Float32Array): Uint8Array {
  return Uint8Array.from(floats, (value) => Math.max(0, Math.min(255, Math.trunc(value))));
}

/** One channel of grey by ITU-R 601-2 luma in fixed point. Source: Pillow, Convert.c, L24. */
export function greyOf(pixels: Pixels): Pixels {
  if (pixels.channels === 1) return pixels;
  const { data } = pixels;
  const grey = new Uint8Array(pixels.width * pixels.height);
  for (let i = 0, from = 0; i < grey.length; i++, from += 3) {
    const red = data[from] ?? 0;
    const green = data[from + 1] ?? 0;
    const blue = data[from + 2] ?? 0;
    grey[i] = (red * 19595 + green * 38470 + blue * 7471 + 0x8000) >> 16;
  }
  return { ...pixels, channels: 1, data: grey };
}
