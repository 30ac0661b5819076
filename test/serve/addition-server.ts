import { temporaryFolder } from '../files.ts';
import { post, type Reply } from './http.ts';
import { addition, at } from './models.ts';
import { bundledWorker, sharedServer, startServer } from './server.ts';

/** The input of the model `add`, of these numbers. */
export const x = (data: unknown, shape = [1, 3]): object => ({
  name: 'x',
  shape,
  datatype: 'FP32',
  data,
});

/** A server with the model `add`, as tests of one file share it, or one of their own with other options; where it infers. */
export function additionServer() {
  const workers = bundledWorker();
  const shared = sharedServer({ workers }, async (folder) => addition(at(folder, 'add')));
  const addServer = async (more?: object): Promise<string> => {
    if (!more) return `${shared()}/v2/models/add/infer`;
    const folder = temporaryFolder();
    await addition(at(folder, 'add'));
    const { url } = await startServer({ models: [folder], workers, ...more });
    return `${url}/v2/models/add/infer`;
  };
  return { workers, addServer };
}

/** What a model answers to x = 1, 2, 3. */
export const ask = async (url: string, model = 'add'): Promise<Reply> =>
  post(`${url}/v2/models/${model}/infer`, { inputs: [x([1, 2, 3])] });

/** The first number of that answer, or the status where there is none. */
export async function first(url: string, model = 'add'): Promise<unknown> {
  const { inferred, status } = await ask(url, model);
  return inferred?.outputs[0]?.data?.[0] ?? status;
}
