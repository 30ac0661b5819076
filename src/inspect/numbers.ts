/** A whole number with commas: 138,357,544. */
export function countText(number: number): string {
  return number.toLocaleString('en-US');
}

/** Bytes in the largest binary unit that leaves at least 1: 527.8 MiB. */
export function bytesText(bytes: number): string {
  const power = Math.min(3, Math.floor(Math.log2(Math.max(bytes, 1)) / 10));
  const unit = ['B', 'KiB', 'MiB', 'GiB'][power] ?? 'B';
  return power === 0
    ? `${bytes} B`
    : `${(bytes / 1024 ** power).toFixed(power === 3 ? 2 : 1)} ${unit}`;
}
