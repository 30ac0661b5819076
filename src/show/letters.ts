/**
 * A small font of strokes, so that titles are drawn the same on machines without fonts.
 *
 * Each letter is a few lines; a line is a row of points; a point is two digits, x and y. Capitals reach from y 0 to the
 * base line at 6, small letters begin at 2, tails end at 8.
 */
const strokes: Readonly<Record<string, string>> = {
  A: '062046 1434',
  B: '0006 003041423303 3344453606',
  C: '4130100105163645',
  D: '00062644422000',
  E: '40000646 0333',
  F: '400006 0333',
  G: '41301001051636454323',
  H: '0006 4046 0343',
  I: '0020 1016 0626',
  J: '4045361605',
  K: '0006 400346',
  L: '000646',
  M: '0600346066',
  N: '06004640',
  O: '100105163645413010',
  P: '06003041423303',
  Q: '100105163645413010 2446',
  R: '06003041423303 2346',
  S: '413010010213334445361605',
  T: '0040 2026',
  U: '000516364540',
  V: '002640',
  W: '0016325660',
  X: '0046 4006',
  Y: '002340 2326',
  Z: '00400646',
  a: '4332120305163645 4246',
  b: '0006 0312324345361605',
  c: '4332120305163645',
  d: '4046 4332120305163645',
  e: '04444332120305163645',
  f: '30201116 0232',
  g: '4332120305163645 4247381807',
  h: '0006 0312324346',
  i: '0206 0000',
  j: '121708 1010',
  k: '0006 320436',
  l: '000516',
  m: '0206 0312223336 3342526366',
  n: '0206 0312324346',
  o: '120305163645433212',
  p: '0208 0312324345361605',
  q: '4248 4332120305163645',
  r: '0206 031232',
  s: '43321203143445361605',
  t: '10152636 0232',
  u: '0205163645 4246',
  v: '022642',
  w: '0216335662',
  x: '0246 4206',
  y: '0226 4218',
  z: '02420646',
  0: '100105163645413010',
  1: '012026 0636',
  2: '01103041420646',
  3: '0110304142334445361605 1333',
  4: '36300444',
  5: '400002324345361605',
  6: '413010010516364544331304',
  7: '0040412426',
  8: '103041423313020110 1304051636454433',
  9: '051636454130100102133342',
  '.': '0606',
  ',': '1607',
  ':': '0303 0606',
  ';': '1313 1607',
  '!': '0004 0606',
  '?': '01103041422324 2626',
  "'": '0002',
  '"': '0002 2022',
  '(': '20020527',
  ')': '00222507',
  '[': '20000727',
  ']': '00202707',
  '{': '302011130415172838',
  '}': '001021233425271808',
  '-': '0333',
  _: '0747',
  '+': '0343 2125',
  '=': '0242 0444',
  '/': '4007',
  '\\': '0047',
  '|': '0008',
  '*': '2125 0244 4204',
  '%': '1001122110 4435465544 5006',
  '#': '1016 3036 0242 0444',
  $: '413010010213334445361605 2027',
  '&': '4612112031320405162644',
  '@': '3425142333344441301001051636',
  '<': '310335',
  '>': '013305',
  '^': '022042',
  '~': '04133443',
  '`': '0011',
  '…': '0606 2626 4646',
  ' ': '',
};

const space = 2.4;
const gap = 1.7;
/** Units of the grid for one unit of font size, so that the letters are about as large as those of a common font. */
const unitsPerSize = 8.4;
/** Width of a unit against its height: letters are higher than wide. */
const narrow = 0.86;

/** A line of text as an SVG path that is to be stroked, and how wide it is. */
export interface WrittenLine {
  /** Begins at x 0; the base line is at y 0. */
  readonly path: string;
  readonly width: number;
}

/** Text in strokes, accents left off; `undefined` where it has letters of another script than Latin. */
export function written(text: string, size: number): WrittenLine | undefined {
  const letters = Array.from(text.normalize('NFKD').replaceAll(/\p{M}/gu, ''));
  if (letters.some((letter) => strokes[letter] === undefined)) return undefined;
  const scale = size / unitsPerSize;
  let x = 0;
  const parts: string[] = [];
  for (const letter of letters) {
    const points = strokes[letter] ?? '';
    parts.push(...points.split(' ').map((line) => pathOf(line, x, scale)));
    x += widthOf(points) + gap;
  }
  return { path: parts.join(''), width: Math.max(0, x - gap) * scale * narrow };
}

function pathOf(line: string, left: number, scale: number): string {
  const points = [...line.matchAll(/(\d)(\d)/g)].map(([, x, y]) => {
    return `${round((Number(x) + left) * scale * narrow)} ${round((Number(y) - 6) * scale)}`;
  });
  // A line from a point to itself is drawn as a dot.
  return points.length === 0 ? '' : `M${points.join('L')}`;
}

function widthOf(points: string): number {
  const columns = [...points.matchAll(/(\d)\d/g)].map(([, x]) => Number(x));
  return columns.length === 0 ? space : Math.max(...columns);
}

function round(value: number): number {
  return Math.round(value * 100) / 100;
}
