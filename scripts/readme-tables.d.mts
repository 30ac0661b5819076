/** For each generation of Keras, what became of the layers of its files, by class name. */
export type Results = Readonly<Record<string, Readonly<Record<string, 'converted' | 'refused'>>>>;

export function withLayerTable(
  readme: string,
  classes: readonly string[],
  results: Results,
): string;
