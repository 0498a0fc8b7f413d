/** The data folder that a command works on: never a default, since it may be the wrong one. */
import { RmqError } from '../../protocol/errors.ts';

/** @throws RmqError USAGE */
export function requireData(data: string | undefined): string {
  if (data !== undefined) return data;
  throw new RmqError('USAGE', 'no data folder is named', {
    hint: 'name it with --data, as rmq start does',
  });
}
