import type { z } from 'zod';
import { ToolkitError } from '../../errors.ts';

/** One part of an option's text: `name`, or `name=value`. */
interface Item {
  readonly name: string;
  readonly value: string | undefined;
}

/** Splits at a character where no bracket is open: `a=1,b=f(c=2,d=3)` has two parts. */
export function splitOutside(text: string, separator: string): readonly string[] {
  const parts: string[] = [''];
  let depth = 0;
  for (const character of text) {
    if (character === '(' || character === '[') depth += 1;
    if (character === ')' || character === ']') depth -= 1;
    if (character === separator && depth === 0) parts.push('');
    else parts[parts.length - 1] += character;
  }
  return parts.map((part) => part.trim()).filter((part) => part !== '');
}

/** Options as people write them on one line: names with values, separated by commas. */
export function itemsOf(text: string): readonly Item[] {
  return splitOutside(text, ',').map((part) => {
    const at = part.indexOf('=');
    if (at < 0) return { name: part, value: undefined };
    return { name: part.slice(0, at).trim(), value: part.slice(at + 1).trim() };
  });
}

/** `name(a=1,b=2)` as its name and what is in the brackets. */
export function callOf(text: string): { readonly name: string; readonly inside: string } {
  const match = /^([^(]*)\((.*)\)$/s.exec(text.trim());
  return match
    ? { name: (match[1] ?? '').trim(), inside: match[2] ?? '' }
    : { name: text.trim(), inside: '' };
}

/** A value as JSON would have it: numbers and lists of numbers, true (also for a name alone), false; else the text. */
export function plainValue(value: string | undefined): unknown {
  if (value === undefined || value === 'true') return true;
  if (value === 'false') return false;
  if (value.startsWith('[')) return splitOutside(value.slice(1, -1), ',').map(plainValue);
  return value !== '' && Number.isFinite(Number(value)) ? Number(value) : value;
}

/** What a schema makes of a value, or OPTION_INVALID saying where it is wrong. */
export function checked<T>(schema: z.ZodType<T>, value: unknown, what: string): T {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  throw new ToolkitError('OPTION_INVALID', `${what} is not right: ${reasons(result.error)}`, {
    hint: 'Correct it, or leave it out for the default.',
  });
}

function reasons(error: z.ZodError): string {
  return error.issues
    .map(({ path, message }) => (path.length > 0 ? `"${path.join('.')}": ${message}` : message))
    .join('; ');
}
