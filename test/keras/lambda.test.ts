import { expect, test } from 'vitest';
import { functionNameOf } from '../../src/keras/lambda.ts';

function long(text: string): string {
  return `${String.fromCharCode(text.length)}\x00\x00\x00${text}`;
}

function short(text: string): string {
  return `${String.fromCharCode(text.length)}${text}`;
}

/** End of a code object as CPython marshals it: file, name, first line, line table. */
function code(name: string, { isPython2 = false } = {}): string {
  const texts = isPython2
    ? `s${long('vgg.py')}t${long(name)}`
    : `\xfa${short('vgg.py')}\xda${short(name)}`;
  return `\xe3${'\x01\x00\x00\x00'.repeat(4)}S)\x03N${texts}\x07\x00\x00\x00s\x04\x00\x00\x00\x00\x01\x08\x01`;
}

test('finds the name at the end of the code of Python 2 and 3', () => {
  expect(functionNameOf([code('vgg_preprocess'), null, null], 'lambda')).toBe('vgg_preprocess');
  expect(functionNameOf(code('vgg_preprocess', { isPython2: true }), 'lambda')).toBe(
    'vgg_preprocess',
  );
});

test('finds it in base64, as Keras 2 saves code', () => {
  const text = `${Buffer.from(code('vgg_preprocess'), 'latin1').toString('base64')}\n`;
  expect(functionNameOf([text, null, null], 'lambda')).toBe('vgg_preprocess');
});

test('takes a function that is saved by name', () => {
  expect(functionNameOf('vgg_preprocess', 'function')).toBe('vgg_preprocess');
  expect(functionNameOf({ class_name: 'function', config: 'scale' }, undefined)).toBe('scale');
});

test('finds nothing in a nameless function, in bytes cut short, or in nothing', () => {
  expect(functionNameOf([code('<lambda>'), null, null], 'lambda')).toBeUndefined();
  expect(
    functionNameOf([code('vgg_preprocess').slice(0, -1), null, null], 'lambda'),
  ).toBeUndefined();
  expect(functionNameOf('', 'lambda')).toBeUndefined();
  expect(functionNameOf(null, undefined)).toBeUndefined();
});
