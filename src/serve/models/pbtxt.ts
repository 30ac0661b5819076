/** A message in protobuf's text form: the values of each field, in order. */
export interface TextMessage {
  readonly [field: string]: readonly TextValue[];
}

/** A value: words and numbers as they are spelled, strings without their quotes, messages. */
export type TextValue = string | TextMessage;

const tokenPattern =
  /\s+|#[^\n]*|(?<text>"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')|(?<word>[A-Za-z0-9_.+-]+)|(?<sign>[{}[\]<>:,;])/y;

interface Token {
  readonly kind: 'text' | 'word' | 'sign' | 'end';
  readonly value: string;
  readonly line: number;
}

/** Why a text is no message; the line is in it. */
export class TextFault extends Error {}

/**
 * Reads protobuf's text form, without a schema: `name: value`, `name { … }`, `name: [ … ]`, comments with `#`.
 *
 * Throws TextFault. Source: the protobuf text format language specification.
 */
export function parseText(text: string): TextMessage {
  const tokens = new Tokens(tokensOf(text));
  const message = messageUntil(tokens, 'end', 0);
  return message;
}

function tokensOf(text: string): Token[] {
  const found: Token[] = [];
  let line = 1;
  tokenPattern.lastIndex = 0;
  while (tokenPattern.lastIndex < text.length) {
    const start = tokenPattern.lastIndex;
    const match = tokenPattern.exec(text);
    if (!match) throw new TextFault(`line ${line}: unexpected ${JSON.stringify(text[start])}`);
    const { text: quoted, word, sign } = match.groups ?? {};
    if (quoted !== undefined) found.push({ kind: 'text', value: unquoted(quoted), line });
    else if (word !== undefined) found.push({ kind: 'word', value: word, line });
    else if (sign !== undefined) found.push({ kind: 'sign', value: sign, line });
    line += match[0].split('\n').length - 1;
  }
  found.push({ kind: 'end', value: 'the end', line });
  return found;
}

const escapes: Readonly<Record<string, string>> = { n: '\n', t: '\t', r: '\r' };

function unquoted(quoted: string): string {
  return quoted
    .slice(1, -1)
    .replaceAll(/\\(.)/gs, (_, letter: string) => escapes[letter] ?? letter);
}

class Tokens {
  readonly #tokens: readonly Token[];
  #at = 0;

  constructor(tokens: readonly Token[]) {
    this.#tokens = tokens;
  }

  get next(): Token {
    return this.#tokens[this.#at] ?? { kind: 'end', value: 'the end', line: 0 };
  }

  take(): Token {
    const token = this.next;
    this.#at += 1;
    return token;
  }

  /** Takes a sign if it is the next one. */
  takes(sign: string): boolean {
    const isNext = this.next.kind === 'sign' && this.next.value === sign;
    if (isNext) this.#at += 1;
    return isNext;
  }
}

const closing: Readonly<Record<string, string>> = { '{': '}', '<': '>' };
const deepest = 50;

function messageUntil(tokens: Tokens, end: string, depth: number): TextMessage {
  if (depth > deepest) throw new TextFault(`line ${tokens.next.line}: nested too deeply`);
  const fields = new Map<string, TextValue[]>();
  for (;;) {
    if (end === 'end' ? tokens.next.kind === 'end' : tokens.takes(end)) break;
    const name = tokens.take();
    if (name.kind !== 'word') {
      throw new TextFault(`line ${name.line}: a field's name is expected, not "${name.value}"`);
    }
    const hasColon = tokens.takes(':');
    const values = fieldValues(tokens, hasColon, depth);
    fields.set(name.value, [...(fields.get(name.value) ?? []), ...values]);
    if (!tokens.takes(',')) tokens.takes(';');
  }
  return Object.fromEntries(fields);
}

function fieldValues(tokens: Tokens, hasColon: boolean, depth: number): TextValue[] {
  if (!tokens.takes('[')) return [oneValue(tokens, hasColon, depth)];
  const values: TextValue[] = [];
  while (!tokens.takes(']')) {
    values.push(oneValue(tokens, true, depth));
    tokens.takes(',');
  }
  return values;
}

function oneValue(tokens: Tokens, hasColon: boolean, depth: number): TextValue {
  const { kind, value, line } = tokens.take();
  const close = kind === 'sign' ? closing[value] : undefined;
  if (close !== undefined) return messageUntil(tokens, close, depth + 1);
  if (kind === 'sign' || kind === 'end' || !hasColon) {
    throw new TextFault(`line ${line}: a value is expected, not "${value}"`);
  }
  if (kind === 'word') return value;
  let text = value;
  // Strings that follow each other are one.
  while (tokens.next.kind === 'text') text += tokens.take().value;
  return text;
}
